// What the judge does as phases begin and end, and at every sample.
#include <fmt/format.h>

#include <algorithm>

#include "engine/probe/judge_impl.hpp"
#include "engine/probe/texts.hpp"

namespace ordeal::probe {

using model::ConditionList;
using model::ConditionStatus;
using model::Phase;
using model::Truth;

namespace {

constexpr Duration kEmitAtMost = 1s;
constexpr Duration kBehindAtMost = 3s;

// A sample that only `for` needs: "every sample for 10 s, at least two of them".
constexpr int kSamplesOfFor = 2;

}  // namespace

// ---- phases ------------------------------------------------------------------------------------

void Judge::Impl::watch_trailing(Entry& entry, BootTime floor,
                                 std::optional<Duration> default_window) {
  TrailingWatch::Setup setup;
  setup.floor = floor;
  setup.list = entry.info.list;
  setup.default_window = default_window;
  entry.trailing = std::make_unique<TrailingWatch>(*entry.condition, book_, setup);
  // The call may come a little after the moment that it names.
  for (std::size_t i = 0; i < book_.series.size(); ++i) {
    const std::vector<Point>& log = book_.series[i].log;
    auto point = log.end();
    while (point != log.begin() && std::prev(point)->completed >= floor) --point;
    for (; point != log.end(); ++point) entry.trailing->feed(i, *point);
  }
}

void Judge::Impl::watch_phase(Entry& entry, std::vector<Span> spans) {
  if (spans.empty()) return entry.phase.reset();
  const BootTime from = spans.front().from;
  entry.phase = std::make_unique<PhaseWatch>(*entry.condition, book_, std::move(spans));
  for (std::size_t i = 0; i < book_.series.size(); ++i) {
    const std::vector<Point>& log = book_.series[i].log;
    auto point = log.end();
    while (point != log.begin() && std::prev(point)->completed >= from) --point;
    for (; point != log.end(); ++point) entry.phase->feed(i, *point);
  }
}

// What is active has changed: counted anew, as it will be in the end.
void Judge::Impl::watch_during() {
  for (Entry& entry : entries_) {
    if (entry.info.list == ConditionList::during) watch_phase(entry, during_spans(entry));
  }
}

void Judge::Impl::begin_baseline(BootTime at) {
  latest_ = std::max(latest_, at);
  baseline_ = Span{at, std::nullopt};
  for (Entry& entry : entries_) {
    if (entry.info.list == ConditionList::steady_state) watch_phase(entry, {*baseline_});
    if (entry.info.list == ConditionList::abort_if && entry.scope.empty()) {
      watch_trailing(entry, at);
    }
  }
}

void Judge::Impl::arm(BootTime at) {
  latest_ = std::max(latest_, at);
  armed_ = at;
  for (Entry& entry : entries_) {
    if (entry.info.list != ConditionList::abort_if) continue;
    entry.crossed.reset();
    entry.nearest.reset();
    entry.known = false;
    entry.in = Phase::inject;
    if (entry.trailing) entry.trailing->restart(at);
  }
}

// True before the fault proves nothing: `reference` is the last moment before it.
void Judge::Impl::expect_from(Entry& entry, BootTime reference, BootTime anchor) {
  entry.anchor = anchor;
  entry.in = Phase::fault;
  watch_trailing(entry, anchor);
  TrailingWatch::Setup setup;
  setup.floor = reference;
  setup.list = entry.info.list;
  TrailingWatch before(*entry.condition, book_, setup);
  for (std::size_t i = 0; i < book_.series.size(); ++i) {
    const std::vector<Point>& log = book_.series[i].log;
    auto point = log.end();
    while (point != log.begin() && std::prev(point)->completed > reference) --point;
    if (point != log.begin()) before.prime(i, *std::prev(point));
  }
  before.read(reference);
  entry.already = before.combined().truth == Truth::holds;
  evaluate(entry, std::max(latest_, anchor), false);
}

void Judge::Impl::begin_fault(BootTime at) {
  latest_ = std::max(latest_, at);
  fault_ = Span{armed_.value_or(at), std::nullopt, armed_};
  for (Entry& entry : entries_) {
    const ConditionList list = entry.info.list;
    if (list == ConditionList::abort_if) entry.in = Phase::fault;
    if (list == ConditionList::during) entry.in = Phase::fault;
    if (!entry.scope.empty()) continue;
    if (list == ConditionList::expect) expect_from(entry, armed_.value_or(at), at);
  }
  watch_during();
}

void Judge::Impl::begin_step(const std::string& path, BootTime at, BootTime injecting) {
  latest_ = std::max(latest_, at);
  // The first step is what the run was armed for; of a later one only its anchor is known.
  const bool first = armed_ && fault_ && injecting - *armed_ <= 100ms;
  Span span{first ? *armed_ : injecting, std::nullopt, first ? armed_ : injecting};
  for (const Span& earlier : active_spans()) {
    const bool over = !steps_.empty() && earlier.to && *earlier.to <= span.from;
    if (over) span.reach = *earlier.to;
  }
  std::vector<Span>& own = steps_[path];
  const bool again = !own.empty();
  own.push_back(span);
  for (Entry& entry : entries_) {
    const ConditionList list = entry.info.list;
    if (entry.scope != path) continue;
    if (list == ConditionList::abort_if) {
      // Windows reach back; what counts without one begins with the step.
      watch_trailing(entry, baseline_ ? baseline_->from : at);
      entry.trailing->restart(at);
    }
    const bool anchors = list == ConditionList::expect && !again;
    if (anchors) expect_from(entry, first ? *armed_ : at, at);
    entry.in = Phase::fault;
  }
  watch_during();
}

void Judge::Impl::end_step(const std::string& path, BootTime at) {
  const auto step = steps_.find(path);
  if (step == steps_.end() || step->second.back().to) return;
  step->second.back().to = std::max(at, step->second.back().from);
  for (Entry& entry : entries_) {
    if (entry.scope != path) continue;
    if (entry.info.list == ConditionList::abort_if) entry.trailing.reset();
  }
  watch_during();
}

void Judge::Impl::end_fault(BootTime at) {
  latest_ = std::max(latest_, at);
  if (!fault_ || fault_->to) return;
  for (auto& [path, spans] : steps_) {
    if (!spans.back().to) spans.back().to = std::max(at, spans.back().from);
  }
  fault_->to = at;
  for (Entry& entry : entries_) {
    if (entry.info.list == ConditionList::abort_if && !entry.scope.empty()) entry.trailing.reset();
  }
  watch_during();
}

void Judge::Impl::begin_wait(const std::string& path, BootTime at) {
  latest_ = std::max(latest_, at);
  for (Entry& entry : entries_) {
    if (entry.info.list != ConditionList::wait || entry.scope != path) continue;
    entry.anchor = at;
    entry.in = Phase::fault;
    // The gate of a rolled step is waited for more than once.
    entry.held_after.reset();
    entry.since.reset();
    entry.samples_since = 0;
    watch_trailing(entry, at);
    // A state, unlike a window, may have been reached before.
    for (std::size_t i = 0; i < book_.series.size(); ++i) {
      if (!book_.series[i].log.empty()) entry.trailing->prime(i, book_.series[i].log.back());
    }
  }
}

void Judge::Impl::begin_recovery(BootTime at) {
  latest_ = std::max(latest_, at);
  end_fault(at);
  recovery_ = Span{at, std::nullopt};
  for (Entry& entry : entries_) {
    if (entry.info.list == ConditionList::abort_if) entry.in = Phase::recovery;
    if (entry.info.list != ConditionList::steady_state) continue;
    entry.phase.reset();
    entry.since.reset();
    entry.in = Phase::recovery;
    watch_trailing(entry, at, experiment_.recovery.hold);
  }
}

// ---- evaluation --------------------------------------------------------------------------------

void Judge::Impl::evaluate(Entry& entry, BootTime at, bool new_sample) {
  switch (entry.info.list) {
    case ConditionList::abort_if: return evaluate_abort(entry, at, new_sample);
    case ConditionList::steady_state: return evaluate_recovery(entry, at);
    default: return evaluate_expect(entry, at);
  }
}

void Judge::Impl::evaluate_abort(Entry& entry, BootTime at, bool new_sample) {
  const std::vector<Reading>& readings = entry.trailing->read(at);
  const Truth truth = entry.trailing->combined().truth;
  entry.known = entry.known || truth != Truth::unknown;
  if (readings.size() == 1 && readings[0].measured && readings[0].bound &&
      truth != Truth::unknown) {
    const Reading& reading = readings.front();
    const double away = distance(reading.part->comparison, *reading.measured, *reading.bound);
    if (!entry.nearest || away < entry.nearest->distance) {
      entry.nearest = Nearest{reading, away, at};
    }
  }
  if (truth == Truth::unknown) {
    note_blindness(entry, readings, at);
  } else {
    entry.blind_since.reset();
  }
  if (truth == Truth::broken) {  // unknown keeps `for` running: it is unsafe
    entry.since.reset();
    entry.samples_since = 0;
    return;
  }
  if (truth == Truth::holds && !entry.since) entry.since = at;
  if (!entry.since) return;
  if (new_sample) ++entry.samples_since;
  const Duration needed = entry.condition->for_.value_or(Duration::zero());
  const bool long_enough = needed == Duration::zero() ? truth == Truth::holds
                                                      : at - *entry.since >= needed &&
                                                            entry.samples_since >= kSamplesOfFor;
  if (!long_enough || entry.crossed) return;
  AbortReason reason;
  reason.condition = entry.info.id;
  reason.text = crossed_text(readings);
  if (needed > Duration::zero()) reason.text += " for " + format_duration(needed);
  entry.crossed = std::move(reason);
}

// Our own sender was behind, or, with a fault active, too few samples came: a closed loop that
// waits for its timeouts is not silent, and yet has nothing to say.
void Judge::Impl::note_blindness(Entry& entry, const std::vector<Reading>& readings,
                                 BootTime at) const {
  bool blind = false;
  for (const Reading& reading : readings) {
    if (reading.why == Why::behind) {
      blind = true;
      entry.blind_limit = kBehindAtMost;
      entry.blind_why = problem_text(reading);
    }
    const bool too_few = reading.why == Why::few || reading.why == Why::no_sample;
    if (blind || !armed_ || !too_few || reading.traits == nullptr) continue;
    for (std::size_t i = 0; i < book_.series.size(); ++i) {
      if (&book_.series[i].traits != reading.traits || !is_guarded(i)) continue;
      blind = true;
      entry.blind_limit = reading.traits->grace;
      entry.blind_why = problem_text(reading);
    }
  }
  if (!blind) {
    entry.blind_since.reset();
  } else if (!entry.blind_since) {
    entry.blind_since = at;
  }
}

bool Judge::Impl::is_guarded(std::size_t series) const {
  return series < guarded_.size() ? guarded_[series] : host_guarded_;
}

void Judge::Impl::evaluate_expect(Entry& entry, BootTime at) {
  if (entry.held_after) return;
  entry.trailing->read(at);
  const Truth truth = entry.trailing->combined().truth;
  entry.known = entry.known || truth != Truth::unknown;
  if (truth != Truth::holds) {
    entry.since.reset();
    if (truth == Truth::broken) entry.already = false;
    return;
  }
  if (entry.already) return;
  if (!entry.since) entry.since = at;
  const Duration needed = entry.condition->for_.value_or(Duration::zero());
  if (at - *entry.since < needed) return;
  const Duration after = *entry.since + needed - entry.anchor;
  if (!entry.condition->within || after <= *entry.condition->within) entry.held_after = after;
}

void Judge::Impl::evaluate_recovery(Entry& entry, BootTime at) {
  if (!recovery_) return;
  entry.trailing->read(at);
  if (entry.trailing->combined().truth != Truth::holds) {
    entry.since.reset();
  } else if (!entry.since) {
    entry.since = std::max(at - entry.trailing->longest_window(), recovery_->from);
  }
}

bool Judge::Impl::wait_holds(const std::string& path, BootTime now) {
  for (Entry& entry : entries_) {
    if (entry.info.list != ConditionList::wait || entry.scope != path || !entry.trailing) continue;
    evaluate_expect(entry, now);
    return entry.held_after.has_value();
  }
  return false;
}

std::optional<Duration> Judge::Impl::recovered(BootTime now) {
  if (!recovery_) return std::nullopt;
  BootTime begin = recovery_->from;
  for (Entry& entry : entries_) {
    if (entry.info.list != ConditionList::steady_state) continue;
    evaluate_recovery(entry, now);
    if (!entry.since) return std::nullopt;
    begin = std::max(begin, *entry.since);
  }
  if (now - begin < experiment_.recovery.hold) return std::nullopt;
  return begin - recovery_->from;
}

// ---- abort -------------------------------------------------------------------------------------

bool Judge::Impl::aborts_now() const {
  if (recovery_ || (fault_ && fault_->to)) return false;
  return armed_ || (baseline_ && !baseline_->to);
}

std::optional<AbortReason> Judge::Impl::abort_reason(BootTime now) {
  latest_ = std::max(latest_, now);
  if (!aborts_now()) return std::nullopt;
  for (Entry& entry : entries_) {
    if (entry.info.list != ConditionList::abort_if || !entry.trailing) continue;
    if (!entry.crossed) evaluate_abort(entry, now, false);
    if (entry.crossed) return entry.crossed;
  }
  return silence(now);
}

std::optional<AbortReason> Judge::Impl::silence(BootTime now) const {
  AbortReason reason;
  reason.cause = model::AbortCause::no_data;
  const BootTime begin = baseline_ ? baseline_->from : start_;
  for (std::size_t i = 0; i < book_.series.size(); ++i) {
    const Series& series = book_.series[i];
    const BootTime last = std::max(series.last_data.value_or(begin), begin);
    if (!is_guarded(i) || now - last <= series.traits.grace) continue;
    reason.text = fmt::format("no data of {} for {}, allowed {}", series.traits.name,
                              format_short(now - last), format_duration(series.traits.grace));
    if (!series.last_problem.empty()) reason.text += ": " + series.last_problem;
    return reason;
  }
  const bool no_host = book_.series.size() == experiment_.slis.size();
  if (host_guarded_ && no_host && now - begin > 3s) {
    reason.text = fmt::format("no host values for {}, allowed 3s", format_short(now - begin));
    return reason;
  }
  for (const Entry& entry : entries_) {
    if (!entry.blind_since || now - *entry.blind_since <= entry.blind_limit) continue;
    reason.condition = entry.info.id;
    reason.text = fmt::format("{} could not be judged for {}: {}", entry.info.text,
                              format_short(now - *entry.blind_since), entry.blind_why);
    return reason;
  }
  return std::nullopt;
}

// ---- statuses ----------------------------------------------------------------------------------

std::string Judge::Impl::nearest_text(const Nearest& nearest) const {
  return fmt::format("{} at +{}", measured_text(nearest.reading),
                     format_short(nearest.at - start_));
}

ConditionStatus Judge::Impl::status_of(const Entry& entry, const std::vector<Reading>& readings,
                                       Truth truth, std::size_t decided_by) const {
  ConditionStatus out;
  out.id = entry.info.id;
  out.phase = entry.in;
  out.truth = truth;
  const bool several = readings.size() > 1;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const Reading& reading = readings[i];
    if (reading.part == nullptr) continue;
    if (i == decided_by) {
      if (!reading.part->flag) out.measured = reading.measured;
      out.bound = reading.bound;
      out.problem = problem_text(reading);
    }
    const std::string join = entry.condition->join == model::Join::any_of ? " or " : " and ";
    const std::string name = several ? reading.part->measure.sli + " " : "";
    const std::string measured = measured_text(reading);
    if (!out.bound_text.empty()) out.bound_text += join;
    out.bound_text += bound_text(reading);
    if (measured.empty()) continue;
    if (!out.measured_text.empty()) out.measured_text += join;
    out.measured_text += name + measured;
  }
  if (entry.nearest) out.nearest_text = nearest_text(*entry.nearest);
  return out;
}

