// The method: inject, see the effect, hold, revert; one after another or in parallel.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "engine/run/state.hpp"

namespace ordeal::run {

using namespace model;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr Duration kEffectPoll = 50ms;
constexpr Duration kEffectRefresh = 1s;

// Effects that need time or traffic: the step counts as active without them, and they are judged by
// the last reading.
bool comes_late(const Effect& effect) {
  return std::holds_alternative<TrafficMatched>(effect) ||
         std::holds_alternative<MemoryHeld>(effect) || std::holds_alternative<CpuBurned>(effect);
}

bool comes_late(const HostStep& plan) {
  for (const Effect& effect : plan.effects) {
    if (comes_late(effect)) return true;
  }
  return false;
}

// The answer, or nothing when the run stops before: whatever is slow must not keep the rest from
// being reverted. The order itself stands, and the revert of everything deals with it.
template <class T>
Task<std::optional<T>> unless(Task<void> stopped, Task<T> asked) {
  auto first = co_await (std::move(asked) || std::move(stopped));
  if (first.index() == 1) co_return std::nullopt;
  co_return std::get<0>(std::move(first));
}

}  // namespace

Task<void> Run::until_stopped() {
  while (going()) co_await stopped_.wait();
}

Task<void> Run::inject_and_hold() {
  enter(Phase::inject, {});
  for (std::size_t i = 0; i < experiment_.method.size() && going(); ++i) {
    const bool last = i + 1 == experiment_.method.size();
    const MethodItem& item = experiment_.method[i];
    if (const auto* step = std::get_if<Step>(&item)) {
      co_await do_step(*step, last);
    } else if (const auto* parallel = std::get_if<Parallel>(&item)) {
      co_await do_parallel(*parallel, last);
    } else {
      co_await do_wait(std::get<Wait>(item), fmt::format("method.{}", i), last);
    }
  }
  end_fault();
}

Task<void> Run::do_step(const Step& step, bool last) {
  if (!co_await inject(step.path, step, true)) co_return;
  const BootTime until = now() + step.duration;
  if (step.interval) {
    co_await repeat(step, until);
  } else {
    co_await hold(step.path, until);
  }
  judge_.end_step(step.path, now());
  if (last) end_fault();
  if (going()) co_await revert_step(step.path);
}

// With `interval` every round picks again, inside the same limits.
Task<void> Run::repeat(const Step& step, BootTime until) {
  std::string path = step.path;
  for (int round = 1; going(); ++round) {
    co_await hold(path, std::min(until, now() + *step.interval));
    if (!going() || now() >= until) co_return;
    co_await revert_step(path);
    if (!going()) co_return;
    StepRequest request = request_for(step, round);
    path = request.step;
    Task<Result<wire::Prepared>> asked = executor_->prepare(std::move(request));
    auto in_time = co_await unless(until_stopped(), std::move(asked));
    if (!in_time) co_return;
    Result<wire::Prepared>& answer = *in_time;
    if (answer.has_error()) {
      note("warning", fmt::format("{}: round {} was left out: {}", step.name, round + 1,
                                  answer.error().message()));
      path = step.path;
      continue;
    }
    processes_picked_ += static_cast<std::int64_t>(answer.value().plan.targets.size());
    const auto& limit = experiment_.blast_radius.processes;
    if (limit && processes_picked_ > *limit) {
      note("warning", fmt::format("{}: stops after {} rounds: blast radius of {} processes",
                                  step.name, round, *limit));
      co_await hold(step.path, until);
      co_return;
    }
    prepared_[path] = std::move(answer.value());
    if (!co_await inject(path, step, false)) co_return;
  }
}

Task<void> Run::do_parallel(const Parallel& parallel, bool last) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  int running = static_cast<int>(parallel.steps.size());
  os::Event ended;
  std::exception_ptr failure;
  for (const Step& step : parallel.steps) {
    asio::co_spawn(executor, do_part(step, last, running),
                   [&failure, &running, &ended](std::exception_ptr problem) {
                     if (problem) failure = problem;
                     --running;
                     ended.notify();
                   });
  }
  while (running > 0) co_await ended.wait();
  if (failure) std::rethrow_exception(failure);
}

Task<void> Run::do_part(const Step& step, bool last, const int& running) {
  // Not `if (co_await ...)` alone: see Run::go.
  const bool in_time = co_await sleep_until(now() + step.start_delay);
  if (in_time) co_await do_step(step, last && running == 1);
}

Task<void> Run::do_wait(const Wait& wait, std::string path, bool last) {
  if (wait.time) {
    co_await sleep_until(now() + *wait.time);
  } else {
    const BootTime deadline = now() + wait.within;
    judge_.begin_wait(path, now());
    while (going() && !judge_.wait_holds(path, now()) && now() < deadline) {
      co_await sleep_until(std::min(deadline, now() + kEffectPoll));
    }
    if (going()) {
      ConditionStatus status = judge_.end_wait(path, now());
      const bool held = status.truth == Truth::holds;
      if (!held && status.problem.empty()) {
        status.problem = fmt::format("not within {}", format_duration(wait.within));
      }
      emit(std::move(status));
      if (!held) {
        note("warning", fmt::format("{} did not hold within {}; the method stops",
                                    wait.until->text, format_duration(wait.within)));
        end_early();
      }
    }
  }
  if (last) end_fault();
}

