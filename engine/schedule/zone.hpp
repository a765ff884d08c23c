// Civil time in an IANA time zone, from the time zone data of this system (package tzdata). Only
// zone.cpp knows the library behind it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/base/units.hpp"

namespace date {
class time_zone;
}

namespace ordeal::schedule {

// What a clock on the wall shows, in seconds.
using LocalTime = std::chrono::local_seconds;

// How often the wall shows a local time, and when.
struct Moments {
  enum class Kind { once, never, twice };
  Kind kind = Kind::once;
  WallTime first{};   // never: the first moment after the gap
  WallTime second{};  // only for twice
  Duration jump{};    // never, twice: by how much the wall jumps there; always positive
};

class Zone {
 public:
  Zone();  // UTC
  // Errors: no such zone, with the nearest right name.
  static Result<Zone> find(std::string_view name);

  const std::string& name() const { return name_; }
  Duration offset(WallTime when) const;  // of the wall from UTC
  LocalTime local(WallTime when) const;  // rounded down to a second
  Moments moments(LocalTime local) const;
  // The wall runs evenly from a day before `when` to two days after it.
  bool is_even_around(WallTime when) const;

 private:
  Zone(std::string name, const date::time_zone* data) : name_(std::move(name)), data_(data) {}

  std::string name_;
  const date::time_zone* data_;
};

// "2026-11-23 02:30:00 +01:00"
std::string format_local(const Zone& zone, WallTime when);
// "2026-11-21T02:30:00Z", with an offset such as +01:00 instead of Z, or a date alone: 00:00 UTC.
Result<WallTime> parse_instant(std::string_view text);
// "2026-11-21 02:30" or "2026-11-21T02:30:00": what a wall shows.
std::optional<LocalTime> parse_local(std::string_view text);
// "2026-11-21"
std::optional<std::chrono::year_month_day> parse_date(std::string_view text);
std::string format_date(std::chrono::year_month_day date);

}  // namespace ordeal::schedule
