// cron, by the rules of Vixie's: five fields, of which the day matches by month day OR weekday when
// both are restricted, and AND when one of them begins with `*`.
#pragma once

#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "engine/schedule/zone.hpp"

namespace ordeal::schedule {

// What is wrong in a text, and at which byte of it.
struct TextProblem {
  std::size_t offset = 0;
  std::string text;
};

struct Cron {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;     // of the month, from 1
  std::bitset<13> months;   // from 1
  std::bitset<7> weekdays;  // 0 is Sunday
  bool any_day = false;     // the field begins with `*`
  bool any_weekday = false;
  // The minute or the hour begins with `*`: it follows the wall clock, so it fires in both of two
  // repeated hours and in none that is skipped. Else it is for fixed times: once a day each, at the
  // first moment after the gap when its time is skipped.
  bool wildcard = false;

  bool matches(std::chrono::local_days day) const;
};

// Reads "30 2 * * 1-5", "@daily". Also refuses what never happens, such as 30 February.
std::optional<TextProblem> parse_cron(std::string_view text, Cron& out);

// The first moment after `after`; nothing within the next 41 years otherwise.
std::optional<WallTime> next_of_cron(const Cron& cron, const Zone& zone, WallTime after);

}  // namespace ordeal::schedule
