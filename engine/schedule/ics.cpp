#include "engine/schedule/ics.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::schedule {
namespace {

using std::chrono::days;
using std::chrono::local_days;

constexpr std::size_t kMostEvents = 10'000;
constexpr int kLongestInterval = 1'000;
constexpr std::size_t kMostDigits = 6;  // of a number in a duration
const std::vector<std::string> kWeekdays = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};

// NAME;PARAMETER=VALUE:TEXT after folded lines were joined.
struct Property {
  int line = 0;
  std::string name;
  std::vector<std::pair<std::string, std::string>> parameters;
  std::string value;

  std::string parameter(std::string_view wanted) const {
    for (const auto& [name_of, text] : parameters) {
      if (name_of == wanted) return text;
    }
    return {};
  }
};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::optional<int> number(std::string_view text) {
  int out = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return {};
  return out;
}

// The colon that ends the parameters is not one in quotes (3.2).
Property property_of(const std::string& line, int number_of_line) {
  Property out;
  out.line = number_of_line;
  bool quoted = false;
  std::vector<std::string> parts(1);
  std::size_t at = 0;
  for (; at < line.size() && (quoted || line[at] != ':'); ++at) {
    if (line[at] == '"') {
      quoted = !quoted;
    } else if (line[at] == ';' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += line[at];
    }
  }
  out.name = upper(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::size_t equals = std::min(parts[i].find('='), parts[i].size());
    out.parameters.emplace_back(upper(parts[i].substr(0, equals)),
                                equals < parts[i].size() ? parts[i].substr(equals + 1) : "");
  }
  if (at < line.size()) out.value = line.substr(at + 1);
  return out;
}

// A line that begins with a space or tab goes on with the one before (3.1).
std::vector<Property> unfold(std::string_view text) {
  std::vector<Property> out;
  std::string line;
  int first = 0;
  int now = 0;
  for (std::string& part : split(text, '\n')) {
    ++now;
    if (!part.empty() && part.back() == '\r') part.pop_back();
    if (!part.empty() && (part.front() == ' ' || part.front() == '\t')) {
      line += part.substr(1);
      continue;
    }
    if (!line.empty()) out.push_back(property_of(line, first));
    line = part;
    first = now;
  }
  if (!line.empty()) out.push_back(property_of(line, first));
  return out;
}

// "\n" and "\," and "\;" and "\\" of texts (3.3.11).
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    out += next == 'n' || next == 'N' ? ' ' : next;
  }
  return out;
}

struct Moment {
  LocalTime local{};
  bool date = false;
  bool utc = false;
};

// "20261225", "20261225T180000", "20261225T180000Z"
std::optional<Moment> moment_of(std::string_view text) {
  Moment out;
  if (text.size() != 8 && text.size() != 15 && text.size() != 16) return {};
  const auto year = number(text.substr(0, 4));
  const auto month = number(text.substr(4, 2));
  const auto day = number(text.substr(6, 2));
  if (!year || !month || !day) return {};
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return {};
  out.local = local_days(date);
  out.date = text.size() == 8;
  if (out.date) return out;
  const auto hour = number(text.substr(9, 2));
  const auto minute = number(text.substr(11, 2));
  const auto second = number(text.substr(13, 2));
  out.utc = text.size() == 16;
  if (text[8] != 'T' || (out.utc && text[15] != 'Z') || !hour || !minute || !second) return {};
  if (*hour > 23 || *minute > 59 || *second > 60) return {};
  out.local +=
      std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  return out;
}

// "P1W", "P2DT3H30M": days are days of the wall; nothing: negative or no duration (3.3.6).
std::optional<Duration> duration_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (!text.starts_with('P') || text.size() < 3) return {};
  constexpr std::string_view kUnits = "WDHMS";  // each once, in this order
  std::size_t next = 0;
  Duration out{};
  std::string digits;
  for (const char c : text.substr(1)) {
    if (c >= '0' && c <= '9') {
      digits += c;
      continue;
    }
    if (c == 'T' && digits.empty()) continue;
    const auto count = number(digits);
    const std::size_t unit = kUnits.find(c);
    if (!count || digits.size() > kMostDigits || unit == kUnits.npos || unit < next) return {};
    next = unit + 1;
    digits.clear();
    if (c == 'W') out += days(7 * *count);
    if (c == 'D') out += days(*count);
    if (c == 'H') out += std::chrono::hours(*count);
    if (c == 'M') out += std::chrono::minutes(*count);
    if (c == 'S') out += std::chrono::seconds(*count);
  }
  return digits.empty() && out > 0s ? std::optional(out) : std::nullopt;
}

