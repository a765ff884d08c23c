// Units as types. Durations are whole microseconds; percentages are whole parts per million, so
// that a value means the same on every wire and in every digest.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace ordeal {

using Duration = std::chrono::microseconds;
using namespace std::chrono_literals;

// CLOCK_BOOTTIME: counts on during suspend. It has no now(): only os::Clock knows the time.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, duration>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

// Civil time, microseconds since 1970 UTC. For people and files; never for leases or deadlines.
struct WallClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallClock, duration>;
  static constexpr bool is_steady = false;
};
using WallTime = WallClock::time_point;

// Parts per million: 1% is 10'000, 100% is 1'000'000.
struct Ppm {
  std::int64_t value = 0;
  auto operator<=>(const Ppm&) const = default;
};
constexpr Ppm percent(std::int64_t whole) { return Ppm{whole * 10'000}; }

// Bytes.
struct Bytes {
  std::int64_t value = 0;
  auto operator<=>(const Bytes&) const = default;
};

// "1m30s", "300ms", "0.5s", "2d": largest unit first, no sign, no spaces. Error: what is wrong.
Result<Duration> parse_duration(std::string_view text);
// The shortest exact spelling with at most two units when exact: "1m30s", "300ms", "1.5ms".
std::string format_duration(Duration duration);
// For a person's eye: three significant digits: "412 us", "1.84 ms", "12.4 s", "5m30s".
std::string format_short(Duration duration);

// "20%", "0.5%". Error: what is wrong.
Result<Ppm> parse_percent(std::string_view text);
std::string format_percent(Ppm share);

// "512MiB", "1.5GB", "64kB", "10B". Error: what is wrong.
Result<Bytes> parse_bytes(std::string_view text);
// Binary units: "512 MiB", "1.50 GiB".
std::string format_bytes(Bytes bytes);

// RFC 3339 in UTC with milliseconds: "2026-11-21T01:40:00.123Z".
std::string format_wall(WallTime time);

}  // namespace ordeal
