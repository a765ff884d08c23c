// Prepare, ready, inject: from a request to changes on the host. Nothing is changed before the
// journal holds its undo.
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/base/text.hpp"
#include "engine/executor/budget.hpp"
#include "engine/executor/journals.hpp"
#include "engine/executor/paths.hpp"
#include "engine/executor/session.hpp"
#include "engine/fault/apply.hpp"
#include "engine/fault/claims.hpp"
#include "engine/fault/resolve.hpp"

namespace ordeal::executor {

using namespace asio::experimental::awaitable_operators;

namespace {

constexpr Duration kClaimsWait = 2s;
constexpr Duration kLongestLease = 60s;
constexpr Duration kKeeperAnswers = 1s;
// A service may take long to stop; its step's own time begins when it has.
constexpr Duration kLongestInjection = 60s;
constexpr Duration kFirstReading = 300ms;  // how long the first reading waits for the effect
constexpr Duration kDrainSlack = 100ms;

// How long packets may sit in what the step makes.
Duration drain_of(const model::HostStep& plan) {
  Duration longest{};
  for (const model::Change& change : plan.changes) {
    const auto* ifb = std::get_if<model::CreateIfb>(&change.apply);
    if (ifb == nullptr) continue;
    longest = std::max(longest, ifb->netem.latency + ifb->netem.jitter + kDrainSlack);
  }
  return longest;
}

// Two steps that are active at the same time.
Result<void> check_apart(const model::HostStep& mine, const std::string& path,
                         const model::HostStep& other) {
  for (const model::Claim& theirs : other.claims) {
    for (const model::Claim& claim : mine.claims) {
      if (!fault::conflicts(claim, theirs)) continue;
      return Error(Code::refused, fmt::format("{} {} is taken by step {} ({})", theirs.kind,
                                              theirs.key, path, other.fault));
    }
  }
  return ok();
}

journal::Intent intent_of(const model::HostStep& plan, const std::string& digest) {
  journal::Intent intent;
  intent.step = plan.step;
  intent.name = plan.name;
  intent.fault = plan.fault;
  intent.digest = digest;
  intent.mark = plan.token.mark();
  intent.claims = plan.claims;
  for (const model::Change& change : plan.changes) {
    for (const model::Undo& undo : change.undos) {
      intent.undos.push_back(undo);
      intent.idle.push_back(change.idle);
    }
  }
  return intent;
}

}  // namespace

// ---- prepare -----------------------------------------------------------------------------------

Result<model::HostStep> Session::plan(const model::StepRequest& request, const Token& token) {
  const auto protection = [this](const model::ProcessInfo& process) {
    return protected_by(policy_, process, host_);
  };
  TRY(auto plan, fault::resolve(parts_.catalogue, request, host_, token, protection));
  CHECK_OK(check_policy(policy_, plan, host_, parts_.state_directory));
  auto journals = find_journals(host_, parts_.state_directory, parts_.token.text());
  if (journals.has_value()) {
    CHECK_OK(check_against_runs(journals.value(), plan.claims));
  } else if (journal_ || journals.error().code() != Code::denied) {
    // Who may not look there and has no journal either can only be shown a plan.
    return std::move(journals.error());
  }
  for (const std::string& path : request.beside) {
    const auto other = steps_.find(path);
    if (other == steps_.end()) continue;
    CHECK_OK(check_apart(plan, path, other->second->plan));
  }
  return plan;
}

Result<wire::Prepared> Session::prepare(const model::StepRequest& request,
                                        const std::string& not_here) {
  for (const std::string* problem : {&policy_problem_, &pids_problem_}) {
    if (!problem->empty()) return Error(Code::refused, *problem);
  }
  const auto found = steps_.find(request.step);
  if (found != steps_.end() && found->second->state != Step::State::prepared &&
      found->second->state != Step::State::reverted) {
    return Error(Code::busy, fmt::format("step {} is injected", printable(request.step)));
  }
  take_snapshot();
  const Token token = Token::from_bits(host_.random().next());
  auto step = std::make_shared<Step>();
  if (not_here.empty()) {
    TRY(auto made, plan(request, token));
    step->plan = std::move(made);
  } else {
    step->plan.step = request.step;
    step->plan.name = request.name;
    step->plan.fault = request.fault;
    step->plan.token = token;
    step->plan.duration = request.duration;
    step->plan.not_here = not_here;
  }
  step->where = request.target.where;
  step->digest = model::digest_of(step->plan);
  wire::Prepared out;
  out.plan = step->plan;
  out.digest = step->digest;
  step->weight = weight_of(step->plan, wire::encode(wire::Fact{0, 0, out}).size());
  step->age = ++last_age_;
  // What an earlier injection of this step left idle stays known until it is removed.
  if (found != steps_.end() && !found->second->undos.all_done()) {
    steps_[fmt::format("{} before {}", request.step, token.text())] = std::move(found->second);
  }
  steps_.erase(request.step);
  CHECK_OK(make_room(step->weight));
  steps_[request.step] = std::move(step);
  return out;
}

std::size_t Session::held() const {
  std::size_t out = 0;
  for (const auto& [path, step] : steps_) out += step->weight;
  return out;
}

// Forgets what is over, the oldest first.
Result<void> Session::make_room(std::size_t weight) {
  std::size_t all = held() + weight;
  while (all > kMostStepBytes) {
    auto oldest = steps_.end();
    for (auto one = steps_.begin(); one != steps_.end(); ++one) {
      const Step& step = *one->second;
      const bool over = step.state == Step::State::reverted && step.undos.all_done();
      if (!over || one->second.use_count() > 1) continue;
      if (oldest == steps_.end() || step.age < oldest->second->age) oldest = one;
    }
    if (oldest == steps_.end()) {
      return Error(Code::refused, fmt::format("with this step {} KiB of steps would be held on "
                                              "this host; at most {} KiB are: hit fewer processes, "
                                              "or split the experiment",
                                              all >> 10, kMostStepBytes >> 10));
    }
    all -= oldest->second->weight;
    steps_.erase(oldest);
  }
  return ok();
}

Task<void> Session::prepare_order(std::int64_t id, model::StepRequest request) {
  std::string not_here;
  if (request.target.where) {
    model::Where where = *request.target.where;
    auto looked = co_await look(std::move(where));
    if (looked.has_error()) co_return refuse(id, looked.error());
    not_here = std::move(looked.value());
  }
  auto prepared = prepare(request, not_here);
  if (prepared.has_error()) {
    refuse(id, prepared.error());
  } else {
    outbox_.answer(id, std::move(prepared.value()));
  }
}

// ---- may it be injected? -----------------------------------------------------------------------

// Takes the step for injection at once, so that whatever comes later sees it.
Result<std::shared_ptr<Step>> Session::claim(const std::string& step, const std::string& digest) {
  const auto found = steps_.find(step);
  if (found == steps_.end()) {
    return Error(Code::invalid, fmt::format("step {} was not prepared", printable(step)));
  }
  Step& known = *found->second;
  if (known.digest != digest) {
    return Error(Code::refused, fmt::format("step {} has changed since it was shown: prepare it "
                                            "again",
                                            printable(step)));
  }
  if (!known.plan.not_here.empty()) return Error(Code::gone, "where: " + known.plan.not_here);
  if (known.state != Step::State::prepared && known.state != Step::State::ready) {
    return Error(Code::busy, fmt::format("step {} was injected already", printable(step)));
  }
  known.state = Step::State::injecting;
  known.cancelled = false;
  return found->second;
}

Result<void> Session::may_inject(const Step& step, Duration lease) const {
  if (!leaving_.empty()) return Error(Code::refused, "this executor is leaving: " + leaving_);
  const auto halted = halt_reason(host_, parts_.state_directory);
  if (halted) return Error(Code::refused, "this host is halted: " + *halted);
  if (!halted_.empty()) return Error(Code::refused, "this host was halted: " + halted_);
  if (!journal_) return Error(Code::refused, "there is no journal: " + journal_problem_);
  if (!journal_->broken().empty()) {
    return Error(Code::refused, "the journal is broken: " + journal_->broken());
  }
  if (lease <= Duration::zero() || lease > kLongestLease) {
    return Error(Code::invalid,
                 fmt::format("a lease of {}: more than 0 and at most {} are allowed",
                             format_duration(lease), format_duration(kLongestLease)));
  }
  CHECK_OK(check_policy(policy_, step.plan, host_, parts_.state_directory));
  CHECK_OK(check_own_claims(step));
  return check_targets(step);
}

// Rounds of one repeated step ("method.0#2") share their claims; any other two steps do not.
Result<void> Session::check_own_claims(const Step& step) const {
  const auto base = [](const std::string& path) { return path.substr(0, path.find('#')); };
  for (const auto& [path, other] : steps_) {
    const bool holds =
        other->live() || other->state == Step::State::ready || other->state == Step::State::failed;
    if (other.get() == &step || !holds || base(path) == base(step.plan.step)) continue;
    CHECK_OK(check_apart(step.plan, path, other->plan));
  }
  return ok();
}

// A pid is only half of a name: what was shown must be what is hit.
Result<void> Session::check_targets(const Step& step) const {
  for (const model::Change& change : step.plan.changes) {
    const auto* shot = std::get_if<model::SignalProcess>(&change.apply);
    if (shot == nullptr) continue;
    const auto found = host_.processes().find(shot->process);
    if (found.has_value()) continue;
    return Error(found.error().code(), fmt::format("target gone: pid {}: {}", shot->process.pid,
                                                   found.error().message()));
  }
  return ok();
}

// ---- journal -----------------------------------------------------------------------------------

// Checks claims and writes the record under one lock, so that of two runs that want the same thing
// exactly one gets it.
Task<Result<void>> Session::record(Step* step) {
  journal::Intent intent = intent_of(step->plan, step->digest);
  auto undos = undo::StepUndos::of(intent.step, 0, intent.undos, intent.idle);
  undos.drain = drain_of(step->plan);
  if (intent.undos.empty()) {
    step->undos = std::move(undos);
    co_return ok();  // --control: nothing is changed
  }
  if (parts_.bugs.inject_before_journal) {
    Duration spent{};
    ignore(co_await make_changes(step, false, kLongestLease, &spent), "planted bug");
  }
  CO_TRY(auto lock, co_await host_.files().lock(claims_lock(parts_.state_directory), kClaimsWait));
  CO_TRY(auto journals, find_journals(host_, parts_.state_directory, parts_.token.text()));
  CO_CHECK_OK(check_claims(journals, intent.claims));
  journals.clear();
  if (parts_.bugs.no_fsync) {
    undos.record = journal_->append_without_sync(std::move(intent));
  } else {
    CO_TRY(auto sequence, co_await journal_->append(std::move(intent)));
    undos.record = sequence;
  }
  step->undos = std::move(undos);
  own_marks_.push_back(step->plan.token.mark());
  if (own_marks_.size() > kMostMarks) own_marks_.pop_front();
  ignore(lock, "held until here");
  co_return ok();
}

// ---- changes -----------------------------------------------------------------------------------

Task<Result<void>> Session::make_changes(Step* step, bool only_idle, Duration lease,
                                         Duration* spent) {
  const std::vector<model::Change> changes = step->plan.changes;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (step->made.contains(i) || (only_idle && !changes[i].idle)) continue;
    if (step->cancelled) co_return Error(Code::refused, "it was reverted before it was injected");
    step->attempted.insert(i);
    const BootTime begun = host_.clock().now();
    const auto made = co_await fault::apply(host_, changes[i].apply, lease);
    *spent += host_.clock().now() - begun;
    if (made.has_error()) {
      if (fault::surely_not_made(changes[i].apply, made.error())) step->attempted.erase(i);
      co_return Error(made.error()).within(changes[i].summary);
    }
    step->made.insert(i);
  }
  if (only_idle) co_return ok();
  co_return co_await fault::follow_up(host_, changes, host_.clock().now());
}

