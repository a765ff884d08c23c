// When a schedule fires.
#include <algorithm>
#include <cmath>

#include "engine/schedule/windows.hpp"

namespace ordeal::schedule {
namespace {

// 2026-01-01T00:00:00Z: where every chain of random moments begins.
constexpr WallTime kChainBegins{std::chrono::seconds(1'767'225'600)};

// The n-th number of a seed (splitmix64): no state, so that a place in the stream is a number.
std::uint64_t draw(std::uint64_t seed, std::uint64_t n) {
  std::uint64_t x = seed + (n + 1) * 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}
// In [0, 1), of 53 bits.
double draw_share(std::uint64_t seed, std::uint64_t n) {
  return static_cast<double>(draw(seed, n) >> 11) * 0x1.0p-53;
}

Duration share_of(Duration whole, double share) {
  const double seconds = static_cast<double>(whole.count()) / 1e6 * share;
  return std::chrono::seconds(static_cast<std::int64_t>(seconds));
}

std::optional<WallTime> next_at(const At& at, const Zone& zone, WallTime after) {
  std::optional<WallTime> out;
  for (const LocalTime time : at.times) {
    const WallTime when = zone.moments(time).first;
    if (when > after && (!out || when < *out)) out = when;
  }
  return out;
}

WallTime next_every(const Every& every, WallTime after) {
  const auto period = every.period.count();
  const auto since = after.time_since_epoch().count();
  const auto whole = since / period - (since % period < 0 ? 1 : 0);
  return WallTime(Duration((whole + 1) * period));
}

}  // namespace

WallTime Firings::next_random(const Random& random, WallTime after) {
  if (drawn_ == 0 || after < previous_) {
    drawn_ = 0;
    last_ = kChainBegins;
  }
  // While `after` is the latest known moment or later, go on.
  while (drawn_ == 0 || last_ <= after) {
    const double share = draw_share(random.seed, 2 * drawn_);
    const Duration rest = random.mean_time_between - random.min_gap;
    const Duration gap = random.min_gap + share_of(rest, -std::log1p(-share));
    WallTime when = last_ + std::max<Duration>(gap, 1s);
    if (!schedule_.windows.empty() && !closes(schedule_, when)) {
      if (const auto opening = next_opening(schedule_, when)) {
        const Duration into =
            share_of(opening->end - opening->begin, draw_share(random.seed, 2 * drawn_ + 1));
        when = opening->begin + into;
      }
    }
    previous_ = last_;
    last_ = when;
    ++drawn_;
  }
  return last_;
}

std::optional<WallTime> Firings::next(WallTime after) {
  if (const auto* cron = std::get_if<Cron>(&schedule_.trigger)) {
    return next_of_cron(*cron, schedule_.zone, after);
  }
  if (const auto* every = std::get_if<Every>(&schedule_.trigger)) return next_every(*every, after);
  if (const auto* at = std::get_if<At>(&schedule_.trigger)) {
    return next_at(*at, schedule_.zone, after);
  }
  return next_random(std::get<Random>(schedule_.trigger), after);
}

std::optional<WallTime> next_firing(const Schedule& schedule, WallTime after) {
  return Firings(schedule).next(after);
}

std::vector<Forecast> forecast(const Calendar& calendar, WallTime from, WallTime until,
                               std::size_t at_most) {
  struct Next {
    const Schedule* schedule;
    Firings firings;
    std::optional<WallTime> when;
  };
  std::vector<Next> all;
  for (const Schedule& schedule : calendar.schedules) {
    all.push_back({&schedule, Firings(schedule), std::nullopt});
    all.back().when = all.back().firings.next(from);
  }
  std::vector<Forecast> out;
  while (out.size() < at_most) {
    Next* first = nullptr;
    for (Next& next : all) {
      if (next.when && *next.when <= until && (first == nullptr || *next.when < *first->when)) {
        first = &next;
      }
    }
    if (first == nullptr) break;
    Forecast row{*first->when, first->schedule, forbidden(calendar, *first->schedule, *first->when),
                 false};
    row.forbidden = !row.note.empty();
    if (row.note.empty() && first->schedule->leashed) row.note = "leashed: plans only";
    out.push_back(std::move(row));
    first->when = first->firings.next(out.back().when);
  }
  return out;
}

}  // namespace ordeal::schedule
