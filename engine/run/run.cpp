// One experiment as its list of phases.
#include "engine/run/run.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/os/group.hpp"
#include "engine/run/state.hpp"

namespace ordeal::run {

using namespace model;
using namespace asio::experimental::awaitable_operators;

Run::Run(const Experiment& experiment, Options options, Surroundings around, EventSink sink)
    : experiment_(experiment), options_(std::move(options)), around_(std::move(around)),
      sink_(std::move(sink)), start_(around_.clock.now()), judge_(experiment, start_) {}

Task<Verdict> Run::go() {
  RunStarted started = about(experiment_, options_, judge_);
  started.inventory = around_.inventory.file;
  emit(std::move(started));
  co_await (phases() || watch_person());
  finish();
  co_return fold_.verdict();
}

Task<void> Run::phases() {
  enter(Phase::plan, {});
  if (!choose_hosts()) co_return;
  const bool connected = co_await connect();
  if (!connected) co_return;
  // In two statements: in one, GCC 12 gives this coroutine's frame a pointer too much in front,
  // and resuming it jumps into nowhere.
  Task<void> wires = read_wires();
  co_await (connected_phases() || std::move(wires));
}

Task<void> Run::connected_phases() {
  const bool planned = co_await plan();
  if (!planned) co_return;
  if (options_.mode != Mode::plan_only) {
    auto with_probes = [this]() -> Task<void> {
      const bool steady = co_await baseline();
      if (!steady) co_return;
      if (options_.mode == Mode::baseline_only) co_return;
      co_await inject_and_hold();
      co_await revert_everything();
      co_await recovery();
    };
    co_await (with_probes() || (watch_probes() && watch_time()));
    for (Samples& slice : judge_.slices(now())) emit(std::move(slice));
    judge_fault();
  }
  co_await check_hosts();
}

Task<bool> Run::plan() {
  const bool greeted = co_await greet_all();
  if (!greeted) co_return false;
  const bool prepared = co_await prepare_steps();
  if (!prepared) co_return false;
  if (!within_blast_radius()) co_return false;
  emit_plan();
  co_return true;
}

// Waits for answers to what was asked before the phase ended, at most the longest timeout.
Task<void> Run::settle(Duration longest) {
  const BootTime deadline = now() + longest;
  const auto settled = [this] {
    for (std::size_t i = 0; i < experiment_.slis.size(); ++i) {
      if (!is_request(experiment_.slis[i])) continue;
      const auto expected = experiment_.baseline / interval_of(experiment_.slis[i]);
      if (completed_[i] < expected) return false;
    }
    return true;
  };
  while (going() && !settled() && now() < deadline) {
    co_await sampled_.wait_until(around_.clock, deadline);
  }
}

Task<bool> Run::baseline() {
  enter(Phase::baseline, experiment_.warmup + experiment_.baseline);
  if (!co_await sleep_until(now() + experiment_.warmup)) co_return false;
  baseline_begin_ = now();
  judge_.begin_baseline(now());
  watching_ = true;
  co_await observe_hosts();
  if (!co_await sleep_until(now() + experiment_.baseline)) co_return false;
  baseline_end_ = now();
  Duration longest{};
  for (const Sli& sli : experiment_.slis) longest = std::max(longest, timeout_of(sli));
  co_await settle(longest);
  if (!going()) co_return false;
  watching_ = false;
  auto fixed = judge_.end_baseline(baseline_end_);
  std::string unsteady;
  const auto text_of = [this](const std::string& id) {
    for (const ConditionInfo& info : judge_.conditions()) {
      if (info.id == id) return info.text;
    }
    return id;
  };
  for (ConditionStatus& status : judge_.final_statuses(Phase::baseline, now())) {
    if (status.truth != Truth::holds) {
      if (!unsteady.empty()) unsteady += "\n";
      unsteady += fmt::format("not steady: {}: was {}{}{}", text_of(status.id),
                              status.measured_text.empty() ? "unknown" : status.measured_text,
                              status.problem.empty() ? "" : ": ", status.problem);
    }
    emit(std::move(status));
  }
  for (SliSummary& summary : judge_.summaries(Phase::baseline)) emit(std::move(summary));
  if (fixed.has_error() && unsteady.empty()) unsteady = fixed.error().message();
  if (!unsteady.empty()) refuse(Phase::baseline, std::move(unsteady));
  co_return !refused_;
}

// Host values of those that a condition watches.
Task<void> Run::observe_hosts() {
  for (const auto& member : members_) {
    if (!judge_.reads_host(member->name)) continue;
    ignore(co_await member->executor->observe_host(1s),
           "silence of host values is judged as no data");
  }
}

Task<void> Run::revert_everything() {
  end_fault();
  enter(Phase::revert, {});
  const BootTime begun = now();
  os::Group group(co_await asio::this_coro::executor);
  for (const auto& member : members_) {
    if (!member->active.empty() && !member->lost) group.spawn(revert_host(*member));
  }
  co_await group.join();
  const bool put_back = std::all_of(members_.begin(), members_.end(), [](const auto& member) {
    if (!member->lost) return member->active.empty();
    return !member->touched || (member->left && member->left->clean);
  });
  if (stop_ && put_back) emit(AbortDone{now() - std::min(stop_sample_time_, begun)});
}

Task<void> Run::revert_host(Member& member) {
  for (const std::string& path : member.active) {
    StepChanged changed;
    changed.step = path;
    changed.host = member.name;
    changed.state = StepState::reverting;
    emit(std::move(changed));
  }
  std::vector<std::string> all;
  auto answer = co_await member.executor->revert(std::move(all));
  if (answer.has_error()) {
    note("warning", said_of(member, "revert: " + answer.error().message()));
  }
  co_await hear_keeper(member);
}

Task<void> Run::recovery() {
  const bool by_person =
      stop_ && (stop_->cause == AbortCause::person || stop_->cause == AbortCause::halt ||
                stop_->cause == AbortCause::suspended);
  if (by_person || experiment_.steady_state.empty()) co_return;
  enter(Phase::recovery, experiment_.recovery.within);
  const BootTime begun = now();
  const std::optional<AbortDecided> earlier = std::exchange(stop_, std::nullopt);
  ending_ = false;
  watching_ = false;
  judge_.begin_recovery(begun);
  RecoveryMeasured measured;
  const BootTime deadline = begun + experiment_.recovery.within;
  for (;;) {
    const std::optional<Duration> after = judge_.recovered(now());
    if (after) {
      measured.recovered = true;
      measured.after = *after;
      break;
    }
    if (now() >= deadline || !going()) break;
    co_await sampled_.wait_until(around_.clock, std::min(deadline, now() + 100ms));
  }
  measured.held = experiment_.recovery.hold;
  const bool person_left = stop_.has_value();
  if (earlier) stop_ = earlier;
  for (ConditionStatus& status : judge_.final_statuses(Phase::recovery, now())) {
    if (measured.recovered) status.truth = Truth::holds;  // one judge, one answer
    emit(std::move(status));
  }
  if (!person_left || measured.recovered) emit(std::move(measured));
}

void Run::judge_fault() {
  if (!fault_begun_ || refused_) return;
  enter(Phase::judge, {});
  for (ConditionStatus& status : judge_.final_statuses(Phase::fault, now())) {
    emit(std::move(status));
  }
  for (const Phase phase : {Phase::inject, Phase::fault, Phase::revert, Phase::recovery}) {
    const bool always = phase == Phase::fault || phase == Phase::recovery;
    for (SliSummary& summary : judge_.summaries(phase)) {
      if (always || !summary.values.empty()) emit(std::move(summary));
    }
  }
}

// A worker that is gone is put right by its keeper, which then says what it did.
Task<void> Run::hear_keeper(Member& member) {
  while (member.executor->lost() && !member.lost) co_await stopped_.wait();
}

Task<void> Run::check_hosts() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  os::Group checks(executor);
  for (const auto& member : members_) checks.spawn(check_host(*member));
  co_await checks.join();
  os::Group farewells(executor);
  for (const auto& member : members_) {
    if (!member->lost) farewells.spawn(leave(*member));
  }
  leaving_ = true;
  co_await farewells.join();
}

