// Windows and blackouts: when a run may begin.
#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/schedule/windows.hpp"

namespace ordeal::schedule {
namespace {

using std::chrono::days;
using std::chrono::local_days;
using std::chrono::minutes;

constexpr std::string_view kExample = "such as mon-fri 09:00-17:00 or 22:00-06:00";
constexpr minutes kDay{24 * 60};

std::optional<unsigned> weekday(std::string_view text) {
  static const std::vector<std::string> kNames = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
  std::string word(text);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto found = std::find(kNames.begin(), kNames.end(), word);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<unsigned>(found - kNames.begin());
}

// "mon-thu", "mon,wed"; fri-mon is four days.
std::optional<TextProblem> read_weekdays(std::string_view text, std::array<bool, 7>& out) {
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string_view item = text.substr(at, end - at);
    const std::size_t dash = std::min(item.find('-'), item.size());
    const auto first = weekday(item.substr(0, dash));
    const auto last = dash == item.size() ? first : weekday(item.substr(dash + 1));
    if (!first || !last) {
      const std::size_t wrong = first ? at + dash + 1 : at;
      const std::string_view word = text.substr(wrong, end - wrong);
      return TextProblem{wrong, fmt::format("no day '{}': expected sun, mon, tue, wed, thu, fri "
                                            "or sat",
                                            printable(word.substr(0, word.find('-')), 30))};
    }
    for (unsigned day = *first;; day = (day + 1) % 7) {
      out[day] = true;
      if (day == *last) break;
    }
    at = end + 1;
  }
  return std::nullopt;
}

// "09:00"; 24:00 only as an end.
std::optional<minutes> time_of_day(std::string_view text, bool end) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  if (!digit(0) || !digit(1) || !digit(3) || !digit(4)) return std::nullopt;
  const int hour = (text[0] - '0') * 10 + text[1] - '0';
  const int minute = (text[3] - '0') * 10 + text[4] - '0';
  const minutes out = std::chrono::hours(hour) + minutes(minute);
  if (minute > 59 || out > kDay || (out == kDay && !end)) return std::nullopt;
  return out;
}

// The first moment at which the wall shows this or later.
WallTime moment(const Zone& zone, LocalTime local) { return zone.moments(local).first; }

bool applies(const Window& window, local_days day) {
  return window.weekdays[std::chrono::weekday(day).c_encoding()];
}

std::string texts(const std::vector<Window>& windows) {
  std::vector<std::string> out;
  for (const Window& window : windows) out.push_back(window.text);
  return join(out, ", ");
}

std::string dates_text(const Blackout& blackout) {
  const std::string first = format_date(std::chrono::year_month_day(blackout.first));
  const std::string last = format_date(std::chrono::year_month_day(blackout.last));
  return first == last ? first : first + ".." + last;
}

// Why the run may not begin, or empty.
std::string in_calendar(const Blackout& blackout, const Zone& zone, WallTime now, WallTime end) {
  for (const Event& event : blackout.events) {
    if (!overlaps(event, zone, now, end)) continue;
    const std::string file = blackout.calendar.substr(blackout.calendar.rfind('/') + 1);
    return fmt::format("blackout {}{}{}{}", file, blackout.reason.empty() ? "" : ": ",
                       blackout.reason,
                       event.summary.empty() ? "" : ": " + printable(event.summary, 200));
  }
  return {};
}

std::string time_text(const Zone& zone, WallTime when) {
  return format_local(zone, when).substr(0, 16);
}

}  // namespace

