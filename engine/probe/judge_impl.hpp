// The judge's state: one entry for each condition of each list.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/probe/judge.hpp"
#include "engine/probe/watch.hpp"

namespace ordeal::probe {

struct Nearest {
  Reading reading;
  double distance = 0;
  BootTime at{};
};

struct Entry {
  model::ConditionInfo info;
  const model::Condition* condition = nullptr;
  std::string scope;  // path of the step or wait that it belongs to; empty: the whole method

  std::unique_ptr<TrailingWatch> trailing;  // while it is watched over trailing windows
  std::unique_ptr<PhaseWatch> phase;        // while it is watched over a phase
  model::Phase in = model::Phase::baseline;

  bool known = false;  // of expect, wait and abort_if: was not unknown at least once

  // `for`, and the unbroken stretch of recovery.
  std::optional<BootTime> since;
  int samples_since = 0;

  // abort_if
  std::optional<AbortReason> crossed;
  std::optional<BootTime> blind_since;  // it could not be judged, which is unsafe
  Duration blind_limit{};               // for so long it may be
  std::string blind_why;
  std::optional<Nearest> nearest;

  // expect, wait
  BootTime anchor{};
  bool already = false;  // true before the fault, and never false since
  std::optional<Duration> held_after;

  // What was emitted last.
  std::optional<model::Truth> emitted;
  std::optional<model::Phase> emitted_in;
  BootTime emitted_at{};
};

class Judge::Impl {
 public:
  Impl(const model::Experiment& experiment, BootTime start);

  // ---- what is told
  void set_hosts(std::vector<WatchedHost> hosts);
  void add_point(std::size_t series, const Point& point, const std::string& problem);
  void add_host(const std::string& host, const std::map<std::string, double>& values, BootTime at);
  void blind(BootTime from, BootTime to);
  void begin_baseline(BootTime at);
  Result<void> end_baseline(BootTime at);
  void arm(BootTime at);
  void begin_fault(BootTime at);
  void begin_step(const std::string& path, BootTime at, BootTime injecting);
  void end_step(const std::string& path, BootTime at);
  void end_fault(BootTime at);
  void begin_wait(const std::string& path, BootTime at);
  void begin_recovery(BootTime at);

  // ---- what is asked
  bool watches_host(const std::string& host,
                    const std::map<std::string, std::string>& labels) const;
  bool reads_host(const std::string& host) const;
  bool wait_holds(const std::string& path, BootTime now);
  model::ConditionStatus end_wait(const std::string& path, BootTime now);
  std::optional<Duration> recovered(BootTime now);
  std::vector<model::ConditionStatus> update(BootTime now);
  std::optional<AbortReason> abort_reason(BootTime now);
  std::vector<model::ConditionStatus> final_statuses(model::Phase phase, BootTime now);
  std::vector<model::SliSummary> summaries(model::Phase phase);
  std::vector<model::Samples> slices();

  std::vector<model::ConditionInfo> infos;

 private:
  struct SliceTally {
    model::Samples samples;
    Histogram latency;
  };
  struct HostWant {
    model::HostValue value;
    bool percent;
  };

  // Making (judge.cpp)
  void add_list(const std::vector<model::Condition>& list, model::ConditionList kind,
                const std::string& scope);
  void add_wait(const model::Condition& condition, std::string scope);
  void note_use(const model::Condition& condition, model::ConditionList kind);
  std::size_t host_series(const std::string& host, const HostWant& want);

  // Watching (judge_watch.cpp)
  void watch_trailing(Entry& entry, BootTime floor, std::optional<Duration> default_window = {});
  void watch_phase(Entry& entry, std::vector<Span> spans);
  void watch_during();
  void expect_from(Entry& entry, BootTime reference, BootTime anchor);
  void evaluate(Entry& entry, BootTime at, bool new_sample);
  void evaluate_abort(Entry& entry, BootTime at, bool new_sample);
  void evaluate_expect(Entry& entry, BootTime at);
  void evaluate_recovery(Entry& entry, BootTime at);
  std::optional<AbortReason> silence(BootTime now) const;
  bool aborts_now() const;
  std::optional<model::ConditionStatus> changed(Entry& entry, BootTime now);
  model::ConditionStatus status_of(const Entry& entry, const std::vector<Reading>& readings,
                                   model::Truth truth, std::size_t decided_by) const;
  std::string nearest_text(const Nearest& nearest) const;

  void note_blindness(Entry& entry, const std::vector<Reading>& readings, BootTime at) const;
  bool is_guarded(std::size_t series) const;

  // Final verdicts (judge_final.cpp)
  model::ConditionStatus final_phase(const Entry& entry, std::vector<Span> spans) const;
  model::ConditionStatus final_baseline(Entry& entry, BootTime now) const;
  model::ConditionStatus final_expect(const Entry& entry, BootTime now);
  model::ConditionStatus final_recovery(Entry& entry, BootTime now);
  void final_fault(Entry& entry, BootTime now, std::vector<model::ConditionStatus>& out);
  std::vector<Span> active_spans() const;
  std::vector<Span> during_spans(const Entry& entry) const;
  Result<void> fix_baseline(const Entry& entry, const model::Part& part);
  model::SliSummary summary(std::size_t series, model::Phase phase,
                            const std::vector<Span>& spans) const;
  std::vector<Span> spans_of(model::Phase phase) const;
  std::vector<Span> idle_spans() const;

  const model::Experiment& experiment_;
  BootTime start_;
  BootTime latest_{};  // of all times we were told
  Book book_;
  std::vector<Entry> entries_;
  std::vector<bool> guarded_;  // by SLI: its silence stops the run
  std::vector<HostWant> host_wants_;
  std::vector<std::vector<model::HostPick>> host_picks_;  // of each part that reads host values
  std::vector<WatchedHost> hosts_;
  bool host_guarded_ = false;

  std::optional<Span> baseline_;
  std::optional<Span> fault_;
  std::optional<Span> recovery_;
  std::optional<BootTime> armed_;
  std::map<std::string, std::vector<Span>> steps_;  // while their faults were active

  std::map<std::pair<std::size_t, std::int64_t>, SliceTally> slices_;  // not emitted yet
};

}  // namespace ordeal::probe