Task<void> Session::cancelled(Step* step) {
  while (!step->cancelled) co_await steps_changed_.wait();
}

// A change may take long (a service that stops); a revert does not wait for it.
Task<Result<void>> Session::make_until_cancelled(Step* step, bool only_idle, Duration lease,
                                                 Duration* spent) {
  if (step->cancelled) co_return Error(Code::refused, "it was reverted before it was injected");
  auto first = co_await (make_changes(step, only_idle, lease, spent) || cancelled(step));
  // Also when both have ended: a revert that waits for us takes nothing back itself.
  if (!step->cancelled) co_return std::get<0>(std::move(first));
  co_return Error(Code::refused, "it was reverted while it was injected");
}

// Undoes a step whose injection failed; the only one who touches it until then.
Task<void> Session::take_back(Step* step, std::string why) {
  step->state = Step::State::active;
  std::vector<Step*> steps(1, step);
  co_await roll_back(std::move(steps), std::move(why));
}

Task<void> Session::ready_order(std::int64_t id, std::shared_ptr<Step> held) {
  Step* const step = held.get();
  auto allowed = may_inject(*step, kLongestLease);
  if (allowed.has_error()) {
    step->state = Step::State::prepared;
    steps_changed_.notify();
    co_return refuse(id, allowed.error());
  }
  if (parts_.bugs.inject_before_journal) {
    step->state = Step::State::ready;
    steps_changed_.notify();
    co_return outbox_.answer(id, wire::Done{});
  }
  auto recorded = co_await record(step);
  if (recorded.has_error()) {
    step->state = Step::State::prepared;
    steps_changed_.notify();
    co_return refuse(id, recorded.error());
  }
  Duration spent{};
  auto made = co_await make_until_cancelled(step, true, kLongestLease, &spent);
  if (made.has_error()) {
    co_await take_back(step, "not ready");
    co_return refuse(id, made.error());
  }
  step->state = Step::State::ready;
  steps_changed_.notify();
  outbox_.answer(id, wire::Done{});
}

