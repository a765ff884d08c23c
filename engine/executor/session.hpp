// One worker's life: the orders of one front, the steps that they make, the watch over leases.
//
//   worker.cpp   the loop over orders, the end of a session
//   where.cpp    is this host one of those that a step means?
//   inject.cpp   prepare, ready, inject
//   revert.cpp   revert, leases, deadlines, halt
//   check.cpp    is the host as it was?
//
// One thread; handlers of orders run beside each other as coroutines and change a step's state only
// between two waits. A step's state is claimed when its order arrives, before any wait, so that a
// revert that arrives later always sees it.
#pragma once

#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/executor/executor.hpp"
#include "engine/executor/outbox.hpp"
#include "engine/executor/policy.hpp"
#include "engine/executor/salvage.hpp"
#include "engine/fault/effect.hpp"
#include "engine/journal/journal.hpp"
#include "engine/os/event.hpp"
#include "engine/os/group.hpp"
#include "engine/undo/rollback.hpp"

namespace ordeal::executor {

// A step that the front has prepared, and what became of it.
struct Step {
  enum class State {
    prepared,   // nothing is made
    ready,      // its idle objects are there; journaled
    injecting,  // changes are being made, or undone because one failed
    active,
    reverting,
    failed,    // an undo failed; it is tried again
    reverted,  // nothing of it acts on the host; leftovers may be there
  };
  State state = State::prepared;
  model::HostStep plan;
  std::string digest;
  std::optional<model::Where> where;  // asked again before it is injected
  undo::StepUndos undos;              // meaningful from the journal record on
  std::set<std::size_t> attempted;    // changes that may have happened
  std::set<std::size_t> made;         // changes that have
  fault::EffectReader effects;
  BootTime lease_end{};
  BootTime hard_end{};  // whatever is renewed
  BootTime retry_at{};  // of a failed undo
  Duration retry_pause{5s};
  bool cancelled = false;                  // stop injecting
  std::vector<wire::UndoResult> failures;  // of the last revert
  std::size_t weight = 0;                  // of the plan, about: budget.hpp
  std::int64_t age = 0;                    // the later prepared, the higher

  bool live() const {
    return state == State::injecting || state == State::active || state == State::reverting;
  }
  // Acts on the host and is not being undone: its leases count.
  bool leased() const {
    return (state == State::injecting || state == State::active) && lease_end != BootTime{};
  }
};

class Session {
 public:
  Session(WorkerParts parts, asio::any_io_executor executor);
  Task<int> run();

 private:
  // ---- worker.cpp
  Task<void> serve();
  Task<void> serve_to_the_end();
  // A coroutine of its own for an order (0: for none).
  void spawn(std::int64_t id, Task<void> handler);
  Task<void> weighed(std::size_t weight, Task<void> handler);
  Task<void> guarded(std::int64_t id, Task<void> handler);
  Task<void> read_orders();
  Task<void> background();
  Task<void> read_notices();
  Task<void> write_notices();
  Task<void> write_marks();
  Task<void> push_host_values();
  Task<void> greet(std::int64_t id, wire::Hello hello);
  Result<void> learn_where_we_are();
  Task<void> open_journal();
  std::vector<std::string> state_warnings() const;
  Task<void> dispatch(wire::Order order);
  void refuse(std::int64_t id, const Error& error);
  void handle(std::int64_t id, wire::Hello order);
  void handle(std::int64_t id, wire::Prepare order);
  void handle(std::int64_t id, wire::Ready order);
  void handle(std::int64_t id, wire::Inject order);
  void handle(std::int64_t id, wire::Renew order);
  void handle(std::int64_t id, wire::ReadEffect order);
  void handle(std::int64_t id, wire::Revert order);
  void handle(std::int64_t id, wire::ObserveHost order);
  void handle(std::int64_t id, wire::CheckHost order);
  void handle(std::int64_t id, wire::Bye order);
  void leave(std::string why);

  // ---- where.cpp
  // Why this host is none of those meant; empty: it is one. Errors: nobody can tell.
  Task<Result<std::string>> look(model::Where where);
  Task<Result<void>> still_here(Step* step);

