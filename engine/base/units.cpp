#include "engine/base/units.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>

#include <fmt/format.h>

namespace ordeal {
namespace {

struct UnitName {
  std::string_view name;
  double scale;  // in the base unit: microseconds or bytes
};

// Largest first: a duration must be written in this order.
constexpr std::array<UnitName, 6> kTimeUnits = {
    {{"d", 86400e6}, {"h", 3600e6}, {"m", 60e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1}}};

constexpr std::array<UnitName, 8> kByteUnits = {{{"B", 1},
                                                 {"kB", 1e3},
                                                 {"MB", 1e6},
                                                 {"GB", 1e9},
                                                 {"KiB", 1024},
                                                 {"MiB", 1048576},
                                                 {"GiB", 1073741824},
                                                 {"TiB", 1099511627776}}};

// Splits "1.5ms..." into 1.5 and the rest; nothing when there is no plain decimal number.
std::optional<double> take_number(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  double value = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + end, value);
  if (end == 0 || problem != std::errc{} || stop != text.data() + end) return std::nullopt;
  text.remove_prefix(end);
  return value;
}

std::string_view take_letters(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_of("0123456789."), text.size());
  const std::string_view letters = text.substr(0, end);
  text.remove_prefix(end);
  return letters;
}

std::string trimmed(double value, int digits) {
  std::string text = fmt::format("{:.{}f}", value, digits);
  if (text.find('.') != text.npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const Error bad(Code::invalid,
                  fmt::format("'{}' is not a duration such as 300ms, 10s or 1m30s", text));
  std::string_view rest = text;
  double total = 0;
  std::size_t next_unit = 0;
  if (rest.empty()) return bad;
  while (!rest.empty()) {
    const std::optional<double> number = take_number(rest);
    if (!number) return bad;
    const std::string_view name = take_letters(rest);
    if (name.empty()) {
      return Error(Code::invalid,
                   fmt::format("'{}' has no unit: write {}s or {}ms", text, text, text));
    }
    std::size_t unit = 0;
    while (unit < kTimeUnits.size() && kTimeUnits[unit].name != name) ++unit;
    if (unit == kTimeUnits.size() || unit < next_unit) return bad;
    total += *number * kTimeUnits[unit].scale;
    next_unit = unit + 1;
  }
  constexpr double kLongest = 3650 * 86400e6;  // ten years: far from overflow, longer than any run
  if (total > kLongest) return Error(Code::invalid, fmt::format("'{}' is too long", text));
  return Duration(std::llround(total));
}

std::string format_duration(Duration duration) {
  if (duration < Duration::zero()) return "-" + format_duration(-duration);
  double rest = static_cast<double>(duration.count());
  if (rest == 0) return "0s";
  if (rest < 1e3) return trimmed(rest, 0) + "us";
  if (rest < 1e6) return trimmed(rest / 1e3, 3) + "ms";
  std::string out;
  for (const UnitName& unit : std::span(kTimeUnits).first(3)) {
    if (rest < unit.scale) continue;
    const double whole = std::floor(rest / unit.scale);
    out += fmt::format("{:.0f}{}", whole, unit.name);
    rest -= whole * unit.scale;
  }
  if (rest > 0) out += trimmed(rest / 1e6, 6) + "s";
  return out;
}

std::string format_short(Duration duration) {
  const double us = static_cast<double>(duration.count());
  if (us < 0) return "-" + format_short(-duration);
  const auto digits = [](double value) { return value < 10 ? 2 : value < 100 ? 1 : 0; };
  if (us < 1e3) return fmt::format("{:.0f} us", us);
  if (us < 1e6) return fmt::format("{:.{}f} ms", us / 1e3, digits(us / 1e3));
  if (us < 60e6) return fmt::format("{:.{}f} s", us / 1e6, us < 10e6 ? 2 : 1);
  const auto seconds = std::llround(us / 1e6);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  return fmt::format("{}h{:02}m", seconds / 3600, seconds % 3600 / 60);
}

Result<Ppm> parse_percent(std::string_view text) {
  std::string_view rest = text;
  const std::optional<double> number = take_number(rest);
  if (!number || (rest != "%" && !rest.empty())) {
    return Error(Code::invalid, fmt::format("'{}' is not a percentage such as 50%", text));
  }
  if (rest.empty()) {
    return Error(Code::invalid, fmt::format("a percentage needs its sign: write {}%", text));
  }
  if (*number > 1e6) return Error(Code::invalid, fmt::format("'{}' is too large", text));
  return Ppm{std::llround(*number * 1e4)};
}

std::string format_percent(Ppm share) {
  return trimmed(static_cast<double>(share.value) / 1e4, 4) + "%";
}

Result<Bytes> parse_bytes(std::string_view text) {
  std::string_view rest = text;
  const std::optional<double> number = take_number(rest);
  if (number) {
    for (const UnitName& unit : kByteUnits) {
      if (unit.name != rest) continue;
      constexpr double kMost = 9e18;
      if (*number * unit.scale > kMost) break;
      return Bytes{std::llround(*number * unit.scale)};
    }
  }
  return Error(Code::invalid, fmt::format("'{}' is not a size such as 512MiB or 2GB", text));
}

std::string format_bytes(Bytes bytes) {
  constexpr std::array<std::string_view, 5> kNames = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes.value);
  std::size_t unit = 0;
  while (std::abs(value) >= 1024 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  return trimmed(value, unit == 0 ? 0 : 2) + " " + std::string(kNames[unit]);
}

std::string format_wall(WallTime time) {
  const std::int64_t us = time.time_since_epoch().count();
  const std::time_t seconds = us / 1'000'000;
  std::tm civil{};
  ::gmtime_r(&seconds, &civil);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", civil.tm_year + 1900,
                     civil.tm_mon + 1, civil.tm_mday, civil.tm_hour, civil.tm_min, civil.tm_sec,
                     us % 1'000'000 / 1000);
}

}  // namespace ordeal
