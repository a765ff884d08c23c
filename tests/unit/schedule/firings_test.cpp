// every, at and random; windows and blackouts.
#include <cmath>

#include "engine/schedule/windows.hpp"
#include "tests/unit/schedule/values.hpp"

namespace ordeal::schedule {
namespace {

std::vector<std::string> first_of(const Schedule& schedule, const std::string& after, int count) {
  Firings firings(schedule);
  std::vector<std::string> out;
  auto when = firings.next(instant(after));
  for (int i = 0; i < count && when; ++i, when = firings.next(*when)) {
    out.push_back(format_local(schedule.zone, *when));
  }
  return out;
}

TEST(Every, CountsFrom1970) {
  const Schedule schedule = schedule_of(Every{6h}, "Europe/Berlin");
  EXPECT_EQ(first_of(schedule, "2026-11-21T00:00:00Z", 2),
            (Texts{"2026-11-21 07:00:00 +01:00", "2026-11-21 13:00:00 +01:00"}));
  EXPECT_EQ(next_firing(schedule, instant("1969-12-31T23:59:59Z")), at_second(0));
}

TEST(At, FiresAtEachTimeOnceAlsoWhereTheClockChanges) {
  At at;
  for (const char* text : {"2026-03-29 02:30", "2026-10-25 02:30:15", "2026-11-01T00:00"}) {
    at.times.push_back(parse_local(text).value());
  }
  EXPECT_EQ(first_of(schedule_of(at, "Europe/Berlin"), "2026-01-01", 9),
            (Texts{"2026-03-29 03:00:00 +02:00", "2026-10-25 02:30:15 +02:00",
                   "2026-11-01 00:00:00 +01:00"}));
}

// ---- random
Schedule random_schedule(Duration mean, Duration gap, std::uint64_t seed) {
  return schedule_of(Random{mean, gap, seed}, "America/New_York");
}

TEST(Random, KeepsItsMeanAndItsGap) {
  Firings firings(random_schedule(4h, 1h, 7));
  const WallTime begin = instant("2026-01-01");
  const WallTime end = instant("2029-01-01");
  WallTime last = begin;
  double sum_of_squares = 0;
  int count = 0;
  for (auto when = firings.next(begin); *when < end; when = firings.next(*when)) {
    EXPECT_GE(*when - last, 1h);
    const double rest = std::chrono::duration<double>(*when - last - 1h).count();
    sum_of_squares += rest * rest;
    last = *when;
    ++count;
  }
  const double expected = std::chrono::duration<double>(end - begin).count() / (4 * 3600);
  EXPECT_NEAR(count, expected, 4 * std::sqrt(expected));  // 4 standard deviations
  // The rest is exponential: the mean of its square is twice the square of its mean of 3 h.
  EXPECT_NEAR(sum_of_squares / count / (2 * 10800.0 * 10800.0), 1, 0.15);
}

TEST(Random, IsTheSameWhereverOneBegins) {
  const Schedule schedule = random_schedule(5h, 1h, 7);
  Firings whole(schedule);
  auto when = whole.next(instant("2026-01-01"));
  for (int i = 0; i < 200; ++i) {
    const WallTime before = *when;
    when = whole.next(before);
    EXPECT_EQ(next_firing(schedule, before), when);
    EXPECT_EQ(next_firing(schedule, *when - 1us), when);
  }
  EXPECT_EQ(whole.next(instant("2026-01-01")), next_firing(schedule, instant("2026-01-01")));
  EXPECT_NE(next_firing(random_schedule(5h, 1h, 8), instant("2026-01-01")),
            next_firing(schedule, instant("2026-01-01")));
}

TEST(Random, FiresInsideItsWindowsOnly) {
  Schedule schedule = random_schedule(48h, 24h, 7);
  schedule.windows.push_back(window("mon-thu 09:00-15:00"));
  Calendar calendar;
  calendar.schedules.push_back(schedule);
  const auto rows = forecast(calendar, instant("2026-01-01"), instant("2029-01-01"), 10'000);
  EXPECT_GT(rows.size(), 300u);
  WallTime last = instant("2025-01-01");
  for (const Forecast& row : rows) {
    EXPECT_EQ(row.note, "");
    EXPECT_GE(row.when - last, 24h);
    last = row.when;
    const std::string wall = format_local(schedule.zone, row.when);
    EXPECT_GE(wall.substr(11, 5), "09:00");
    EXPECT_LT(wall.substr(11, 5), "15:00");
  }
}

TEST(Random, StaysTheSameInLaterVersions) {  // else a restart after an upgrade doubles or loses one
  EXPECT_EQ(first_of(schedule_of(Random{48h, 24h, 42}), "2026-11-21", 3),
            (Texts{"2026-11-21 05:50:51 +00:00", "2026-11-23 03:24:03 +00:00",
                   "2026-11-25 05:20:56 +00:00"}));
}

// ---- windows
std::string allowed(const std::string& text, const std::string& zone_name, const std::string& when,
                    Duration length = 0s) {
  Schedule schedule = schedule_of(Every{1h}, zone_name);
  schedule.windows.push_back(window(text));
  schedule.length = length;
  return forbidden(Calendar{}, schedule, instant(when));
}

TEST(Windows, AreLocalAndHalfOpen) {
  const std::string outside = "outside its windows (mon-thu 09:00-15:00)";
  EXPECT_EQ(allowed("mon-thu 09:00-15:00", "America/New_York", "2026-11-23T13:59:59Z"), outside);
  EXPECT_EQ(allowed("mon-thu 09:00-15:00", "America/New_York", "2026-11-23T14:00:00Z"), "");
  EXPECT_EQ(allowed("mon-thu 09:00-15:00", "America/New_York", "2026-11-23T19:59:59Z"), "");
  EXPECT_EQ(allowed("mon-thu 09:00-15:00", "America/New_York", "2026-11-23T20:00:00Z"), outside);
  EXPECT_EQ(allowed("mon-thu 09:00-15:00", "America/New_York", "2026-11-27T15:00:00Z"), outside);
}

TEST(Windows, WrapMidnightAndBelongToTheDayOfTheirBeginning) {
  EXPECT_EQ(allowed("fri 22:00-06:00", "Etc/UTC", "2026-11-27T23:00:00Z"), "");
  EXPECT_EQ(allowed("fri 22:00-06:00", "Etc/UTC", "2026-11-28T05:59:00Z"), "");
  EXPECT_NE(allowed("fri 22:00-06:00", "Etc/UTC", "2026-11-28T06:00:00Z"), "");
  EXPECT_NE(allowed("fri 22:00-06:00", "Etc/UTC", "2026-11-27T05:00:00Z"), "");
  EXPECT_EQ(allowed("22:00-06:00", "Etc/UTC", "2026-11-27T05:00:00Z"), "");
  EXPECT_EQ(allowed("fri-mon 00:00-24:00", "Etc/UTC", "2026-11-23T23:59:59Z"), "");
  EXPECT_NE(allowed("fri-mon 00:00-24:00", "Etc/UTC", "2026-11-24T00:00:00Z"), "");
}

TEST(Windows, MustHoldTheWholeFault) {
  EXPECT_EQ(allowed("09:00-15:00", "Etc/UTC", "2026-11-23T14:50:00Z", 10min), "");
  EXPECT_EQ(allowed("09:00-15:00", "Etc/UTC", "2026-11-23T14:50:00Z", 11min),
            "its faults would last until 2026-11-23 15:01, and its window ends 2026-11-23 15:00");
  // Two that touch are one.
  Schedule schedule = schedule_of(Every{1h});
  schedule.windows = {window("mon 09:00-24:00"), window("tue 00:00-01:00")};
  schedule.length = 2h;
  EXPECT_EQ(forbidden(Calendar{}, schedule, instant("2026-11-23T23:00:00Z")), "");
  EXPECT_NE(forbidden(Calendar{}, schedule, instant("2026-11-23T23:00:01Z")), "");
}

TEST(Windows, AreMeasuredByTheWallWhereTheClockChanges) {
  // 01:00-04:00 has two hours in spring and four in autumn.
  const auto spring = closes(
      [] {
        Schedule out = schedule_of(Every{1h}, "Europe/Berlin");
        out.windows.push_back(window("01:00-04:00"));
        return out;
      }(),
      instant("2026-03-29T00:00:00Z"));
  EXPECT_EQ(*spring, instant("2026-03-29T02:00:00Z"));
  EXPECT_EQ(allowed("01:00-04:00", "Europe/Berlin", "2026-10-24T23:00:00Z", 4h), "");
  EXPECT_NE(allowed("01:00-04:00", "Europe/Berlin", "2026-10-24T23:00:00Z", 4h + 1s), "");
}

TEST(Blackouts, AreWholeDaysInTheZoneOfTheSchedule) {
  Calendar calendar;
  calendar.blackouts.push_back(blackout("2026-11-23..2026-12-01", "Black Friday freeze"));
  Schedule schedule = schedule_of(Every{1h}, "Europe/Berlin");
  schedule.length = 5min;
  const auto reason = [&](const char* when) {
    return forbidden(calendar, schedule, instant(when));
  };
  EXPECT_EQ(reason("2026-11-22T22:54:59Z"), "");
  EXPECT_EQ(
      reason("2026-11-22T22:55:00Z"),
      "blackout 2026-11-23..2026-12-01: Black Friday freeze, before its faults would be over");
  EXPECT_EQ(reason("2026-12-01T22:59:59Z"), "blackout 2026-11-23..2026-12-01: Black Friday freeze");
  EXPECT_EQ(reason("2026-12-01T23:00:00Z"), "");
}

TEST(Texts, OfInstantsAndZones) {
  EXPECT_EQ(format_wall(instant("2026-11-21T02:30:00+01:00")), "2026-11-21T01:30:00.000Z");
  EXPECT_EQ(format_wall(instant("2026-11-21 02:30Z")), "2026-11-21T02:30:00.000Z");
  for (const char* wrong : {"2026-11-21T02:30:00", "2026-13-01", "2026-02-30", "soon",
                            "2026-11-21T24:00:00Z", "2026-11-21T02:30:00+1", ""}) {
    EXPECT_TRUE(parse_instant(wrong).has_error()) << wrong;
  }
  EXPECT_EQ(Zone::find("Europe/Berlyn").error().message(),
            "no time zone 'Europe/Berlyn' on this system; did you mean `Europe/Berlin`?");
  EXPECT_TRUE(Zone::find("../../etc/passwd").has_error());
  EXPECT_EQ(format_local(zone("Asia/Kolkata"), instant("2026-11-21T00:00:00Z")),
            "2026-11-21 05:30:00 +05:30");
  EXPECT_EQ(format_local(zone("America/St_Johns"), instant("2026-11-21T00:00:00Z")),
            "2026-11-20 20:30:00 -03:30");
}

}  // namespace
}  // namespace ordeal::schedule