  // ---- inject.cpp
  Result<model::HostStep> plan(const model::StepRequest& request, const Token& token);
  Result<wire::Prepared> prepare(const model::StepRequest& request, const std::string& not_here);
  Task<void> prepare_order(std::int64_t id, model::StepRequest request);
  Result<void> make_room(std::size_t weight);
  std::size_t held() const;
  Result<std::shared_ptr<Step>> claim(const std::string& step, const std::string& digest);
  Task<void> ready_order(std::int64_t id, std::shared_ptr<Step> step);
  Task<void> inject_order(std::int64_t id, std::shared_ptr<Step> step, Duration lease,
                          BootTime received);
  Task<Result<void>> record(Step* step);
  Task<Result<void>> make_changes(Step* step, bool only_idle, Duration lease, Duration* spent);
  Task<Result<void>> make_until_cancelled(Step* step, bool only_idle, Duration lease,
                                          Duration* spent);
  Task<void> cancelled(Step* step);
  Task<void> take_back(Step* step, std::string why);
  Result<void> may_inject(const Step& step, Duration lease) const;
  Result<void> check_targets(const Step& step) const;
  Result<void> check_own_claims(const Step& step) const;
  Task<model::EffectReading> first_reading(Step* step);
  Task<Result<void>> watched_by_keeper(Step* step);
  Task<void> keeper_answers(std::uint64_t ask, BootTime end);

  // ---- revert.cpp
  Task<bool> revert(std::vector<std::string> names, std::string why);
  Task<void> revert_order(std::int64_t id, std::vector<std::string> names);
  Task<void> revert_quietly(std::vector<std::string> names, std::string why);
  Task<void> roll_back(std::vector<Step*> steps, std::string why);
  Task<void> pulse();
  Task<void> watch();
  Task<void> remove_leftovers(bool at_once);
  Result<void> renew(Duration lease, std::int64_t sample);
  void give_up_without_links();
  void deadlines_changed();
  std::optional<BootTime> earliest_deadline() const;
  void forget_unattempted(Step& step);
  std::vector<std::string> all_steps() const;
  Task<void> halt();

  // ---- check.cpp
  void take_snapshot();
  Task<void> check_order(std::int64_t id);
  Task<wire::HostReport> check();

  friend class RevertListener;

  WorkerParts parts_;
  os::Host& host_;
  asio::any_io_executor executor_;
  os::Group handlers_;
  Outbox outbox_;
  std::set<std::int64_t> seen_orders_;  // the newest; all up to forgotten_ were seen too
  std::int64_t forgotten_ = std::numeric_limits<std::int64_t>::min();
  bool greeted_ = false;
  std::string run_;
  std::string boot_id_;
  std::string machine_id_;
  Policy policy_;
  std::string policy_problem_;
  std::string pids_problem_;  // why no pid that is read here can be trusted
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<JournalListener> marks_;
  bool wire_gone_ = false;
  std::string journal_problem_ = "no run has begun";
  std::vector<std::string> dirty_at_start_;
  // By path. One that is forgotten lives on while a handler holds it.
  std::map<std::string, std::shared_ptr<Step>> steps_;
  std::int64_t last_age_ = 0;
  std::size_t order_size_ = 0;  // of the order that is dispatched
  std::size_t at_work_ = 0;     // bytes of orders whose handlers run
  int looking_ = 0;             // programs of `where` that run
  os::Event looked_;
  os::Event steps_changed_;     // some step's state
  os::Event deadline_changed_;  // an earlier one
  os::Event journal_opened_;
  bool failed_ = false;  // serve() threw
  int rollbacks_ = 0;    // running; then the pulse keeps the timers
  std::int64_t last_sample_ = 0;
  std::string halted_;
  std::string leaving_;  // why; empty: not yet
  os::Event left_;
  std::int64_t bye_ = 0;
  std::optional<std::string> notice_;  // the newest for the keeper
  os::Event notice_changed_;
  bool ask_ = false;  // to be put behind the next notice
  std::uint64_t asks_written_ = 0;
  std::uint64_t asks_heard_ = 0;  // answered, in the order of the asks
  os::Event keeper_heard_;
  Duration observe_every_{};
  os::Event observe_changed_;
  // ---- check.cpp
  bool snapshot_taken_ = false;
  std::deque<std::string> own_marks_;
  bool removing_ = false;                              // leftovers, just now
  std::optional<std::set<std::string>> links_before_;  // empty: they could not be listed
};

}  // namespace ordeal::executor
