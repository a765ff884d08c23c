#include "engine/schedule/zone.hpp"

#include <date/tz.h>
#include <fmt/format.h>

#include <charconv>

#include "engine/base/text.hpp"

namespace ordeal::schedule {
namespace {

using std::chrono::seconds;

date::sys_seconds to_date(WallTime when) {
  return date::sys_seconds(std::chrono::floor<seconds>(when.time_since_epoch()));
}
WallTime from_date(date::sys_seconds when) { return WallTime(when.time_since_epoch()); }

// Digits of exactly `size` characters at `at`.
std::optional<int> number_at(std::string_view text, std::size_t at, std::size_t size) {
  if (text.size() < at + size) return std::nullopt;
  int value = 0;
  const char* end = text.data() + at + size;
  const auto [stop, problem] = std::from_chars(text.data() + at, end, value);
  if (problem != std::errc{} || stop != end || text[at] == '-') return std::nullopt;
  return value;
}

// "02:30" or "02:30:00" from the beginning of `text`, which loses it.
std::optional<seconds> take_time(std::string_view& text) {
  const auto hour = number_at(text, 0, 2);
  const auto minute = number_at(text, 3, 2);
  if (!hour || !minute || text[2] != ':' || *hour > 23 || *minute > 59) return std::nullopt;
  text.remove_prefix(5);
  if (!text.starts_with(':')) return std::chrono::hours(*hour) + std::chrono::minutes(*minute);
  const auto second = number_at(text, 1, 2);
  if (!second || *second > 59) return std::nullopt;
  text.remove_prefix(3);
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + seconds(*second);
}

// "Z", "+01:00" from the whole of `text`.
std::optional<seconds> parse_offset(std::string_view text) {
  if (text == "Z") return seconds(0);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto time = take_time(text);
  if (!time) return std::nullopt;
  return sign * *time;
}

}  // namespace

Zone::Zone() : name_("Etc/UTC"), data_(date::locate_zone("Etc/UTC")) {}

Result<Zone> Zone::find(std::string_view name) {
  // By the list first: the library speaks in exceptions, and reads files by the name.
  const auto& zones = date::get_tzdb().zones;
  for (const date::time_zone& zone : zones) {
    if (zone.name() == name) return Zone(zone.name(), &zone);
  }
  std::vector<std::string> names;
  for (const date::time_zone& zone : zones) names.push_back(zone.name());
  const std::string nearest = nearest_word(name, names);
  return Error(Code::invalid,
               fmt::format("no time zone '{}' on this system{}", printable(name, 60),
                           nearest.empty() ? "; expected a name such as Europe/Berlin or Etc/UTC"
                                           : fmt::format("; did you mean `{}`?", nearest)));
}

Duration Zone::offset(WallTime when) const { return data_->get_info(to_date(when)).offset; }

LocalTime Zone::local(WallTime when) const {
  return LocalTime(data_->to_local(to_date(when)).time_since_epoch());
}

Moments Zone::moments(LocalTime local) const {
  const date::local_seconds wall(local.time_since_epoch());
  const date::local_info info = data_->get_info(wall);
  Moments out;
  if (info.result == date::local_info::nonexistent) {
    out.kind = Moments::Kind::never;
    out.first = from_date(info.first.end);
    out.jump = info.second.offset - info.first.offset;
    return out;
  }
  out.first = WallTime(local.time_since_epoch() - info.first.offset);
  if (info.result == date::local_info::ambiguous) {
    out.kind = Moments::Kind::twice;
    out.second = WallTime(local.time_since_epoch() - info.second.offset);
    out.jump = info.first.offset - info.second.offset;
  }
  return out;
}

bool Zone::is_even_around(WallTime when) const {
  const date::sys_info info = data_->get_info(to_date(when));
  const auto now = to_date(when);
  // Written so that the first and the last period, which have no bounds, do not overflow.
  return info.begin < now - date::days(1) && now + date::days(2) < info.end;
}

std::string format_date(std::chrono::year_month_day day) {
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

std::string format_local(const Zone& zone, WallTime when) {
  const LocalTime local = zone.local(when);
  const auto midnight = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day day{midnight};
  const std::chrono::hh_mm_ss time{local - midnight};
  const auto offset = std::chrono::duration_cast<std::chrono::minutes>(zone.offset(when)).count();
  return fmt::format("{} {:02}:{:02}:{:02} {}{:02}:{:02}", format_date(day), time.hours().count(),
                     time.minutes().count(), time.seconds().count(), offset < 0 ? '-' : '+',
                     std::abs(offset) / 60, std::abs(offset) % 60);
}

std::optional<std::chrono::year_month_day> parse_date(std::string_view text) {
  const auto year = number_at(text, 0, 4);
  const auto month = number_at(text, 5, 2);
  const auto day = number_at(text, 8, 2);
  if (text.size() != 10 || !year || !month || !day || text[4] != '-' || text[7] != '-') {
    return std::nullopt;
  }
  const std::chrono::year_month_day out{std::chrono::year(*year),
                                        std::chrono::month(static_cast<unsigned>(*month)),
                                        std::chrono::day(static_cast<unsigned>(*day))};
  if (!out.ok()) return std::nullopt;
  return out;
}

std::optional<LocalTime> parse_local(std::string_view text) {
  const auto day = parse_date(text.substr(0, 10));
  if (!day || text.size() < 11 || (text[10] != ' ' && text[10] != 'T')) return std::nullopt;
  text.remove_prefix(11);
  const auto time = take_time(text);
  if (!time || !text.empty()) return std::nullopt;
  return std::chrono::local_days(*day) + *time;
}

Result<WallTime> parse_instant(std::string_view text) {
  const Error wrong(
      Code::invalid,
      fmt::format("expected a time such as 2026-11-21T02:30:00Z, found '{}'", printable(text, 60)));
  const auto day = parse_date(text.substr(0, 10));
  if (!day) return wrong;
  const auto midnight = std::chrono::sys_days(*day).time_since_epoch();
  if (text.size() == 10) return WallTime(midnight);
  if (text[10] != ' ' && text[10] != 'T') return wrong;
  text.remove_prefix(11);
  const auto time = take_time(text);
  if (!time) return wrong;
  const auto offset = parse_offset(text);
  if (!offset) return wrong;
  return WallTime(midnight + *time - *offset);
}

}  // namespace ordeal::schedule
