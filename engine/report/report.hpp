// All that a person or a machine sees of a run, folded from its events and from nothing else: the
// same events give the same report on a terminal, in CI, a year later from history.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/histogram.hpp"
#include "engine/model/event.hpp"

namespace ordeal::report {

// All times are since the start of the run.
struct PhaseSpan {
  model::Phase phase = model::Phase::read;
  Duration from{};
  std::optional<Duration> to;  // empty: still in it
  Duration planned{};          // 0: unknown
};

// One condition of the file, with where it stood last in each phase.
struct ConditionRow {
  model::ConditionInfo info;
  std::string measure;  // "shop.success": the text before the comparison; all of it for flags
  std::string limit;    // "<= 2s": the comparison and what follows; empty for flags
  std::optional<model::ConditionStatus> before;  // baseline
  std::optional<model::ConditionStatus> during;  // injection and fault
  std::optional<model::ConditionStatus> after;   // recovery
  std::optional<Duration> broken_at;             // first seen broken; never of abort conditions
  Duration changed_at{};                         // its measured value last changed, while watched

  // Of the phase that decides about it: before for steady_state of a run that ended there, after
  // for steady_state otherwise, else during. Null: nothing was ever said about it.
  const model::ConditionStatus* deciding() const;
  model::Truth truth() const;  // unknown when nothing was said
};

// One second of one SLI. Nothing is interpolated: a second without data has no values.
struct Point {
  Duration at{};  // its begin
  std::int64_t attempts = 0;
  std::int64_t good = 0;
  std::optional<double> success;  // percent
  std::optional<Duration> p50;    // over good answers
  std::optional<Duration> p95;
  std::optional<double> value;  // gauges and flags: the last in this second
  bool no_data = false;         // at least one probe of this second could not measure
  std::string problem;          // first failure, or why there is no data
};

struct Gap {
  Duration from{};
  Duration to{};
  std::string why;
};

struct Series {
  std::string sli;
  std::optional<std::string> host;
  std::string kind;      // of SliInfo; "host" for host values
  std::string unit;      // of gauges
  bool request = false;  // attempts, success and latency; else value
  Duration interval{};
  std::vector<Point> points;  // in order; at most one per second
  std::vector<Gap> gaps;

  std::string title() const;  // "shop", "host.cpu (db-1)"
};

// One step on one host (a repeated step: one row for each round). A band in the charts.
struct StepRow {
  model::PlannedStep plan;
  std::string step;
  std::string host;
  model::StepState state = model::StepState::injecting;
  std::optional<Duration> injecting;
  std::optional<Duration> injected;
  std::optional<Duration> verified;
  std::optional<Duration> reverting;
  std::optional<Duration> reverted;
  std::optional<Duration> removed;
  Duration inject_took{};
  Duration revert_took{};
  model::Seen seen = model::Seen::not_yet;
  std::string effect;       // the latest reading: measured, with its proof
  std::string revert_text;  // what was read back
  std::string problem;      // of failed, revert_failed
  int revert_failures = 0;
  bool active() const;  // the host is changed by it, as far as is known
};

struct Abort {
  Duration at{};
  model::AbortDecided decided;
  std::optional<Duration> latency;
};

// A line of the timeline.
struct Line {
  Duration at{};
  std::string level;  // "info", "good", "warning", "bad"
  std::string text;   // foreign text in it is already printable
};

struct Report {
  model::RunStarted about;
  model::PlanMade plan;
  bool planned = false;
  std::vector<PhaseSpan> phases;
  std::vector<ConditionRow> conditions;
  std::vector<Series> series;
  std::vector<StepRow> steps;
  std::map<std::string, std::map<model::Phase, std::map<std::string, double>>> summaries;  // by SLI
  std::optional<model::Armed> armed;
  std::optional<model::RunRefused> refused;
  std::optional<Abort> abort;
  std::vector<model::HostChecked> hosts;  // latest check of each host
  std::optional<model::RecoveryMeasured> recovery;
  std::vector<Line> timeline;
  std::int64_t samples = 0;  // attempts and readings
  std::int64_t missing = 0;  // of these: no data
  Duration now{};            // time of the latest event
  std::int64_t last_seq = 0;
  bool events_lost = false;  // a gap in `seq`
  // Set by the last event. Empty: the run goes on, or its engine died.
  std::optional<model::Verdict> verdict;

