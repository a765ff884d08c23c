// Calendars of others (iCalendar, RFC 5545) as blackouts: the part of the format that holidays and
// freezes need. What is not understood is an error and never ignored, since an event that is not
// seen is a day on which something runs.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/schedule/zone.hpp"

namespace ordeal::schedule {

enum class Repeat { never, daily, weekly, monthly, yearly };

// An event with all its occurrences.
struct Event {
  std::string summary;
  LocalTime begin{};  // of the first occurrence
  Duration length{};  // of each: exact, or whole days of the wall when all_day
  bool all_day = false;
  std::optional<Zone> zone;  // none: in that of whoever asks, as all days are
  Repeat repeat = Repeat::never;
  int interval = 1;
  std::array<bool, 7> weekdays{};  // of weekly; 0 is Sunday
  std::optional<int> count;        // so many occurrences, the first among them
  std::optional<LocalTime> until;  // the last may begin then; in the zone of `begin`
  std::vector<LocalTime> except;   // occurrences that are left out, by their begin
};

struct IcsProblem {
  int line = 0;
  std::string text;
};

// Source: RFC 5545 3.1 (lines), 3.3.6 (durations), 3.3.10 (RRULE), 3.6.1 (VEVENT).
// Read are VEVENTs with DTSTART, DTEND or DURATION, RRULE of FREQ with INTERVAL, COUNT, UNTIL, and
// of WEEKLY with BYDAY, and EXDATE; a cancelled event is none. Everything that would change when an
// event is, and is not among these, is a problem.
std::vector<IcsProblem> parse_ics(std::string_view text, std::vector<Event>& out);

// Whether an occurrence overlaps [begin, end], for somebody in this zone.
bool overlaps(const Event& event, const Zone& zone, WallTime begin, WallTime end);

}  // namespace ordeal::schedule
