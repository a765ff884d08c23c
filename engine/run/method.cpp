// The method: inject, see the effect, hold, revert; one after another or in parallel.
#include <algorithm>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/base/scope.hpp"
#include "engine/os/group.hpp"
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

int round_of(const std::string& path) {
  const std::size_t mark = path.find('#');
  return mark == path.npos ? 0 : std::stoi(path.substr(mark + 1)) - 1;
}

bool acts_on_network(const HostStep& plan) {
  return std::any_of(plan.changes.begin(), plan.changes.end(), [](const Change& change) {
    return std::holds_alternative<CreateTable>(change.apply);
  });
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
      holding_ = 1;
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
  if (step.roll) {
    co_await do_roll(step);
    held(last);
    co_return;
  }
  const BootTime injecting = now();
  const bool injected = co_await inject(step.path, step, hosts_of(step.path));
  if (!injected) {
    held(last);
    co_return;
  }
  judge_.begin_step(step.path, now(), injecting);
  const BootTime until = now() + step.duration;
  std::string active = step.path;
  if (step.interval) {
    active = co_await repeat(step, until);
  } else {
    co_await hold(active, until);
  }
  judge_.end_step(step.path, now());
  held(last);
  if (going()) co_await revert_step(std::move(active));
}

// The fault phase ends when the last step begins its revert, not when it has been reverted.
void Run::held(bool last) {
  --holding_;
  if (last && holding_ == 0) end_fault();
}

// A few hosts at a time; the next ones only when the service is well again.
Task<void> Run::do_roll(const Step& step) {
  const Members all = hosts_of(step.path);
  const auto at_once = static_cast<std::size_t>(step.roll->at_once);
  for (std::size_t i = 0; i < all.size() && going(); i += at_once) {
    if (i > 0 && step.roll->until) {
      const bool well = co_await wait_for(*step.roll->until, step.roll->within, step.path);
      if (!well) break;
    }
    const std::size_t end = std::min(i + at_once, all.size());
    const Members some(all.begin() + static_cast<std::ptrdiff_t>(i),
                       all.begin() + static_cast<std::ptrdiff_t>(end));
    const BootTime injecting = now();
    const bool injected = co_await inject(step.path, step, some);
    if (!injected) break;
    judge_.begin_step(step.path, now(), injecting);
    co_await hold(step.path, now() + step.duration);
    judge_.end_step(step.path, now());
    if (going()) co_await revert_step(step.path);
  }
}

// With `interval` every round picks again, inside the same limits. Returns the round that is left
// active.
Task<std::string> Run::repeat(const Step& step, BootTime until) {
  std::string path = step.path;
  for (int round = 1; going(); ++round) {
    co_await hold(path, std::min(until, now() + *step.interval));
    if (!going() || now() >= until) co_return path;
    co_await revert_step(path);
    if (!going()) co_return path;
    path = request_for(step, round).step;
    Task<Result<std::vector<Site>>> asked = prepare_step(step, round);
    auto in_time = co_await unless(until_stopped(), std::move(asked));
    if (!in_time) co_return path;
    if (in_time->has_error()) {
      note("warning", fmt::format("{}: round {} was left out: {}", step.name, round + 1,
                                  in_time->error().message()));
      path = step.path;
      continue;
    }
    for (const Site& site : in_time->value()) {
      processes_picked_ += static_cast<std::int64_t>(site.prepared.plan.targets.size());
    }
    const auto& limit = experiment_.blast_radius.processes;
    if (limit && processes_picked_ > *limit) {
      note("warning", fmt::format("{}: stops after {} rounds: blast radius of {} processes",
                                  step.name, round, *limit));
      co_await hold(step.path, until);
      co_return step.path;
    }
    sites_[path] = std::move(in_time->value());
    const bool injected = co_await inject(path, step, hosts_of(path));
    if (!injected) co_return path;
  }
  co_return path;
}

Duration Run::planned() const {
  return method_duration(experiment_, [this](const Step& step) {
    return static_cast<std::int64_t>(hosts_of(step.path).size());
  });
}

Run::Members Run::hosts_of(const std::string& path) const {
  Members out;
  for (const Site& site : sites_.at(path)) out.push_back(site.member);
  return out;
}

const Site& Run::site_of(const std::string& path, const Member& member) const {
  const auto& sites = sites_.at(path);
  return *std::find_if(sites.begin(), sites.end(),
                       [&member](const Site& site) { return site.member == &member; });
}

Task<void> Run::do_parallel(const Parallel& parallel, bool last) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  int running = static_cast<int>(parallel.steps.size());
  holding_ = running;
  os::Event ended;
  std::exception_ptr failure;
  for (const Step& step : parallel.steps) {
    asio::co_spawn(executor, do_part(step, last),
                   [&failure, &running, &ended](std::exception_ptr problem) {
                     if (problem) failure = problem;
                     --running;
                     ended.notify();
                   });
  }
  while (running > 0) co_await ended.wait();
  if (failure) std::rethrow_exception(failure);
}