// Properties that say nothing about when an event is.
bool is_harmless(const std::string& name) {
  static const std::set<std::string> kNames = {
      "UID",         "DTSTAMP",  "CREATED",    "LAST-MODIFIED", "SEQUENCE", "SUMMARY",
      "DESCRIPTION", "LOCATION", "CATEGORIES", "CLASS",         "TRANSP",   "STATUS",
      "ORGANIZER",   "ATTENDEE", "URL",        "PRIORITY",      "COMMENT",  "CONTACT",
      "GEO",         "ATTACH",   "RESOURCES",  "RELATED-TO",    "COLOR",    "IMAGE"};
  return kNames.contains(name) || name.starts_with("X-");
}

class Reader {
 public:
  explicit Reader(std::vector<Event>& out) : out_(out) {}

  std::vector<IcsProblem> read(std::string_view text) {
    const std::vector<Property> all = unfold(text);
    if (all.empty() || all.front().name != "BEGIN" || upper(all.front().value) != "VCALENDAR") {
      problem(1, "this is no iCalendar file: it does not begin with BEGIN:VCALENDAR");
      return std::move(problems_);
    }
    for (const Property& one : all) line(one);
    if (!open_.empty()) problem(all.back().line, "the file ends inside " + open_.back());
    return std::move(problems_);
  }

 private:
  void problem(int line, std::string text) { problems_.push_back({line, std::move(text)}); }

  void line(const Property& one) {
    if (one.name == "BEGIN") {
      open_.push_back(upper(one.value));
      if (open_.back() == "VEVENT") event_ = {};
      return;
    }
    if (one.name == "END") {
      const bool matches = !open_.empty() && open_.back() == upper(one.value);
      if (!matches) return problem(one.line, "END:" + printable(one.value, 40) + " ends nothing");
      if (open_.back() == "VEVENT") finish(one.line);
      open_.pop_back();
      return;
    }
    // Time zones come from this system, alarms ring elsewhere, and to-dos are no events.
    if (!open_.empty() && open_.back() == "VEVENT") event_.push_back(one);
  }

  const Property* find(std::string_view name) const {
    for (const Property& one : event_) {
      if (one.name == name) return &one;
    }
    return nullptr;
  }

  // Of DTSTART, DTEND, EXDATE: with its zone. False: told.
  bool time(const Property& property, std::string_view text, Moment& moment,
            std::optional<Zone>& zone) {
    const auto read = moment_of(text);
    if (!read) {
      problem(property.line,
              fmt::format("{}: '{}' is no date or time", property.name, printable(text, 40)));
      return false;
    }
    moment = *read;
    zone.reset();
    const std::string name = property.parameter("TZID");
    if (moment.utc) zone = Zone();
    if (moment.date || moment.utc || name.empty()) return true;
    auto found = Zone::find(name);
    if (found.has_error()) {
      problem(property.line, "TZID: " + found.error().message());
      return false;
    }
    zone = std::move(found.value());
    return true;
  }

  void finish(int line) {
    for (const Property& one : event_) {
      static const std::set<std::string> kRead = {"DTSTART", "DTEND", "DURATION", "RRULE",
                                                  "EXDATE"};
      if (kRead.contains(one.name) || is_harmless(one.name)) continue;
      return problem(one.line, printable(one.name, 40) +
                                   " is not understood here, and may say when this event is");
    }
    const Property* status = find("STATUS");
    if (status != nullptr && upper(status->value) == "CANCELLED") return;
    const Property* start = find("DTSTART");
    if (start == nullptr) return problem(line, "this event has no DTSTART");
    Event out;
    Moment begin;
    if (!time(*start, start->value, begin, out.zone)) return;
    out.begin = begin.local;
    out.all_day = begin.date;
    if (const Property* summary = find("SUMMARY")) out.summary = unescape(summary->value);
    if (!length(*start, out) || !rule(out, begin)) return;
    for (const Property& one : event_) {
      if (one.name == "EXDATE" && !except(one, out)) return;
    }
    std::sort(out.except.begin(), out.except.end());
    if (out_.size() == kMostEvents) {
      return problem(line, fmt::format("more than {} events", kMostEvents));
    }
    out_.push_back(std::move(out));
  }

