#include "golden.hpp"
#include "streams.hpp"

#include "engine/report/layout.hpp"
#include "engine/report/render.hpp"

namespace ordeal::report {
namespace {

class Stories : public ::testing::TestWithParam<std::string> {};

// The stored files are streams of version 1: they must be readable, and mean the same, for ever.
TEST_P(Stories, StoredEventsAreTheOnesWritten) {
  expect_golden(GetParam() + ".jsonl", to_lines(stream_of(GetParam())));
}

// Written before events told of several hosts.
TEST(Compatibility, OlderEventsMeanTheSame) {
  Style style;
  EXPECT_EQ(to_text(fold(stored_events("before-hosts")), style),
            to_text(fold(stored_events("upheld")), style));
}

TEST_P(Stories, TextIsAsStored) {
  Style style;
  style.report_path = "/var/lib/ordeal/runs/r-1121-0140-7f3a/report.html";
  const std::string text = to_text(fold(stored_events(GetParam())), style);
  expect_golden(GetParam() + ".txt", text);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(width_of(line), 100u) << line;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Stories, ::testing::ValuesIn(stories()), [](const auto& story) {
  std::string name = story.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace ordeal::report
