// cron against a table that another program made (cron_table.py): three years in three zones with
// eighteen changes of the clock; what is found, forecast, and then fired in virtual time.
#include <fstream>
#include <sstream>

#include "engine/base/digest.hpp"
#include "tests/unit/schedule/values.hpp"

namespace ordeal::schedule {
namespace {

struct Row {
  std::string zone;
  std::string expression;
  std::size_t count = 0;
  std::string digest;
  std::vector<std::int64_t> near;  // firings around the changes of the clock
};

std::vector<Row> table() {
  std::ifstream file(std::string(ORDEAL_SOURCE_DIR) + "/tests/unit/schedule/cron_table.txt");
  std::vector<Row> out;
  for (std::string line; std::getline(file, line);) {
    Row row;
    std::istringstream words(line);
    std::string cell;
    std::getline(words, row.zone, '|');
    row.zone.pop_back();
    std::getline(words, cell, '|');
    row.expression = cell.substr(1, cell.size() - 2);
    std::string bar;
    words >> row.count >> bar >> row.digest >> bar;
    for (std::int64_t second = 0; words >> second;) row.near.push_back(second);
    out.push_back(std::move(row));
  }
  return out;
}

const WallTime kBegin = instant("2022-01-01T00:00:00Z");
const WallTime kEnd = instant("2025-01-01T00:00:00Z");

void compare(const Row& row, const std::vector<WallTime>& fired) {
  std::string text;
  std::set<std::int64_t> all;
  for (const WallTime when : fired) {
    text += std::to_string(seconds_of(when)) + "\n";
    all.insert(seconds_of(when));
  }
  for (const std::int64_t second : row.near) {
    EXPECT_TRUE(all.contains(second)) << "does not fire at " << format_wall(at_second(second));
  }
  EXPECT_EQ(fired.size(), row.count);
  EXPECT_EQ(sha256_hex(text), row.digest);
}

class Table : public testing::TestWithParam<Row> {};

TEST_P(Table, IsForecast) {
  Calendar calendar;
  calendar.schedules.push_back(schedule_of(cron(GetParam().expression), GetParam().zone));
  std::vector<WallTime> fired;
  for (const Forecast& row : forecast(calendar, kBegin - 1us, kEnd - 1us, 1'000'000)) {
    EXPECT_EQ(row.note, "");
    fired.push_back(row.when);
  }
  compare(GetParam(), fired);
}

// Time passes: the scheduler wakes when it wants to, a little late, and each run ends soon.
TEST_P(Table, FiresInVirtualTime) {
  Calendar calendar;
  calendar.schedules.push_back(schedule_of(cron(GetParam().expression), GetParam().zone));
  Scheduler scheduler(calendar, {}, kBegin - 1us);
  std::vector<WallTime> fired;
  for (auto wake = scheduler.next_wake(); wake && *wake < kEnd; wake = scheduler.next_wake()) {
    for (const Decision& decision : scheduler.tick(*wake + 40ms)) {
      ASSERT_EQ(decision.what, Decision::What::start) << to_text(decision);
      fired.push_back(decision.due);
      ASSERT_TRUE(scheduler.ended("test", decision.due, "upheld", *wake + 5s).empty());
    }
  }
  compare(GetParam(), fired);
}

INSTANTIATE_TEST_SUITE_P(Zones, Table, testing::ValuesIn(table()),
                         [](const auto& row) { return std::to_string(row.index); });

TEST(CronTable, HasThreeZonesAndEighteenExpressions) { EXPECT_EQ(table().size(), 3u * 18u); }

std::string problem_of(const std::string& text) {
  Cron out;
  const auto problem = parse_cron(text, out);
  return problem ? std::to_string(problem->offset) + ": " + problem->text : "fine";
}

TEST(Cron, SaysWhatIsWrongAndWhere) {
  const std::map<std::string, std::string> expected = {
      {"61 * * * *", "0: minute: expected 0-59, found '61'"},
      {"0 24 * * *", "2: hour: expected 0-23, found '24'"},
      {"0 0 0 * *", "4: day of month: expected 1-31, found '0'"},
      {"0 0 * foo *", "6: month: expected 1-12 or jan..dec, found 'foo'"},
      {"0 0 * * 8", "8: day of week: expected 0-7 or sun..sat, found '8'"},
      {"0 0 * * 1,", "10: day of week: expected 0-7 or sun..sat, found nothing"},
      {"5/10 * * * *", "1: minute: a step needs a range or `*` before it, such as */5 or 10-50/5"},
      {"*/0 * * * *", "2: minute: expected a step from 1 to 59"},
      {"0 22-6 * * *",
       "2: hour: 22-6 is a range that ends before it begins; write two, such as 22-23,0-6"},
      {"0 0 ? * 1", "4: day of month: `?` is Quartz's and not cron's"},
      {"0 0 L * *", "4: day of month: `L` is Quartz's and not cron's"},
      {"0 0 * *",
       "7: expected five fields: minute, hour, day of month, month, day of week; "
       "found 4"},
      {"0 0 0 * * *",
       "10: expected five fields: minute, hour, day of month, month, day of week; "
       "found 6; there are no seconds"},
      {"0 0 30 2 *", "4: there is no such day in any year"},
      {"0 0 31 4,6,9,11 *", "4: there is no such day in any year"},
      {"@reboot", "0: `@reboot` names no time; write an `every` or a time"},
      {"@every 5m", "0: write `every: 1h30m` instead"},
      {"@dayly", "0: no macro '@dayly'; did you mean `@daily`?"},
      {"@daily 5", "7: nothing may follow a macro"},
      {"CRON_TZ=UTC 0 0 * * *", "0: the zone is not written here but in `time_zone`"},
      {"", "0: expected five fields: minute, hour, day of month, month, day of week; found 0"},
      {"1-2-3 * * * *", "3: minute: expected 0-59, found '-3'"},
      {"0 0 1- * *", "6: day of month: expected 1-31"},
  };
  for (const auto& [text, problem] : expected) EXPECT_EQ(problem_of(text), problem) << text;
}

std::string next_text(const std::string& expression, const std::string& zone_name,
                      const std::string& after) {
  const auto next = next_of_cron(cron(expression), zone(zone_name), instant(after));
  return next ? format_wall(*next).substr(0, 16) : "never";
}

TEST(Cron, KnowsMacrosNamesAndSundayTwice) {
  EXPECT_EQ(next_text("@yearly", "Etc/UTC", "2026-02-01"), "2027-01-01T00:00");
  EXPECT_EQ(next_text("@Weekly", "Etc/UTC", "2026-11-21"), "2026-11-22T00:00");
  EXPECT_EQ(next_text("@hourly", "Etc/UTC", "2026-11-21"), "2026-11-21T01:00");
  EXPECT_EQ(next_text("0 0 * * 7", "Etc/UTC", "2026-11-21"), "2026-11-22T00:00");
  EXPECT_EQ(next_text("0 0 * * SUN", "Etc/UTC", "2026-11-21"), "2026-11-22T00:00");
}

TEST(Cron, DaysMatchByEitherUnlessOneBeginsWithAStar) {
  // The 13th or a Friday.
  EXPECT_EQ(next_text("0 0 13 * 5", "Etc/UTC", "2026-11-07"), "2026-11-13T00:00");
  EXPECT_EQ(next_text("0 0 13 * 5", "Etc/UTC", "2026-11-13"), "2026-11-20T00:00");
  // An odd day that is a Monday.
  EXPECT_EQ(next_text("0 0 */2 * 1", "Etc/UTC", "2026-11-21"), "2026-11-23T00:00");
  EXPECT_EQ(next_text("0 0 */2 * 1", "Etc/UTC", "2026-11-23"), "2026-12-07T00:00");
}

TEST(Cron, FindsALeapDayOnASundayAcrossTheYear2100) {
  EXPECT_EQ(next_text("0 0 29 2 *", "Etc/UTC", "2096-03-01"), "2104-02-29T00:00");
  EXPECT_EQ(next_text("0 0 29 2 */7", "Etc/UTC", "2088-03-01"), "2128-02-29T00:00");
}

TEST(Cron, FiresOnceWhenSeveralTimesFallIntoOneGap) {
  EXPECT_EQ(next_text("0,15,30 2 * * *", "Europe/Berlin", "2024-03-31T00:30:00Z"),
            "2024-03-31T01:00");
  EXPECT_EQ(next_text("0,15,30 2 * * *", "Europe/Berlin", "2024-03-31T01:00:00Z"),
            "2024-04-01T00:00");
}

// Samoa had no 30 December 2011: 24 hours are a correction, and nothing is made up for.
TEST(Cron, MakesUpForNothingWhenADayIsLeftOut) {
  EXPECT_EQ(next_text("0 12 * * *", "Pacific/Apia", "2011-12-29T23:00:00Z"), "2011-12-30T22:00");
  EXPECT_EQ(next_text("0 12 30 12 *", "Pacific/Apia", "2011-01-01"), "2012-12-29T22:00");
}

}  // namespace
}  // namespace ordeal::schedule
