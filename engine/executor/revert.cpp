// Revert: by order, when a lease lapses, at a step's last deadline, at a halt, at the end.
#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/executor/session.hpp"

namespace ordeal::executor {

using namespace asio::experimental::awaitable_operators;

namespace {

constexpr Duration kSelfKillSlack = 1500ms;  // behind a lease; with the revert, 2 s
constexpr Duration kPulse = 500ms;
constexpr Duration kPulseReach = 3s;  // a revert whose loop stands still so long is dead
constexpr Duration kLongestRetryPause = std::chrono::minutes(5);
constexpr Duration kInjectionStops = 5s;  // how long a revert waits for an injection to let go

}  // namespace

// Journals each undo, and tells the front as soon as a step's effect is gone.
class RevertListener : public undo::Listener {
 public:
  RevertListener(Session& session, std::map<std::string, model::EffectReading> last,
                 std::string why)
      : session_(session), last_(std::move(last)), why_(std::move(why)) {}

  void trying(const undo::StepUndos& step, std::size_t index) override {
    if (session_.marks_) session_.marks_->trying(step, index);
  }
  void ended(const undo::StepUndos& step, std::size_t index,
             const undo::Outcome& outcome) override {
    if (session_.marks_) session_.marks_->ended(step, index, outcome);
  }
  void reverted(const undo::StepUndos& step, const std::vector<undo::Outcome>& outcomes,
                Duration took) override {
    wire::StepReverted fact;
    fact.step = step.step;
    fact.took = took;
    fact.why = why_;
    fact.last_effect = last_[step.step];
    for (const undo::Outcome& outcome : outcomes) {
      fact.ok = fact.ok && outcome.ok;
      fact.undos.push_back(to_wire(outcome));
      if (!outcome.ok) failures_[step.step].push_back(to_wire(outcome));
    }
    told_.insert(step.step);
    session_.outbox_.push(std::move(fact));
  }

  bool told(const std::string& step) const { return told_.contains(step); }
  std::vector<wire::UndoResult> failures(const std::string& step) { return failures_[step]; }

 private:
  Session& session_;
  std::map<std::string, model::EffectReading> last_;
  std::string why_;
  std::set<std::string> told_;
  std::map<std::string, std::vector<wire::UndoResult>> failures_;
};

std::vector<std::string> Session::all_steps() const {
  std::vector<std::string> out;
  for (const auto& [path, step] : steps_) out.push_back(path);
  return out;
}

// True when nothing of the named steps acts on the host any more.
Task<bool> Session::revert(std::vector<std::string> names, std::string why) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  std::vector<Step*> mine;
  std::vector<std::shared_ptr<Step>> injecting;  // forgotten perhaps before it has let go
  for (const std::string& name : names) {
    const auto found = steps_.find(name);
    if (found == steps_.end()) continue;
    Step& step = *found->second;
    if (step.state == Step::State::injecting) {
      step.cancelled = true;
      injecting.push_back(found->second);
    } else if (step.state == Step::State::active || step.state == Step::State::failed ||
               step.state == Step::State::ready) {
      step.state = Step::State::reverting;
      mine.push_back(&step);
    }
  }
  steps_changed_.notify();
  if (!mine.empty()) co_await roll_back(std::move(mine), why);
  const BootTime end = host_.clock().now() + kInjectionStops;
  const auto busy = [](const std::shared_ptr<Step>& step) {
    return step->state == Step::State::injecting || step->state == Step::State::reverting;
  };
  while (std::any_of(injecting.begin(), injecting.end(), busy) && host_.clock().now() < end) {
    co_await steps_changed_.wait_until(host_.clock(), end);
  }
  bool good = true;
  for (const std::string& name : names) {
    const auto found = steps_.find(name);
    if (found == steps_.end()) continue;
    // Another revert may be at work on it: that one's end is waited for.
    const std::shared_ptr<Step> step = found->second;
    while (step->state == Step::State::reverting) co_await steps_changed_.wait();
    good = good && step->state != Step::State::failed && !step->live();
  }
  co_return good;
}

