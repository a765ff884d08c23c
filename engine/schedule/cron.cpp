#include "engine/schedule/cron.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::schedule {
namespace {

using std::chrono::days;
using std::chrono::local_days;
using std::chrono::minutes;

// 29 February on a given weekday can be 40 years away: 2100 is no leap year.
constexpr days kHorizon{41 * 366};
// A longer jump of the wall is no summer time but a correction: the new time counts at once.
constexpr Duration kLongestJump = 3h;

struct Field {
  const char* name;
  int lowest;
  int highest;
  std::span<const std::string_view> names;  // of lowest, lowest + 1, ...
};

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};
const std::array<Field, 5> kFields = {{{"minute", 0, 59, {}},
                                       {"hour", 0, 23, {}},
                                       {"day of month", 1, 31, {}},
                                       {"month", 1, 12, kMonths},
                                       {"day of week", 0, 7, kWeekdays}}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// One field of the text. Bits above 31 are minutes'.
class FieldReader {
 public:
  FieldReader(const Field& field, std::string_view text, std::size_t offset)
      : field_(field), text_(text), offset_(offset) {}

  std::optional<TextProblem> read(std::bitset<60>& out) {
    for (;;) {
      auto problem = item(out);
      if (problem || at_ == text_.size()) return problem;
      if (text_[at_] != ',') return unexpected();
      ++at_;
    }
  }

 private:
  std::string expected() const {
    std::string out = fmt::format("{}: expected {}-{}", field_.name, field_.lowest, field_.highest);
    if (!field_.names.empty()) {
      out += fmt::format(" or {}..{}", field_.names.front(), field_.names.back());
    }
    return out;
  }
  TextProblem problem(std::size_t at, std::string text) const {
    return {offset_ + at, std::move(text)};
  }
  TextProblem unexpected() const {
    const char c = text_[at_];
    if (c == '?' || c == 'L' || c == 'W' || c == '#') {
      return problem(at_, fmt::format("{}: `{}` is Quartz's and not cron's", field_.name, c));
    }
    if (c == '/') {
      return problem(at_, fmt::format("{}: a step needs a range or `*` before it, such as */5 or "
                                      "10-50/5",
                                      field_.name));
    }
    return problem(at_, fmt::format("{}, found '{}'", expected(), printable(text_.substr(at_))));
  }

  // Nothing: no number and no name here.
  std::optional<int> value() {
    std::size_t end = at_;
    while (end < text_.size() && std::isalnum(static_cast<unsigned char>(text_[end]))) ++end;
    const std::string word = lower(text_.substr(at_, end - at_));
    int number = -1;
    const auto [stop, bad] = std::from_chars(word.data(), word.data() + word.size(), number);
    const bool whole = bad == std::errc{} && stop == word.data() + word.size();
    const auto name = std::find(field_.names.begin(), field_.names.end(), word);
    if (!whole && name == field_.names.end()) return std::nullopt;
    if (!whole) number = field_.lowest + static_cast<int>(name - field_.names.begin());
    if (number < field_.lowest || number > field_.highest) return std::nullopt;
    at_ = end;
    return number;
  }

  std::optional<TextProblem> item(std::bitset<60>& out) {
    if (at_ == text_.size()) return problem(at_, fmt::format("{}, found nothing", expected()));
    int first = field_.lowest;
    int last = field_.highest;
    bool range = true;
    const std::size_t begin = at_;
    if (text_[at_] == '*') {
      ++at_;
    } else {
      const auto low = value();
      if (!low) return unexpected();
      first = last = *low;
      range = at_ < text_.size() && text_[at_] == '-';
      if (range) {
        ++at_;
        const auto high = at_ < text_.size() ? value() : std::nullopt;
        if (!high) return at_ < text_.size() ? unexpected() : problem(at_, expected());
        last = *high;
      }
      if (first > last) {
        return problem(begin, fmt::format("{}: {} is a range that ends before it begins; write "
                                          "two, such as {}-{},{}-{}",
                                          field_.name, text_.substr(begin, at_ - begin), first,
                                          field_.highest, field_.lowest, last));
      }
    }
    int step = 1;
    if (range && at_ < text_.size() && text_[at_] == '/') {
      ++at_;
      const char* end = text_.data() + text_.size();
      const auto [stop, bad] = std::from_chars(text_.data() + at_, end, step);
      if (bad != std::errc{} || step < 1 || step > field_.highest) {
        return problem(
            at_, fmt::format("{}: expected a step from 1 to {}", field_.name, field_.highest));
      }
      at_ = static_cast<std::size_t>(stop - text_.data());
    }
    for (int n = first; n <= last; n += step) out.set(static_cast<std::size_t>(n));
    return std::nullopt;
  }

  const Field& field_;
  std::string_view text_;
  std::size_t offset_;
  std::size_t at_ = 0;
};

struct Word {
  std::size_t offset;
  std::string_view text;
};

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> out;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(" \t", at)) != text.npos) {
    const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
    out.push_back({at, text.substr(at, end - at)});
    at = end;
  }
  return out;
}

std::optional<TextProblem> expand_macro(const Word& word, std::string_view& out) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kMacros = {{
      {"@yearly", "0 0 1 1 *"},
      {"@annually", "0 0 1 1 *"},
      {"@monthly", "0 0 1 * *"},
      {"@weekly", "0 0 * * 0"},
      {"@daily", "0 0 * * *"},
      {"@midnight", "0 0 * * *"},
      {"@hourly", "0 * * * *"},
  }};
  std::vector<std::string> names;
  for (const auto& [name, fields] : kMacros) {
    if (lower(word.text) == name) {
      out = fields;
      return std::nullopt;
    }
    names.emplace_back(name);
  }
  if (word.text == "@every") return TextProblem{word.offset, "write `every: 1h30m` instead"};
  if (word.text == "@reboot") {
    return TextProblem{word.offset, "`@reboot` names no time; write an `every` or a time"};
  }
  const std::string near = nearest_word(word.text, names);
  return TextProblem{word.offset, fmt::format("no macro '{}'; {}", printable(word.text, 60),
                                              near.empty() ? "expected " + join_or(names)
                                                           : "did you mean `" + near + "`?")};
}

