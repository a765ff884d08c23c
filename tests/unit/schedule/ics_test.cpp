// Calendars of others: when their events are, and that nothing in them is overlooked.
#include <fmt/format.h>

#include "tests/unit/schedule/values.hpp"

namespace ordeal::schedule {
namespace {

std::string calendar(const std::string& event) {
  return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:x\r\n" + event +
         "END:VEVENT\r\nEND:VCALENDAR\r\n";
}

std::string problems(const std::string& text) {
  std::vector<Event> events;
  std::string out;
  for (const IcsProblem& one : parse_ics(text, events)) {
    out += std::to_string(one.line) + ": " + one.text + "\n";
  }
  return out;
}

Event one(const std::string& event) {
  std::vector<Event> events;
  for (const IcsProblem& problem : parse_ics(calendar(event), events)) {
    ADD_FAILURE() << problem.line << ": " << problem.text;
  }
  EXPECT_EQ(events.size(), 1u) << event;
  return events.empty() ? Event{} : events.front();
}

bool at(const Event& event, const std::string& moment, const std::string& asks = "Etc/UTC") {
  return overlaps(event, zone(asks), instant(moment), instant(moment));
}

TEST(Ics, AllDayEventsAreDaysOfWhoAsks) {
  const Event day = one("DTSTART;VALUE=DATE:20261225\r\nSUMMARY:Christmas\\, at last\r\n");
  EXPECT_EQ(day.summary, "Christmas, at last");
  EXPECT_FALSE(at(day, "2026-12-24T23:59:59Z"));
  EXPECT_TRUE(at(day, "2026-12-25T00:00:00Z"));
  EXPECT_TRUE(at(day, "2026-12-25T23:59:59Z"));
  EXPECT_FALSE(at(day, "2026-12-26T00:00:00Z"));
  EXPECT_TRUE(at(day, "2026-12-24T23:30:00Z", "Europe/Berlin"));
  EXPECT_FALSE(at(day, "2026-12-25T23:30:00Z", "Europe/Berlin"));
}

TEST(Ics, EndsAreExclusiveAndLengthsMayBeDurations) {
  const Event two = one("DTSTART;VALUE=DATE:20261225\r\nDTEND;VALUE=DATE:20261227\r\n");
  EXPECT_TRUE(at(two, "2026-12-26T23:59:59Z"));
  EXPECT_FALSE(at(two, "2026-12-27T00:00:00Z"));
  const Event week = one("DTSTART;VALUE=DATE:20261225\r\nDURATION:P1W\r\n");
  EXPECT_TRUE(at(week, "2026-12-31T12:00:00Z"));
  EXPECT_FALSE(at(week, "2027-01-01T00:00:00Z"));
  const Event hours = one("DTSTART:20261225T220000Z\r\nDURATION:PT3H30M\r\n");
  EXPECT_TRUE(at(hours, "2026-12-26T01:29:59Z"));
  EXPECT_FALSE(at(hours, "2026-12-26T01:30:00Z"));
}

TEST(Ics, TimesHaveZonesOrFloat) {
  const Event berlin =
      one("DTSTART;TZID=Europe/Berlin:20261125T200000\r\n"
          "DTEND;TZID=\"Europe/Berlin\":20261125T210000\r\n");
  EXPECT_TRUE(at(berlin, "2026-11-25T19:30:00Z", "America/New_York"));
  EXPECT_FALSE(at(berlin, "2026-11-25T20:00:00Z"));
  const Event floating = one("DTSTART:20261125T200000\r\nDTEND:20261125T210000\r\n");
  EXPECT_TRUE(at(floating, "2026-11-26T01:30:00Z", "America/New_York"));
  EXPECT_FALSE(at(floating, "2026-11-25T20:30:00Z", "America/New_York"));
}

// The wall's hour stays when the clock changes: 20:00 in Berlin is 19:00Z, then 18:00Z.
TEST(Ics, RepeatsByTheWallAcrossDst) {
  const Event weekly =
      one("DTSTART;TZID=Europe/Berlin:20260303T200000\r\nDURATION:PT1H\r\n"
          "RRULE:FREQ=WEEKLY\r\n");
  EXPECT_TRUE(at(weekly, "2026-03-24T19:30:00Z"));
  EXPECT_TRUE(at(weekly, "2026-03-31T18:30:00Z"));
  EXPECT_FALSE(at(weekly, "2026-03-31T19:30:00Z"));
  EXPECT_FALSE(at(weekly, "2026-04-01T18:30:00Z"));
}

TEST(Ics, RulesCountAndEnd) {
  const Event days =
      one("DTSTART;VALUE=DATE:20260302\r\nRRULE:FREQ=WEEKLY;INTERVAL=2;"
          "BYDAY=MO,FR;COUNT=4\r\n");
  for (const char* in : {"2026-03-02", "2026-03-06", "2026-03-16", "2026-03-20"}) {
    EXPECT_TRUE(at(days, std::string(in) + "T12:00:00Z")) << in;
  }
  for (const char* out : {"2026-03-09", "2026-03-13", "2026-03-30", "2026-03-03"}) {
    EXPECT_FALSE(at(days, std::string(out) + "T12:00:00Z")) << out;
  }
  const Event until =
      one("DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=MONTHLY;UNTIL=20260401\r\n"
          "EXDATE;VALUE=DATE:20260201,20260301\r\n");
  EXPECT_FALSE(at(until, "2026-02-01T12:00:00Z"));
  EXPECT_TRUE(at(until, "2026-04-01T12:00:00Z"));
  EXPECT_FALSE(at(until, "2026-05-01T12:00:00Z"));
  const Event leap = one("DTSTART;VALUE=DATE:20240229\r\nRRULE:FREQ=YEARLY\r\n");
  EXPECT_TRUE(at(leap, "2028-02-29T12:00:00Z"));
  EXPECT_FALSE(at(leap, "2026-03-01T12:00:00Z")) << "a day that is not there is skipped";
  const Event never = one("DTSTART;VALUE=DATE:20240131\r\nRRULE:FREQ=MONTHLY;INTERVAL=12\r\n");
  EXPECT_TRUE(at(never, "2026-01-31T12:00:00Z"));
}

TEST(Ics, CancelledEventsAndOtherThingsAreNone) {
  std::vector<Event> events;
  const auto told = parse_ics(
      "BEGIN:VCALENDAR\nX-WR-CALNAME:x\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\n"
      "DTSTART:19701025T030000\nRRULE:FREQ=YEARLY;BYDAY=-1SU\nEND:STANDARD\nEND:VTIMEZONE\n"
      "BEGIN:VTODO\nDUE:20261225\nEND:VTODO\nBEGIN:VEVENT\nDTSTART:20261225\nSTATUS:CANCELLED\n"
      "END:VEVENT\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\nSUMM\n ARY:fold\n\ted\nBEGIN:VALARM\n"
      "TRIGGER:-PT15M\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n",
      events);
  EXPECT_TRUE(told.empty()) << told.front().line << told.front().text;
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].summary, "folded");
}

