#include "engine/base/ids.hpp"

#include <ctime>

#include <fmt/format.h>

namespace ordeal {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kPrefix = "ordeal-";
constexpr std::size_t kTokenLength = 8;

}  // namespace

Token Token::from_bits(std::uint64_t bits) {
  Token token;
  for (std::size_t i = 0; i < kTokenLength; ++i) {
    token.text_.push_back(kAlphabet[(bits >> (5 * i)) & 31]);
  }
  return token;
}

Result<Token> Token::parse(std::string_view text) {
  if (text.size() != kTokenLength || text.find_first_not_of(kAlphabet) != text.npos) {
    return Error(Code::invalid, fmt::format("'{}' is not a token of 8 characters a-z2-7", text));
  }
  Token token;
  token.text_ = text;
  return token;
}

bool is_mark(std::string_view name) {
  // Our own program's name happens to have the form of a mark; nobody may sweep it away.
  if (name == "ordeal-executor") return false;
  return name.starts_with(kPrefix) && name.size() == kPrefix.size() + kTokenLength &&
         name.substr(kPrefix.size()).find_first_not_of(kAlphabet) == name.npos;
}

std::string make_run_id(WallTime start, std::uint64_t random) {
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(start.time_since_epoch()).count();
  std::tm civil{};
  ::gmtime_r(&seconds, &civil);
  return fmt::format("r-{:02}{:02}-{:02}{:02}-{:04x}", civil.tm_mon + 1, civil.tm_mday,
                     civil.tm_hour, civil.tm_min, random & 0xffff);
}

}  // namespace ordeal
