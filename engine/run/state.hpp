// What one run knows while it goes on. Private to engine/run: everybody else reads events.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/os/event.hpp"
#include "engine/probe/judge.hpp"
#include "engine/run/member.hpp"
#include "engine/run/run.hpp"
#include "engine/run/verdict.hpp"

namespace ordeal::run {

class Run {
 public:
  Run(const model::Experiment& experiment, Options options, Surroundings around, EventSink sink);

  Task<model::Verdict> go();

 private:
  using Members = std::vector<Member*>;
  using Limit = std::function<void(std::string text, bool exceeded)>;

  // ---- phases (run.cpp): each false means that the run ends here
  Task<bool> plan();
  Task<bool> baseline();
  Task<void> inject_and_hold();
  Task<void> revert_everything();
  Task<void> recovery();
  Task<void> check_hosts();
  Task<void> hear_keeper(Member& member);
  void judge_fault();
  void finish();
  Task<void> phases();
  Task<void> connected_phases();
  Task<void> settle(Duration longest);
  Task<void> observe_hosts();
  Task<void> revert_host(Member& member);
  Task<void> check_host(Member& member);
  std::string recover_command(const Member& member) const;
  Task<void> leave(Member& member);

  // ---- hosts.cpp
  Member& member_of(const model::InventoryHost& host);
  void name_member(Member& member) const;
  Result<Side> side_of(const model::Step& step, const model::HostSelector& selector) const;
  Result<std::vector<Side>> sides_of(const model::Step& step) const;
  bool choose_hosts();
  void cut_off(const model::Step& step, std::size_t side, model::StepRequest& request) const;
  fleet::Pushed pushed_by(Member& member);
  std::string said_of(const Member& member, std::string text) const;
  Task<void> open(Member& member, std::string& problem);
  Task<bool> connect();
  bool refused_by(const std::vector<std::string>& problems);
  Task<void> read_wires();
  Task<void> greet(Member& member, std::string& problem);
  std::string objections(const Member& member);
  Task<bool> greet_all();

  // ---- plan.cpp
  Task<bool> prepare_steps();
  // Resolves the step on its hosts, all at once. Error: a reason a line.
  Task<Result<std::vector<Site>>> prepare_step(const model::Step& step, int round);
  Task<void> prepare_on(Member& member, model::StepRequest request,
                        std::optional<Result<wire::Prepared>>& answer);
  Result<std::vector<Site>> choose_sites(const model::Step& step, const std::vector<Side>& sides,
                                         std::vector<Site> prepared);
  std::vector<std::string> beside(const model::Step& step, const Member& member) const;
  void host_shares(const Limit& line) const;
  bool within_blast_radius();
  void emit_plan();
  model::StepRequest request_for(const model::Step& step, int round) const;

  // ---- method.cpp
  Task<void> do_step(const model::Step& step, bool last);
  Task<void> do_parallel(const model::Parallel& parallel, bool last);
  Task<void> do_part(const model::Step& step, bool last);
  void held(bool last);
  Task<void> do_wait(const model::Wait& wait, std::string path, bool last);
  Task<bool> wait_for(const model::Condition& condition, Duration within, std::string path);
  Task<void> do_roll(const model::Step& step);
  Task<bool> inject(const std::string& path, const model::Step& step, Members on);
  Task<bool> inject_on_each(const std::string& path, const model::Step& step, Members on,
                            bool may_move);
  Task<bool> follow(const std::string& path, const model::Step& step);
  Members hosts_without(const std::string& path) const;
  Task<void> inject_on(const std::string& path, const model::Step& step, Member& member,
                       bool* moved);
  Task<Result<wire::Injected>> order_injection(const std::string& path, Member& member);
  Task<void> see_effect(const std::string& path, Member& member, model::EffectReading reading);
  Task<void> hold(const std::string& path, BootTime until);
  Task<void> reread_effect(const std::string& path, Member& member, bool& seen);
  Task<std::string> repeat(const model::Step& step, BootTime until);
  Task<void> revert_step(std::string path);
  Task<void> revert_step_on(const std::string& path, Member& member);
  void arm();
  void first_verified();
  void end_fault();
  Members hosts_of(const std::string& path) const;
  // How long the method takes with the hosts that were picked.
  Duration planned() const;
  const Site& site_of(const std::string& path, const Member& member) const;

  // ---- guard.cpp
  Task<void> watch_probes();
  Task<void> watch_time();
  Task<void> watch_person();
  void on_sample(probe::Sample sample);
  void evaluate(BootTime now);
  void notice_suspension(BootTime now);
  void notice_stall(BootTime now);
  void renew_leases(BootTime now);
  void on_step_reverted(Member& member, const wire::StepReverted& reverted);
  void on_lost(Member& member, const std::string& reason,
               const std::optional<wire::KeeperReport>& keeper);
  static std::optional<wire::HostReport> left_by(const Member& member,
                                                 const std::optional<wire::KeeperReport>& keeper);
  std::string name_of(const std::string& path) const;
  Duration lease_of(const Member& member) const;
  Duration renewal_of(const Member& member) const;
  void stop(model::AbortCause cause, std::string text, std::string condition = "");
  void end_early();
  bool going() const { return !stop_ && !ending_; }
  // Returns when the run stops or ends early.
  Task<void> until_stopped();
  // Sleeps until then; false when the run stops or ends early before.
  Task<bool> sleep_until(BootTime when);

  void enter(model::Phase phase, Duration planned);
  void emit(model::EventData data);
  void refuse(model::Phase phase, std::string text);
  void note(std::string level, std::string text);
  BootTime now() const { return around_.clock.now(); }

  const model::Experiment& experiment_;
  Options options_;
  Surroundings around_;
  EventSink sink_;
  BootTime start_;
  VerdictFold fold_;
  std::int64_t seq_ = 0;
  probe::Judge judge_;

  std::vector<std::unique_ptr<Member>> members_;    // every host that this run speaks to
  std::map<std::string, std::vector<Side>> sides_;  // by step path
  std::map<std::string, std::vector<Site>> sites_;  // by step path, of later rounds too
  std::int64_t processes_picked_ = 0;
  Duration total_{};
  std::vector<std::string> limits_;  // the plan's, in words

  model::Phase phase_ = model::Phase::read;
  std::optional<model::AbortDecided> stop_;
  BootTime stop_sample_time_{};
  bool ending_ = false;  // the method ends before its time, without an abort
  bool refused_ = false;
  bool fault_begun_ = false;
  bool fault_ended_ = false;
  int holding_ = 0;  // steps of the current item that have not ended their hold
  bool armed_ = false;
  bool watching_ = false;  // abort reasons count
  bool leaving_ = false;   // everything is put back; a lost executor is no news any more
  std::map<std::size_t, std::int64_t> completed_;  // samples scheduled in the baseline, by SLI
  BootTime baseline_begin_{};
  BootTime baseline_end_{};
  os::Event stopped_;
  os::Event sampled_;
  BootTime last_tick_{};
  BootTime last_sample_time_{};
  std::int64_t last_sample_ = 0;
};

// Facts about the experiment that open every stream (about.cpp).
model::RunStarted about(const model::Experiment& experiment, const Options& options,
                        const probe::Judge& judge);

}  // namespace ordeal::run
