#include <gtest/gtest.h>

#include "engine/serve/api.hpp"
#include "engine/serve/request.hpp"

namespace ordeal::serve {
namespace {

TEST(Target, IsReadIntoPathAndQuery) {
  Request request;
  ASSERT_TRUE(
      read_target("/api//v1/runs/a%20b/?limit=5&x=a+b%26&flag&limit=6#frag", request).has_value());
  EXPECT_EQ(request.path, (std::vector<std::string>{"api", "v1", "runs", "a b"}));
  EXPECT_EQ(request.query,
            (std::map<std::string, std::string>{{"limit", "6"}, {"x", "a b&"}, {"flag", ""}}));
}

TEST(Target, BrokenOnesAreErrors) {
  for (const char* target :
       {"", "*", "http://x/", "/%", "/%4", "/%zz", "/a%00b", "/a%0d%0ab", "/1/2/3/4/5/6/7/8/9"}) {
    Request request;
    EXPECT_TRUE(read_target(target, request).has_error()) << target;
  }
}

TEST(RunId, IsOneShapeOnly) {
  EXPECT_TRUE(is_run_id("r-1121-0140-7f3a"));
  for (const char* text : {"", "r-1121-0140-7f3", "r-1121-0140-7f3a ", "../../etc/passwd",
                           "r-1121-0140-7F3a", "r-11/1-0140-7f3a", "r-1121-0140-7f3ab"}) {
    EXPECT_FALSE(is_run_id(text)) << text;
  }
}

TEST(WholeNumber, IsDigitsOnly) {
  EXPECT_EQ(whole_number("12"), 12);
  for (const char* text : {"", "-1", "+1", "1x", " 1", "99999999999999999999"}) {
    EXPECT_FALSE(whole_number(text).has_value()) << text;
  }
}

Request json(std::string body) {
  Request out;
  out.content_type = "application/json";
  out.body = std::move(body);
  return out;
}

TEST(Submission, ComesAsJson) {
  const auto read = read_submission(
      json(R"({"experiment":"version: 1\n","vars":{"url":"x=y"},"file":"a.yaml","mode":"control",)"
           R"("seed":"7","yes":true})"));
  ASSERT_FALSE(read.refused.has_value());
  EXPECT_EQ(read.submission.text, "version: 1\n");
  EXPECT_EQ(read.submission.vars.at("url"), "x=y");
  EXPECT_EQ(read.submission.file, "a.yaml");
  EXPECT_EQ(read.submission.mode, "control");
  EXPECT_EQ(read.submission.seed, "7");
  EXPECT_TRUE(read.submission.yes);
}

TEST(Submission, ComesAsYaml) {
  Request request;
  request.content_type = "application/yaml";
  request.body = "version: 1\n";
  request.query = {{"var.url", "http://x"}, {"seed", "3"}};
  const auto read = read_submission(request);
  ASSERT_FALSE(read.refused.has_value());
  EXPECT_EQ(read.submission.text, "version: 1\n");
  EXPECT_EQ(read.submission.vars.at("url"), "http://x");
  EXPECT_EQ(read.submission.seed, "3");
  EXPECT_FALSE(read.submission.yes);
}

// What becomes part of a command line or of a path is of a known shape, or it is refused.
TEST(Submission, OddOnesAreRefused) {
  for (const char* body :
       {"", "[]", "{}", R"({"experiment":1})", R"({"experiment":"x","file":"../x"})",
        R"({"experiment":"x","file":"-x"})", R"({"experiment":"x","file":".x"})",
        R"({"experiment":"x","file":""})", R"({"experiment":"x","mode":"--yes"})",
        R"({"experiment":"x","seed":"--yes"})", R"({"experiment":"x","seed":7})",
        R"({"experiment":"x","vars":{"a=b":"c"}})", R"({"experiment":"x","vars":{"a":1}})",
        R"({"experiment":"x","vars":{"":"c"}})", R"({"experiment":"x","yes":"true"})",
        R"({"experiment":"x","expose":true})"}) {
    const auto read = read_submission(json(body));
    ASSERT_TRUE(read.refused.has_value()) << body;
    EXPECT_EQ(read.refused->status, 400) << body;
  }
}

}  // namespace
}  // namespace ordeal::serve
