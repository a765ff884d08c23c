// `with`: what a fault's description says that a user may write, normalised as
// model::ParameterKind says, defaults filled in.
#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/json.hpp>

#include "engine/base/text.hpp"
#include "engine/model/parameters.hpp"
#include "engine/spec/context.hpp"

namespace ordeal::spec {
namespace {

namespace json = boost::json;
using model::Parameter;
using model::ParameterKind;

const std::vector<std::string>& signals() {
  static const std::vector<std::string> kSignals = {
      "KILL", "TERM", "INT",  "QUIT", "HUP", "ABRT",  "SEGV", "BUS", "FPE",    "ILL",  "PIPE",
      "ALRM", "USR1", "USR2", "TRAP", "SYS", "XCPU",  "XFSZ", "IO",  "VTALRM", "STOP", "CONT",
      "TSTP", "TTIN", "TTOU", "CHLD", "URG", "WINCH", "PROF", "PWR", "STKFLT"};
  return kSignals;
}

// Turns one value into its normalised form; reports what is wrong.
class Normaliser {
 public:
  Normaliser(Reader& reader, const Parameter& parameter, std::string what)
      : reader_(reader), parameter_(parameter), what_(std::move(what)) {}

  std::optional<json::value> value(const Node& node) {
    if (node.broken) return std::nullopt;
    switch (parameter_.kind) {
      case ParameterKind::duration: return number(node, reader_.duration(node, what_));
      case ParameterKind::percent: return number(node, reader_.percent(node, what_));
      case ParameterKind::bytes: return number(node, reader_.bytes(node, what_));
      case ParameterKind::bytes_or_percent: return bytes_or_percent(node);
      case ParameterKind::integer: return integer(node);
      case ParameterKind::boolean: return plain(reader_.boolean(node, what_));
      case ParameterKind::text: return plain(reader_.text(node, what_));
      case ParameterKind::choice: return plain(reader_.choice(node, what_, parameter_.choices));
      case ParameterKind::choices: return each(node, &Normaliser::one_choice);
      case ParameterKind::ports: return each(node, &Normaliser::one_port_range);
      case ParameterKind::addresses: return each(node, &Normaliser::one_address);
      case ParameterKind::path: return plain(reader_.path(node, what_));
      case ParameterKind::signal: return signal(node);
      case ParameterKind::restore: return restore(node);
      case ParameterKind::argv: return argv(node);
    }
    return std::nullopt;
  }

 private:
  std::nullopt_t fail(const Node& node, std::string_view text) {
    reader_.error(node.place, fmt::format("{}: {}", what_, text));
    return std::nullopt;
  }

  static std::optional<json::value> plain(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    return json::value(json::string(*text));
  }
  static std::optional<json::value> plain(const std::optional<bool>& flag) {
    if (!flag) return std::nullopt;
    return json::value(*flag);
  }

  bool in_range(const Node& node, std::int64_t value) {
    if (model::in_range(parameter_, value)) return true;
    fail(node, fmt::format("expected {}, found {}", model::range_of(parameter_), describe(node)));
    return false;
  }

  std::optional<json::value> number(const Node& node, std::optional<Duration> value) {
    if (!value || !in_range(node, value->count())) return std::nullopt;
    return json::value(static_cast<std::int64_t>(value->count()));
  }
  template <class Count>
  std::optional<json::value> number(const Node& node, std::optional<Count> value) {
    if (!value || !in_range(node, value->value)) return std::nullopt;
    return json::value(value->value);
  }

  std::optional<json::value> integer(const Node& node) {
    constexpr std::int64_t kMost = 1'000'000'000'000;
    const auto value = reader_.integer(node, what_, parameter_.minimum.value_or(-kMost),
                                       parameter_.maximum.value_or(kMost));
    if (!value) return std::nullopt;
    return json::value(*value);
  }

  std::optional<json::value> bytes_or_percent(const Node& node) {
    if (node.is_scalar() && node.text.ends_with('%')) {
      const auto share = reader_.share(node, what_);
      if (!share) return std::nullopt;
      return json::object{{"ppm", share->value}};
    }
    if (!node.is_scalar() || !parse_bytes(node.text)) {
      return fail(node, "expected a size such as 512MiB or a percentage such as 50%, found " +
                            describe(node));
    }
    const Bytes bytes = parse_bytes(node.text).value();
    if (!in_range(node, bytes.value)) return std::nullopt;
    return json::object{{"bytes", bytes.value}};
  }

