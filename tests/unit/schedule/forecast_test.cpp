// What is forecast is what fires: one year, three zones with two clock changes each, every kind of
// trigger, windows and blackouts, decided by the same machine that `ordeal serve` drives.
#include "tests/unit/schedule/values.hpp"

namespace ordeal::schedule {
namespace {

const WallTime kFrom = instant("2026-02-01T00:00:00Z");
const WallTime kUntil = instant("2026-12-31T00:00:00Z");

Calendar calendar_of_everything() {
  Calendar out;
  const auto add = [&](const std::string& name, Trigger trigger, const std::string& zone_name,
                       const std::vector<std::string>& windows = {}) -> Schedule& {
    Schedule one = schedule_of(std::move(trigger), zone_name);
    one.name = name + "-" + zone_name;
    one.length = 20min;
    for (const std::string& text : windows) one.windows.push_back(window(text));
    out.schedules.push_back(std::move(one));
    return out.schedules.back();
  };
  // Berlin 29 March and 25 October at 01:00Z; New York 8 March and 1 November at 2:00 local time;
  // Lord Howe 5 April and 4 October, by half an hour.
  for (const char* name : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}) {
    add("gap", cron("30 2 * * *"), name);
    add("twice", cron("45 1 * * *"), name);
    add("wall", cron("*/20 * * * sun"), name);
    add("window", cron("10 */3 * * *"), name, {"mon-fri 01:00-09:00", "sat,sun 00:00-02:40"});
    add("period", Every{7h}, name);
    At at;
    for (const char* text : {"2026-03-29 02:30", "2026-10-25 02:30", "2026-11-01 01:30"}) {
      at.times.push_back(*parse_local(text));
    }
    add("once", at, name);
    Random random{36h, 6h, 4711};
    add("random", random, name, {"mon-thu 09:00-15:00"}).leashed = true;
  }
  out.blackouts.push_back(blackout("2026-03-28..2026-03-30", "clocks change"));
  Blackout ics;
  ics.calendar = "holidays.ics";
  const auto told = parse_ics(
      "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;TZID=Europe/Berlin:"
      "20260104T010000\nDURATION:PT4H\nRRULE:FREQ=WEEKLY;INTERVAL=2\n"
      "SUMMARY:backup\nEND:VEVENT\nEND:VCALENDAR\n",
      ics.events);
  EXPECT_TRUE(told.empty());
  out.blackouts.push_back(std::move(ics));
  return out;
}

std::string line(WallTime when, const std::string& schedule, bool starts, const std::string& why) {
  return format_wall(when) + " " + schedule + (starts ? " starts " : " is skipped ") + why;
}

// Driven as `ordeal serve` does: sleeps until next_wake, at most 15 s early or late; every run is
// over before the next firing of its schedule.
std::vector<std::string> played(Duration late) {
  Scheduler scheduler(calendar_of_everything(), {}, kFrom);
  std::vector<std::string> out;
  for (auto wake = scheduler.next_wake(); wake && *wake <= kUntil; wake = scheduler.next_wake()) {
    for (const Decision& decision : scheduler.tick(*wake + late)) {
      const bool starts = decision.what == Decision::What::start;
      EXPECT_TRUE(starts || decision.what == Decision::What::skip) << to_text(decision);
      out.push_back(line(decision.due, decision.schedule, starts, decision.reason));
      if (!starts) continue;
      EXPECT_TRUE(scheduler.ended(decision.schedule, decision.due, "upheld", *wake + late).empty());
    }
  }
  return out;
}

std::vector<std::string> forecast_lines() {
  const Calendar calendar = calendar_of_everything();
  std::vector<std::string> out;
  for (const Forecast& row : forecast(calendar, kFrom, kUntil, 1'000'000)) {
    out.push_back(line(row.when, row.schedule->name, !row.forbidden, row.note));
  }
  return out;
}

TEST(Forecast, IsWhatThenFiresOverTwoClockChangesInThreeZones) {
  const std::vector<std::string> told = forecast_lines();
  EXPECT_EQ(told, played(0s));
  EXPECT_GT(told.size(), 20'000u);
  const auto skipped = std::count_if(told.begin(), told.end(), [](const std::string& text) {
    return text.find(" is skipped ") != text.npos;
  });
  EXPECT_GT(skipped, 1000) << "windows and blackouts took part";
  EXPECT_LT(skipped, static_cast<long>(told.size()) / 2);
}

// A server that is a second late decides the same firings; only what a window or a blackout says
// at its edge may differ, and nothing here lies within a second of one.
TEST(Forecast, IsWhatFiresWhenTheServerIsALittleLate) {
  EXPECT_EQ(forecast_lines(), played(900ms));
}

}  // namespace
}  // namespace ordeal::schedule