std::optional<TextProblem> parse_window(std::string_view text, Window& out) {
  out = Window{};
  out.text = std::string(text);
  const std::size_t space = text.rfind(' ');
  const std::size_t times = space == text.npos ? 0 : space + 1;
  out.weekdays.fill(space == text.npos);
  if (space != text.npos) {
    const std::string_view named = text.substr(0, text.find_last_not_of(' ', space) + 1);
    if (auto problem = read_weekdays(named, out.weekdays)) return problem;
  }
  const std::string_view rest = text.substr(times);
  const std::size_t dash = rest.find('-');
  const auto begin = time_of_day(rest.substr(0, dash), false);
  const auto end = dash == rest.npos ? std::nullopt : time_of_day(rest.substr(dash + 1), true);
  if (!begin || !end) {
    return TextProblem{begin ? times + dash + 1 : times,
                       fmt::format("expected days and times, {}", kExample)};
  }
  if (*begin == *end) {
    return TextProblem{times, "this window has no length; a whole day is 00:00-24:00"};
  }
  out.begin = *begin;
  out.end = *end;
  return std::nullopt;
}

std::optional<TextProblem> parse_dates(std::string_view text, Blackout& out) {
  const std::size_t dots = text.find("..");
  const auto first = parse_date(text.substr(0, dots));
  const auto last = dots == text.npos ? first : parse_date(text.substr(dots + 2));
  if (!first || !last) {
    return TextProblem{first ? dots + 2 : 0,
                       "expected a date, or two such as 2026-11-23..2026-12-01"};
  }
  out.first = local_days(*first);
  out.last = local_days(*last);
  if (out.last < out.first) return TextProblem{dots + 2, "this is before the first day"};
  return std::nullopt;
}

std::optional<WallTime> closes(const Schedule& schedule, WallTime now) {
  const LocalTime local = schedule.zone.local(now);
  const local_days today = std::chrono::floor<days>(local);
  std::optional<WallTime> out;
  for (const local_days day : {today - days(1), today}) {
    for (const Window& window : schedule.windows) {
      if (!applies(window, day)) continue;
      const minutes length =
          window.end > window.begin ? window.end - window.begin : window.end + kDay - window.begin;
      const LocalTime begin = day + window.begin;
      if (local < begin || local >= begin + length) continue;
      // A repeated hour at the end: the wall shows the end for the first time.
      const WallTime end = std::max(moment(schedule.zone, begin + length), now);
      if (!out || *out < end) out = end;
    }
  }
  return out;
}

std::optional<Opening> next_opening(const Schedule& schedule, WallTime after) {
  const local_days today = std::chrono::floor<days>(schedule.zone.local(after));
  std::optional<Opening> out;
  for (local_days day = today - days(1); day < today + days(9) && !out; day += days(1)) {
    for (const Window& window : schedule.windows) {
      if (!applies(window, day)) continue;
      const bool wraps = window.end <= window.begin;
      const Opening opening{moment(schedule.zone, day + window.begin),
                            moment(schedule.zone, day + window.end + (wraps ? days(1) : days(0)))};
      if (opening.begin <= after || opening.end <= opening.begin) continue;
      if (!out || opening.begin < out->begin) out = opening;
    }
  }
  return out;
}

std::string forbidden(const Calendar& calendar, const Schedule& schedule, WallTime now) {
  const WallTime end = now + schedule.length;
  const local_days first = std::chrono::floor<days>(schedule.zone.local(now));
  const local_days last = std::chrono::floor<days>(schedule.zone.local(end));
  for (const Blackout& blackout : calendar.blackouts) {
    if (!blackout.calendar.empty()) {
      std::string why = in_calendar(blackout, schedule.zone, now, end);
      if (!why.empty()) return why;
      continue;
    }
    if (last < blackout.first || first > blackout.last) continue;
    return fmt::format("blackout {}{}{}{}", dates_text(blackout),
                       blackout.reason.empty() ? "" : ": ", blackout.reason,
                       first < blackout.first ? ", before its faults would be over" : "");
  }
  if (schedule.windows.empty()) return {};
  std::optional<WallTime> open = closes(schedule, now);
  if (!open) return fmt::format("outside its windows ({})", texts(schedule.windows));
  while (*open < end) {  // windows that touch are one
    const auto further = closes(schedule, *open);
    if (!further || *further <= *open) {
      return fmt::format("its faults would last until {}, and its window ends {}",
                         time_text(schedule.zone, end), time_text(schedule.zone, *open));
    }
    open = further;
  }
  return {};
}

}  // namespace ordeal::schedule