  // One value, or a list of them; always a list afterwards.
  std::optional<json::value> each(const Node& node,
                                  std::optional<json::value> (Normaliser::*one)(const Node&)) {
    json::array out;
    if (!node.is_list()) {
      auto value = (this->*one)(node);
      if (!value) return std::nullopt;
      out.push_back(*std::move(value));
      return out;
    }
    if (node.items.empty()) return fail(node, "expected at least one value");
    bool good = true;
    for (const Node& item : node.items) {
      auto value = (this->*one)(item);
      good = good && value.has_value();
      if (value) out.push_back(*std::move(value));
    }
    if (!good) return std::nullopt;
    return out;
  }

  std::optional<json::value> one_choice(const Node& node) {
    return plain(reader_.choice(node, what_, parameter_.choices));
  }

  std::optional<json::value> one_port_range(const Node& node) {
    const auto port = [](const std::string& text) {
      const bool digits =
          !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == text.npos;
      return digits ? std::stoi(text) : 0;
    };
    if (node.is_scalar()) {
      const std::vector<std::string> ends = split(node.text, '-');
      const int first = port(ends.front());
      const int last = port(ends.back());
      if (ends.size() <= 2 && first > 0 && last >= first && last <= 65535) {
        return json::object{{"first", first}, {"last", last}};
      }
    }
    return fail(node, "expected a port from 1 to 65535 or a range such as 8000-8010, found " +
                          describe(node));
  }

  std::optional<json::value> one_address(const Node& node) {
    if (!node.is_scalar()) return fail(node, "expected an address, found " + describe(node));
    boost::system::error_code problem;
    const auto address = boost::asio::ip::make_address(node.text, problem);
    if (!problem) {
      const std::string text = address.to_string();
      return json::value(json::string(text + (address.is_v4() ? "/32" : "/128")));
    }
    if (node.text.find('/') == node.text.npos) {
      return fail(node, fmt::format("expected an address such as 10.0.0.1 or a network such as "
                                    "10.0.0.0/24, found {}; names are not resolved",
                                    describe(node)));
    }
    if (node.text.find(':') == node.text.npos) return network_v4(node);
    return network_v6(node);
  }

  std::optional<json::value> network_v4(const Node& node) {
    boost::system::error_code problem;
    const auto network = boost::asio::ip::make_network_v4(node.text, problem);
    if (problem)
      return fail(node, "expected a network such as 10.0.0.0/24, found " + describe(node));
    return canonical(node, network.address() == network.network(), network.canonical().to_string());
  }
  std::optional<json::value> network_v6(const Node& node) {
    boost::system::error_code problem;
    const auto network = boost::asio::ip::make_network_v6(node.text, problem);
    if (problem) return fail(node, "expected a network such as fd00::/64, found " + describe(node));
    return canonical(node, network.address() == network.network(), network.canonical().to_string());
  }
  std::optional<json::value> canonical(const Node& node, bool whole, const std::string& text) {
    if (!whole) {
      return fail(node,
                  fmt::format("{} is an address inside a network; write {}", node.text, text));
    }
    return json::value(json::string(text));
  }