  const PhaseSpan* phase(model::Phase phase) const;  // the last span of it, or nullptr
  model::Phase current_phase() const;
  bool touched() const;  // an injection was at least tried
  std::vector<model::ResidueItem> residue() const;
  bool host_dirty() const;
  Duration length() const { return now; }
  const ConditionRow* condition(const std::string& id) const;
};

class Fold {
 public:
  void apply(const model::Event& event);
  const Report& report() const { return report_; }

 private:
  void on(const model::RunStarted& event);
  void on(const model::PlanMade& event);
  void on(const model::PhaseStarted& event);
  void on(const model::Samples& event);
  void on(const model::ConditionStatus& event);
  void on(const model::SliSummary& event);
  void on(const model::Armed& event);
  void on(const model::StepChanged& event);
  void on(const model::AbortDecided& event);
  void on(const model::AbortDone& event);
  void on(const model::HostChecked& event);
  void on(const model::RecoveryMeasured& event);
  void on(const model::RunRefused& event);
  void on(const model::Note& event);
  void on(const model::RunEnded& event);
  Series& series_of(const model::Samples& event);
  void add_latency(std::size_t series, Point& point, const std::vector<std::int64_t>& pairs);
  void say(std::string level, std::string text);
  StepRow& step_row(const model::StepChanged& event);

  Report report_;
  // Latencies of the seconds that may still grow: by series, then begin of the second.
  std::map<std::size_t, std::map<Duration, Histogram>> open_;
};

// ---- Words that every view uses alike -----------------------------------------------------------

// "UPHELD", "VIOLATED", "HOST NOT CLEAN", "NOT RECOVERED", "NOT STEADY", "UNFINISHED", ...
std::string headline_word(const Report& report);
// Answers "is the machine put back?" and "is the service well?"; never empty.
std::string second_line(const Report& report);
// Several lines as one, printable: "a\nb" is "a; b".
std::string in_one_line(std::string_view text, std::size_t limit = 2000);
// "aborted", or "stopped" when it was a person's wish. Only of a report with an abort.
const char* stop_word(const Report& report);
// "3.10 ms after the sample that decided", of an abort that is done; else empty.
std::string put_back_words(const Report& report);
// "checkout.p95 was 412ms, allowed 250ms": the verdict's reason, printable.
std::string reason(const Report& report);
// The table's rows: during, then steady_state of measures that `during` does not have, then expect
// and wait.
std::vector<const ConditionRow*> table_rows(const Report& report);
std::vector<const ConditionRow*> abort_rows(const Report& report);
// Of an abort condition, which is true when it must stop the run: "far", "near" (true, but not yet
// for as long as it says), "ABORT" (it stopped the run), "--" (nothing known).
std::string abort_word(const Report& report, const ConditionRow& row);

// One row of the table, as text. Empty: nothing is known.
struct Cells {
  std::string word;  // as in the table: "ok", "FAIL", "????" (unknown), "--" (not judged)
  std::string before, during, bound, after;
  std::string margin;  // distance to the bound; "over by 20ms" when broken
  std::string worst;   // "82.0% at +0:22 (1s)"
};
Cells cells(const Report& report, const ConditionRow& row);

// What was measured in the baseline, a line for each SLI: for finding thresholds.
// "shop  success 100%  p50 0.56ms  p95 9.41ms  p99 17.0ms  max 61.0ms  outage 0s"
std::vector<std::string> measured_lines(const Report& report);

// "+0:23.2", "+1:02:03"
std::string format_at(Duration at, int decimals = 1);
// 0.0132 in "s" is "13.2ms"; "%" and "B" and bare numbers likewise: for people.
std::string format_value(double value, std::string_view unit);
// 0.4 s is "0.4 s", 12 s is "12.0 s": for times that people compare.
std::string format_seconds(Duration duration);
// "s", "%", "/s", "B" or "" of an aggregate of an SLI.
std::string unit_of(const Report& report, std::string_view sli, std::string_view aggregate);
// Of "cpu", "memory_available", ...: "%" or "".
std::string host_value_unit(std::string_view value);
// "shop.p99.9" is {"shop", "p99.9"}; "host(db-1).cpu.max" is {"host", "cpu"}.
struct MeasureName {
  std::string sli;
  std::string aggregate;
};
MeasureName split_measure(std::string_view measure);
// "/path/to/x.yaml" without what is before the last slash.
std::string file_name(std::string_view path);

}  // namespace ordeal::report
