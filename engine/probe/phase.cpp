// A condition over a phase: moment by moment (flags, latest values), slice by slice (`over`), or
// once over the whole phase.
#include <algorithm>
#include <limits>

#include "engine/probe/watch.hpp"

namespace ordeal::probe {

using model::Aggregate;
using model::Join;
using model::Truth;

namespace {

// A phase, or a slice, counts as judged when at least this share of it was measured.
constexpr double kEnough = 0.9;

// One sample at either end may fall just outside. A sample without data measured nothing; only
// where the reading allows for every missing request both ways does it count as covered.
bool covers(const Traits& traits, const Tally& tally, const Reading& reading, Duration length) {
  if (!traits.open_loop) return true;
  const std::int64_t allowed_for = reading.seen ? tally.no_data() : 0;
  const std::int64_t samples = tally.attempts() + allowed_for + 1;
  return static_cast<double>((samples * traits.interval).count()) >=
         kEnough * static_cast<double>(length.count());
}

}  // namespace

PhaseWatch::Mode PhaseWatch::mode_of(const model::Part& part, const Traits* traits) {
  if (part.flag) return Mode::moments;
  if (is_gap(part.measure.aggregate)) return Mode::whole;
  if (part.over) return Mode::slices;
  if (part.measure.host_value) {
    return part.measure.aggregate == Aggregate::value ? Mode::moments : Mode::whole;
  }
  return traits && !is_windowed(part.measure, *traits) ? Mode::moments : Mode::whole;
}

const Traits* PhaseWatch::traits_for(const model::Part& part) const {
  for (const Series& series : book_.series) {
    if (reads(part, series)) return &series.traits;
  }
  return nullptr;
}

PhaseWatch::PhaseWatch(const model::Condition& condition, const Book& book, std::vector<Span> spans)
    : condition_(condition), book_(book), spans_(std::move(spans)) {
  for (const model::Part& part : condition.parts) {
    const Mode mode = mode_of(part, traits_for(part));
    const Duration width = mode == Mode::slices ? *part.over : Duration::zero();
    const bool joins = !groups_.empty() && mode != Mode::whole && groups_.back().mode == mode &&
                       groups_.back().width == width;
    if (!joins) {
      Group group;
      group.mode = mode;
      group.width = width;
      groups_.push_back(std::move(group));
    }
    groups_.back().parts.push_back({&part, {}});
  }
  for (Group& group : groups_) {
    for (PartState& state : group.parts) {
      for (std::size_t i = 0; i < book.series.size(); ++i) {
        if (reads(*state.part, book.series[i])) channel_of(state, i);
      }
    }
    if (group.mode != Mode::slices) continue;
    for (const Span& span : spans_) {
      if (span.to) add_slices(group, span, *span.to);
    }
  }
}

PhaseWatch::Channel& PhaseWatch::channel_of(PartState& state, std::size_t series) {
  for (Channel& channel : state.channels) {
    if (channel.series == series) return channel;
  }
  const Aggregate aggregate = state.part->measure.aggregate;
  const bool extremes = aggregate == Aggregate::min || aggregate == Aggregate::max;
  Channel channel{series, {}, Tally(book_.series[series].traits.gauge, extremes), {}};
  for (const Point& point : book_.series[series].log) {
    if (spans_.empty() || point.no_data || point.scheduled >= spans_.front().from) continue;
    channel.latest.restarts_base = point.restarts;
  }
  state.channels.push_back(std::move(channel));
  return state.channels.back();
}

// Aligned slices that begin before `until`; a span that has ended gets a last one ending with it.
void PhaseWatch::add_slices(Group& group, const Span& span, BootTime until) const {
  BootTime from = span.from;
  if (!group.slices.empty() && group.slices.back().from >= span.from) from = group.slices.back().to;
  while (span.to ? from + group.width <= *span.to : from <= until) {
    group.slices.push_back({from, from + group.width});
    from += group.width;
  }
  if (span.to && from < *span.to && *span.to - group.width >= span.from) {
    group.slices.push_back({*span.to - group.width, *span.to});
  }
}

void PhaseWatch::feed(std::size_t series, const Point& point) {
  for (std::size_t span = 0; span < spans_.size(); ++span) {
    if (!spans_[span].has(point)) continue;
    for (Group& group : groups_) feed_group(group, series, point, span);
    return;
  }
}

void PhaseWatch::feed_group(Group& group, std::size_t series, const Point& point,
                            std::size_t span) {
  bool read = false;
  for (PartState& state : group.parts) {
    if (!reads(*state.part, book_.series[series])) continue;
    read = true;
    Channel& channel = channel_of(state, series);
    if (group.mode == Mode::slices) {
      const BootTime due = std::max(point.scheduled, spans_[span].from);
      if (!spans_[span].to) add_slices(group, spans_[span], due);
      feed_slices(group, channel, point, due);
      continue;
    }
    if (group.mode == Mode::moments) {
      channel.latest.point = point;
      if (!point.no_data && !channel.latest.restarts_base) {
        channel.latest.restarts_base = point.restarts;
      }
      continue;
    }
    channel.whole.add(point);
  }
  if (read && group.mode == Mode::moments) feed_moment(group, point, span);
}

void PhaseWatch::feed_slices(Group& group, Channel& channel, const Point& point, BootTime at) {
  const auto after = [](BootTime when, const Slice& slice) { return when < slice.to; };
  auto slice = std::upper_bound(group.slices.begin(), group.slices.end(), at, after);
  for (; slice != group.slices.end() && slice->from <= at; ++slice) {
    const auto index = static_cast<std::size_t>(slice - group.slices.begin());
    if (index < group.judged) continue;  // live only: the final judgement is fed again
    const Tally empty = channel.whole;   // of the right sort; `whole` is not used here
    channel.slices.try_emplace(index, empty).first->second.add(point);
  }
}

void PhaseWatch::feed_moment(Group& group, const Point& point, std::size_t span) {
  std::vector<Reading> readings;
  for (PartState& state : group.parts) {
    std::vector<Reading> hosts;
    for (Channel& channel : state.channels) {
      Reading reading;
      reading.part = state.part;
      reading.traits = &book_.series[channel.series].traits;
      set_bound(reading, book_, channel.series);
      read_latest(reading, channel.latest, point.completed);
      if (!state.part->flag) decide(reading, Truth::broken);
      hosts.push_back(std::move(reading));
    }
    const Combined all = combine(Join::all_of, hosts);
    hosts[all.decided_by].truth = all.truth;
    readings.push_back(std::move(hosts[all.decided_by]));
  }
  const bool known = combine(condition_.join, readings).truth != Truth::unknown;
  if (known || point.no_data) speak(group, point.scheduled, span, known);
  note(group, readings, point.scheduled);
}

// A moment that is known speaks for the time until the next one, and the first for what was before
// it; one without data speaks for nothing.
void PhaseWatch::speak(Group& group, BootTime at, std::size_t index, bool known) const {
  const Span& span = spans_[index];
  if (group.spoken_to) group.known += reach(group, index, span.from);
  group.span = index;
  const BootTime before = std::max(group.spoken_to.value_or(span.from), span.from);
  const bool counts = group.spoken_to ? group.speaks : known;
  if (counts) group.known += std::clamp<Duration>(at - before, Duration::zero(), patience(group));
  group.spoken_to = std::max(before, at);
  group.speaks = known;
}

// What the last moment that is known speaks for besides, of its span and those up to `spans`: also
// of short ones in which nobody looked.
Duration PhaseWatch::reach(const Group& group, std::size_t spans, BootTime now) const {
  Duration out{};
  if (!group.speaks) return out;
  const BootTime from = *group.spoken_to;
  const BootTime to = from + patience(group);
  for (std::size_t i = group.span; i < spans; ++i) {
    const BootTime begin = std::max(from, spans_[i].from);
    out += std::max<Duration>(std::min(to, spans_[i].to.value_or(now)) - begin, Duration::zero());
  }
  return out;
}

void PhaseWatch::note(Group& group, const std::vector<Reading>& readings, BootTime at) const {
  const Combined all = combine(condition_.join, readings);
  Reading deciding = readings[all.decided_by];
  deciding.truth = all.truth;
  double margin = -std::numeric_limits<double>::infinity();
  if (deciding.why == Why::none_good) {
    margin = std::numeric_limits<double>::infinity();
  } else if (deciding.measured && deciding.bound) {
    margin = distance(deciding.part->comparison, *deciding.measured, *deciding.bound);
  } else if (deciding.part->flag && all.truth != Truth::unknown) {
    margin = all.truth == Truth::broken ? 1 : -1;
  }
  const bool first_broken = all.truth == Truth::broken && !group.broken;
  if (first_broken) {
    group.broken = true;
    group.broken_at = at;
  }
  const bool counts = !group.broken || all.truth == Truth::broken;
  if (!group.worst || first_broken || (counts && margin > group.margin)) {
    group.worst = std::move(deciding);
    group.margin = margin;
  }
}

Duration PhaseWatch::longest_timeout(const Group& group) const {
  Duration longest{};
  for (const PartState& state : group.parts) {
    for (const Channel& channel : state.channels) {
      longest = std::max(longest, book_.series[channel.series].traits.timeout);
    }
  }
  return longest;
}

// How long one sample speaks for: until the next one is overdue.
Duration PhaseWatch::patience(const Group& group) const {
  Duration longest{};
  for (const PartState& state : group.parts) {
    for (const Channel& channel : state.channels) {
      const Traits& traits = book_.series[channel.series].traits;
      longest = std::max(longest, traits.interval * 3 / 2 + traits.timeout);
    }
  }
  return longest;
}

Reading PhaseWatch::read_slice(PartState& state, std::size_t index, const Slice& slice) const {
  std::vector<Reading> hosts;
  for (Channel& channel : state.channels) {
    const Traits& traits = book_.series[channel.series].traits;
    Reading reading;
    reading.part = state.part;
    reading.traits = &traits;
    set_bound(reading, book_, channel.series);
    const auto found = channel.slices.find(index);
    if (found != channel.slices.end()) {
      const Duration width = slice.to - slice.from;
      reading.measured =
          measure(state.part->measure.aggregate, traits, found->second, width, reading);
      const bool judged = reading.why == Why::none || reading.seen.has_value();
      if (judged && !covers(traits, found->second, reading, width)) reading.why = Why::gap;
      channel.slices.erase(found);
    }
    decide(reading, Truth::broken);
    hosts.push_back(std::move(reading));
  }
  if (hosts.empty()) {
    Reading nothing;
    nothing.part = state.part;
    return nothing;
  }
  const Combined all = combine(Join::all_of, hosts);
  hosts[all.decided_by].truth = all.truth;
  return std::move(hosts[all.decided_by]);
}

void PhaseWatch::judge_slices(Group& group, std::optional<BootTime> settled) {
  const Duration timeout = longest_timeout(group);
  while (group.judged < group.slices.size()) {
    const Slice slice = group.slices[group.judged];
    if (settled && slice.to + timeout > *settled) return;
    std::vector<Reading> readings;
    for (PartState& state : group.parts) {
      readings.push_back(read_slice(state, group.judged, slice));
    }
    ++group.judged;
    if (combine(condition_.join, readings).truth != Truth::unknown) ++group.known_slices;
    note(group, readings, slice.from);
  }
}

Reading PhaseWatch::read_whole_channel(const PartState& state, const Channel& channel, BootTime now,
                                       bool final, bool& certain) const {
  const Traits& traits = book_.series[channel.series].traits;
  const Aggregate aggregate = state.part->measure.aggregate;
  Reading reading;
  reading.part = state.part;
  reading.traits = &traits;
  set_bound(reading, book_, channel.series);
  const Duration all = std::max<Duration>(length(now), 1us);
  if (is_gap(aggregate)) {
    // Requests that hang have no sample yet: silence is only what is longer than their timeout.
    const Series& series = book_.series[channel.series];
    const bool behind = is_behind(traits, channel.whole);
    read_down(reading, aggregate, series, spans_, now, behind);
    const bool silent = series.last_data && now - *series.last_data > traits.grace;
    if (!final && silent) reading.why = Why::silent;
  } else {
    reading.measured = measure(aggregate, traits, channel.whole, all, reading);
  }
  Reading early = reading;
  if (reading.why == Why::few) {
    early.measured = measure(aggregate, traits, channel.whole, all, early, 1);
  }
  certain = early.measured && early.bound && early.why != Why::silent &&
            stays_broken(aggregate, traits, state.part->comparison, *early.measured, *early.bound);
  if (certain) reading = early;
  if (certain && reading.why == Why::behind) reading.why = Why::none;
  const bool judged =
      reading.why == Why::none || reading.why == Why::none_good || reading.seen.has_value();
  if (judged && !certain && final && !covers(traits, channel.whole, reading, all))
    reading.why = Why::gap;
  decide(reading, Truth::broken);
  if (reading.truth == Truth::unknown) reading.note = book_.series[channel.series].last_problem;
  return reading;
}

Reading PhaseWatch::read_whole(const PartState& state, BootTime now, bool final,
                               bool& certain) const {
  std::vector<Reading> hosts;
  certain = false;
  for (const Channel& channel : state.channels) {
    bool sure = false;
    hosts.push_back(read_whole_channel(state, channel, now, final, sure));
    certain = certain || sure;
  }
  if (hosts.empty()) {
    Reading nothing;
    nothing.part = state.part;
    return nothing;
  }
  const Combined all = combine(Join::all_of, hosts);
  hosts[all.decided_by].truth = all.truth;
  return std::move(hosts[all.decided_by]);
}

Reading PhaseWatch::group_reading(Group& group, BootTime now, bool final, bool& certain) {
  if (group.mode == Mode::whole) {
    Reading reading = read_whole(group.parts.front(), now, final, certain);
    certain = certain || (final && reading.truth == Truth::broken);
    return reading;
  }
  if (group.mode == Mode::slices) {
    judge_slices(group, final ? std::nullopt : std::optional<BootTime>(now));
  }
  Reading reading;
  reading.part = group.parts.front().part;
  if (group.worst) reading = *group.worst;
  certain = group.broken;
  if (group.broken) {
    reading.truth = Truth::broken;
    return reading;
  }
  double share = 0;
  if (group.mode == Mode::slices && !group.slices.empty()) {
    const std::size_t due = final ? group.slices.size() : std::max<std::size_t>(group.judged, 1);
    share = static_cast<double>(group.known_slices) / static_cast<double>(due);
  } else if (group.mode == Mode::moments && group.spoken_to) {
    const Duration tail = reach(group, spans_.size(), now);
    share = static_cast<double>((group.known + tail).count()) /
            static_cast<double>(std::max<Duration>(length(now), 1us).count());
  }
  const bool enough = share >= kEnough;
  reading.truth = enough ? Truth::holds : Truth::unknown;
  if (!enough && reading.why == Why::none) reading.why = Why::gap;
  if (group.mode == Mode::slices && group.slices.empty()) reading.why = Why::not_full;
  return reading;
}

Duration PhaseWatch::length(BootTime now) const {
  Duration total{};
  for (const Span& span : spans_) total += span.to.value_or(std::max(now, span.from)) - span.from;
  return total;
}

Outcome PhaseWatch::outcome(BootTime now, bool final) {
  Outcome out;
  for (Group& group : groups_) {
    bool certain = false;
    Reading reading = group_reading(group, now, final, certain);
    // While the phase goes on a number on the wrong side may still come right.
    if (!final && reading.truth == Truth::broken && !certain) reading.truth = Truth::unknown;
    if (group.broken_at && (!out.broken_at || *group.broken_at < *out.broken_at)) {
      out.broken_at = group.broken_at;
    }
    out.readings.push_back(std::move(reading));
  }
  const Combined all = combine(condition_.join, out.readings);
  out.truth = all.truth;
  out.decided_by = all.decided_by;
  out.certain = final || all.truth == Truth::broken;
  return out;
}

Outcome PhaseWatch::so_far(BootTime now) { return outcome(now, false); }

Outcome PhaseWatch::finish(BootTime now) { return outcome(now, true); }

}  // namespace ordeal::probe
