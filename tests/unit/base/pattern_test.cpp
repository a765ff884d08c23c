// Regular expressions from files: what they mean, and that none takes long or goes deep.
#include "engine/base/pattern.hpp"

#include <gtest/gtest.h>

#include <regex>

namespace ordeal {
namespace {

bool found(const std::string& pattern, std::string_view text) {
  const auto result = some_line_matches(pattern, text);
  EXPECT_TRUE(result.has_value()) << pattern << ": " << result.error().message();
  return result.has_value() && result.value();
}

TEST(Pattern, MatchesInSomeLine) {
  EXPECT_TRUE(found("^master", "master\n3129659\n"));
  EXPECT_TRUE(found("^31.*59$", "master\n3129659\n"));
  EXPECT_TRUE(found("^master$", "master\r\n12\r\n"));
  EXPECT_TRUE(found("aste", "master"));
  EXPECT_FALSE(found("^slave", "master\nnot a slave\n"));
  EXPECT_FALSE(found("master", ""));
  EXPECT_FALSE(found("er\\s31", "master\n3129659\n")) << "a match does not cross lines";
  EXPECT_TRUE(found("^$", "master\n\nslave\n"));
  EXPECT_FALSE(found("late", std::string(5000, 'x') + "late")) << "only the first 4 KiB count";
  EXPECT_TRUE(found("^\xc3\xa4.$", "\xc3\xa4z")) << "bytes, so UTF-8 too";
}

// Every piece of the language, against the standard library's reading of it.
TEST(Pattern, MeansWhatECMAScriptMeans) {
  const std::vector<std::string> patterns = {
      "a",       "ab|c",     "a|b|",     "(a|b)*c", "^(?:ab)+$",  "a{3}",
      "^a{2,}$", "^a{1,3}$", "^a{0,2}b", "a?b",     "a+?b",       "a*?b",
      "[abc]",   "[^abc]",   "[a-c]b",   "[-a]",    "[a-]",       "[\\d_]",
      "\\d+",    "\\D",      "\\w",      "\\W",     "\\s",        "\\S",
      "\\ba",    "a\\b",     "\\Ba",     "^a",      "a$",         "^$",
      "a.c",     "\\.",      "\\[a\\]",  "(a*)*b",  "((a|b)+c)+", "^(a|ab)(c|bcd)$",
      "x{0}a",   "(|a)b",    "\\t",      "[\\]a]",  "}",          "]"};
  const std::vector<std::string> texts = {
      "",     "a",     "b",    "c",     "ab", "aa", "aaa", "aaaa", "abc", "aab",
      "abab", "ababc", "abcd", "acbcd", "-",  "_",  " a ", "a b",  "ba",  "a.c",
      "a1c",  "42",    "[a]",  "bbb",   "\t", "}",  "]",   "xa",   "cab"};
  for (const std::string& pattern : patterns) {
    const std::regex expected(pattern, std::regex::ECMAScript);
    for (const std::string& text : texts) {
      // A line feed makes it a line also where it is empty.
      EXPECT_EQ(found(pattern, text + "\n"), std::regex_search(text, expected))
          << pattern << " in '" << text << "'";
    }
  }
}

TEST(Pattern, RefusesWhatItDoesNotRead) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"(", "a `(` is not closed"},
      {"a)", "`)` without `(`"},
      {"[a", "a `[` is not closed"},
      {"[]", "`[]` matches nothing"},
      {"[c-a]", "a range in [ ] runs backwards"},
      {"a{2,1}", "expected {n}, {n,} or {n,m}"},
      {"a{x}", "expected {n}, {n,} or {n,m}"},
      {"*a", "there is nothing to repeat in front of `*`"},
      {"a**", "there is nothing to repeat in front of `*`"},
      {"^*", "`^` and `$` are not repeated"},
      {"(a)\\1", "back references are not there"},
      {"(?=a)", "looking ahead and behind is not there"},
      {"(?<=a)", "looking ahead and behind is not there"},
      {"a\\", "a `\\` at its end"},
      {"[\\", "a `\\` at its end"},
      {"\\p", "`\\p` is not there"},
      {"(a{60}){60}", "it repeats too much"},
      {"a{99999999999999999999}", "it repeats too much"},
      {"((((a{9}){9}){9}){9}){9}", "it repeats too much"}};
  for (const auto& [pattern, why] : rows) {
    const auto result = check_pattern(pattern);
    ASSERT_TRUE(result.has_error()) << pattern;
    EXPECT_EQ(result.error().code(), Code::invalid);
    EXPECT_EQ(result.error().message(),
              "'" + pattern + "' is no regular expression that is read here: " + why);
  }
  EXPECT_EQ(check_pattern(std::string(201, 'a')).error().message(),
            "a regular expression of 201 bytes; at most 200 are read");
}

// With a matcher that backtracks each of these takes for ever or the whole stack; ctest has the
// limit.
TEST(Pattern, IsNeverSlowNorDeep) {
  const std::string text(100'000, 'a');
  std::string optional = "(";
  while (optional.size() < 180) optional += "a?";
  EXPECT_FALSE(found("^(a+)+$b", text));
  EXPECT_FALSE(found("(a|a)*b", text));
  EXPECT_FALSE(found("(.*)(.*)(.*)(.*)(.*)b", text));
  EXPECT_FALSE(found(optional + "){10}b", text));
  EXPECT_FALSE(found("(((((a*)*)*)*)*)*b", text));
  EXPECT_FALSE(found("a{999}b", text));
  EXPECT_TRUE(check_pattern(std::string(100, '(') + std::string(100, ')')).has_value());
}

}  // namespace
}  // namespace ordeal