std::optional<ConditionStatus> Judge::Impl::changed(Entry& entry, BootTime now) {
  const bool due = !entry.emitted || now - entry.emitted_at >= kEmitAtMost;
  std::optional<ConditionStatus> status;
  if (entry.phase) {
    if (entry.phase->suspended()) return std::nullopt;
    const Outcome outcome = entry.phase->so_far(now);
    if (!due && entry.emitted == outcome.truth && entry.emitted_in == entry.in) return std::nullopt;
    status = status_of(entry, outcome.readings, outcome.truth, outcome.decided_by);
  } else if (entry.trailing) {
    evaluate(entry, now, false);
    const std::vector<Reading>& readings = entry.trailing->read(now);
    Combined combined = entry.trailing->combined();
    const bool held = entry.held_after.has_value();
    if (held) combined.truth = Truth::holds;
    if (entry.already && combined.truth == Truth::holds) combined.truth = Truth::unknown;
    if (!due && entry.emitted == combined.truth && entry.emitted_in == entry.in) {
      return std::nullopt;
    }
    if (held && entry.emitted == Truth::holds) return std::nullopt;  // it stays so
    status = status_of(entry, readings, combined.truth, combined.decided_by);
    status->after = entry.held_after;
  }
  if (!status) return std::nullopt;
  entry.emitted = status->truth;
  entry.emitted_in = entry.in;
  entry.emitted_at = now;
  return status;
}

std::vector<ConditionStatus> Judge::Impl::update(BootTime now) {
  latest_ = std::max(latest_, now);
  std::vector<ConditionStatus> out;
  for (Entry& entry : entries_) {
    const bool over = entry.info.list == ConditionList::expect && fault_ && fault_->to;
    if (over) continue;
    if (auto status = changed(entry, now)) out.push_back(std::move(*status));
  }
  return out;
}

}  // namespace ordeal::probe