  bool length(const Property& start, Event& out) {
    if (const Property* duration = find("DURATION")) {
      const auto read = duration_of(duration->value);
      if (read) out.length = *read;
      if (!read) {
        problem(duration->line, fmt::format("DURATION: '{}' is no duration above 0",
                                            printable(duration->value, 40)));
      }
      return read.has_value();
    }
    const Property* end = find("DTEND");
    if (end == nullptr) {
      out.length = days(1);
      if (!out.all_day) problem(start.line, "an event with a time needs DTEND or DURATION");
      return out.all_day;
    }
    Moment moment;
    std::optional<Zone> zone;
    if (!time(*end, end->value, moment, zone)) return false;
    const bool alike = moment.date == out.all_day && zone.has_value() == out.zone.has_value();
    if (alike && out.zone) {
      out.length = zone->moments(moment.local).first - out.zone->moments(out.begin).first;
    } else if (alike) {
      out.length = moment.local - out.begin;
    }
    if (alike && out.length > 0s) return true;
    problem(end->line,
            alike ? "DTEND: this is not after DTSTART" : "DTEND: of another kind than DTSTART");
    return false;
  }

  bool except(const Property& property, Event& out) {
    for (const std::string& text : split(property.value, ',')) {
      Moment moment;
      std::optional<Zone> zone;
      if (!time(property, text, moment, zone)) return false;
      if (moment.date != out.all_day || zone.has_value() != out.zone.has_value()) {
        problem(property.line, "EXDATE: of another kind than DTSTART");
        return false;
      }
      if (zone) moment.local = out.zone->local(zone->moments(moment.local).first);
      out.except.push_back(moment.local);
    }
    return true;
  }

  // ---- RRULE
  bool rule(Event& out, const Moment& begin) {
    const Property* rule = find("RRULE");
    if (rule == nullptr) return true;
    const auto bad = [&](const std::string& text) {
      problem(rule->line, "RRULE: " + text);
      return false;
    };
    for (const std::string& part : split(upper(rule->value), ';')) {
      const std::size_t equals = std::min(part.find('='), part.size());
      const std::string key = part.substr(0, equals);
      const std::string value = equals < part.size() ? part.substr(equals + 1) : "";
      const std::string why = rule_part(key, value, out, begin);
      if (!why.empty()) return bad(why);
    }
    if (out.repeat == Repeat::never) return bad("FREQ is missing");
    const bool days_given = std::count(out.weekdays.begin(), out.weekdays.end(), true) > 0;
    if (days_given && out.repeat != Repeat::weekly) return bad("BYDAY is read of WEEKLY only");
    if (out.count && out.until) return bad("COUNT and UNTIL exclude each other");
    const std::chrono::weekday first(std::chrono::floor<days>(out.begin));
    if (out.repeat == Repeat::weekly) out.weekdays[first.c_encoding()] = true;
    return true;
  }

