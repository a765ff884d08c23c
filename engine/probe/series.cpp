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

// ---- Gaps --------------------------------------------------------------------------------------

Gaps::Gaps(BootTime from, Duration interval, Duration timeout)
    : from_(from), interval_(interval), timeout_(timeout) {
  settled_state_.last_good = from;
}

void Gaps::add(BootTime scheduled, bool good) {
  auto place = items_.end();
  while (place != items_.begin() && std::prev(place)->first > scheduled) --place;
  const auto index = static_cast<std::size_t>(place - items_.begin());
  items_.emplace(place, scheduled, good);
  if (index < settled_) {  // later than its timeout allows: count again from the start
    settled_ = 0;
    settled_state_ = State{from_, std::nullopt, {}};
  }
}

void Gaps::close(State& state, BootTime end) const {
  const Duration gap = end - state.last_good;
  if (!state.last_failed || gap <= 3 * interval_) return;
  state.down.longest = std::max(state.down.longest, gap);
  state.down.total += gap;
}

void Gaps::fold(State& state, const std::pair<BootTime, bool>& item) const {
  if (!item.second) {
    state.last_failed = item.first;
    return;
  }
  close(state, item.first);
  state.last_good = item.first;
  state.last_failed.reset();
}

Gaps::Down Gaps::read(BootTime now, std::optional<BootTime> end) const {
  while (settled_ < items_.size() && items_[settled_].first <= now - timeout_ - 1s) {
    fold(settled_state_, items_[settled_++]);
  }
  State state = settled_state_;
  for (std::size_t i = settled_; i < items_.size(); ++i) fold(state, items_[i]);
  if (end) {
    close(state, *end);
  } else if (state.last_failed) {
    close(state, *state.last_failed);
  }
  return state.down;
}

Gaps::Down Gaps::read_from(BootTime from) const {
  State state;
  state.last_good = from;
  auto item = std::lower_bound(items_.begin(), items_.end(), from,
                               [](const auto& earlier, BootTime at) { return earlier.first < at; });
  for (; item != items_.end(); ++item) fold(state, *item);
  if (state.last_failed) close(state, *state.last_failed);
  return state.down;
}

}  // namespace ordeal::probe
