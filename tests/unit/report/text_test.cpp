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

// The last word on an outage comes with the run's last answers, not when the service was out.
TEST(Cells, AnOutageIsToldWhereItWasAndNotWhereItWasJudged) {
  model::RunStarted started;
  started.conditions.push_back(
      {"during.0", model::ConditionList::during, "shop.outage <= 4s", model::Place{"f", 7, 5}});
  model::ConditionStatus status;
  status.id = "during.0";
  status.phase = model::Phase::fault;
  status.truth = model::Truth::broken;
  const auto at = [](Duration t, model::EventData data) {
    model::Event event;
    event.t = t;
    event.data = std::move(data);
    return event;
  };
  std::vector<model::Event> events = {at(0s, started),
                                      at(12s, model::PhaseStarted{model::Phase::fault, 5s})};
  status.measured = 5.0006;
  events.push_back(at(17s, status));
  status.measured = 5.0401;
  status.final = true;
  events.push_back(at(22s, status));
  const Report report = fold(events);
  ASSERT_EQ(report.conditions.size(), 1u);
  EXPECT_EQ(cells(report, report.conditions[0]).worst, "at +0:17.0");
}

INSTANTIATE_TEST_SUITE_P(All, Stories, ::testing::ValuesIn(stories()), [](const auto& story) {
  std::string name = story.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace ordeal::report