TEST(Ics, WhatIsNotUnderstoodIsAProblemAtItsLine) {
  const std::string start = "DTSTART;VALUE=DATE:20261225\r\n";
  const std::map<std::string, std::string> cases = {
      {"SUMMARY:x\r\n", "6: this event has no DTSTART\n"},
      {"DTSTART:20261225T100000Z\r\n", "5: an event with a time needs DTEND or DURATION\n"},
      {"DTSTART;TZID=Mars/Olympus:20261225T100000\r\nDURATION:PT1H\r\n", "5: TZID: "},
      {"DTSTART:20260230\r\n", "5: DTSTART: '20260230' is no date or time\n"},
      {start + "DTEND;VALUE=DATE:20261225\r\n", "6: DTEND: this is not after DTSTART\n"},
      {start + "DTEND:20261226T000000Z\r\n", "6: DTEND: of another kind than DTSTART\n"},
      {start + "RRULE:FREQ=YEARLY;BYDAY=-1SU\r\n", "6: RRULE: BYDAY=-1SU is not understood\n"},
      {start + "RRULE:FREQ=MONTHLY;BYDAY=SU\r\n", "6: RRULE: BYDAY is read of WEEKLY only\n"},
      {start + "RRULE:FREQ=YEARLY;BYMONTH=11\r\n", "6: RRULE: BYMONTH=11 is not understood\n"},
      {start + "RRULE:FREQ=HOURLY\r\n", "6: RRULE: FREQ=HOURLY is not understood\n"},
      {start + "RRULE:FREQ=DAILY;COUNT=2;UNTIL=20270101\r\n",
       "6: RRULE: COUNT and UNTIL exclude each other\n"},
      {start + "RRULE:INTERVAL=2\r\n", "6: RRULE: FREQ is missing\n"},
      {start + "RRULE:FREQ=DAILY;BYSETPOS=1\r\n", "6: RRULE: BYSETPOS=1 is not understood\n"},
      {start + "RDATE:20261226\r\n",
       "6: RDATE is not understood here, and may say when this event is\n"},
      {start + "RECURRENCE-ID:20261226\r\n",
       "6: RECURRENCE-ID is not understood here, and may say when this event is\n"},
      {start + "DURATION:-P1D\r\n", "6: DURATION: '-P1D' is no duration above 0\n"},
      {start + "DURATION:P1D1D\r\n", "6: DURATION: 'P1D1D' is no duration above 0\n"},
      {start + "DURATION:PT1M1H\r\n", "6: DURATION: 'PT1M1H' is no duration above 0\n"},
  };
  for (const auto& [event, told] : cases) {
    EXPECT_EQ(problems(calendar(event)).substr(0, told.size()), told) << event;
  }
  EXPECT_EQ(problems("hello"),
            "1: this is no iCalendar file: it does not begin with BEGIN:VCALENDAR\n");
  EXPECT_EQ(problems("BEGIN:VCALENDAR\nBEGIN:VEVENT\n"), "2: the file ends inside VEVENT\n");
}

