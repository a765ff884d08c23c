// Trailing windows: evaluated at every sample and every 100 ms.
#include <algorithm>

#include "engine/probe/watch.hpp"

namespace ordeal::probe {

using model::Aggregate;
using model::ConditionList;
using model::Truth;

void read_latest(Reading& reading, const Latest& latest, BootTime now) {
  if (!latest.point) {
    reading.why = Why::no_sample;
    return;
  }
  const Point& point = *latest.point;
  reading.good = point.good ? 1 : 0;
  reading.attempts = 1;
  if (point.no_data) {
    reading.why = Why::no_sample;
    return;
  }
  if (now - point.completed > reading.traits->grace) {
    reading.why = Why::silent;
    return;
  }
  reading.why = Why::none;
  if (reading.part->flag) {
    const bool up = point.good;
    reading.measured = up ? 1 : 0;
    reading.truth = up != reading.part->negated ? Truth::holds : Truth::broken;
  } else if (reading.part->measure.aggregate == Aggregate::restarts) {
    reading.measured = point.restarts - latest.restarts_base.value_or(0);
  } else {
    reading.measured = point.value;
  }
}

namespace {

PartKind kind_of(const model::Part& part, const Traits& traits, bool has_default) {
  if (part.flag) return PartKind::latest;
  if (is_gap(part.measure.aggregate)) return PartKind::gap;
  if (part.measure.host_value) return part.over ? PartKind::window : PartKind::latest;
  if (!is_windowed(part.measure, traits)) return PartKind::latest;
  return part.over || has_default ? PartKind::window : PartKind::since;
}

Tally tally_for(const model::Part& part, const Traits& traits) {
  const Aggregate aggregate = part.measure.aggregate;
  return Tally(traits.gauge, aggregate == Aggregate::min || aggregate == Aggregate::max);
}

}  // namespace

TrailingWatch::TrailingWatch(const model::Condition& condition, const Book& book, Setup setup)
    : condition_(condition), book_(book), setup_(setup), since_(setup.floor) {
  for (const model::Part& part : condition.parts) {
    PartState state{&part, {}};
    for (std::size_t i = 0; i < book.series.size(); ++i) {
      if (reads(part, book.series[i])) channel_of(state, i);
    }
    parts_.push_back(std::move(state));
  }
}

TrailingWatch::Channel& TrailingWatch::channel_of(PartState& state, std::size_t series) {
  for (Channel& channel : state.channels) {
    if (channel.series == series) return channel;
  }
  const model::Part& part = *state.part;
  const Traits& traits = book_.series[series].traits;
  Channel channel{series, {}, {}, false, {}, {}};
  switch (kind_of(part, traits, setup_.default_window.has_value())) {
    case PartKind::window: {
      const Duration length = part.over ? *part.over : *setup_.default_window;
      channel.window.emplace(length, setup_.floor, tally_for(part, traits));
      break;
    }
    case PartKind::since: channel.since.emplace(tally_for(part, traits)); break;
    case PartKind::gap:
      channel.gap = true;
      if (setup_.default_window) {
        channel.window.emplace(*setup_.default_window, setup_.floor, tally_for(part, traits));
      }
      break;
    case PartKind::latest:
      for (const Point& point : book_.series[series].log) {
        if (!point.no_data && point.scheduled < since_)
          channel.latest.restarts_base = point.restarts;
      }
      break;
  }
  state.channels.push_back(std::move(channel));
  return state.channels.back();
}

bool TrailingWatch::feed(std::size_t series, const Point& point) {
  bool read = false;
  for (PartState& state : parts_) {
    if (!reads(*state.part, book_.series[series])) continue;
    read = true;
    if (point.scheduled < setup_.floor) continue;
    Channel& channel = channel_of(state, series);
    if (channel.window) channel.window->add(point);
    if (channel.since) {
      if (point.scheduled >= since_) channel.since->add(point);
    } else if (!channel.window && !channel.gap) {
      channel.latest.point = point;
      const bool counts = state.part->measure.aggregate == Aggregate::restarts;
      if (counts && setup_.default_window && !point.no_data) channel.recent.push_back(point);
      if (!point.no_data && !channel.latest.restarts_base) {
        channel.latest.restarts_base = point.restarts;
      }
    }
  }
  return read;
}

void TrailingWatch::prime(std::size_t series, const Point& point) {
  for (PartState& state : parts_) {
    if (!reads(*state.part, book_.series[series])) continue;
    Channel& channel = channel_of(state, series);
    if (!channel.window && !channel.since && !channel.gap) channel.latest.point = point;
  }
}

void TrailingWatch::restart(BootTime at) {
  since_ = at;
  for (PartState& state : parts_) {
    for (Channel& channel : state.channels) {
      const Traits& traits = book_.series[channel.series].traits;
      if (channel.since) channel.since.emplace(tally_for(*state.part, traits));
      if (channel.latest.point) channel.latest.restarts_base = channel.latest.point->restarts;
    }
  }
}

Truth TrailingWatch::against() const {
  return setup_.list == ConditionList::abort_if ? Truth::holds : Truth::broken;
}

void TrailingWatch::read_window(Reading& reading, Channel& channel, BootTime now) const {
  const Traits& traits = *reading.traits;
  channel.window->trim(now);
  const Duration length = channel.window->length();
  // A window that nobody wrote (recovery's hold) cannot ask for more than it can hold.
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  if (!reading.part->over) most = std::max<std::int64_t>(1, length * 9 / 10 / traits.interval);
  reading.measured = measure(reading.part->measure.aggregate, traits, channel.window->tally(),
                             length, reading, most);
  if (!channel.window->full(now)) reading.why = Why::not_full;
}

// In recovery only the hold counts: a service that needed long to come back would else never be
// well.
void TrailingWatch::read_gaps(Reading& reading, Channel& channel, BootTime now) const {
  const Series& series = book_.series[channel.series];
  const Duration hold = setup_.default_window.value_or(now - since_);
  bool behind = false;
  if (channel.window) {
    channel.window->trim(now);
    behind = is_behind(series.traits, channel.window->tally());
  }
  std::vector<Span> span(1);
  span.front().from = std::max(since_, now - hold);
  read_down(reading, reading.part->measure.aggregate, series, span, now, behind);
  // What ordeal did not see must not stop a run: what it saw counts. Silence has its own limit.
  if (!setup_.default_window && reading.seen) {
    reading.seen.reset();
    reading.why = Why::none;
  }
  const bool silent = series.last_data && now - *series.last_data > series.traits.grace;
  if (silent) reading.why = Why::silent;
}

Reading TrailingWatch::read_channel(const PartState& state, Channel& channel, BootTime now) {
  const Series& series = book_.series[channel.series];
  Reading reading;
  reading.part = state.part;
  reading.traits = &series.traits;
  set_bound(reading, book_, channel.series);
  if (channel.gap) {
    read_gaps(reading, channel, now);
  } else if (channel.window) {
    read_window(reading, channel, now);
  } else if (channel.since) {
    const Duration length = std::max<Duration>(now - since_, 1us);
    reading.measured =
        measure(state.part->measure.aggregate, series.traits, *channel.since, length, reading, 1);
  } else {
    const Duration window = setup_.default_window.value_or(Duration::zero());
    while (!channel.recent.empty() && channel.recent.front().scheduled <= now - window) {
      channel.latest.restarts_base = channel.recent.front().restarts;
      channel.recent.pop_front();
    }
    read_latest(reading, channel.latest, now);
    if (reading.part->flag) return reading;
  }
  if (reading.why != Why::none && reading.why != Why::few) reading.note = series.last_problem;
  decide(reading, against());
  return reading;
}

Reading TrailingWatch::read_part(PartState& state, BootTime now) {
  if (state.channels.empty()) {
    Reading nothing;
    nothing.part = state.part;
    return nothing;
  }
  std::vector<Reading> readings;
  for (Channel& channel : state.channels) readings.push_back(read_channel(state, channel, now));
  if (readings.size() == 1) return std::move(readings.front());
  // Several hosts: one that crosses is enough to stop; elsewhere all must hold.
  const bool any = setup_.list == ConditionList::abort_if;
  const Combined all = combine(any ? model::Join::any_of : model::Join::all_of, readings);
  readings[all.decided_by].truth = all.truth;
  return std::move(readings[all.decided_by]);
}

const std::vector<Reading>& TrailingWatch::read(BootTime now) {
  readings_.clear();
  for (PartState& state : parts_) readings_.push_back(read_part(state, now));
  return readings_;
}

Duration TrailingWatch::longest_window() const {
  Duration longest{};
  for (const PartState& state : parts_) {
    const bool restarts = state.part->measure.aggregate == Aggregate::restarts;
    if (restarts && setup_.default_window) longest = std::max(longest, *setup_.default_window);
    for (const Channel& channel : state.channels) {
      if (channel.window) longest = std::max(longest, channel.window->length());
    }
  }
  return longest;
}

}  // namespace ordeal::probe
