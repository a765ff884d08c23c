// What ordeal does to a host, how it is seen, and how it is taken back: all of it data.
//
// A fault only writes these values. One interpreter applies them (engine/fault/apply.cpp), one
// reads their effects (engine/fault/effect.cpp), one undoes them (engine/undo). So a plan shows
// byte for byte what will run, any version reverts what any other did, and the keeper needs no
// catalogue.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/describe.hpp>

#include "engine/base/ids.hpp"
#include "engine/base/units.hpp"
#include "engine/model/network.hpp"
#include "engine/model/target.hpp"

namespace ordeal::model {

// A command of the user's or of the host: absolute path, no shell, environment of our own.
struct Command {
  std::vector<std::string> argv;
  Duration timeout = 30s;
};
BOOST_DESCRIBE_STRUCT(Command, (), (argv, timeout))

// ---- Apply ------------------------------------------------------------------------------------

struct CreateIfb {  // loads ifb with numifbs=0 when it is missing, creates the link, sets it up
  static constexpr const char* kKind = "create_ifb";
  std::string link;
  Netem netem;
};
BOOST_DESCRIBE_STRUCT(CreateIfb, (), (link, netem))
// An ifb that stays down: what is sent there is gone, and its sender is not told.
struct CreateHole {
  static constexpr const char* kKind = "create_hole";
  std::string link;
};
BOOST_DESCRIBE_STRUCT(CreateHole, (), (link))
struct CreateTable {
  static constexpr const char* kKind = "create_table";
  NftTable table;
};
BOOST_DESCRIBE_STRUCT(CreateTable, (), (table))
struct SignalProcess {
  static constexpr const char* kKind = "signal_process";
  ProcessId process;
  int signal = 0;
  // After TERM: KILL when it is not gone by then.
  std::optional<Duration> kill_after;
};
BOOST_DESCRIBE_STRUCT(SignalProcess, (), (process, signal, kill_after))
struct FreezeCgroup {
  static constexpr const char* kKind = "freeze_cgroup";
  std::string cgroup;  // path on the unified hierarchy
};
BOOST_DESCRIBE_STRUCT(FreezeCgroup, (), (cgroup))
// A child of the worker that dies with it (PDEATHSIG): burners, fillers, the packet shaper.
struct SpawnHelper {
  static constexpr const char* kKind = "spawn_helper";
  std::string mark;  // its comm; the undo finds it by this name
  std::string role;  // "cpu", "memory", "disk", "shaper"
  boost::json::object arguments;
  std::optional<std::string> cgroup;  // start inside this cgroup (path on the unified hierarchy)
};
BOOST_DESCRIBE_STRUCT(SpawnHelper, (), (mark, role, arguments, cgroup))
struct StopUnit {
  static constexpr const char* kKind = "stop_unit";
  std::string unit;
};
BOOST_DESCRIBE_STRUCT(StopUnit, (), (unit))
struct RunCommand {
  static constexpr const char* kKind = "run_command";
  Command command;
};
BOOST_DESCRIBE_STRUCT(RunCommand, (), (command))

using Apply = std::variant<CreateIfb, CreateTable, SignalProcess, FreezeCgroup, SpawnHelper,
                           StopUnit, RunCommand, CreateHole>;

// ---- Undo -------------------------------------------------------------------------------------
// A closed set: append only, never change a field's meaning. Journals of other versions hold them.

struct DeleteLink {
  static constexpr const char* kKind = "delete_link";
  std::string link;
};
BOOST_DESCRIBE_STRUCT(DeleteLink, (), (link))
struct DeleteTable {
  static constexpr const char* kKind = "delete_table";
  std::string table;
  NftFamily family = NftFamily::netdev;
};
BOOST_DESCRIBE_STRUCT(DeleteTable, (), (table, family))
struct ResumeProcess {
  static constexpr const char* kKind = "resume_process";
  ProcessId process;
};
BOOST_DESCRIBE_STRUCT(ResumeProcess, (), (process))
struct ThawCgroup {
  static constexpr const char* kKind = "thaw_cgroup";
  std::string cgroup;
};
BOOST_DESCRIBE_STRUCT(ThawCgroup, (), (cgroup))
struct KillHelper {
  static constexpr const char* kKind = "kill_helper";
  std::string mark;
  Duration grace{};      // after TERM, before KILL; 0: KILL at once
  bool network = false;  // the shaper belongs to the network rank
};
BOOST_DESCRIBE_STRUCT(KillHelper, (), (mark, grace, network))
struct StartUnit {
  static constexpr const char* kKind = "start_unit";
  std::string unit;
};
BOOST_DESCRIBE_STRUCT(StartUnit, (), (unit))
struct RunUndoCommand {  // the user's own `restore.argv` or `start` command
  static constexpr const char* kKind = "run_undo_command";
  Command command;
};
BOOST_DESCRIBE_STRUCT(RunUndoCommand, (), (command))
// A killed process must be there again: somebody (a supervisor, a unit, a command) brings it back.
struct ExpectProcesses {
  static constexpr const char* kKind = "expect_processes";
  ProcessMatcher matcher;
  std::int64_t count = 1;
  Duration within = 10s;
  // Told to end, and perhaps still about to: they count only when they do not.
  std::vector<ProcessId> killed;
};
BOOST_DESCRIBE_STRUCT(ExpectProcesses, (), (matcher, count, within, killed))
struct NotUndoable {
  static constexpr const char* kKind = "not_undoable";
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(NotUndoable, (), (reason))

using Undo = std::variant<DeleteLink, DeleteTable, ResumeProcess, ThawCgroup, KillHelper, StartUnit,
                          RunUndoCommand, ExpectProcesses, NotUndoable>;

// Rollback runs rank by rank, inside a rank all at once, inside a step newest first.
// 0 network, 1 resource holders, 2 limits, 3 resume processes, 4 files and clock, 5 start services,
// 6 wait for what others bring back.
int rank_of(const Undo& undo);

// What ends it by itself: the owner's death, a reboot, nothing.
enum class Lifetime { process, boot, never };
BOOST_DESCRIBE_ENUM(Lifetime, process, boot, never)
Lifetime lifetime_of(const Undo& undo);

// The command that a person would type for the same, for `ordeal recover --print`.
std::string command_of(const Undo& undo);

// ---- Effect -----------------------------------------------------------------------------------
// How the kernel shows that the fault took hold.

struct ProcessesGone {
  static constexpr const char* kKind = "processes_gone";
  std::vector<ProcessId> processes;
};
BOOST_DESCRIBE_STRUCT(ProcessesGone, (), (processes))
struct ProcessesStopped {
  static constexpr const char* kKind = "processes_stopped";
  std::vector<ProcessId> processes;
};
BOOST_DESCRIBE_STRUCT(ProcessesStopped, (), (processes))
struct CgroupFrozen {
  static constexpr const char* kKind = "cgroup_frozen";
  std::string cgroup;
};
BOOST_DESCRIBE_STRUCT(CgroupFrozen, (), (cgroup))
// At least one packet met a counted rule since injection. Judged until the end of the step.
struct TrafficMatched {
  static constexpr const char* kKind = "traffic_matched";
  std::string table;
  NftFamily family = NftFamily::netdev;
  std::string what;    // "delayed", "dropped", "rejected"
  std::string holder;  // mark of the helper without which matched packets just pass; else empty
};
BOOST_DESCRIBE_STRUCT(TrafficMatched, (), (table, family, what, holder))
// CPU time that the helper's threads took, as the scheduler accounts it.
inline constexpr Ppm kAnyCpu = percent(1);  // wanted where only what is missing is burned
struct CpuBurned {
  static constexpr const char* kKind = "cpu_burned";
  std::string mark;
  Ppm wanted;  // of one core: 100% = one core busy; 2 cores at 80% = 160%
};
BOOST_DESCRIBE_STRUCT(CpuBurned, (), (mark, wanted))
struct MemoryHeld {
  static constexpr const char* kKind = "memory_held";
  std::string mark;
  Bytes wanted;
  Duration by{};  // after the ramp
  bool oom_expected = false;
};
BOOST_DESCRIBE_STRUCT(MemoryHeld, (), (mark, wanted, by, oom_expected))
struct DiskFilled {
  static constexpr const char* kKind = "disk_filled";
  std::string path;
  std::string mark;
  Bytes free_before;
  Bytes wanted;  // bytes taken
};
BOOST_DESCRIBE_STRUCT(DiskFilled, (), (path, mark, free_before, wanted))
struct UnitInactive {
  static constexpr const char* kKind = "unit_inactive";
  std::string unit;
};
BOOST_DESCRIBE_STRUCT(UnitInactive, (), (unit))
// A user's stop command: seen when no process matches any more.
struct NoProcessMatches {
  static constexpr const char* kKind = "no_process_matches";
  ProcessMatcher matcher;
};
BOOST_DESCRIBE_STRUCT(NoProcessMatches, (), (matcher))

using Effect = std::variant<ProcessesGone, ProcessesStopped, CgroupFrozen, TrafficMatched,
                            CpuBurned, MemoryHeld, DiskFilled, UnitInactive, NoProcessMatches>;

enum class Seen { yes, not_yet, no };
BOOST_DESCRIBE_ENUM(Seen, yes, not_yet, no)

struct EffectReading {
  Seen seen = Seen::not_yet;
  std::string text;  // "5 of 5 gone in 3 ms", "1 204 packets delayed", "79.6% of 2 cores"
};
BOOST_DESCRIBE_STRUCT(EffectReading, (), (seen, text))

// ---- Change, HostStep -------------------------------------------------------------------------

// The thing that a change occupies. Two claims conflict when their kinds are equal and their keys
// overlap (equal, or both `traffic` keys that some packet could meet).
struct Claim {
  std::string kind;  // "process", "cgroup", "unit", "traffic", "cpu", "memory", "filesystem"
  std::string key;
};
BOOST_DESCRIBE_STRUCT(Claim, (), (kind, key))

struct Change {
  std::string summary;  // "send KILL to pid 4711 (nginx: worker)"
  Apply apply;
  std::vector<Undo> undos;  // usually one; journaled before `apply` runs
  // Idle and harmless until the step's other changes use it (an ifb that carries nothing): may be
  // made ahead, and is removed after the effect is gone.
  bool idle = false;
};
BOOST_DESCRIBE_STRUCT(Change, (), (summary, apply, undos, idle))

struct PickedTarget {
  std::string key;   // stable: what the seed ranks by
  std::string text;  // "pid 4711 nginx: worker process"
};
BOOST_DESCRIBE_STRUCT(PickedTarget, (), (key, text))

// One step on one host, resolved: the executor's answer to `prepare`.
struct HostStep {
  std::string step;  // path in the file: "method.0", "method.1.parallel.2"; rounds add "#2"
  std::string name;  // "2-process.kill"
  std::string fault;
  Token token;
  std::string backend;               // "netem via ifb", "nfqueue", "cgroup.freeze", "" when plain
  std::vector<std::string> summary;  // what will happen, a line each, for the plan
  std::vector<std::string> warnings;
  std::vector<PickedTarget> targets;
  std::int64_t matched = 0;  // by the selector, before `mode`
  std::vector<Claim> claims;
  std::vector<Change> changes;
  std::vector<Effect> effects;
  Duration duration{};
  // Why the step's `where` says that this host is none of those meant; empty: it is one. A step
  // that is not here has no changes and cannot be injected.
  std::string not_here;
};
BOOST_DESCRIBE_STRUCT(HostStep, (),
                      (step, name, fault, token, backend, summary, warnings, targets, matched,
                       claims, changes, effects, duration, not_here))

// What the front asks an executor to resolve.
struct StepRequest {
  std::string step;
  std::string name;
  std::string fault;
  Target target;
  boost::json::object with;  // normalised as ParameterKind says; defaults filled in
  Duration duration{};
  std::uint64_t seed = 0;
  bool zero_magnitude = false;  // --control: everything but the effect
  // Steps prepared before that are active at the same time: their claims must leave room for it.
  std::vector<std::string> beside;
};
BOOST_DESCRIBE_STRUCT(StepRequest, (),
                      (step, name, fault, target, with, duration, seed, zero_magnitude, beside))

// Codec (engine/model/codec.cpp).
std::string to_json(const HostStep& step);    // canonical
std::string digest_of(const HostStep& step);  // SHA-256 of the canonical JSON
std::string undos_to_json(const std::vector<Undo>& undos);
Result<std::vector<Undo>> undos_from_json(std::string_view text);

}  // namespace ordeal::model
