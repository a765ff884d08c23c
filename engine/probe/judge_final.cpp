// The final verdicts of a phase: counted again from exactly the samples that belong to it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/probe/judge_impl.hpp"
#include "engine/probe/texts.hpp"

namespace ordeal::probe {

using model::Aggregate;
using model::ConditionList;
using model::ConditionStatus;
using model::Phase;
using model::Truth;

namespace {

bool inside(const std::vector<Span>& spans, const Point& point) {
  return std::any_of(spans.begin(), spans.end(), [&](const Span& span) { return span.has(point); });
}

bool compares_baseline_with_itself(const model::Part& part) {
  return part.bound.relative && !part.over;
}

// What of a condition can be judged over the baseline that fixes its bounds; no parts: nothing.
model::Condition judged_in_baseline(model::Condition condition) {
  const std::size_t removed = std::erase_if(condition.parts, compares_baseline_with_itself);
  // One alternative that cannot fail here is enough.
  if (removed > 0 && condition.join == model::Join::any_of) condition.parts.clear();
  if (condition.parts.size() == 1) condition.join = model::Join::single;
  return condition;
}

// Takes `hole` out of every span.
std::vector<Span> without(const std::vector<Span>& spans, const Span& hole) {
  std::vector<Span> out;
  for (const Span& span : spans) {
    const bool apart = (span.to && *span.to <= hole.from) || (hole.to && *hole.to <= span.from);
    if (apart) {
      out.push_back(span);
      continue;
    }
    if (hole.from > span.from) {
      Span before = span;
      before.to = hole.from;
      before.cut = hole.hit;
      out.push_back(before);
    }
    if (hole.to && (!span.to || *hole.to < *span.to)) out.push_back({*hole.to, span.to});
  }
  return out;
}

Tally tally_of(const Series& series, const std::vector<Span>& spans) {
  Tally tally(series.traits.gauge, true);
  for (const Point& point : series.log) {
    if (inside(spans, point)) tally.add(point);
  }
  return tally;
}

}  // namespace

// ---- baseline ----------------------------------------------------------------------------------

Result<void> Judge::Impl::end_baseline(BootTime at) {
  latest_ = std::max(latest_, at);
  if (!baseline_) return Error(Code::refused, "the baseline has not begun");
  baseline_->to = at;
  for (Series& series : book_.series) series.arrivals.fix_pace();
  for (Entry& entry : entries_) {
    if (entry.info.list == ConditionList::steady_state) entry.phase.reset();
    for (const model::Part& part : entry.condition->parts) {
      if (!part.bound.relative) continue;
      CHECK_OK(fix_baseline(entry, part));
    }
  }
  return ok();
}

Result<void> Judge::Impl::fix_baseline(const Entry& entry, const model::Part& part) {
  const Aggregate aggregate = part.measure.aggregate;
  bool any = false;
  for (std::size_t i = 0; i < book_.series.size(); ++i) {
    const Series& series = book_.series[i];
    if (!reads(part, series)) continue;
    any = true;
    if (book_.baseline.contains({i, aggregate})) {
      // Fixed for another condition already; this one may have a factor of its own.
    } else if (is_gap(aggregate)) {
      Reading reading;
      read_down(reading, aggregate, series, {*baseline_}, latest_, false);
      book_.baseline[{i, aggregate}] = reading.measured.value_or(0);
    } else {
      const Tally tally = tally_of(series, {*baseline_});
      Reading reading;
      const auto value =
          measure(aggregate, series.traits, tally, *baseline_->to - baseline_->from, reading);
      if (!value) {
        reading.traits = &series.traits;
        return Error(
            Code::refused,
            fmt::format("{} ({}): its bound is relative, but the baseline of {} is not "
                        "known: {}",
                        entry.info.id, entry.info.text, series.traits.name, problem_text(reading)));
      }
      book_.baseline[{i, aggregate}] = *value;
    }
    const double value = book_.baseline.at({i, aggregate});
    const model::Unit unit = unit_of(aggregate, series.traits);
    // With room beside the factor, of a millisecond or more, the bound has one to stand on.
    constexpr double kLeast = 1e-3;
    const double room = std::abs(part.bound.quantity.value);
    const bool seconds = unit == model::Unit::seconds;
    const bool tiny = seconds ? value < kLeast && room < kLeast : value == 0 && room == 0;
    if (part.bound.factor != 1 && tiny) {
      return Error(Code::refused,
                   fmt::format("{} ({}): the baseline is {}, too small for a factor; use "
                               "'baseline + x'",
                               entry.info.id, entry.info.text, number_text(value, unit, 3)));
    }
  }
  if (any) return ok();
  return Error(Code::refused,
               fmt::format("{} ({}): its bound is relative, but nothing was measured",
                           entry.info.id, entry.info.text));
}

// ---- verdicts ----------------------------------------------------------------------------------

ConditionStatus Judge::Impl::final_phase(const Entry& entry, std::vector<Span> spans) const {
  PhaseWatch watch(*entry.condition, book_, spans);
  struct Item {
    std::size_t series;
    const Point* point;
  };
  std::vector<Item> items;
  for (std::size_t i = 0; i < book_.series.size(); ++i) {
    const Series& series = book_.series[i];
    const bool wanted = std::any_of(entry.condition->parts.begin(), entry.condition->parts.end(),
                                    [&](const model::Part& part) { return reads(part, series); });
    if (!wanted) continue;
    for (const Point& point : series.log) {
      if (inside(spans, point)) items.push_back({i, &point});
    }
  }
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return a.point->completed < b.point->completed;
  });
  for (const Item& item : items) watch.feed(item.series, *item.point);
  const Outcome outcome = watch.finish(latest_);
  ConditionStatus status = status_of(entry, outcome.readings, outcome.truth, outcome.decided_by);
  status.final = true;
  if (outcome.truth == Truth::broken && outcome.broken_at) {
    const std::string when = "first at +" + format_short(*outcome.broken_at - start_);
    status.problem = status.problem.empty() ? when : status.problem + ", " + when;
  }
  return status;
}

