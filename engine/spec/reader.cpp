#include "engine/spec/reader.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::spec {
namespace {

// "PT1M30S" -> "1m30s"; empty when it is not such a duration.
std::string from_iso(std::string_view text) {
  if (!text.starts_with('P')) return {};
  std::string out;
  for (const char c : text.substr(1)) {
    if (c == 'T') continue;
    if (!std::isdigit(static_cast<unsigned char>(c)) && std::string_view("DHMS.").find(c) > 4) {
      return {};
    }
    out += static_cast<char>(std::tolower(c));
  }
  return out.empty() || std::isdigit(static_cast<unsigned char>(out.back())) ? "" : out;
}

bool is_variable_name(std::string_view text) {
  const auto good = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  return !text.empty() && !std::isdigit(static_cast<unsigned char>(text.front())) &&
         std::all_of(text.begin(), text.end(), good);
}

}  // namespace

std::string describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null: return "nothing";
    case Node::Kind::scalar: return "'" + printable(node.text, 60) + "'";
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "a map";
  }
  return {};
}

std::string suggest(std::string_view word, std::span<const std::string> words) {
  const std::string near = nearest_word(word, words);
  if (!near.empty()) return fmt::format("; did you mean `{}`?", near);
  return "; expected " + join_or(words);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t end = text.find(separator);
    out.emplace_back(text.substr(0, end));
    if (end == text.npos) return out;
    text.remove_prefix(end + 1);
  }
}

void Reader::unknown_key(const Entry& entry, const Table& table, std::vector<std::string>& meant) {
  if (problems_.full()) return error(entry.place, {});  // counted
  if (const Hint* hint = find_hint(table.name, entry.key)) {
    meant.emplace_back(hint->right);
    const std::string called = fmt::format("`{}` is called `{}` here", entry.key, hint->right);
    return error(entry.place, hint->text.empty() ? called : std::string(hint->text));
  }
  const std::vector<std::string> names = names_of(table);
  meant.push_back(nearest_word(entry.key, names));
  error(entry.place, fmt::format("unknown key `{}` in {}{}", printable(entry.key, 60), table.what,
                                 suggest(entry.key, names)));
}

std::string beside(const std::string& file, const std::string& path) {
  const auto folder = std::filesystem::path(file).parent_path();
  return (folder / path).lexically_normal().string();
}