  static std::string rule_part(const std::string& key, const std::string& value, Event& out,
                               const Moment& begin) {
    const std::chrono::year_month_day date(std::chrono::floor<days>(begin.local));
    if (key == "FREQ") {
      const std::vector<std::string> words = {"", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"};
      const auto found = std::find(words.begin() + 1, words.end(), value);
      if (found == words.end()) return "FREQ=" + printable(value, 20) + " is not understood";
      out.repeat = static_cast<Repeat>(found - words.begin());
      return {};
    }
    if (key == "INTERVAL" || key == "COUNT") {
      const auto read = number(value);
      const int most = key == "INTERVAL" ? kLongestInterval : std::numeric_limits<int>::max();
      if (!read || *read < 1 || *read > most) return fmt::format("{}: expected 1 to {}", key, most);
      if (key == "COUNT") out.count = *read;
      if (key == "INTERVAL") out.interval = *read;
      return {};
    }
    if (key == "UNTIL") {
      const auto read = moment_of(value);
      if (!read) return "UNTIL: '" + printable(value, 40) + "' is no date or time";
      out.until = read->local;
      if (read->utc && out.zone) out.until = out.zone->local(Zone().moments(read->local).first);
      if (read->date && !out.all_day) *out.until += days(1) - std::chrono::seconds(1);
      return {};
    }
    if (key == "BYDAY") return by_day(value, out);
    if (key == "WKST" && out.interval == 1) return {};  // matters for intervals only
    // What only repeats DTSTART, as many programs write it.
    if (key == "BYMONTH" && number(value) == static_cast<int>(unsigned(date.month()))) return {};
    if (key == "BYMONTHDAY" && number(value) == static_cast<int>(unsigned(date.day()))) return {};
    return printable(key, 40) + "=" + printable(value, 40) + " is not understood";
  }

  static std::string by_day(const std::string& value, Event& out) {
    for (const std::string& day : split(value, ',')) {
      const auto found = std::find(kWeekdays.begin(), kWeekdays.end(), day);
      if (found == kWeekdays.end()) return "BYDAY=" + printable(day, 20) + " is not understood";
      out.weekdays[static_cast<std::size_t>(found - kWeekdays.begin())] = true;
    }
    return {};
  }

  std::vector<Event>& out_;
  std::vector<IcsProblem> problems_;
  std::vector<std::string> open_;
  std::vector<Property> event_;
};

// ---- Occurrences

// The day of the n-th step, or nothing where that day does not exist (31 February).
std::optional<local_days> day_of(const Event& event, local_days first, std::int64_t n) {
  const std::chrono::year_month_day date(first);
  const auto far = static_cast<int>(n) * event.interval;
  switch (event.repeat) {
    case Repeat::never: return n == 0 ? std::optional(first) : std::nullopt;
    case Repeat::daily: return first + days(far);
    case Repeat::weekly:  // n counts days; weeks are those that begin on Monday
      return first + days(n);
    case Repeat::monthly: {
      const std::chrono::year_month_day moved = date + std::chrono::months(far);
      return moved.ok() ? std::optional(local_days(moved)) : std::nullopt;
    }
    case Repeat::yearly: {
      const std::chrono::year_month_day moved = date + std::chrono::years(far);
      return moved.ok() ? std::optional(local_days(moved)) : std::nullopt;
    }
  }
  return std::nullopt;
}

bool is_in_week(const Event& event, local_days first, local_days day) {
  if (event.repeat != Repeat::weekly) return true;
  if (!event.weekdays[std::chrono::weekday(day).c_encoding()]) return false;
  const auto monday = [](local_days any) {
    return any - (std::chrono::weekday(any) - std::chrono::Monday);
  };
  return (monday(day) - monday(first)).count() / 7 % event.interval == 0;
}

// How many occurrences of a weekly event are on the days from its first one to before `day`.
std::int64_t seen_in_weeks(const Event& event, local_days first, local_days day) {
  const local_days monday = first - (std::chrono::weekday(first) - std::chrono::Monday);
  const auto every = std::count(event.weekdays.begin(), event.weekdays.end(), true);
  const auto before = [&](local_days until) {
    const std::int64_t since = (until - monday).count();
    const std::int64_t period = 7 * event.interval;
    std::int64_t out = since / period * every;
    for (int i = 0; i < std::min<std::int64_t>(since % period, 7); ++i) {
      if (event.weekdays[std::chrono::weekday(monday + days(i)).c_encoding()]) ++out;
    }
    return out;
  };
  return before(day) - before(first);
}

struct Step {
  std::int64_t n = 0;
  std::int64_t seen = 0;  // occurrences before it
};

// A step before which no occurrence is on `day` or later: a calendar that began long ago costs as
// little as one of today.
Step step_near(const Event& event, local_days first, local_days day) {
  Step out;
  if (day <= first || event.repeat == Repeat::never) return out;
  if (event.repeat == Repeat::daily) {
    out.n = out.seen = (day - first).count() / event.interval;
  } else if (event.repeat == Repeat::weekly) {
    out = {(day - first).count(), seen_in_weeks(event, first, day)};
  } else {
    const std::chrono::year_month_day from(first);
    const std::chrono::year_month_day to(day);
    const bool every_month = unsigned(from.day()) <= 28;
    if (event.count && !every_month) return out;  // only looking tells how many there were
    const int months = (int(to.year()) - int(from.year())) * 12 + int(unsigned(to.month())) -
                       int(unsigned(from.month()));
    out.n = out.seen = months / (event.interval * (event.repeat == Repeat::yearly ? 12 : 1));
  }
  return out;
}

}  // namespace

std::vector<IcsProblem> parse_ics(std::string_view text, std::vector<Event>& out) {
  return Reader(out).read(text);
}

bool overlaps(const Event& event, const Zone& asks, WallTime begin, WallTime end) {
  const Zone& zone = event.zone ? *event.zone : asks;
  const local_days first = std::chrono::floor<days>(event.begin);
  const Duration time = event.begin - first;
  const LocalTime last = zone.local(end);
  const auto reaches = std::chrono::floor<days>(zone.local(begin) - event.length) - days(2);
  auto [n, seen] = step_near(event, first, reaches);
  for (; event.repeat != Repeat::never || n == 0; ++n) {
    const auto day = day_of(event, first, n);
    if (!day) continue;  // 29 February comes back, also after a thousand years
    const LocalTime at = *day + std::chrono::floor<std::chrono::seconds>(time);
    if (at > last || (event.until && at > *event.until)) return false;
    if (!is_in_week(event, first, *day)) continue;
    if (event.count && ++seen > *event.count) return false;
    if (std::binary_search(event.except.begin(), event.except.end(), at)) continue;
    const WallTime from = zone.moments(at).first;
    const auto whole = std::chrono::floor<std::chrono::seconds>(event.length);
    const WallTime to = event.all_day ? zone.moments(at + whole).first : from + event.length;
    if (from <= end && begin < to) return true;
  }
  return false;
}

}  // namespace ordeal::schedule
