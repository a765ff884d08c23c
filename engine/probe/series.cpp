#include "engine/probe/series.hpp"

#include <algorithm>

namespace ordeal::probe {

using model::Unit;

Traits traits_of(const model::Sli& sli) {
  Traits traits;
  traits.name = sli.name;
  traits.request = model::is_request(sli);
  traits.timeout = model::timeout_of(sli);
  traits.min_samples = sli.min_samples;
  traits.unit = sli.unit;
  const auto* http = std::get_if<model::HttpProbe>(&sli.probe);
  const auto* exec = std::get_if<model::ExecProbe>(&sli.probe);
  traits.flag = std::holds_alternative<model::ProcessProbe>(sli.probe) || (exec && exec->ok_mode);
  traits.gauge = !traits.request && !traits.flag;
  traits.open_loop = !(http && http->concurrency > 0);
  // A closed loop has no rate; 100 ms is the resolution of everything that is shown.
  traits.interval = traits.open_loop ? std::max<Duration>(model::interval_of(sli), 1us) : 100ms;
  if (traits.request) {
    traits.grace = traits.timeout + 2s;
  } else {
    const Duration overrun = std::max(traits.timeout - traits.interval, Duration::zero());
    traits.grace = std::max<Duration>(3 * traits.interval, 2s) + overrun;
  }
  return traits;
}

Traits traits_of_host(const std::string& host, model::HostValue value, bool percent) {
  Traits traits;
  traits.name = "host." + model::to_string(value) + " on " + host;
  traits.gauge = true;
  traits.open_loop = true;
  traits.interval = 1s;
  traits.grace = 3s;
  traits.unit = percent ? Unit::percent : Unit::none;
  const bool memory =
      value == model::HostValue::memory_available || value == model::HostValue::memory_used;
  if (memory && !percent) traits.unit = Unit::bytes;
  return traits;
}

bool picks(const std::vector<model::HostPick>& picks, const std::string& host,
           const std::map<std::string, std::string>& labels, bool target) {
  if (picks.empty()) return target;
  return std::any_of(picks.begin(), picks.end(), [&](const model::HostPick& pick) {
    if (pick.value.empty()) return pick.name == host;
    const auto label = labels.find(pick.name);
    return label != labels.end() && label->second == pick.value;
  });
}

bool reads(const model::Part& part, const Series& series) {
  const model::Measure& measure = part.measure;
  if (!measure.host_value) return !series.host_value && series.sli == measure.sli;
  if (measure.host_value != series.host_value) return false;
  const bool memory = *measure.host_value == model::HostValue::memory_available ||
                      *measure.host_value == model::HostValue::memory_used;
  const bool wants_bytes = memory && part.bound.quantity.unit == Unit::bytes;
  if (memory && series.percent == wants_bytes) return false;
  return picks(measure.hosts, series.host, series.labels, series.target);
}

// ---- Tally -------------------------------------------------------------------------------------

void Tally::add(const Point& point) {
  if (point.no_data) {
    ++no_data_;
    return;
  }
  ++attempts_;
  if (point.good) ++good_;
  if (gauge_) {
    numbers_.push_back(point.value);
  } else if (point.good) {
    sum_ += point.latency;
    latency_.add(point.latency);
    if (keeps_numbers_) numbers_.push_back(static_cast<double>(point.latency.count()) / 1e6);
  }
  extremes_.reset();
}

void Tally::remove_oldest(const Point& point) {
  if (point.no_data) {
    --no_data_;
    return;
  }
  --attempts_;
  if (point.good) --good_;
  if (gauge_) {
    numbers_.pop_front();
  } else if (point.good) {
    sum_ -= point.latency;
    latency_.remove(point.latency);
    if (keeps_numbers_) numbers_.pop_front();
  }
  extremes_.reset();
}

double Tally::mean() const {
  if (!gauge_) return static_cast<double>(sum_.count()) / static_cast<double>(good_) / 1e6;
  double sum = 0;
  for (const double number : numbers_) sum += number;
  return sum / static_cast<double>(numbers_.size());
}

double Tally::minimum() const {
  if (!extremes_) {
    const auto [low, high] = std::minmax_element(numbers_.begin(), numbers_.end());
    extremes_.emplace(*low, *high);
  }
  return extremes_->first;
}

double Tally::maximum() const {
  minimum();
  return extremes_->second;
}

double Tally::quantile(double q) const {
  if (!gauge_) return static_cast<double>(latency_.quantile(q).count()) / 1e6;
  std::vector<double> sorted(numbers_.begin(), numbers_.end());
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<std::size_t>(q * static_cast<double>(sorted.size()) + 1 - 1e-6);
  return sorted.at(std::clamp<std::size_t>(rank, 1, sorted.size()) - 1);
}

// ---- Window ------------------------------------------------------------------------------------

void Window::add(const Point& point) {
  if (point.scheduled < floor_) return;
  points_.push_back(point);
  tally_.add(point);
}

void Window::trim(BootTime now) {
  while (!points_.empty() && points_.front().completed <= now - length_) {
    tally_.remove_oldest(points_.front());
    points_.pop_front();
  }
}

// ---- Arrivals ----------------------------------------------------------------------------------

namespace {

// What a busy machine may take to see an answer: a shorter time says nothing.
constexpr Duration kShortestGap = 50ms;

void raise(Arrivals::Down& down, Duration length) {
  down.longest = std::max(down.longest, length);
  down.total += length;
}

}  // namespace

Duration Arrivals::shortest() const {
  const Duration learned = learned_.count() > 0 ? learned_.quantile(0.5) : Duration::zero();
  return std::max(3 * std::max(pace_, learned), kShortestGap);
}

// As everywhere, one request of twenty may be missing.
bool Arrivals::certain(Duration length) const {
  const std::int64_t due =
      std::max<std::int64_t>(since_->attempts + since_->missing, length / pace_);
  return since_->missing * 20 <= due && since_->blind * 20 <= length;
}

void Arrivals::add(const Point& point) {
  if (!since_) since_ = Since{point.scheduled, point.scheduled, 0, 0, {}};
  const BootTime at = point.completed;
  const auto close = [&at](std::vector<Gap>& gaps, BootTime from, bool certain) {
    if (at - from > kShortestGap) gaps.push_back({from, at, certain});
  };
  if (point.no_data || point.good) {
    close(surely_, since_->known, true);
    since_->known = std::max(since_->known, at);
  }
  if (point.no_data) {
    ++since_->missing;
  } else if (!point.good) {
    ++since_->attempts;
  } else {
    close(gaps_, since_->good, certain(at - since_->good));
    if (learns_) learned_.add(point.latency);
    since_ = Since{at, at, 0, 0, {}};
  }
}

void Arrivals::blind(BootTime from, BootTime to) {
  if (!since_) return;
  from = std::max(from, since_->known);
  if (to <= from) return;
  if (from - since_->known > kShortestGap) surely_.push_back({since_->known, from, true});
  since_->known = to;
  since_->blind += to - from;
}

Duration Arrivals::part_in(const std::vector<Span>& spans, const Gap& gap) const {
  const Duration least = shortest();
  if (gap.to - gap.from <= least) return {};
  for (const Span& span : spans) {
    if (span.contains(gap.from + least)) return gap.to - gap.from;
  }
  for (const Span& span : spans) {
    const bool over = gap.to <= span.from || (span.to && gap.from + least >= *span.to);
    if (over) continue;
    const Duration left = gap.to - span.from;
    return left > least ? left : Duration::zero();
  }
  return {};
}

void Arrivals::count(Known& out, const std::vector<Span>& spans, const Gap& gap,
                     BootTime now) const {
  const Duration most = part_in(spans, gap);
  raise(out.most, most);
  if (gap.certain) return raise(out.least, most);
  const auto before = [](BootTime at, const Gap& other) { return at < other.to; };
  auto part = std::upper_bound(surely_.begin(), surely_.end(), gap.from, before);
  for (; part != surely_.end() && part->from < gap.to; ++part) {
    raise(out.least, part_in(spans, *part));
  }
  const Gap open{since_->known, now, true};
  if (open.from < gap.to && gap.to == now) raise(out.least, part_in(spans, open));
}

Arrivals::Known Arrivals::read(const std::vector<Span>& spans, BootTime now) const {
  Known out;
  if (!since_ || spans.empty()) return out;
  const Gap open{since_->good, std::max(now, since_->good), certain(now - since_->good)};
  count(out, spans, open, open.to);
  for (auto gap = gaps_.rbegin(); gap != gaps_.rend(); ++gap) {
    if (gap->to <= spans.front().from) break;
    count(out, spans, *gap, open.to);
  }
  return out;
}

}  // namespace ordeal::probe