ConditionStatus Judge::Impl::final_baseline(Entry& entry, BootTime now) const {
  Span span = *baseline_;
  span.to = span.to.value_or(now);
  const model::Condition judged = judged_in_baseline(*entry.condition);
  const model::Condition* whole = entry.condition;
  if (!judged.parts.empty()) entry.condition = &judged;
  const Phase in = std::exchange(entry.in, Phase::baseline);
  ConditionStatus status = final_phase(entry, {span});
  entry.in = in;
  entry.condition = whole;
  if (judged.parts.empty()) {
    status.truth = Truth::holds;
    status.problem = "relative to this very baseline: judged only later";
  }
  return status;
}

ConditionStatus Judge::Impl::final_expect(const Entry& entry, BootTime now) {
  ConditionStatus status;
  if (!entry.trailing) {
    status = status_of(entry, {}, Truth::unknown, 0);
    status.problem = "its step was never active";
    status.final = true;
    return status;
  }
  const BootTime end = std::min(fault_->to.value_or(now), now);
  const std::vector<Reading> readings = entry.trailing->read(std::max(end, latest_));
  const Combined combined = entry.trailing->combined();
  status = status_of(entry, readings, Truth::broken, combined.decided_by);
  status.final = true;
  status.after = entry.held_after;
  const Duration within = entry.condition->within.value_or(Duration::zero());
  if (entry.held_after) {
    status.truth = Truth::holds;
  } else if (entry.already) {
    status.truth = Truth::unknown;
    status.problem = "was true before the fault, so it proves nothing";
  } else if (entry.anchor + within > end + 100ms) {
    status.truth = Truth::unknown;
    status.problem = fmt::format("the fault ended {} before its time was up",
                                 format_short(entry.anchor + within - end));
  } else if (!entry.known) {
    status.truth = Truth::unknown;
  } else {
    const std::string late = fmt::format("not within {}", format_duration(within));
    status.problem = status.problem.empty() ? late : late + ", " + status.problem;
  }
  return status;
}

