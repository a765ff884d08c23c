// The policy's file; policy_check.cpp asks what it says.
#include "engine/executor/policy.hpp"

#include <algorithm>
#include <charconv>

#include "engine/base/text.hpp"

namespace ordeal::executor {
namespace {

constexpr std::size_t kPolicyLimit = 64u << 10;

void add_words(std::vector<std::string>& out, std::string_view value) {
  while (!value.empty()) {
    const std::string_view word = value.substr(0, value.find(','));
    value.remove_prefix(std::min(value.size(), word.size() + 1));
    if (std::string text = trimmed(word); !text.empty()) out.push_back(std::move(text));
  }
}

Result<std::int64_t> parse_count(const std::string& text) {
  std::int64_t count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (problem == std::errc{} && end == text.data() + text.size() && count >= 0) return count;
  return Error(Code::invalid, fmt::format("'{}' is no whole number", printable(text, 40)));
}

Result<void> set(Policy& policy, const std::string& key, const std::string& value) {
  if (key == "allow") {
    add_words(policy.allow, value);
  } else if (key == "deny") {
    add_words(policy.deny, value);
  } else if (key == "protect_name") {
    add_words(policy.protect_names, value);
  } else if (key == "protect_unit") {
    add_words(policy.protect_units, value);
  } else if (key == "protect_path") {
    add_words(policy.protect_paths, value);
  } else if (key == "run") {
    add_words(policy.run, value);
  } else if (key == "where") {
    add_words(policy.where, value);
  } else if (key == "max_processes") {
    TRY(auto count, parse_count(value));
    policy.max_processes = count;
  } else if (key == "max_share") {
    TRY(auto share, parse_percent(value));
    policy.max_share = share;
  } else if (key == "max_duration") {
    TRY(auto duration, parse_duration(value));
    policy.max_duration = duration;
  } else {
    return Error(Code::invalid, fmt::format("unknown key '{}'", printable(key)));
  }
  return ok();
}

}  // namespace

Result<Policy> parse_policy(std::string_view text) {
  Policy policy;
  policy.any_program = false;  // who writes a policy names the programs that others may start
  int number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    const std::string code = trimmed(line.substr(0, line.find('#')));
    if (code.empty()) continue;
    const std::size_t equals = code.find('=');
    if (equals == code.npos) {
      return Error(Code::invalid, fmt::format("{}: expected key = value", number));
    }
    const std::string key = trimmed(code.substr(0, equals));
    const std::string value = trimmed(code.substr(equals + 1));
    // "allow =" would allow everything, which nobody means who writes it.
    if (value.find_first_not_of(", \t") == value.npos) {
      return Error(Code::invalid, fmt::format("{}: {} has no value", number, printable(key)));
    }
    auto done = set(policy, key, value);
    if (done.has_error()) return std::move(done.error()).within(std::to_string(number));
  }
  return policy;
}

Result<Policy> load_policy(const os::Host& host, const std::string& path) {
  if (!host.files().exists(path)) return Policy{};
  TRY(auto text, within(path, host.files().read_trusted(path, kPolicyLimit)));
  auto policy = parse_policy(text);
  if (policy.has_value()) return policy;
  return Error(policy.error().code(), path + ":" + policy.error().message());
}

}  // namespace ordeal::executor