Task<void> Session::inject_order(std::int64_t id, std::shared_ptr<Step> held, Duration lease,
                                 BootTime received) {
  Step* const step = held.get();
  const bool was_ready = !step->undos.undos.empty();
  auto allowed = may_inject(*step, lease);
  if (allowed.has_value() && step->where) {
    const BootTime asked = host_.clock().now();
    allowed = co_await still_here(step);
    received += host_.clock().now() - asked;  // the lease is for the fault, not for the question
    if (allowed.has_value()) allowed = may_inject(*step, lease);
  }
  Duration spent{};
  if (allowed.has_value() && parts_.bugs.inject_before_journal) {
    const auto early = co_await make_changes(step, false, lease, &spent);
    ignore(early, "planted bug");
  }
  if (allowed.has_value() && !was_ready) allowed = co_await record(step);
  if (allowed.has_error()) {
    if (was_ready) {
      co_await take_back(step, "not injected");
    } else {
      step->state = Step::State::prepared;
      steps_changed_.notify();
    }
    co_return refuse(id, allowed.error());
  }
  step->lease_end = received + lease;
  step->hard_end = received + kLongestInjection;
  deadlines_changed();
  auto made = co_await watched_by_keeper(step);
  if (made.has_value()) made = co_await make_until_cancelled(step, false, lease, &spent);
  const BootTime changed = host_.clock().now();
  if (made.has_error()) {
    co_await take_back(step, "not injected");
    std::string text = made.error().message();
    for (const wire::UndoResult& failure : step->failures) {
      text += fmt::format("; NOT UNDONE: {}: {}", failure.what, failure.text);
    }
    co_return refuse(id, Error(made.error().code(), std::move(text)));
  }
  step->effects = fault::EffectReader(host_, step->plan.effects);
  step->state = Step::State::active;
  step->hard_end = changed + step->plan.duration + lease;
  steps_changed_.notify();
  deadlines_changed();
  wire::Injected injected;
  injected.step = step->plan.step;
  injected.took = changed - received;
  injected.kernel_took = spent;
  injected.effect = co_await first_reading(step);
  outbox_.answer(id, std::move(injected));
}