Task<void> Run::check_host(Member& member) {
  co_await hear_keeper(member);
  HostChecked checked;
  checked.host = member.name;
  const std::string mend = recover_command(member);
  Result<wire::HostReport> report = Error(Code::failed, "not asked");
  if (member.touched && !member.lost) {
    report = co_await member.executor->check_host();
    co_await hear_keeper(member);  // it may be lost only now
  }
  const wire::HostReport* told = report.has_value() ? &report.value() : nullptr;
  if (member.lost) {
    checked.lost = member.lost_text;
    told = member.left ? &*member.left : nullptr;
  }
  if (told != nullptr) {
    checked.clean = told->clean;
    checked.residue = told->residue;
    checked.changed_by_others = told->changed_by_others;
    checked.kept = told->kept;
  } else {
    checked.clean = false;
    if (!member.lost) checked.residue.push_back({"unknown: " + report.error().message(), mend});
  }
  if (member.lost && !checked.clean && checked.residue.empty()) {
    checked.residue.push_back({"unknown: the executor was lost and nobody reported", mend});
  }
  if (member.touched) emit(std::move(checked));
  member.checked = !member.lost;
}

std::string Run::recover_command(const Member& member) const {
  return member.remote() ? "ordeal recover --inventory " + around_.inventory.file
                         : "sudo ordeal recover";
}

Task<void> Run::leave(Member& member) {
  auto left = co_await member.executor->bye();
  if (left.has_error()) {
    note("warning", said_of(member, "executor: " + left.error().message()));
  }
}

void Run::finish() {
  RunEnded ended;
  ended.verdict = fold_.verdict();
  emit(std::move(ended));
}

void Run::enter(Phase phase, Duration planned) {
  phase_ = phase;
  emit(PhaseStarted{phase, planned});
}

void Run::emit(EventData data) {
  Event event;
  event.seq = ++seq_;
  event.t = now() - start_;
  event.data = std::move(data);
  fold_.apply(event);
  sink_(event);
}

void Run::refuse(Phase phase, std::string text) {
  refused_ = true;
  emit(RunRefused{phase, std::move(text)});
}

void Run::note(std::string level, std::string text) {
  emit(Note{std::move(level), std::move(text)});
}

Task<Verdict> run_experiment(const Experiment& experiment, Options options,
                             Surroundings surroundings, EventSink sink) {
  Run run(experiment, std::move(options), std::move(surroundings), std::move(sink));
  co_return co_await run.go();
}

}  // namespace ordeal::run