bool ever_happens(const Cron& cron) {
  constexpr days kCycle{146'097};  // 400 years, after which the calendar repeats
  const local_days begin{std::chrono::year(2000) / 1 / 1};
  for (local_days day = begin; day < begin + kCycle; day += days(1)) {
    if (cron.matches(day)) return true;
  }
  return false;
}

// Every moment of one day of the wall, in order.
std::vector<WallTime> moments_of(const Cron& cron, const Zone& zone, local_days day) {
  std::vector<WallTime> out;
  if (!cron.matches(day)) return out;
  for (int minute = 0; minute < 24 * 60; ++minute) {
    if (!cron.hours[static_cast<std::size_t>(minute / 60)]) continue;
    if (!cron.minutes[static_cast<std::size_t>(minute % 60)]) continue;
    const Moments moments = zone.moments(day + minutes(minute));
    const bool wall = cron.wildcard || moments.jump > kLongestJump;
    if (moments.kind != Moments::Kind::never || !wall) out.push_back(moments.first);
    if (moments.kind == Moments::Kind::twice && wall) out.push_back(moments.second);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<WallTime> first_after(const std::vector<WallTime>& moments, WallTime after) {
  const auto found = std::upper_bound(moments.begin(), moments.end(), after);
  if (found == moments.end()) return std::nullopt;
  return *found;
}

// Where the wall runs evenly: the next day without a look at the zone for each minute.
std::optional<WallTime> next_within_a_day(const Cron& cron, const Zone& zone, WallTime after) {
  if (!zone.is_even_around(after)) return std::nullopt;
  const Duration offset = zone.offset(after);
  const auto now = std::chrono::floor<minutes>(zone.local(after));
  std::optional<local_days> known;
  bool matches = false;
  for (auto wall = now + minutes(1); wall <= now + minutes(24 * 60); wall += minutes(1)) {
    const auto day = std::chrono::floor<days>(wall);
    if (known != day) matches = cron.matches(day);
    known = day;
    const auto minute = static_cast<std::size_t>((wall - day).count());
    if (matches && cron.hours[minute / 60] && cron.minutes[minute % 60]) {
      return WallTime(wall.time_since_epoch() - offset);
    }
  }
  return std::nullopt;
}

}  // namespace

bool Cron::matches(local_days day) const {
  const std::chrono::year_month_day date{day};
  if (!months[static_cast<unsigned>(date.month())]) return false;
  const bool by_day = days[static_cast<unsigned>(date.day())];
  const bool by_weekday = weekdays[std::chrono::weekday(day).c_encoding()];
  if (any_day || any_weekday) return by_day && by_weekday;
  return by_day || by_weekday;
}

std::optional<TextProblem> parse_cron(std::string_view text, Cron& out) {
  std::vector<Word> words = words_of(text);
  if (!words.empty() && words[0].text.find('=') != std::string_view::npos) {
    return TextProblem{words[0].offset, "the zone is not written here but in `time_zone`"};
  }
  if (!words.empty() && words[0].text.starts_with('@')) {
    std::string_view fields;
    if (auto problem = expand_macro(words[0], fields)) return problem;
    if (words.size() > 1) return TextProblem{words[1].offset, "nothing may follow a macro"};
    return parse_cron(fields, out);
  }
  if (words.size() != kFields.size()) {
    const std::size_t at = words.size() > 5 ? words[5].offset : text.size();
    return TextProblem{
        at, fmt::format("expected five fields: minute, hour, day of month, month, "
                        "day of week; found {}{}",
                        words.size(), words.size() == 6 ? "; there are no seconds" : "")};
  }
  std::array<std::bitset<60>, 5> bits;
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    FieldReader field(kFields[i], words[i].text, words[i].offset);
    if (auto problem = field.read(bits[i])) return problem;
  }
  out = Cron{};
  out.minutes = bits[0];
  for (std::size_t i = 0; i < 24; ++i) out.hours[i] = bits[1][i];
  for (std::size_t i = 1; i < 32; ++i) out.days[i] = bits[2][i];
  for (std::size_t i = 1; i < 13; ++i) out.months[i] = bits[3][i];
  for (std::size_t i = 0; i < 8; ++i) out.weekdays[i % 7] = out.weekdays[i % 7] || bits[4][i];
  out.wildcard = words[0].text.starts_with('*') || words[1].text.starts_with('*');
  out.any_day = words[2].text.starts_with('*');
  out.any_weekday = words[4].text.starts_with('*');
  if (!ever_happens(out)) {
    return TextProblem{words[2].offset, "there is no such day in any year"};
  }
  return std::nullopt;
}

std::optional<WallTime> next_of_cron(const Cron& cron, const Zone& zone, WallTime after) {
  if (auto soon = next_within_a_day(cron, zone, after)) return soon;
  const local_days today = std::chrono::floor<days>(zone.local(after));
  for (local_days day = today - days(1); day < today + kHorizon; day += days(1)) {
    const auto found = first_after(moments_of(cron, zone, day), after);
    if (!found) continue;
    // A wall that is put back across midnight shows the next day before the rest of this one.
    const auto later = first_after(moments_of(cron, zone, day + days(1)), after);
    return later ? std::min(*found, *later) : *found;
  }
  return std::nullopt;
}

}  // namespace ordeal::schedule
