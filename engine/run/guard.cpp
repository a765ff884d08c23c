// The guard: looks at every sample and every 100 ms, renews the lease only after it has looked, and
// is the only one that decides to stop.
#include <fmt/format.h>

#include "engine/run/state.hpp"

namespace ordeal::run {

using namespace model;

namespace {

constexpr Duration kTick = 100ms;
// A tick that comes later than this: ordeal did not run, so it did not listen.
constexpr Duration kStall = 300ms;

}  // namespace

Task<void> Run::watch_probes() {
  probe::SampleSink sink = [this](probe::Sample sample) { on_sample(std::move(sample)); };
  co_await probe::run_probes(around_.probes, experiment_.slis, std::move(sink));
}

void Run::on_sample(probe::Sample sample) {
  notice_stall(now());
  last_sample_ = sample.seq;
  last_sample_time_ = sample.completed;
  const bool begun = baseline_begin_ != BootTime{} && sample.scheduled >= baseline_begin_;
  const bool ended = baseline_end_ != BootTime{} && sample.scheduled >= baseline_end_;
  if (begun && !ended) ++completed_[sample.sli];
  judge_.add(sample);
  sampled_.notify();
  evaluate(now());
}

Task<void> Run::watch_time() {
  last_tick_ = now();
  for (;;) {
    co_await around_.clock.sleep_until(last_tick_ + kTick);
    const BootTime at = now();
    evaluate(at);
    last_tick_ = at;
    for (Samples& slice : judge_.slices(at)) emit(std::move(slice));
    renew_leases(at);
  }
}

// A machine that slept, or a front that was stopped: leases have lapsed meanwhile, samples are
// missing. Looked for before anything that came in during the sleep is given another meaning.
void Run::notice_suspension(BootTime at) {
  for (const auto& member : members_) {
    const Duration longest = lease_of(*member) - renewal_of(*member);
    if (member->active.empty() || at - last_tick_ <= longest) continue;
    stop(AbortCause::suspended,
         fmt::format("ordeal did not run for {} (suspended or stopped), so leases lapsed",
                     format_short(at - last_tick_)));
    return;
  }
}

// Before the answers that waited meanwhile are looked at.
void Run::notice_stall(BootTime at) {
  if (last_tick_ != BootTime{} && at - last_tick_ > kStall) judge_.blind(last_tick_, at);
}

Duration Run::lease_of(const Member& member) const {
  return member.remote() ? options_.remote_lease : options_.lease;
}

Duration Run::renewal_of(const Member& member) const {
  return member.remote() ? options_.remote_renew : options_.renew;
}

void Run::evaluate(BootTime at) {
  if (phase_ == Phase::read || phase_ == Phase::plan) return;
  notice_suspension(at);
  notice_stall(at);
  for (ConditionStatus& status : judge_.update(at)) {
    const bool broken = status.truth == Truth::broken && phase_ == Phase::fault &&
                        status.id.find("during") != status.id.npos;
    const std::string id = status.id;
    emit(std::move(status));
    if (broken && (options_.stop_on_violation || experiment_.stop_on_violation)) {
      stop(AbortCause::violation, "stopped on violation", id);
    }
  }
  if (!watching_ || stop_) return;
  if (auto reason = judge_.abort_reason(at)) {
    stop(reason->cause, reason->text, reason->condition);
  }
}

// Proof that somebody looks: sent after an evaluation, never by a timer of its own.
void Run::renew_leases(BootTime at) {
  if (stop_) return;
  for (const auto& member : members_) {
    if (member->active.empty() || member->lost || member->on_probation > 0) continue;
    if (at - member->last_renewal < renewal_of(*member)) continue;
    member->last_renewal = at;
    ignore(member->executor->renew(lease_of(*member), last_sample_),
           "a lost executor reports itself");
  }
}

Task<void> Run::watch_person() {
  const std::string reason = co_await around_.interrupt.wait();
  stop(AbortCause::person, reason);
  os::Event never;
  co_await never.wait();  // the run ends by itself from here
}

// What the file or the engine calls the step; its path in the method is no name for a person.
std::string Run::name_of(const std::string& path) const {
  const std::string base = path.substr(0, path.find('#'));  // "method.0#2" is its second round
  for (const Step* step : steps_of(experiment_)) {
    if (step->path == base) return step->name;
  }
  return path;
}

void Run::on_step_reverted(Member& member, const wire::StepReverted& reverted) {
  notice_suspension(now());
  StepChanged changed;
  changed.step = reverted.step;
  changed.host = member.name;
  changed.took = reverted.took;
  changed.seen = reverted.last_effect.seen;
  if (!reverted.last_effect.text.empty() && reverted.ok) {
    StepChanged effect = changed;
    effect.state = StepState::effect;
    effect.text = reverted.last_effect.text;
    emit(std::move(effect));
  }
  changed.state = reverted.ok ? StepState::reverted : StepState::revert_failed;
  for (const wire::UndoResult& undo : reverted.undos) {
    if (undo.ok && !reverted.ok) continue;
    if (!changed.text.empty()) changed.text += ", ";
    changed.text += undo.ok
                        ? undo.text
                        : fmt::format("{}: {}; by hand: {}", undo.what, undo.text, undo.command);
  }
  emit(changed);
  if (reverted.ok) member.active.erase(reverted.step);
  // A step that could not be injected is told by the answer to that order, with the reason.
  const bool answered =
      reverted.why == "ordered" || reverted.why == "not injected" || reverted.why == "not ready";
  if (!answered && !stop_) {
    stop(AbortCause::executor, said_of(member, fmt::format("{} was reverted by the executor: {}",
                                                           name_of(reverted.step), reverted.why)));
  }
}

// The keeper speaks after the worker, and undoes what that one could not.
std::optional<wire::HostReport> Run::left_by(const Member& member,
                                             const std::optional<wire::KeeperReport>& keeper) {
  if (!keeper) return member.parting;
  wire::HostReport out;
  out.clean = keeper->clean;
  for (const wire::UndoResult& undo : keeper->undos) {
    if (!undo.ok) out.residue.push_back({undo.what + ": " + undo.text, undo.command});
  }
  return out;
}

void Run::on_lost(Member& member, const std::string& reason,
                  const std::optional<wire::KeeperReport>& keeper) {
  if (leaving_ || member.checked) return;
  notice_suspension(now());
  member.lost = true;
  member.left = left_by(member, keeper);
  std::string said = "its keeper said nothing";
  if (keeper) said = "keeper: " + keeper->keeper;
  if (member.left && !keeper) said += ", but its worker left in order";
  if (member.left && member.left->clean) said += ", everything was put back";
  member.lost_text = said_of(member, fmt::format("the executor was lost: {}; {}", reason, said));
  stop(AbortCause::executor, member.lost_text);
  stopped_.notify();
}

void Run::stop(AbortCause cause, std::string text, std::string condition) {
  if (stop_ || refused_ || leaving_) return;
  if (phase_ == Phase::recovery && cause != AbortCause::person && cause != AbortCause::halt) return;
  // Before anything is touched a crossed threshold means: not steady.
  const bool untouched = phase_ <= Phase::baseline;
  if (untouched && (cause == AbortCause::threshold || cause == AbortCause::no_data)) {
    refuse(Phase::baseline, std::move(text));
    end_early();
    return;
  }
  stop_ = AbortDecided{cause, std::move(condition), std::move(text), last_sample_};
  const bool by_sample = cause == AbortCause::threshold || cause == AbortCause::violation;
  stop_sample_time_ = by_sample && last_sample_time_ != BootTime{} ? last_sample_time_ : now();
  emit(*stop_);
  stopped_.notify();
}

void Run::end_early() {
  ending_ = true;
  stopped_.notify();
}

Task<bool> Run::sleep_until(BootTime when) {
  while (going() && now() < when) co_await stopped_.wait_until(around_.clock, when);
  co_return going();
}

}  // namespace ordeal::run