Task<void> Session::roll_back(std::vector<Step*> steps, std::string why) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  std::map<std::string, model::EffectReading> last;
  std::vector<undo::StepUndos> undos;
  for (Step* step : steps) {
    last[step->plan.step] = step->effects.read(host_);
    step->state = Step::State::reverting;
    forget_unattempted(*step);
    undos.push_back(std::move(step->undos));
  }
  RevertListener listener(*this, std::move(last), std::move(why));
  undo::Options options;
  options.drop_rest_on_first_error = parts_.bugs.drop_rest_on_first_error;
  ++rollbacks_;
  co_await (undo::rollback(host_, undos, listener, options) || pulse());
  --rollbacks_;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Step& step = *steps[i];
    step.undos = std::move(undos[i]);
    step.failures = listener.failures(step.plan.step);
    const bool gone = listener.told(step.plan.step) && step.failures.empty();
    step.state = gone ? Step::State::reverted : Step::State::failed;
    step.retry_at = host_.clock().now() + step.retry_pause;
    step.retry_pause = std::min(step.retry_pause * 2, kLongestRetryPause);
  }
  steps_changed_.notify();
  deadlines_changed();
}

// What was never begun needs no undo: a service that was not stopped is not started.
void Session::forget_unattempted(Step& step) {
  std::size_t index = 0;
  for (std::size_t i = 0; i < step.plan.changes.size(); ++i) {
    for (std::size_t u = 0; u < step.plan.changes[i].undos.size(); ++u, ++index) {
      if (step.attempted.contains(i) || index >= step.undos.done.size()) continue;
      if (step.undos.done[index]) continue;
      step.undos.done[index] = true;
      if (journal_) journal_->mark(step.undos.record, index, journal::UndoMark{0, true});
    }
  }
}

Task<void> Session::revert_order(std::int64_t id, std::vector<std::string> names) {
  const BootTime begun = host_.clock().now();
  if (names.empty()) names = all_steps();
  wire::AllReverted answer;
  answer.ok = co_await revert(std::move(names), "ordered");
  answer.took = host_.clock().now() - begun;
  outbox_.answer(id, std::move(answer));
}

Task<void> Session::revert_quietly(std::vector<std::string> names, std::string why) {
  const bool good = co_await revert(std::move(names), std::move(why));
  ignore(good, "each step has told");
  co_await remove_leftovers(false);  // nobody may come any more to ask for it
}

Task<void> Session::halt() {
  if (!halted_.empty()) co_return;
  halted_ = halt_reason(host_, parts_.state_directory).value_or("no reason given");
  wire::Halted fact;
  fact.reason = halted_;
  outbox_.push(std::move(fact));
  const bool good = co_await revert(all_steps(), "halt");
  ignore(good, "each step has told");
  deadlines_changed();
}

// ---- timers ------------------------------------------------------------------------------------

// Shows the kernel and the keeper that the loop turns while it reverts.
Task<void> Session::pulse() {
  while (true) {
    const BootTime reach = host_.clock().now() + kPulseReach;
    parts_.self_kill.arm(reach);
    Notice notice;
    notice.kind = Notice::Kind::reverting;
    notice.deadline = reach;
    notice_ = encode(notice);
    notice_changed_.notify();
    co_await host_.clock().sleep(kPulse);
  }
}

// When the first of the leases that count runs out.
std::optional<BootTime> Session::earliest_deadline() const {
  std::optional<BootTime> earliest;
  for (const auto& [path, step] : steps_) {
    if (!step->leased()) continue;
    const BootTime end = std::min(step->lease_end, step->hard_end);
    earliest = earliest ? std::min(*earliest, end) : end;
  }
  return earliest;
}

// Tells the kernel and the keeper when we must have been heard of again.
void Session::deadlines_changed() {
  deadline_changed_.notify();
  if (rollbacks_ > 0) return;
  const std::optional<BootTime> earliest = earliest_deadline();
  Notice notice;
  if (earliest) {
    parts_.self_kill.arm(*earliest + kSelfKillSlack);
    notice.kind = Notice::Kind::active;
    notice.deadline = *earliest;
  } else {
    parts_.self_kill.arm(host_.clock().now() + kIdleReach);
  }
  notice_ = encode(notice);
  notice_changed_.notify();
}