ConditionStatus Judge::Impl::end_wait(const std::string& path, BootTime now) {
  ConditionStatus status;
  for (Entry& entry : entries_) {
    if (entry.info.list != ConditionList::wait || entry.scope != path || !entry.trailing) continue;
    const std::vector<Reading> readings = entry.trailing->read(std::max(now, latest_));
    const Combined combined = entry.trailing->combined();
    const Truth failed = entry.known ? Truth::broken : Truth::unknown;
    const Truth truth = entry.held_after ? Truth::holds : failed;
    status = status_of(entry, readings, truth, combined.decided_by);
    status.after = entry.held_after;
    entry.trailing.reset();
  }
  status.final = true;
  return status;
}

// Whether the service was well again is decided by the run; this is by what.
ConditionStatus Judge::Impl::final_recovery(Entry& entry, BootTime now) {
  const std::vector<Reading> readings = entry.trailing->read(std::max(now, latest_));
  const Combined combined = entry.trailing->combined();
  ConditionStatus status = status_of(entry, readings, combined.truth, combined.decided_by);
  status.final = true;
  return status;
}

// While at least one fault was active: from its injection to the beginning of its revert.
std::vector<Span> Judge::Impl::active_spans() const {
  if (!fault_) return {};
  if (steps_.empty()) return {*fault_};
  std::vector<Span> all;
  for (const auto& [path, spans] : steps_) all.insert(all.end(), spans.begin(), spans.end());
  std::sort(all.begin(), all.end(), [](const Span& a, const Span& b) { return a.from < b.from; });
  std::vector<Span> out;
  for (const Span& span : all) {
    const bool joins = !out.empty() && (!out.back().to || span.from <= *out.back().to);
    if (!joins) {
      out.push_back(span);
    } else if (!span.to || (out.back().to && *span.to > *out.back().to)) {
      out.back().to = span.to;
    }
  }
  return out;
}

// Where this list is judged: while faults are active, without the stretches in which a step's own
// list replaced it; a step's own list while that step is active.
std::vector<Span> Judge::Impl::during_spans(const Entry& entry) const {
  if (!entry.scope.empty()) {
    const auto own = steps_.find(entry.scope);
    return own == steps_.end() ? std::vector<Span>() : own->second;
  }
  std::vector<Span> spans = active_spans();
  for (const model::Step* step : model::steps_of(experiment_)) {
    const auto active = steps_.find(step->path);
    if (!step->during || active == steps_.end()) continue;
    for (const Span& hole : active->second) spans = without(spans, hole);
  }
  return spans;
}

void Judge::Impl::final_fault(Entry& entry, BootTime now, std::vector<ConditionStatus>& out) {
  const ConditionList list = entry.info.list;
  // A limit that nobody could read would not have stopped anything.
  const bool blind = list == ConditionList::abort_if && entry.scope.empty() && !entry.known;
  if (blind) {
    entry.in = Phase::fault;
    ConditionStatus status = status_of(entry, {}, Truth::unknown, 0);
    status.problem = "was never known while it should have guarded the run";
    status.final = true;
    out.push_back(std::move(status));
  }
  if (list == ConditionList::expect) out.push_back(final_expect(entry, now));
  if (list != ConditionList::during) return;
  entry.in = Phase::fault;
  const auto length = [now](std::vector<Span>& spans) {
    Duration total{};
    for (Span& span : spans) total += *(span.to = span.to.value_or(now)) - span.from;
    return total;
  };
  std::vector<Span> active = active_spans();
  std::vector<Span> spans = during_spans(entry);
  // Replaced from the first to the last moment: the lists that replaced it are judged instead.
  const Duration left = length(spans);
  const bool replaced = entry.scope.empty() && left < length(active) && left < 1s;
  if (!replaced) out.push_back(final_phase(entry, spans));
}

