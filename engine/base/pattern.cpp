#include "engine/base/pattern.hpp"

#include <algorithm>
#include <cctype>
#include <regex>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal {
namespace {

constexpr std::size_t kLongestPattern = 200;
constexpr std::size_t kMostText = 4096;
constexpr std::int64_t kMostRepetitions = 100;  // counted ones multiply the automaton

// libstdc++'s breadth-first matcher: linear in the text, and it refuses back references, the one
// thing that it cannot do so. Its other matcher goes one stack frame deeper for each character.
constexpr auto kSyntax = std::regex::ECMAScript | std::regex_constants::__polynomial;

// The product of all {n}, {n,} and {n,m}: as if they were inside each other.
std::int64_t repetitions(const std::string& pattern) {
  std::int64_t product = 1;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      ++i;
    } else if (c == '[' || c == ']') {
      in_class = c == '[';
    } else if (c == '{' && !in_class) {
      std::int64_t most = 1;
      std::int64_t number = 0;
      for (++i; i < pattern.size() && pattern[i] != '}'; ++i) {
        const bool digit = std::isdigit(static_cast<unsigned char>(pattern[i])) != 0;
        number = digit ? std::min(number * 10 + (pattern[i] - '0'), kMostRepetitions + 1) : 0;
        most = std::max(most, number);
      }
      product = std::min(product * most, kMostRepetitions + 1);
    }
  }
  return product;
}

Result<std::regex> compile(const std::string& pattern) {
  if (pattern.size() > kLongestPattern) {
    return Error(Code::invalid, fmt::format("a regular expression of {} bytes; at most {} are read",
                                            pattern.size(), kLongestPattern));
  }
  if (repetitions(pattern) > kMostRepetitions) {
    return Error(Code::invalid,
                 fmt::format("a regular expression with more than {} counted repetitions in all",
                             kMostRepetitions));
  }
  try {
    return std::regex(pattern, kSyntax);
  } catch (const std::regex_error& problem) {
    const bool reference = problem.code() == std::regex_constants::error_complexity;
    return Error(Code::invalid,
                 fmt::format("'{}' is no regular expression that can be used{}",
                             printable(pattern, 80),
                             reference ? ": it has a back reference" : ""));
  }
}

}  // namespace

Result<void> check_pattern(const std::string& pattern) {
  TRY(auto regex, compile(pattern));
  ignore(regex, "that it can be made is the answer");
  return ok();
}

Result<bool> some_line_matches(const std::string& pattern, std::string_view text) {
  TRY(auto regex, compile(pattern));
  text = text.substr(0, kMostText);
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (std::regex_search(line.begin(), line.end(), regex)) return true;
  }
  return false;
}

}  // namespace ordeal