  std::optional<json::value> signal(const Node& node) {
    auto name = reader_.text(node, what_);
    if (!name) return std::nullopt;
    if (name->find_first_not_of("0123456789") == name->npos) {
      return fail(node, "expected a signal's name such as KILL or TERM, found " + describe(node));
    }
    if (name->starts_with("SIG")) name = name->substr(3);
    const auto& known = parameter_.choices.empty() ? signals() : parameter_.choices;
    if (std::find(known.begin(), known.end(), *name) != known.end()) return plain(name);
    const std::string near = nearest_word(*name, known);
    return fail(
        node, fmt::format("expected a signal such as KILL, TERM or HUP, found {}{}", describe(node),
                          near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  }

  std::optional<json::value> argv(const Node& node) {
    const auto texts = reader_.texts(node, what_);
    if (!texts) return std::nullopt;
    if (!texts->front().starts_with('/')) {
      return fail(node.items.front(), "expected the absolute path of a program, found " +
                                          describe(node.items.front()) + "; there is no shell");
    }
    json::array out;
    for (const std::string& text : *texts) out.push_back(json::string(text));
    return out;
  }

  std::optional<json::value> restore(const Node& node) {
    static const std::vector<std::string> kHow = {"unit", "supervisor", "none"};
    if (node.is_scalar()) {
      const bool known = std::find(kHow.begin(), kHow.end(), node.text) != kHow.end();
      if (known) return json::object{{"how", node.text}, {"argv", json::array()}};
    }
    if (!node.is_map()) {
      const std::string near = node.is_scalar() ? nearest_word(node.text, kHow) : "";
      return fail(node, fmt::format("expected unit, supervisor, none or {{ argv: [...] }}, found "
                                    "{}{}",
                                    describe(node),
                                    near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
    }
    if (!reader_.map(node, what_, table("restore"))) return std::nullopt;
    const Entry* command = node.find("argv");
    if (command == nullptr) return std::nullopt;
    auto words = argv(command->value);
    if (!words) return std::nullopt;
    json::object out{{"how", "argv"}, {"argv", *std::move(words)}};
    if (const Entry* timeout = node.find("timeout")) {
      const auto value = reader_.length(timeout->value, what_ + ".timeout");
      if (!value) return std::nullopt;
      out["timeout"] = static_cast<std::int64_t>(value->count());
    }
    return out;
  }

  Reader& reader_;
  const Parameter& parameter_;
  std::string what_;
};

// Names from other tools for parameters; used when the fault has the right-hand one.
std::string other_name(std::string_view key, const std::vector<std::string>& names) {
  static const std::multimap<std::string_view, std::string_view> kNames = {
      {"time", "latency"},
      {"delay", "latency"},
      {"latency_ms", "latency"},
      {"ms", "latency"},
      {"loss", "percent"},
      {"percentage", "percent"},
      {"interface", "device"},
      {"destination_ip", "remote_ip"},
      {"ip", "remote_ip"},
      {"remote_host", "remote_ip"},
      {"host", "remote_ip"},
      {"hostname", "remote_ip"},
      {"cores", "workers"},
      {"threads", "workers"},
      {"cpu_percent", "load"},
      {"percent", "load"},
      {"bytes", "size"},
      {"percent", "size"},
      {"dir", "path"},
      {"directory", "path"},
      {"recover_command", "restore"},
      {"leave_free", "reserve"}};
  const auto [begin, end] = kNames.equal_range(key);
  for (auto it = begin; it != end; ++it) {
    if (std::find(names.begin(), names.end(), it->second) != names.end()) {
      return std::string(it->second);
    }
  }
  return {};
}

std::string unknown_parameter(const std::string& key, const model::FaultDescription& fault,
                              const std::vector<std::string>& names) {
  const bool ports = std::find(names.begin(), names.end(), "local_port") != names.end();
  if (ports && (key == "source_port" || key == "destination_port" || key == "port" ||
                key == "egress_port")) {
    return fmt::format(
        "`{}` means something else in each direction; write `local_port` (a service "
        "on this host) or `remote_port` (a service that this host talks to)",
        key);
  }
  const std::string other = other_name(key, names);
  if (!other.empty()) return fmt::format("`{}` is called `{}` here", key, other);
  if (names.empty()) return fmt::format("{} takes no parameters", fault.name);
  return fmt::format("unknown parameter `{}` of {}{}", printable(key, 60), fault.name,
                     suggest(key, names));
}

void check_groups(Context& context, const Node* node, const model::Place& step,
                  const model::FaultDescription& fault) {
  for (const std::vector<std::string>& group : fault.exactly_one_of) {
    std::vector<const Entry*> given;
    if (node != nullptr) {
      for (const Entry& entry : node->entries) {
        if (std::find(group.begin(), group.end(), entry.key) != group.end()) {
          given.push_back(&entry);
        }
      }
    }
    if (given.size() == 1) continue;
    context.problems.error(given.empty() ? (node != nullptr ? node->place : step) : given[1]->place,
                           fmt::format("{} needs exactly one of {}", fault.name, join_or(group)));
  }
}

}  // namespace

json::object read_parameters(Context& context, const Node* node, const model::Place& step,
                             const model::FaultDescription& fault) {
  json::object out;
  std::vector<std::string> names;
  for (const Parameter& parameter : fault.parameters) names.push_back(parameter.name);
  if (node != nullptr && !node->is_map()) {
    context.problems.error(
        node->place, fmt::format("with: expected a map of parameters, found {}", describe(*node)));
    return out;
  }
  if (node != nullptr) {
    for (const Entry& entry : node->entries) {
      if (std::find(names.begin(), names.end(), entry.key) != names.end()) continue;
      context.problems.error(entry.place, unknown_parameter(entry.key, fault, names));
    }
  }
  for (const Parameter& parameter : fault.parameters) {
    const Entry* entry = node != nullptr ? node->find(parameter.name) : nullptr;
    Normaliser normaliser(context.reader, parameter, parameter.name);
    if (entry != nullptr) {
      auto value = normaliser.value(entry->value);
      if (value) out[parameter.name] = *std::move(value);
    } else if (parameter.default_text) {
      // Defaults are written as a user would write them, lists included.
      const Node written = parse_yaml("default", *parameter.default_text, context.problems);
      auto value = normaliser.value(written);
      if (value) out[parameter.name] = *std::move(value);
    } else if (parameter.required) {
      context.problems.error(node != nullptr ? node->place : step,
                             fmt::format("{} needs `{}` in `with`: {}", fault.name, parameter.name,
                                         parameter.summary));
    }
  }
  check_groups(context, node, step, fault);
  return out;
}

}  // namespace ordeal::spec