Task<void> Run::do_part(const Step& step, bool last) {
  // Not `if (co_await ...)` alone: see Run::go.
  const bool in_time = co_await sleep_until(now() + step.start_delay);
  if (in_time) {
    co_await do_step(step, last);
  } else {
    held(last);
  }
}

Task<void> Run::do_wait(const Wait& wait, std::string path, bool last) {
  if (wait.time) {
    co_await sleep_until(now() + *wait.time);
  } else {
    co_await wait_for(*wait.until, wait.within, std::move(path));
  }
  if (last) end_fault();
}

// False: it did not hold in time, so the method stops; or the run has stopped.
Task<bool> Run::wait_for(const Condition& condition, Duration within, std::string path) {
  const BootTime deadline = now() + within;
  judge_.begin_wait(path, now());
  while (going() && !judge_.wait_holds(path, now()) && now() < deadline) {
    co_await sleep_until(std::min(deadline, now() + kEffectPoll));
  }
  if (!going()) co_return false;
  ConditionStatus status = judge_.end_wait(path, now());
  const bool held = status.truth == Truth::holds;
  if (!held && status.problem.empty()) {
    status.problem = fmt::format("not within {}", format_duration(within));
  }
  emit(std::move(status));
  if (held) co_return true;
  note("warning", fmt::format("{} did not hold within {}; the method stops", condition.text,
                              format_duration(within)));
  end_early();
  co_return false;
}

void Run::arm() {
  if (armed_) return;
  armed_ = true;
  watching_ = true;
  judge_.arm(now());
  Duration shortest = options_.remote_lease;
  for (const auto& member : members_) {
    if (member->target) shortest = std::min(shortest, lease_of(*member));
  }
  emit(Armed{static_cast<int>(experiment_.abort_if.size()), shortest});
}

// On all these hosts at once. True when the effect was seen on each, or may come late.
Task<bool> Run::inject(const std::string& path, const Step& step, Members on) {
  arm();
  bool moved = co_await inject_on_each(path, step, std::move(on), true);
  if (moved && going()) {
    const bool again = co_await follow(path, step);
    if (again) moved = co_await inject_on_each(path, step, hosts_without(path), false);
  }
  if (!going()) co_return false;
  first_verified();
  co_return true;
}

// True when a `where` gave another answer somewhere than it did in the plan; only if `may_move`.
Task<bool> Run::inject_on_each(const std::string& path, const Step& step, Members on,
                               bool may_move) {
  os::Group group(co_await asio::this_coro::executor);
  bool moved = false;
  bool* const noticed = may_move ? &moved : nullptr;
  for (Member* member : on) group.spawn(inject_on(path, step, *member, noticed));
  co_await group.join();
  co_return moved;
}

// The role that a `where` asks for is on another host now: plans the step again, once, inside the
// same blast radius.
Task<bool> Run::follow(const std::string& path, const Step& step) {
  Task<Result<std::vector<Site>>> asked = prepare_step(step, round_of(path));
  auto sites = co_await unless(until_stopped(), std::move(asked));
  if (!sites) co_return false;
  std::string problem;
  if (sites->has_error()) {
    problem = sites->error().message();
  } else {
    sites_[path] = std::move(sites->value());
    std::set<const Member*> picked;
    for (const auto& [other, its] : sites_) {
      for (const Site& site : its) picked.insert(site.member);
    }
    for (const auto& member : members_) {
      member->target = member->target || picked.contains(member.get());
    }
    const std::int64_t limit = experiment_.blast_radius.hosts.value_or(1);
    if (static_cast<std::int64_t>(picked.size()) > limit) {
      problem = fmt::format("{}: beyond the blast radius: hosts {} ({} picked)", step.name, limit,
                            picked.size());
    }
  }
  if (!problem.empty()) {
    StepChanged changed;
    changed.step = path;
    changed.host = members_.front()->name;
    changed.state = StepState::failed;
    changed.text = problem;
    emit(changed);
    stop(AbortCause::executor, problem);
    co_return false;
  }
  std::string names;
  for (const Member* member : hosts_of(path)) names += (names.empty() ? "" : ", ") + member->name;
  note("warning", fmt::format("{}: `where` holds on another host now: planned again for {}",
                              step.name, names));
  emit_plan();
  co_return true;
}

// The step's hosts on which it is not active yet.
Run::Members Run::hosts_without(const std::string& path) const {
  Members out;
  for (Member* member : hosts_of(path)) {
    if (!member->active.contains(path)) out.push_back(member);
  }
  return out;
}

Task<void> Run::inject_on(const std::string& path, const Step& step, Member& member, bool* moved) {
  StepChanged changed;
  changed.step = path;
  changed.host = member.name;
  member.touched = true;
  emit(changed);
  Task<Result<wire::Injected>> asked = order_injection(path, member);
  auto answer = co_await unless(until_stopped(), std::move(asked));
  if (!answer) co_return;
  const bool elsewhere = answer->has_error() && answer->error().code() == Code::gone &&
                         answer->error().message().starts_with("where: ");
  if (elsewhere && moved != nullptr) {
    *moved = true;
    member.active.erase(path);
    changed.state = StepState::removed;
    changed.text = answer->error().message();
    emit(changed);
    co_return;
  }
  if (answer->has_error()) {
    changed.state = StepState::failed;
    changed.text = fmt::format("{}: {}", step.name, said_of(member, answer->error().message()));
    emit(changed);
    stop(AbortCause::executor, changed.text);
    co_return;
  }
  changed.state = StepState::injected;
  changed.took = answer->value().took;
  changed.text = answer->value().effect.text;
  changed.seen = answer->value().effect.seen;
  emit(changed);
  co_await see_effect(path, member, answer->value().effect);
}

