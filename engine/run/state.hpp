// What one run knows while it goes on. Private to engine/run: everybody else reads events.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/os/event.hpp"
#include "engine/probe/judge.hpp"
#include "engine/run/run.hpp"
#include "engine/run/verdict.hpp"

namespace ordeal::run {

class Run {
 public:
  Run(const model::Experiment& experiment, Options options, Surroundings around, EventSink sink);

  Task<model::Verdict> go();

 private:
  // ---- phases (run.cpp): each false means that the run ends here
  Task<bool> plan();
  Task<bool> baseline();
  Task<void> inject_and_hold();
  Task<void> revert_everything();
  Task<void> recovery();
  Task<void> check_host();
  Task<void> hear_keeper();
  void judge_fault();
  void finish();
  Task<void> phases();
  Task<void> settle(Duration longest);

  // ---- plan.cpp
  Task<bool> connect();
  Task<bool> prepare_steps();
  bool within_blast_radius(std::vector<std::string>& limits);
  void emit_plan(std::vector<std::string> limits);
  model::StepRequest request_for(const model::Step& step, int round) const;

  // ---- method.cpp
  Task<void> do_step(const model::Step& step, bool last);
  Task<void> do_parallel(const model::Parallel& parallel, bool last);
  Task<void> do_part(const model::Step& step, bool last, const int& running);
  Task<void> do_wait(const model::Wait& wait, std::string path, bool last);
  Task<bool> inject(const std::string& path, const model::Step& step, bool first_round);
  Task<bool> see_effect(const std::string& path, model::EffectReading reading);
  Task<void> hold(const std::string& path, BootTime until);
  Task<void> repeat(const model::Step& step, BootTime until);
  Task<void> revert_step(std::string path);
  void first_verified();
  void end_fault();

  // ---- guard.cpp
  Task<void> watch_probes();
  Task<void> watch_time();
  Task<void> watch_person();
  void on_sample(probe::Sample sample);
  void evaluate(BootTime now);
  void notice_suspension(BootTime now);
  void renew_lease(BootTime now);
  void on_step_reverted(const wire::StepReverted& reverted);
  void on_lost(const std::string& reason, const std::optional<wire::KeeperReport>& keeper);
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

  std::unique_ptr<fleet::Executor> executor_;
  std::string host_;
  std::map<std::string, wire::Prepared> prepared_;  // by step path
  std::map<std::string, const model::Step*> steps_; // every path that was injected, by round too
  std::set<std::string> active_;                    // injected, not yet reverted
  std::int64_t processes_picked_ = 0;
  Duration total_{};

  model::Phase phase_ = model::Phase::read;
  std::optional<model::AbortDecided> stop_;
  BootTime stop_sample_time_{};
  bool ending_ = false;       // the method ends before its time, without an abort
  bool refused_ = false;
  bool fault_begun_ = false;
  bool fault_ended_ = false;
  bool armed_ = false;
  bool watching_ = false;     // abort reasons count
  bool leaving_ = false;      // everything is put back; a lost executor is no news any more
  bool keeper_clean_ = false;
  bool executor_lost_ = false;
  std::string lost_text_;
  std::vector<model::ResidueItem> keeper_residue_;
  std::map<std::size_t, std::int64_t> completed_;  // samples scheduled in the baseline, by SLI
  BootTime baseline_begin_{};
  BootTime baseline_end_{};
  os::Event stopped_;
  os::Event sampled_;
  BootTime last_tick_{};
  BootTime last_renewal_{};
  BootTime last_sample_time_{};
  std::int64_t last_sample_ = 0;
};

// Facts about the experiment that open every stream (about.cpp).
model::RunStarted about(const model::Experiment& experiment, const Options& options,
                        const probe::Judge& judge);

}  // namespace ordeal::run
