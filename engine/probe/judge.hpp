// Decides, from samples alone, where every condition of an experiment stands. No clock, no I/O: it
// is told what time it is. Semantics: docs/reference/conditions.md.
//
// Truth is that of the condition as it is written: an abort condition that `holds` is crossed.
// While a phase goes on, a steady_state or during condition is `broken` only when nothing that may
// still come can mend it; a number on the wrong side that may still come right is `unknown`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/event.hpp"
#include "engine/model/experiment.hpp"
#include "engine/probe/sample.hpp"

namespace ordeal::probe {

// What an abort condition or a silent SLI says.
struct AbortReason {
  model::AbortCause cause = model::AbortCause::threshold;  // threshold or no_data
  std::string condition;                                   // id, or empty for silence
  std::string text;  // "shop.success 79.3% over 3s crossed < 80% (119 good of 150)"
};

// A host of the run, as conditions pick among them.
struct WatchedHost {
  std::string name;
  std::map<std::string, std::string> labels;
  bool target = true;  // a step acts on it: `host.cpu` without a pick means these
};

class Judge {
 public:
  // `start` is the run's origin: statuses carry times relative to it. The experiment outlives it.
  Judge(const model::Experiment& experiment, BootTime start);
  ~Judge();

  // Every condition with the id that events name: "steady_state.0", "during.1", "expect.0",
  // "abort_if.0", "method.1.expect.0", "method.2.until" ...
  const std::vector<model::ConditionInfo>& conditions() const;

  // Before any value of a host arrives. Without it, every host that reports is a target without
  // labels.
  void set_hosts(std::vector<WatchedHost> hosts);
  // A condition picks this host, by name or label; known from the file alone.
  bool watches_host(const std::string& host,
                    const std::map<std::string, std::string>& labels) const;
  // Some condition reads a value of this host. After set_hosts.
  bool reads_host(const std::string& host) const;

  // In order of completion.
  void add(const Sample& sample);
  // Host values of one host, as the executor pushed them (names of model::HostValue -> number).
  void add_host(const std::string& host, const std::map<std::string, double>& values, BootTime at);
  // ordeal itself did not run: what was not heard meanwhile is nobody's outage.
  void blind(BootTime from, BootTime to);

  // ---- baseline
  void begin_baseline(BootTime at);  // after the warm-up
  // Ends it: every baseline value and abort bound is fixed. Error (refused, exit 4): a factor on a
  // baseline of 0 or under 1 ms, too few samples for a relative bound.
  Result<void> end_baseline(BootTime at);

  // ---- fault
  void arm(BootTime at);          // abort_if lives from here
  void begin_fault(BootTime at);  // first step verified: during, expect anchored
  // Its fault was injected from `injecting` on, and is active; its own lists live from here. Again
  // after its end when it goes through its hosts.
  void begin_step(const std::string& step_path, BootTime at,
                  std::optional<BootTime> injecting = std::nullopt);
  void end_step(const std::string& step_path, BootTime at);
  void end_fault(BootTime at);  // last step begins to revert
  // A `wait.until` of the method: true when it held; anchored at `at`.
  void begin_wait(const std::string& item_path, BootTime at);
  bool wait_holds(const std::string& item_path, BootTime now);
  // Its verdict, once the wait is over: broken when it was in vain.
  model::ConditionStatus end_wait(const std::string& item_path, BootTime now);

  // ---- recovery
  void begin_recovery(BootTime at);  // last revert confirmed
  // Empty while not yet; else the length of time after `begin_recovery` at which the unbroken good
  // stretch of `hold` began.
  std::optional<Duration> recovered(BootTime now);

  // Everything that changed since the last call, to be emitted as events. Call after each sample
  // and every 100 ms.
  std::vector<model::ConditionStatus> update(BootTime now);
  // The first abort condition that is crossed, or an SLI that is silent past its grace; in the
  // baseline phase only silence and abort_if without relative bounds.
  std::optional<AbortReason> abort_reason(BootTime now);
  // Final statuses of the lists judged in this phase (steady_state in baseline and recovery;
  // during and expect in fault); the phase must have ended.
  std::vector<model::ConditionStatus> final_statuses(model::Phase phase, BootTime now);
  // Per SLI totals of a phase, for the tables. Every sample since the warm-up is in exactly one of
  // them: `inject` has what was answered between the baseline and the first injection, `revert`
  // what was due while no fault was active, until the recovery.
  std::vector<model::SliSummary> summaries(model::Phase phase);
  // Samples since the last call, per SLI and 100 ms slice, to be emitted as events. A slice whose
  // requests are answered late comes again with what was added: readers sum by `from`.
  std::vector<model::Samples> slices(BootTime now);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ordeal::probe
