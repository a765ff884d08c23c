// Names that we choose before anything is made, so that an undo record can name what is not there
// yet, and a sweep can find what bears our mark without any record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"
#include "engine/base/units.hpp"

namespace ordeal {

// 40 random bits as 8 characters of lower-case base32. "ordeal-" + token has 15 characters, the
// longest name that a network link or a thread can bear.
class Token {
 public:
  Token() = default;
  static Token from_bits(std::uint64_t bits);
  // Errors: anything but 8 characters of [a-z2-7].
  static Result<Token> parse(std::string_view text);

  const std::string& text() const { return text_; }
  // The name of every kernel object that belongs to this token: "ordeal-abcdefgh".
  std::string mark() const { return "ordeal-" + text_; }
  bool operator==(const Token&) const = default;

 private:
  std::string text_;
};

// True for "ordeal-" followed by a token: the mark on links, tables, cgroups and helpers.
bool is_mark(std::string_view name);

// "r-1121-0140-7f3a": sorts by start within a year; short enough to type.
std::string make_run_id(WallTime start, std::uint64_t random);

// The link group of every link we make, so that all are deleted in one request.
inline constexpr std::uint32_t kLinkGroup = 0x0dea1;

}  // namespace ordeal