Task<void> Session::keeper_answers(std::uint64_t ask, BootTime end) {
  while (asks_heard_ < ask && host_.clock().now() < end) {
    co_await keeper_heard_.wait_until(host_.clock(), end);
  }
}

// A keeper that was stopped while nothing was injected would not see us die. One that answers has
// armed its own timer for this lease: from here on it is there, or dead, which we see.
Task<Result<void>> Session::watched_by_keeper(Step* step) {
  ask_ = true;
  const std::uint64_t mine = asks_written_ + 1;
  notice_changed_.notify();
  const BootTime end = host_.clock().now() + kKeeperAnswers;
  co_await (keeper_answers(mine, end) || cancelled(step));
  if (asks_heard_ >= mine) co_return ok();
  co_return Error(Code::failed, "the keeper does not answer: it is stopped or hangs");
}

Task<model::EffectReading> Session::first_reading(Step* step) {
  const BootTime end = host_.clock().now() + kFirstReading;
  model::EffectReading reading = step->effects.read(host_);
  Duration pause = 2ms;
  while (reading.seen == model::Seen::not_yet && step->state == Step::State::active &&
         host_.clock().now() < end) {
    co_await host_.clock().sleep(pause);
    pause = std::min<Duration>(pause * 2, 50ms);
    if (step->state == Step::State::active) reading = step->effects.read(host_);
  }
  co_return reading;
}

}  // namespace ordeal::executor
