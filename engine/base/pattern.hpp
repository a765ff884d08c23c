// Regular expressions from files, over what a program printed. Never slow and never deep, whatever
// the expression: it runs as root.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace ordeal {

// ECMAScript's, over bytes: literals, . [a-z] [^a-z] \d \w \s \D \W \S \b \B \t ( ) (?: ) |
// * + ? {n,m} ^ $. No back references, no looking ahead. Errors (invalid): not one, or too long.
Result<void> check_pattern(const std::string& pattern);

// Whether some line of the text's first 4 KiB holds a match; `^` and `$` are the ends of a line.
// The errors of check_pattern().
Result<bool> some_line_matches(const std::string& pattern, std::string_view text);

}  // namespace ordeal