Result<void> Session::renew(Duration lease, std::int64_t sample) {
  if (lease <= Duration::zero() || lease > std::chrono::minutes(1)) {
    return Error(Code::invalid, "a lease of " + format_duration(lease));
  }
  if (sample < last_sample_) {
    return Error(Code::invalid, fmt::format("sample {} is older than {}", sample, last_sample_));
  }
  last_sample_ = sample;
  give_up_without_links();
  const BootTime now = host_.clock().now();
  std::vector<os::TableId> tables;
  Duration shortest = lease;
  for (const auto& [path, step] : steps_) {
    // A lease that has lapsed is not revived: its revert is on its way.
    if (!step->leased() || step->lease_end <= now) continue;
    step->lease_end = now + lease;
    shortest = std::min(shortest, std::max<Duration>(step->hard_end - now, 1ms));
    for (std::size_t i : step->made) {
      const auto* table = std::get_if<model::CreateTable>(&step->plan.changes[i].apply);
      if (table == nullptr) continue;
      tables.push_back(os::TableId{table->table.name, table->table.family});
    }
  }
  deadlines_changed();
  if (tables.empty()) return ok();
  return host_.nftables().renew(tables, shortest);
}

// A rule that hands its packets to a link which somebody has deleted swallows them all: a delay
// would become a partition until the lease ends.
void Session::give_up_without_links() {
  std::vector<std::pair<std::string, std::string>> wanted;  // link, step
  for (const auto& [path, step] : steps_) {
    if (!step->leased() || step->cancelled) continue;
    for (const std::size_t i : step->made) {
      const auto* ifb = std::get_if<model::CreateIfb>(&step->plan.changes[i].apply);
      if (ifb != nullptr) wanted.emplace_back(ifb->link, path);
    }
  }
  if (wanted.empty()) return;
  const auto links = host_.links().list();
  if (links.has_error()) return;
  std::vector<std::string> lost;
  for (const auto& [name, path] : wanted) {
    const bool there = std::any_of(links.value().begin(), links.value().end(),
                                   [&](const os::LinkInfo& link) { return link.name == name; });
    if (!there) lost.push_back(path);
  }
  if (!lost.empty()) spawn(0, revert_quietly(std::move(lost), "somebody deleted its ifb"));
}

// Reverts what nobody renewed in time, what is past its duration whatever is renewed, and what
// failed to revert before.
Task<void> Session::watch() {
  while (true) {
    const BootTime now = host_.clock().now();
    std::vector<std::string> lapsed;
    std::vector<std::string> overdue;
    std::vector<std::string> failed;
    BootTime next = BootTime::max();
    for (const auto& [path, step] : steps_) {
      if (step->state == Step::State::failed) {
        if (step->retry_at <= now) failed.push_back(path);
        if (step->retry_at > now) next = std::min(next, step->retry_at);
      }
      if (!step->leased() || step->cancelled) continue;
      if (step->hard_end <= now) {
        overdue.push_back(path);
      } else if (step->lease_end <= now) {
        lapsed.push_back(path);
      } else {
        next = std::min({next, step->lease_end, step->hard_end});
      }
    }
    if (!lapsed.empty()) spawn(0, revert_quietly(std::move(lapsed), "lease lapsed"));
    if (!overdue.empty()) spawn(0, revert_quietly(std::move(overdue), "deadline"));
    if (!failed.empty()) spawn(0, revert_quietly(std::move(failed), "tried again"));
    // A failed undo that waits for its next attempt is no lease: nobody else would arm the timer.
    if (!earliest_deadline() && rollbacks_ == 0) parts_.self_kill.arm(now + kIdleReach);
    co_await deadline_changed_.wait_until(host_.clock(), std::min(next, now + kIdlePulse));
  }
}

// ---- leftovers ---------------------------------------------------------------------------------

// Idle links and emptied tables of steps that are reverted. Not while something is active: deleting
// a hooked chain drops what a shaper holds.
Task<void> Session::remove_leftovers(bool at_once) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  while (removing_) co_await steps_changed_.wait();
  std::vector<std::shared_ptr<Step>> steps;
  std::vector<undo::StepUndos> undos;
  for (const auto& [path, step] : steps_) {
    if (step->live()) co_return;
  }
  for (const auto& [path, step] : steps_) {
    if (step->state != Step::State::reverted || step->undos.all_done()) continue;
    steps.push_back(step);
    undos.push_back(std::move(step->undos));
  }
  if (steps.empty()) co_return;
  removing_ = true;
  RevertListener listener(*this, {}, "");
  co_await undo::remove_leftovers(host_, undos, listener, at_once);
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i]->undos = std::move(undos[i]);
  removing_ = false;
  steps_changed_.notify();
}

}  // namespace ordeal::executor
