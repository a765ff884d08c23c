#include <gtest/gtest.h>

#include "engine/base/json.hpp"
#include "engine/serve/answer.hpp"
#include "engine/serve/assets.hpp"

namespace ordeal::serve {
namespace {

TEST(Answer, SaysWhatABrowserMayDo) {
  const std::string head = head_of(json_answer(200, {}), true);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n"));
  for (const char* part :
       {"default-src 'none'", "frame-ancestors 'none'", "nosniff", "Cache-Control: no-store",
        "Connection: keep-alive", "Content-Length: 3\r\n"}) {
    EXPECT_NE(head.find(part), head.npos) << part;
  }
  EXPECT_EQ(head.find("unsafe-inline"), head.npos);
  EXPECT_EQ(head.find("Access-Control"), head.npos);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(Answer, OfAStreamHasNoLength) {
  Answer answer;
  answer.type = "text/event-stream";
  answer.stream = EventStream{"r-1121-0140-7f3a", 0};
  const std::string head = head_of(answer, false);
  EXPECT_EQ(head.find("Content-Length"), head.npos);
  EXPECT_NE(head.find("Connection: close"), head.npos);
}

TEST(Answer, ARefusalHasACode) {
  const Answer answer = refusal(409, "halted", "this host is halted: \"x\"\n");
  const auto value = json::parse(answer.body);
  ASSERT_TRUE(value.has_value());
  const auto& error = value.value().get_object().at("error").get_object();
  EXPECT_EQ(error.at("code").get_string(), "halted");
  EXPECT_EQ(error.at("message").get_string(), "this host is halted: \"x\"\n");
}

TEST(Assets, ThePageAndTheDescriptionAreCompiledIn) {
  std::map<std::string_view, std::string_view> found;
  for (const Asset& asset : assets()) found[asset.path] = asset.body;
  EXPECT_TRUE(found.at("/").starts_with("<!doctype html>"));
  EXPECT_TRUE(json::parse(found.at("/api/v1/openapi.json")).has_value());
  // The policy forbids what stands in the page itself or comes from elsewhere.
  for (const char* part : {"<script>", "<style", " style=", " onclick", "http://", "https://"}) {
    EXPECT_EQ(found.at("/").find(part), std::string_view::npos) << part;
  }
  for (const char* path :
       {"/app.js", "/style.css", "/uPlot.iife.min.js", "/uPlot.min.css", "/icon.svg"}) {
    EXPECT_FALSE(found.at(path).empty()) << path;
  }
}

}  // namespace
}  // namespace ordeal::serve