std::vector<ConditionStatus> Judge::Impl::final_statuses(Phase phase, BootTime now) {
  latest_ = std::max(latest_, now);
  std::vector<ConditionStatus> out;
  for (Entry& entry : entries_) {
    const bool steady = entry.info.list == ConditionList::steady_state;
    if (phase == Phase::baseline && steady && baseline_) out.push_back(final_baseline(entry, now));
    if (phase == Phase::fault && fault_) final_fault(entry, now, out);
    if (phase == Phase::recovery && steady && recovery_) out.push_back(final_recovery(entry, now));
  }
  return out;
}

// ---- summaries ---------------------------------------------------------------------------------

// From the first fault to the recovery, while none was active.
std::vector<Span> Judge::Impl::idle_spans() const {
  std::vector<Span> out;
  for (const Span& active : active_spans()) {
    if (!out.empty()) {
      out.back().to = active.from;
      out.back().cut = active.hit;
    }
    if (!active.to) return out;
    out.push_back({*active.to, std::nullopt});
  }
  if (!out.empty() && recovery_) out.back().to = recovery_->from;
  return out;
}

std::vector<Span> Judge::Impl::spans_of(Phase phase) const {
  std::vector<Span> out;
  if (phase == Phase::fault) return active_spans();
  if (phase == Phase::revert) return idle_spans();
  if (phase == Phase::recovery && recovery_) out.push_back(*recovery_);
  if (phase == Phase::baseline && baseline_) {
    out.push_back(*baseline_);
    out.back().cut = armed_;
  }
  if (phase == Phase::inject && armed_ && baseline_ && baseline_->to) {
    out.push_back({*baseline_->to, armed_});
    out.back().cut = armed_;
  }
  return out;
}

model::SliSummary Judge::Impl::summary(std::size_t index, Phase phase,
                                       const std::vector<Span>& spans) const {
  const Series& series = book_.series[index];
  const Traits& traits = series.traits;
  model::SliSummary out;
  out.sli = series.host_value ? traits.name : series.sli;
  out.phase = phase;
  const Tally tally = tally_of(series, spans);
  if (tally.attempts() == 0) return out;
  using enum Aggregate;
  Duration length{};
  for (const Span& span : spans) length += span.to.value_or(latest_) - span.from;
  length = std::max<Duration>(length, 1us);
  std::vector<Aggregate> wanted;
  if (traits.request) wanted = {success, error, failures, count, throughput};
  if (traits.flag) wanted = {success, error, failures};
  if (!traits.flag) wanted.insert(wanted.end(), {mean, min, max, p50, p90, p95, p99, p999});
  for (const Aggregate aggregate : wanted) {
    Reading reading;
    const bool percentile = aggregate >= p50 && aggregate <= p999;
    const std::int64_t most = percentile ? std::numeric_limits<std::int64_t>::max() : 1;
    const auto value = measure(aggregate, traits, tally, length, reading, most);
    if (value) out.values[model::to_string(aggregate)] = *value;
  }
  if (traits.request || traits.flag) {
    for (const Aggregate aggregate : {outage, downtime}) {
      Reading reading;
      read_down(reading, aggregate, series, spans, latest_, false);
      if (reading.measured) out.values[model::to_string(aggregate)] = *reading.measured;
    }
  }
  const Point* last = nullptr;
  for (const Point& point : series.log) {
    if (inside(spans, point) && !point.no_data) last = &point;
  }
  if (traits.gauge && last != nullptr) out.values["value"] = last->value;
  if (traits.flag && last != nullptr) out.values["up"] = last->good ? 1 : 0;
  return out;
}

std::vector<model::SliSummary> Judge::Impl::summaries(Phase phase) {
  std::vector<model::SliSummary> out;
  const std::vector<Span> spans = spans_of(phase);
  if (spans.empty()) return out;
  for (std::size_t i = 0; i < book_.series.size(); ++i) out.push_back(summary(i, phase, spans));
  return out;
}

}  // namespace ordeal::probe