// A network fault on another host may cut our way to it. So it lives on a short lease, which is
// made longer only when the answer has come, and then by an order that takes the same way.
Task<Result<wire::Injected>> Run::order_injection(const std::string& path, Member& member) {
  const wire::Prepared& prepared = site_of(path, member).prepared;
  member.active.insert(path);  // its idle objects may be there, or come
  auto ready = co_await member.executor->ready(path, prepared.digest);
  if (ready.has_error()) member.active.erase(path);
  if (ready.has_error()) co_return ready.error();
  const bool provisional = member.remote() && acts_on_network(prepared.plan);
  Duration lease = lease_of(member);
  if (provisional) lease = std::min(lease, options_.provisional_lease);
  if (provisional) ++member.on_probation;
  const ScopeGuard over([&member, provisional] {
    if (provisional) --member.on_probation;
  });
  member.last_renewal = now();
  CO_TRY(auto injected, co_await member.executor->inject(path, prepared.digest, lease));
  if (provisional && member.on_probation == 1) {
    member.last_renewal = now();
    ignore(member.executor->renew(lease_of(member), last_sample_), "a lost one reports itself");
  }
  co_return injected;
}

Task<void> Run::see_effect(const std::string& path, Member& member, EffectReading reading) {
  const BootTime deadline = now() + options_.effect_timeout;
  const bool late =
      comes_late(site_of(path, member).prepared.plan) || options_.mode == Mode::control;
  while (reading.seen != Seen::yes && !late && going() && now() < deadline) {
    co_await sleep_until(now() + kEffectPoll);
    Task<Result<wire::EffectRead>> asked = member.executor->read_effect(path);
    const auto again = co_await unless(until_stopped(), std::move(asked));
    if (again && again->has_value()) reading = again->value().effect;
  }
  StepChanged changed;
  changed.step = path;
  changed.host = member.name;
  changed.text = reading.text;
  changed.seen = reading.seen;
  changed.state = reading.seen == Seen::yes ? StepState::verified : StepState::effect;
  emit(changed);
  if (reading.seen == Seen::yes || late) co_return;
  if (going()) end_early();  // no effect: nothing to learn from holding it
}

void Run::first_verified() {
  if (fault_begun_) return;
  fault_begun_ = true;
  judge_.begin_fault(now());
  enter(Phase::fault, planned());
}

void Run::end_fault() {
  if (!fault_begun_ || fault_ended_) return;
  fault_ended_ = true;
  judge_.end_fault(now());
}

Task<void> Run::hold(const std::string& path, BootTime until) {
  std::map<Member*, bool> seen;
  for (Member* member : hosts_of(path)) seen[member] = false;
  while (going() && now() < until) {
    co_await sleep_until(std::min(until, now() + kEffectRefresh));
    if (!going() || now() >= until) continue;
    os::Group group(co_await asio::this_coro::executor);
    for (auto& [member, before] : seen) {
      if (member->active.contains(path)) group.spawn(reread_effect(path, *member, before));
    }
    co_await group.join();
  }
}

Task<void> Run::reread_effect(const std::string& path, Member& member, bool& seen) {
  Task<Result<wire::EffectRead>> asked = member.executor->read_effect(path);
  const auto answer = co_await unless(until_stopped(), std::move(asked));
  if (!answer || answer->has_error()) co_return;  // a lost executor reports itself
  const EffectReading& reading = answer->value().effect;
  StepChanged changed;
  changed.step = path;
  changed.host = member.name;
  changed.text = reading.text;
  changed.seen = reading.seen;
  const bool first = changed.seen == Seen::yes && !seen;
  changed.state = first ? StepState::verified : StepState::effect;
  seen = seen || first;
  const bool lost = changed.seen == Seen::no;
  emit(std::move(changed));
  if (lost) end_early();  // nothing to learn from holding what does not act
}

Task<void> Run::revert_step(std::string path) {
  os::Group group(co_await asio::this_coro::executor);
  for (Member* member : hosts_of(path)) {
    if (member->active.contains(path)) group.spawn(revert_step_on(path, *member));
  }
  co_await group.join();
}

Task<void> Run::revert_step_on(const std::string& path, Member& member) {
  StepChanged changed;
  changed.step = path;
  changed.host = member.name;
  changed.state = StepState::reverting;
  emit(std::move(changed));
  std::vector<std::string> steps(1, path);
  Task<Result<wire::AllReverted>> asked = member.executor->revert(std::move(steps));
  const auto answer = co_await unless(until_stopped(), std::move(asked));
  if (answer && answer->has_error()) {
    note("warning", said_of(member, "revert: " + answer->error().message()));
  }
}

}  // namespace ordeal::run
