// An experiment out of a request: YAML with variables in the address, or both in JSON.
#include "engine/base/json.hpp"
#include "engine/base/text.hpp"
#include "engine/serve/api.hpp"

namespace ordeal::serve {
namespace {

constexpr std::size_t kLongestName = 80;

Answer bad(std::string_view message) { return refusal(400, "bad_request", message); }

bool is_file_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestName || name[0] == '.' || name[0] == '-') return false;
  return name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
             "._-") == name.npos;
}

bool is_variable(std::string_view name) {
  return !name.empty() && name.find('=') == name.npos && name[0] != '-';
}

// Everything but the experiment itself, whether it came in JSON or in the address.
std::optional<Answer> take(Submission& out, const std::string& key, const std::string& value) {
  if (key == "file") {
    // A browser gives a name with whatever characters it has; it is only shown.
    if (!is_file_name(value)) return bad("file: a plain file name, such as shop.yaml");
    out.file = value;
  } else if (key == "mode") {
    if (value != "run" && value != "baseline-only" && value != "control") {
      return bad("mode: expected run, baseline-only or control");
    }
    out.mode = value;
  } else if (key == "seed") {
    if (!value.empty() && !whole_number(value)) return bad("seed: expected a whole number");
    out.seed = value;
  } else {
    return bad("unknown member " + printable(key, 60) +
               "; known are experiment, vars, file, mode, seed and yes");
  }
  return std::nullopt;
}

std::optional<Answer> take_member(Submission& out, const std::string& key,
                                  const boost::json::value& value) {
  if (key == "yes") {
    if (!value.is_bool()) return bad("yes: expected true or false");
    out.yes = value.get_bool();
    return std::nullopt;
  }
  if (key == "vars") {
    if (!value.is_object()) return bad("vars: expected an object of texts");
    for (const auto& [name, item] : value.get_object()) {
      if (!item.is_string() || !is_variable(name)) return bad("vars: expected an object of texts");
      out.vars[std::string(name)] = std::string(item.get_string());
    }
    return std::nullopt;
  }
  if (!value.is_string()) return bad(printable(key, 60) + ": expected a text");
  if (key == "experiment") {
    out.text = std::string(value.get_string());
    return std::nullopt;
  }
  return take(out, key, std::string(value.get_string()));
}

}  // namespace

Submitted read_submission(const Request& request) {
  Submitted out;
  if (request.content_type == "application/yaml") {
    out.submission.text = request.body;
    for (const auto& [name, value] : request.query) {
      constexpr std::string_view kVariable = "var.";
      if (name.starts_with(kVariable) && is_variable(name.substr(kVariable.size()))) {
        out.submission.vars[name.substr(kVariable.size())] = value;
      } else if (name == "yes") {
        out.submission.yes = value == "true";
      } else {
        out.refused = take(out.submission, name, value);
      }
      if (out.refused) return out;
    }
  } else {
    const auto value = json::parse(request.body);
    if (value.has_error() || !value.value().is_object()) {
      out.refused = bad("the body is no JSON object");
      return out;
    }
    for (const auto& [name, item] : value.value().get_object()) {
      out.refused = take_member(out.submission, std::string(name), item);
      if (out.refused) return out;
    }
  }
  if (out.submission.text.empty()) out.refused = bad("experiment: the YAML text is missing");
  return out;
}

}  // namespace ordeal::serve
