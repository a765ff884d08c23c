// Small things about words: the nearest right one, and safe printing of foreign text.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ordeal {

// The candidate at the smallest edit distance, or empty when none is near enough to be meant.
std::string nearest_word(std::string_view word, std::span<const std::string> candidates);

// "a", "a or b", "a, b or c".
std::string join_or(std::span<const std::string> words);
std::string join(std::span<const std::string> words, std::string_view separator);

// Without white space at both ends.
std::string trimmed(std::string_view text);

// "1 step", "2 steps".
std::string counted(std::integral auto count, std::string_view word) {
  std::string out = std::to_string(count) + ' ';
  out += word;
  return count == 1 ? out : out + 's';
}

// Absolute, without "//", "." and "..", and no slash at its end: no two of them name one file, but
// for links.
bool is_plain_path(std::string_view path);

// Control characters, escape sequences, direction marks and bytes that are not UTF-8 become \xNN or
// \u{N}: foreign text cannot move the cursor, forge log lines or break a file. The result is valid
// UTF-8. Cut after about `limit` bytes with "...".
std::string printable(std::string_view text, std::size_t limit = 400);

}  // namespace ordeal
