// Schedule files: those that are read, and tests/broken/schedules: what each is told, exactly.
// ORDEAL_WRITE_EXPECTED=1 writes the expected files anew, to be read before a commit.
#include "engine/spec/schedule.hpp"

#include <gtest/gtest.h>

#include "tests/unit/spec/files.hpp"

namespace ordeal::spec {
namespace {

ScheduleOutcome parse_schedule_text(const std::string& text) {
  const auto read = [&](const std::string&) -> Result<std::string> { return text; };
  return parse_schedules({"folder/test.yaml", read});
}

constexpr const char* kBroken = "tests/broken/schedules";

class BrokenSchedule : public testing::TestWithParam<std::string> {};

TEST_P(BrokenSchedule, IsToldExactly) {
  const ScheduleOutcome outcome = parse_schedules({GetParam() + ".yaml", read_source});
  EXPECT_FALSE(outcome.calendar.has_value());
  expect_told_exactly(GetParam(), outcome.problems);
}

INSTANTIATE_TEST_SUITE_P(Files, BrokenSchedule, testing::ValuesIn(broken_files(kBroken)),
                         test_name);

TEST(BrokenSchedules, AreAtLeastTwentyFive) { EXPECT_GE(broken_files(kBroken).size(), 25u); }

TEST(ScheduleFile, IsReadInWhole) {
  const ScheduleOutcome outcome = parse_schedule_text(R"(version: 1
schedules:
  - name: nightly
    run: experiments/../a.yaml
    cron: "30 2 * * mon-fri"
    time_zone: Europe/Berlin
    start_deadline: 10m
    concurrency: queue
    windows: [ "mon-fri 01:00-04:00" ]
    pause_after: { violated: 1, dirty: 2 }
    vars: { url: "http://staging.lan", n: 5 }
  - { name: monkey, run: /b.yaml, random: { mean_time_between: 2d, min_gap: 1d, seed: 7 },
      time_zone: America/New_York }
  - { name: free, run: b.yaml, random: { mean_time_between: 2d }, leashed: false,
      time_zone: Etc/UTC }
  - { name: often, run: b.yaml, every: 1h30m, time_zone: Etc/UTC, concurrency: replace }
  - { name: once, run: b.yaml, at: "2026-11-27 02:00", time_zone: Etc/UTC }
blackout:
  - { dates: 2026-11-23..2026-12-01, reason: Black Friday freeze }
  - { dates: 2026-12-24 }
)");
  EXPECT_EQ(lines(outcome.problems), "");
  ASSERT_TRUE(outcome.calendar);
  const schedule::Calendar& calendar = *outcome.calendar;
  ASSERT_EQ(calendar.schedules.size(), 5u);
  const schedule::Schedule& nightly = calendar.schedules[0];
  EXPECT_EQ(nightly.name, "nightly");
  EXPECT_EQ(nightly.file, "folder/a.yaml");
  EXPECT_EQ(nightly.place.line, 4);
  EXPECT_EQ(nightly.zone.name(), "Europe/Berlin");
  EXPECT_TRUE(std::holds_alternative<schedule::Cron>(nightly.trigger));
  EXPECT_EQ(nightly.start_deadline, 10min);
  EXPECT_EQ(nightly.concurrency, schedule::Concurrency::queue);
  EXPECT_EQ(nightly.windows.size(), 1u);
  EXPECT_FALSE(nightly.leashed);
  EXPECT_EQ(nightly.pause_after, (std::map<std::string, int>{{"violated", 1}, {"dirty", 2}}));
  EXPECT_EQ(nightly.vars.at("n"), "5");
  const schedule::Schedule& monkey = calendar.schedules[1];
  EXPECT_EQ(monkey.file, "/b.yaml");
  EXPECT_TRUE(monkey.leashed) << "random is leashed unless told otherwise";
  EXPECT_EQ(std::get<schedule::Random>(monkey.trigger).seed, 7u);
  EXPECT_EQ(std::get<schedule::Random>(monkey.trigger).min_gap, 24h);
  EXPECT_FALSE(calendar.schedules[2].leashed);
  EXPECT_NE(std::get<schedule::Random>(calendar.schedules[2].trigger).seed, 0u);
  EXPECT_EQ(std::get<schedule::Every>(calendar.schedules[3].trigger).period, 90min);
  EXPECT_EQ(calendar.schedules[3].concurrency, schedule::Concurrency::replace);
  EXPECT_EQ(calendar.schedules[3].start_deadline, 10s);
  EXPECT_EQ(std::get<schedule::At>(calendar.schedules[4].trigger).times.size(), 1u);
  ASSERT_EQ(calendar.blackouts.size(), 2u);
  EXPECT_EQ(calendar.blackouts[0].reason, "Black Friday freeze");
  EXPECT_EQ(calendar.blackouts[1].first, calendar.blackouts[1].last);
}

// The example of the specification: refused at exactly what is not there yet.
TEST(ScheduleFile, ExampleIsReadButForWhatIsNotThereYet) {
  const ScheduleOutcome outcome =
      parse_schedules({"tests/examples/schedule-staging.yaml", read_source});
  std::vector<std::string> places;
  for (const Problem& problem : outcome.problems) {
    EXPECT_NE(problem.text.find("not there yet"), problem.text.npos) << problem.text;
    places.push_back(std::to_string(problem.place.line) + ":" +
                     std::to_string(problem.place.column));
  }
  EXPECT_EQ(places, std::vector<std::string>{"21:1"});
}

// The page names every key, and its examples are read.
TEST(ScheduleFile, PageIsRight) {
  const std::string page = read_source("docs/reference/schedule-file.md").value();
  for (const Table& keys : schedule_tables()) {
    for (const Key& key : keys.keys) {
      EXPECT_NE(page.find("`" + std::string(key.name)), page.npos) << key.name;
    }
  }
  std::size_t found = 0;
  const std::string open = "```yaml\n";
  for (std::size_t at = 0; (at = page.find(open, at)) != page.npos;) {
    const std::size_t start = at + open.size();
    at = page.find("```", start);
    const ScheduleOutcome outcome = parse_schedule_text(page.substr(start, at - start));
    EXPECT_EQ(lines(outcome.problems), "") << page.substr(start, at - start);
    ++found;
  }
  EXPECT_EQ(found, 1u);
}

TEST(ScheduleFile, ExamplesAreRead) {
  std::size_t found = 0;
  const std::string folder = std::string(ORDEAL_SOURCE_DIR) + "/experiments/schedules";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto path = "experiments/schedules/" + entry.path().filename().string();
    const ScheduleOutcome outcome = parse_schedules({path, read_source});
    EXPECT_EQ(lines(outcome.problems), "");
    ASSERT_TRUE(outcome.calendar);
    for (const schedule::Schedule& one : outcome.calendar->schedules) {
      EXPECT_TRUE(read_source(one.file).has_value()) << path << " names " << one.file;
    }
    ++found;
  }
  EXPECT_GE(found, 1u);
}

TEST(ScheduleFile, HasASchemaWithEveryKey) {
  const std::string schema = json_schema_of_schedules();
  for (const Table& keys : schedule_tables()) {
    for (const Key& key : keys.keys) {
      EXPECT_NE(schema.find("\"" + std::string(key.name) + "\""), schema.npos);
    }
  }
}

}  // namespace
}  // namespace ordeal::spec
