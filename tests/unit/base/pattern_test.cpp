// Regular expressions from files: what they mean, and that none takes long or goes deep.
#include "engine/base/pattern.hpp"

#include <gtest/gtest.h>

namespace ordeal {
namespace {

bool found(const std::string& pattern, std::string_view text) {
  const auto result = some_line_matches(pattern, text);
  EXPECT_TRUE(result.has_value()) << pattern;
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
  EXPECT_TRUE(found("^(leader|primary)\\b", "primary, term 4"));
  EXPECT_TRUE(found("^[0-9a-f]{8}-", "0badcafe-1"));
  EXPECT_FALSE(found("late", std::string(5000, 'x') + "late")) << "only the first 4 KiB count";
}

TEST(Pattern, RefusesWhatCouldHurt) {
  for (const std::string pattern :
       {"(", "[a", "a{2,1}", "*a", "(a)\\1", "(a{60}){60}", "a{101}", "((a{5}){5}){5}"}) {
    const auto result = check_pattern(pattern);
    EXPECT_TRUE(result.has_error()) << pattern;
    if (result.has_error()) EXPECT_EQ(result.error().code(), Code::invalid);
  }
  EXPECT_TRUE(check_pattern(std::string(201, 'a')).has_error());
  EXPECT_TRUE(check_pattern("[{]{2}\\{9999\\}").has_value()) << "those in classes do not repeat";
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
  EXPECT_FALSE(found(optional + "){99}b", text));
  EXPECT_FALSE(found("(((((a*)*)*)*)*)*b", text));
}

}  // namespace
}  // namespace ordeal
