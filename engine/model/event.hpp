// What happened, one value at a time. Everything that a person or a machine sees of a run is a fold
// over this stream (engine/report); nothing reads the runner's private state. A stored stream
// replays to the same verdict and report, for ever: kinds are append-only, members may be added,
// none changes its meaning (docs/reference/events.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/describe.hpp>

#include "engine/base/units.hpp"
#include "engine/model/change.hpp"
#include "engine/model/place.hpp"
#include "engine/model/verdict.hpp"

namespace ordeal::model {

enum class Phase { read, plan, baseline, inject, fault, revert, recovery, judge };
BOOST_DESCRIBE_ENUM(Phase, read, plan, baseline, inject, fault, revert, recovery, judge)

enum class ConditionList { steady_state, during, expect, abort_if, wait };
BOOST_DESCRIBE_ENUM(ConditionList, steady_state, during, expect, abort_if, wait)

enum class Truth { holds, broken, unknown };
BOOST_DESCRIBE_ENUM(Truth, holds, broken, unknown)

// One condition of the file, as declared: `id` is what later events name.
struct ConditionInfo {
  std::string id;  // "steady_state.0", "during.2", "method.1.expect.0"
  ConditionList list = ConditionList::steady_state;
  std::string text;
  Place place;
};
BOOST_DESCRIBE_STRUCT(ConditionInfo, (), (id, list, text, place))

struct SliInfo {
  std::string name;
  std::string kind;  // "http", "tcp", "dns", "exec", "process", "host"
  std::string what;  // the URL, address, command, ... without secrets
  std::string unit;  // of gauges: "s", "%", "B", ""
  Duration interval{};
};
BOOST_DESCRIBE_STRUCT(SliInfo, (), (name, kind, what, unit, interval))

// First event of every run.
struct RunStarted {
  static constexpr const char* kKind = "run_started";
  std::string run;
  std::string version;
  std::string name;
  std::string hypothesis;
  std::string owner;
  std::map<std::string, std::string> links;
  std::map<std::string, std::string> labels;
  std::vector<std::string> tags;
  std::string file;
  std::string file_sha256;
  std::string inventory;  // as given on the command line; empty: this host alone
  std::string effective;  // YAML
  std::string seed;       // decimal; text because JavaScript loses 64 bits
  std::string host;       // the controller's name
  std::string user;
  std::string started_by;  // "cli", "ci"
  std::string git;         // commit of the file's work tree, or empty
  std::string kernel;
  WallTime wall{};
  std::string mode;  // "run", "baseline-only", "control", "plan"
  std::vector<SliInfo> slis;
  std::vector<ConditionInfo> conditions;
  bool abort_if_none = false;
  bool during_none = false;
};
BOOST_DESCRIBE_STRUCT(RunStarted, (),
                      (run, version, name, hypothesis, owner, links, labels, tags, file,
                       file_sha256, inventory, effective, seed, host, user, started_by, git, kernel,
                       wall, mode, slis, conditions, abort_if_none, during_none))

// One step of the plan on one host. The changes themselves are in the plan's digest.
struct PlannedStep {
  std::string step;
  std::string name;
  std::string fault;
  std::string host;
  std::string why;  // the host was picked: "labels role=app; 1 of 3 by the seed"
  std::string backend;
  std::vector<std::string> summary;
  std::vector<std::string> warnings;
  std::vector<PickedTarget> targets;
  std::int64_t matched = 0;
  Duration duration{};
  Duration start{};                  // planned, since the first injection
  std::vector<std::string> changes;  // summaries
  std::vector<std::string> undos;    // the commands a person would type
  bool undoable = true;
  std::string digest;
};
BOOST_DESCRIBE_STRUCT(PlannedStep, (),
                      (step, name, fault, host, why, backend, summary, warnings, targets, matched,
                       duration, start, changes, undos, undoable, digest))

// A host that the run speaks to.
struct PlannedHost {
  std::string name;
  std::string address;  // "local", "ssh://user@host:22"
  std::string kernel;
  std::string version;  // of its executor
  bool target = false;  // a step acts on it; else its values are watched
};
BOOST_DESCRIBE_STRUCT(PlannedHost, (), (name, address, kernel, version, target))

// Made again when a `where` gives another answer right before its step.
struct PlanMade {
  static constexpr const char* kKind = "plan_made";
  std::vector<PlannedStep> steps;
  std::vector<PlannedHost> hosts;
  std::string digest;
  Duration baseline{};
  Duration warmup{};
  Duration method{};
  Duration recovery_within{};
  Duration recovery_hold{};
  Duration duration_limit{};
  std::vector<std::string> limits;     // "processes 5 (1 picked)", "duration 1m (30s planned)"
  std::vector<std::string> unchecked;  // "targets of method.0: not checked (needs root)"
};
BOOST_DESCRIBE_STRUCT(PlanMade, (),
                      (steps, hosts, digest, baseline, warmup, method, recovery_within,
                       recovery_hold, duration_limit, limits, unchecked))

struct PhaseStarted {
  static constexpr const char* kKind = "phase_started";
  Phase phase = Phase::read;
  Duration planned{};  // 0: unknown
};
BOOST_DESCRIBE_STRUCT(PhaseStarted, (), (phase, planned))

// All samples of one SLI that were scheduled in one slice (100 ms of requests, one gauge reading).
// Latency is a sparse histogram in the layout of engine/base/histogram.hpp: pairs bucket, count.
struct Samples {
  static constexpr const char* kKind = "samples";
  std::string sli;
  Duration from{};  // since run start
  Duration length{};
  std::int64_t attempts = 0;
  std::int64_t good = 0;
  std::vector<std::int64_t> latency;  // bucket, count, bucket, count, ... of good answers
  std::optional<double> value;        // of gauges; of flags 0 or 1
  std::optional<std::string> host;    // for host values
  std::string problem;                // first failure in the slice, or why there is no data
  bool no_data = false;
};
BOOST_DESCRIBE_STRUCT(Samples, (),
                      (sli, from, length, attempts, good, latency, value, host, problem, no_data))

// Where a condition stands. Emitted when its truth changes, when it is judged, and at most once a
// second in between. Numbers are in the measure's base unit; texts are for people.
struct ConditionStatus {
  static constexpr const char* kKind = "condition";
  std::string id;
  Phase phase = Phase::baseline;  // whose samples
  Truth truth = Truth::unknown;
  bool final = false;  // judged: this is its verdict for the phase
  std::optional<double> measured;
  std::optional<double> bound;
  std::string measured_text;
  std::string bound_text;         // "<= 24.8ms = 1.5x 13.2ms + 5ms"
  std::string nearest_text;       // abort_if: the value nearest to the bound so far, with its time
  std::string problem;            // why unknown, or what broke it
  std::optional<Duration> after;  // expect, wait: time from the anchor to the moment it held
};
BOOST_DESCRIBE_STRUCT(ConditionStatus, (),
                      (id, phase, truth, final, measured, bound, measured_text, bound_text,
                       nearest_text, problem, after))

// A measured summary of one SLI over one whole phase, for the tables.
struct SliSummary {
  static constexpr const char* kKind = "sli_summary";
  std::string sli;
  Phase phase = Phase::baseline;
  std::map<std::string, double> values;  // by aggregate name, base units; only what applies
};
BOOST_DESCRIBE_STRUCT(SliSummary, (), (sli, phase, values))

struct Armed {  // abort conditions and leases are live from here
  static constexpr const char* kKind = "armed";
  int conditions = 0;
  Duration lease{};
};
BOOST_DESCRIBE_STRUCT(Armed, (), (conditions, lease))

enum class StepState {
  injecting,  // the order is out
  injected,   // the executor says that the changes are made
  verified,   // the effect was seen
  effect,     // a later reading of the effect; `text` has it
  reverting,
  reverted,       // effect gone, read back
  removed,        // idle leftovers (ifb, empty tables) deleted
  failed,         // injection failed; what was made is being undone
  revert_failed,  // one undo failed; `text` has which, and the command to type; retried
};
BOOST_DESCRIBE_ENUM(StepState, injecting, injected, verified, effect, reverting, reverted, removed,
                    failed, revert_failed)

struct StepChanged {
  static constexpr const char* kKind = "step";
  std::string step;
  std::string host;
  StepState state = StepState::injecting;
  Duration took{};   // injected, reverted: by the executor's own clock
  std::string text;  // effect, what was read back, error
  Seen seen = Seen::not_yet;
};
BOOST_DESCRIBE_STRUCT(StepChanged, (), (step, host, state, took, text, seen))

enum class AbortCause {
  threshold,  // an abort_if condition was crossed
  no_data,    // a watched SLI fell silent
  person,     // ctrl-C, SIGTERM, SIGHUP, `ordeal abort`
  halt,       // `ordeal halt`
  executor,   // the executor died, fell silent, or refused
  violation,  // --stop-on-violation
  suspended,  // the machine slept: every lease is expired
};
BOOST_DESCRIBE_ENUM(AbortCause, threshold, no_data, person, halt, executor, violation, suspended)

struct AbortDecided {
  static constexpr const char* kKind = "abort";
  AbortCause cause = AbortCause::threshold;
  std::string condition;    // id, or empty
  std::string text;         // "shop.success 79.3% over 3s crossed < 80% (119 good of 150)"
  std::int64_t sample = 0;  // sequence number of the last sample that entered the decision
};
BOOST_DESCRIBE_STRUCT(AbortDecided, (), (cause, condition, text, sample))

// From the receive time of the sample that crossed to the last `reverted`.
struct AbortDone {
  static constexpr const char* kKind = "abort_done";
  Duration latency{};
};
BOOST_DESCRIBE_STRUCT(AbortDone, (), (latency))

// Something of ours, or something changed by us, that is still there.
struct ResidueItem {
  std::string what;
  std::string command;  // undo by hand
};
BOOST_DESCRIBE_STRUCT(ResidueItem, (), (what, command))

struct HostChecked {
  static constexpr const char* kKind = "host_checked";
  std::string host;
  bool clean = true;
  std::vector<ResidueItem> residue;
  std::vector<std::string> changed_by_others;
  std::vector<std::string> kept;  // modules that we loaded and leave
  std::string lost;               // why the executor was lost; empty: it stayed to the end
};
BOOST_DESCRIBE_STRUCT(HostChecked, (), (host, clean, residue, changed_by_others, kept, lost))

struct RecoveryMeasured {
  static constexpr const char* kKind = "recovery";
  bool recovered = false;
  Duration after{};  // last revert confirmed -> start of the unbroken good stretch
  Duration held{};
};
BOOST_DESCRIBE_STRUCT(RecoveryMeasured, (), (recovered, after, held))

// The run ends here because something said no before anything was touched: in the plan phase exit 3
// (policy, limits, claims, capability, halt, dirty host), in the baseline phase 4 (not steady).
struct RunRefused {
  static constexpr const char* kKind = "refused";
  Phase phase = Phase::plan;
  std::string text;  // one reason a line; with the command that mends it where there is one
};
BOOST_DESCRIBE_STRUCT(RunRefused, (), (phase, text))

struct Note {
  static constexpr const char* kKind = "note";
  std::string level;  // "info", "warning"
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Note, (), (level, text))

// Last event of every run.
struct RunEnded {
  static constexpr const char* kKind = "run_ended";
  Verdict verdict;
};
BOOST_DESCRIBE_STRUCT(RunEnded, (), (verdict))

using EventData = std::variant<RunStarted, PlanMade, PhaseStarted, Samples, ConditionStatus,
                               SliSummary, Armed, StepChanged, AbortDecided, AbortDone, HostChecked,
                               RecoveryMeasured, RunRefused, Note, RunEnded>;

struct Event {
  std::int64_t seq = 0;  // from 1, without gaps
  Duration t{};          // since run start, controller's CLOCK_BOOTTIME
  EventData data;
};

// {"v":1,"seq":..,"run":..,"t_us":..,"kind":..,"data":{..}} on one line (engine/model/codec.cpp).
std::string to_json(const Event& event, std::string_view run);
// Reads what any version wrote; unknown members are ignored. Error: unknown kind, broken line.
Result<Event> event_from_json(std::string_view line);

}  // namespace ordeal::model