TEST(Ics, ForbidsARunThatWouldReachIntoAnEvent) {
  Calendar calendar;
  calendar.schedules.push_back(schedule_of(Every{1h}, "Europe/Berlin"));
  calendar.schedules[0].length = 10min;
  Blackout blackout;
  blackout.calendar = "folder/holidays.ics";
  blackout.events = {one("DTSTART;VALUE=DATE:20201225\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:Xmas\r\n")};
  calendar.blackouts.push_back(blackout);
  const Schedule& schedule = calendar.schedules[0];
  EXPECT_EQ(forbidden(calendar, schedule, instant("2026-12-24T22:49:00Z")), "");
  EXPECT_EQ(forbidden(calendar, schedule, instant("2026-12-24T22:51:00Z")),
            "blackout holidays.ics: Xmas");
  EXPECT_EQ(forbidden(calendar, schedule, instant("2026-12-25T23:00:00Z")), "");
}

// What looked at every day since then would take minutes for these.
TEST(Ics, CalendarsThatBeganLongAgoCostNoMore) {
  const std::vector<std::string> rules = {"FREQ=DAILY",
                                          "FREQ=DAILY;COUNT=2147483647",
                                          "FREQ=WEEKLY;BYDAY=SA",
                                          "FREQ=WEEKLY;COUNT=2147483647",
                                          "FREQ=WEEKLY;INTERVAL=1000",
                                          "FREQ=MONTHLY;INTERVAL=7"};
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& rule : rules) {
    const Event event = one("DTSTART:00010101T000000Z\r\nDURATION:PT1S\r\nRRULE:" + rule + "\r\n");
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(at(event, "2026-11-21T12:00:00Z"));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

// Asked day by day, as many as were counted, whichever step the look begins with.
TEST(Ics, WhereTheLookBeginsChangesNoCount) {
  const std::map<std::string, int> rules = {{"FREQ=DAILY;INTERVAL=3", 200},
                                            {"FREQ=WEEKLY;BYDAY=MO,TH,SU", 150},
                                            {"FREQ=WEEKLY;INTERVAL=3;BYDAY=TU,SA", 90},
                                            {"FREQ=MONTHLY", 14},
                                            {"FREQ=MONTHLY;INTERVAL=12", 3},
                                            {"FREQ=YEARLY", 3}};
  for (const std::string date : {"20240128", "20240131"}) {
    for (const auto& [rule, count] : rules) {
      const Event event =
          one(fmt::format("DTSTART;VALUE=DATE:{}\r\nRRULE:{};COUNT={}\r\n", date, rule, count));
      int found = 0;
      for (WallTime day = instant("2024-01-01T12:00:00Z"); day < instant("2028-01-01T00:00:00Z");
           day += std::chrono::hours(24)) {
        found += overlaps(event, zone("Etc/UTC"), day, day) ? 1 : 0;
      }
      EXPECT_EQ(found, count) << date << " " << rule;
    }
  }
  const Event leap = one("DTSTART;VALUE=DATE:08000229\r\nRRULE:FREQ=YEARLY\r\n");
  EXPECT_TRUE(at(leap, "2028-02-29T12:00:00Z"));
  const Event old = one("DTSTART;VALUE=DATE:08000131\r\nRRULE:FREQ=MONTHLY\r\n");
  EXPECT_TRUE(at(old, "2026-12-31T12:00:00Z"));
  EXPECT_FALSE(at(old, "2026-11-30T12:00:00Z"));
}

}  // namespace
}  // namespace ordeal::schedule