bool is_short_name(std::string_view text, std::size_t longest) {
  return text.size() <= longest && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

std::optional<Node> Reader::root(const std::string& file, const Result<std::string>& text) {
  if (text.has_error()) {
    std::string_view told = text.error().message();
    for (const std::string& said : {"open " + file + ": ", file + ": "}) {
      if (told.starts_with(said)) told.remove_prefix(said.size());  // the place names it
    }
    error({file, 0, 0}, std::string(told));
    return std::nullopt;
  }
  Node out = parse_yaml(file, text.value(), problems_);
  if (!problems_.none()) return std::nullopt;
  return out;
}

void Reader::version(const Node& node) {
  if (node.is_scalar() && node.text == "1") return;
  error(node.place, fmt::format("version: this ordeal reads version 1, found {}", describe(node)));
}

bool Reader::map(const Node& node, const std::string& what, const Table& table) {
  const std::vector<std::string> names = names_of(table);
  if (!node.is_map()) {
    error(node.place, fmt::format("{}: expected a map with {}, found {}", what, join_or(names),
                                  describe(node)));
    return false;
  }
  std::vector<std::string> meant;
  for (const Entry& entry : node.entries) {
    if (std::find(names.begin(), names.end(), entry.key) == names.end()) {
      unknown_key(entry, table, meant);
    }
  }
  for (const Key& key : table.keys) {
    const bool misspelt = std::find(meant.begin(), meant.end(), key.name) != meant.end();
    if (key.required && !misspelt && node.find(key.name) == nullptr) {
      error(node.place, fmt::format("{} needs `{}`", table.what, key.name));
    }
  }
  return true;
}

std::optional<std::span<const Node>> Reader::list(const Node& node, const std::string& what,
                                                  const std::string& of) {
  if (!node.is_list()) {
    error(node.place, fmt::format("{}: expected a list of {}, found {}", what, of, describe(node)));
    return std::nullopt;
  }
  if (node.items.empty()) {
    error(node.place, fmt::format("{}: expected at least one of {}", what, of));
    return std::nullopt;
  }
  return node.items;
}

bool Reader::scalar(const Node& node, const std::string& what, const std::string& expected) {
  if (node.broken) return false;
  if (node.is_scalar()) return true;
  error(node.place, fmt::format("{}: expected {}, found {}", what, expected, describe(node)));
  return false;
}

std::optional<std::string> Reader::text(const Node& node, const std::string& what) {
  if (!scalar(node, what, "a text")) return std::nullopt;
  if (node.text.find_first_not_of(" \n") == node.text.npos) {
    error(node.place, fmt::format("{}: expected a text, found an empty one", what));
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::int64_t> Reader::integer(const Node& node, const std::string& what,
                                            std::int64_t minimum, std::int64_t maximum) {
  const std::string expected = fmt::format("a whole number from {} to {}", minimum, maximum);
  if (!scalar(node, what, expected)) return std::nullopt;
  std::int64_t value = 0;
  const char* end = node.text.data() + node.text.size();
  const auto [stop, problem] = std::from_chars(node.text.data(), end, value);
  if (problem != std::errc{} || stop != end || value < minimum || value > maximum) {
    error(node.place, fmt::format("{}: expected {}, found {}", what, expected, describe(node)));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> Reader::boolean(const Node& node, const std::string& what) {
  if (!scalar(node, what, "true or false")) return std::nullopt;
  if (node.text == "true" || node.text == "false") return node.text == "true";
  std::string lower;
  for (const char c : node.text) lower += static_cast<char>(std::tolower(c));
  const bool yes = lower == "yes" || lower == "on" || lower == "true" || lower == "y";
  const bool no = lower == "no" || lower == "off" || lower == "false" || lower == "n";
  if (yes || no) {
    error(node.place,
          fmt::format("{}: write {} instead of {}", what, yes ? "true" : "false", describe(node)));
  } else {
    error(node.place, fmt::format("{}: expected true or false, found {}", what, describe(node)));
  }
  return std::nullopt;
}

std::optional<Duration> Reader::duration(const Node& node, const std::string& what) {
  if (!scalar(node, what, "a duration such as 300ms, 10s or 1m30s")) return std::nullopt;
  const Result<Duration> parsed = parse_duration(node.text);
  if (parsed) return parsed.value();
  const std::string iso = from_iso(node.text);
  if (!iso.empty()) {
    error(node.place,
          fmt::format("{}: durations are not written as ISO 8601; write {}", what, iso));
  } else {
    error(node.place, fmt::format("{}: {}", what, parsed.error().message()));
  }
  return std::nullopt;
}

std::optional<Duration> Reader::length(const Node& node, const std::string& what) {
  const std::optional<Duration> value = duration(node, what);
  if (!value || *value > Duration::zero()) return value;
  error(node.place, fmt::format("{}: expected a duration above 0", what));
  return std::nullopt;
}

std::optional<Ppm> Reader::percent(const Node& node, const std::string& what) {
  if (!scalar(node, what, "a percentage such as 50%")) return std::nullopt;
  const Result<Ppm> parsed = parse_percent(node.text);
  if (parsed) return parsed.value();
  error(node.place, fmt::format("{}: {}", what, parsed.error().message()));
  return std::nullopt;
}

std::optional<Ppm> Reader::share(const Node& node, const std::string& what) {
  const std::optional<Ppm> value = percent(node, what);
  if (!value || (value->value > 0 && *value <= ordeal::percent(100))) return value;
  error(node.place,
        fmt::format("{}: expected more than 0% and at most 100%, found {}", what, describe(node)));
  return std::nullopt;
}

std::optional<Bytes> Reader::bytes(const Node& node, const std::string& what) {
  if (!scalar(node, what, "a size such as 512MiB or 2GB")) return std::nullopt;
  const Result<Bytes> parsed = parse_bytes(node.text);
  if (parsed) return parsed.value();
  error(node.place, fmt::format("{}: {}", what, parsed.error().message()));
  return std::nullopt;
}

std::optional<double> Reader::rate(const Node& node, const std::string& what) {
  constexpr double kHighest = 100'000;  // far above what one core can send
  constexpr double kLowest = 1.0 / 60;
  if (!scalar(node, what, "a rate such as 50/s or 30/m")) return std::nullopt;
  const std::string_view text = node.text;
  double value = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<std::size_t>(stop - text.data()));
  if (problem == std::errc{} && unit.empty()) {
    error(node.place, fmt::format("{}: a rate needs its unit: write {}/s", what, text));
    return std::nullopt;
  }
  if (problem != std::errc{} || (unit != "/s" && unit != "/m")) {
    error(node.place,
          fmt::format("{}: expected a rate such as 50/s or 30/m, found {}", what, describe(node)));
    return std::nullopt;
  }
  if (unit == "/m") value /= 60;
  if (std::isfinite(value) && value >= kLowest && value <= kHighest) return value;
  error(node.place, fmt::format("{}: expected 1/m to 100000/s, found {}", what, describe(node)));
  return std::nullopt;
}

std::optional<std::string> Reader::choice(const Node& node, const std::string& what,
                                          std::span<const std::string> choices) {
  if (!scalar(node, what, join_or(choices))) return std::nullopt;
  if (std::find(choices.begin(), choices.end(), node.text) != choices.end()) return node.text;
  const std::string near = nearest_word(node.text, choices);
  error(node.place,
        fmt::format("{}: expected {}, found {}{}", what, join_or(choices), describe(node),
                    near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  return std::nullopt;
}

std::optional<std::string> Reader::path(const Node& node, const std::string& what) {
  const std::optional<std::string> value = text(node, what);
  if (!value) return std::nullopt;
  if (value->front() == '/') return value;
  error(node.place, fmt::format("{}: expected an absolute path, found {}", what, describe(node)));
  return std::nullopt;
}

std::optional<std::vector<std::string>> Reader::texts(const Node& node, const std::string& what) {
  const auto items = list(node, what, "texts");
  if (!items) return std::nullopt;
  std::vector<std::string> out;
  for (const Node& item : *items) {
    if (!scalar(item, what, "a text")) return std::nullopt;
    out.push_back(item.text);
  }
  return out;
}

std::map<std::string, std::string> Reader::text_map(const Node& node, const std::string& what) {
  std::map<std::string, std::string> out;
  if (!node.is_map()) {
    error(node.place, fmt::format("{}: expected a map of texts, found {}", what, describe(node)));
    return out;
  }
  for (const Entry& entry : node.entries) {
    const auto value = text(entry.value, fmt::format("{}.{}", what, entry.key));
    if (value) out.emplace(entry.key, *value);
  }
  return out;
}

std::optional<model::SecretText> Reader::secret(const Node& node, const std::string& what,
                                                bool literal_allowed) {
  if (node.broken) return std::nullopt;
  if (node.is_scalar() && literal_allowed) return model::SecretText{.text = node.text};
  const std::string reference = "{ env: NAME } or { file: /path }";
  if (node.is_scalar()) {
    error(node.place,
          fmt::format("{}: a secret is not written into the file; write {}", what, reference));
    return std::nullopt;
  }
  if (!node.is_map() || node.entries.size() != 1) {
    error(node.place, fmt::format("{}: expected {}{}, found {}", what,
                                  literal_allowed ? "a text, " : "", reference, describe(node)));
    return std::nullopt;
  }
  if (!map(node, what, table("secret"))) return std::nullopt;
  model::SecretText out;
  if (const Entry* env = node.find("env")) {
    const auto name = text(env->value, what + ".env");
    if (!name) return std::nullopt;
    if (!is_variable_name(*name)) {
      error(env->value.place, fmt::format("{}.env: expected the name of an environment variable, "
                                          "found {}",
                                          what, describe(env->value)));
      return std::nullopt;
    }
    out.env = name;
    return out;
  }
  const Entry* file = node.find("file");
  if (file == nullptr) return std::nullopt;
  out.file = path(file->value, what + ".file");
  if (!out.file) return std::nullopt;
  return out;
}

}  // namespace ordeal::spec