Task<bool> Run::inject(const std::string& path, const Step& step, bool first_round) {
  StepChanged changed;
  changed.step = path;
  changed.host = host_;
  if (!armed_) {
    armed_ = true;
    watching_ = true;
    judge_.arm(now());
    emit(Armed{static_cast<int>(experiment_.abort_if.size()), options_.lease});
  }
  emit(changed);
  const std::string digest = prepared_.at(path).digest;
  Task<Result<void>> made_ready = executor_->ready(path, digest);
  const auto ready = co_await unless(until_stopped(), std::move(made_ready));
  Result<wire::Injected> answer = Error(Code::failed, "not asked");
  if (!ready || !going()) {
    active_.insert(path);  // its idle objects may be there, or come
    co_return false;
  } else if (ready->has_error()) {
    answer = ready->error();
  } else {
    active_.insert(path);
    last_renewal_ = now();
    Task<Result<wire::Injected>> asked = executor_->inject(path, digest, options_.lease);
    auto in_time = co_await unless(until_stopped(), std::move(asked));
    if (!in_time) co_return false;
    answer = std::move(*in_time);
  }
  if (answer.has_error()) {
    changed.state = StepState::failed;
    changed.text = fmt::format("{}: {}", step.name, answer.error().message());
    emit(changed);
    stop(AbortCause::executor, changed.text);
    co_return false;
  }
  changed.state = StepState::injected;
  changed.took = answer.value().took;
  changed.text = answer.value().effect.text;
  changed.seen = answer.value().effect.seen;
  emit(changed);
  if (!co_await see_effect(path, answer.value().effect)) co_return false;
  first_verified();
  if (first_round) judge_.begin_step(step.path, now());
  co_return going();
}

Task<bool> Run::see_effect(const std::string& path, EffectReading reading) {
  const BootTime deadline = now() + options_.effect_timeout;
  const bool late = comes_late(prepared_.at(path).plan) || options_.mode == Mode::control;
  while (reading.seen != Seen::yes && !late && going() && now() < deadline) {
    co_await sleep_until(now() + kEffectPoll);
    Task<Result<wire::EffectRead>> asked = executor_->read_effect(path);
    const auto again = co_await unless(until_stopped(), std::move(asked));
    if (again && again->has_value()) reading = again->value().effect;
  }
  StepChanged changed;
  changed.step = path;
  changed.host = host_;
  changed.text = reading.text;
  changed.seen = reading.seen;
  changed.state = reading.seen == Seen::yes ? StepState::verified : StepState::effect;
  emit(changed);
  if (reading.seen == Seen::yes || late) co_return true;
  if (going()) end_early();  // no effect: nothing to learn from holding it
  co_return false;
}

void Run::first_verified() {
  if (fault_begun_) return;
  fault_begun_ = true;
  judge_.begin_fault(now());
  enter(Phase::fault, method_duration(experiment_));
}

void Run::end_fault() {
  if (!fault_begun_ || fault_ended_) return;
  fault_ended_ = true;
  judge_.end_fault(now());
}

Task<void> Run::hold(const std::string& path, BootTime until) {
  bool seen = false;
  while (going() && now() < until) {
    co_await sleep_until(std::min(until, now() + kEffectRefresh));
    if (!going() || now() >= until || !active_.contains(path)) continue;
    Task<Result<wire::EffectRead>> asked = executor_->read_effect(path);
    const auto answer = co_await unless(until_stopped(), std::move(asked));
    if (!answer || answer->has_error()) continue;  // a lost executor reports itself
    const EffectReading& reading = answer->value().effect;
    StepChanged changed;
    changed.step = path;
    changed.host = host_;
    changed.text = reading.text;
    changed.seen = reading.seen;
    const bool first = changed.seen == Seen::yes && !seen;
    changed.state = first ? StepState::verified : StepState::effect;
    seen = seen || first;
    const bool lost = changed.seen == Seen::no;
    emit(std::move(changed));
    if (lost) end_early();  // nothing to learn from holding what does not act
  }
}

Task<void> Run::revert_step(std::string path) {
  if (!active_.contains(path)) co_return;
  StepChanged changed;
  changed.step = path;
  changed.host = host_;
  changed.state = StepState::reverting;
  emit(std::move(changed));
  std::vector<std::string> steps(1, path);
  Task<Result<wire::AllReverted>> asked = executor_->revert(std::move(steps));
  const auto answer = co_await unless(until_stopped(), std::move(asked));
  if (answer && answer->has_error()) note("warning", "revert: " + answer->error().message());
}

}  // namespace ordeal::run
