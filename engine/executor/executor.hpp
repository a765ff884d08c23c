// The only part of ordeal that changes a machine: two processes on each target host.
//
// The *worker* holds the wire: it plans against the live host, journals, injects, verifies and
// reverts. The *keeper*, its parent, watches it, and reverts from the journal when the worker dies
// or falls silent. Each arms a timer that kills it when it hangs; the other one then reverts.
// Both are coroutines over seams, so the simulator runs these very functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/executor/peer.hpp"
#include "engine/fault/fault.hpp"
#include "engine/os/host.hpp"
#include "engine/os/stream.hpp"
#include "engine/wire/message.hpp"

namespace ordeal::executor {

// Bugs that the simulator must find (tests/negative). All off in production.
struct PlantedBugs {
  bool inject_before_journal = false;
  bool no_fsync = false;
  bool drop_rest_on_first_error = false;
};

struct WorkerParts {
  os::Host& host;
  os::SelfKill& self_kill;
  os::Stream& wire;    // orders in, facts out
  os::Stream& keeper;  // notices both ways; closed: the keeper is dead
  fault::Catalogue catalogue;
  std::string state_directory;  // "/var/lib/ordeal"
  std::string policy_file;      // "/etc/ordeal/policy.conf"; may not exist
  Token token;                  // of this executor: names its journal
  PlantedBugs bugs;
};

// Serves the wire until Bye, until the wire or the keeper is gone, or until the halt latch is set;
// whatever is injected is reverted before it returns. The exit code: 0 when nothing is left (the
// journal is removed), 1 when something could not be undone.
Task<int> run_worker(WorkerParts parts);

struct KeeperParts {
  os::Host& host;
  os::SelfKill& self_kill;
  WorkerProcess& worker;
  os::Stream& pipe;     // the other end of WorkerParts::keeper
  os::Stream& reports;  // stderr: one wire::KeeperReport line if it had to act
  std::string state_directory;
  Token token;
  PlantedBugs bugs;
};

// Returns when the worker is gone and what it left is undone. 0: nothing is left.
Task<int> run_keeper(KeeperParts parts);

// ---- Without a worker --------------------------------------------------------------------------

struct RecoverOptions {
  bool print_only = false;  // only say what would be done
};

// What one journal held.
struct RecoveredJournal {
  std::string token;
  std::string run;
  std::vector<std::string> steps;       // "method.0 process.pause"
  std::vector<wire::UndoResult> undos;  // with print_only: what would run
  std::vector<std::string> problems;    // damaged records, another machine's journal
  bool clean = true;
};
BOOST_DESCRIBE_STRUCT(RecoveredJournal, (), (token, run, steps, undos, problems, clean))

struct RecoverReport {
  bool clean = true;  // afterwards, live runs apart
  std::vector<RecoveredJournal> journals;
  std::vector<wire::UndoResult> swept;  // bore our mark, was in no journal
  std::vector<std::string> live;        // "r-1121-0140-7f3a (token abcdefgh)": left alone
  std::vector<std::string> others;      // "ordeal-abcdefgh: its executor lives": not ours to touch
};
BOOST_DESCRIBE_STRUCT(RecoverReport, (), (clean, journals, swept, live, others))

// Undoes what runs left that are dead: from every journal that nobody holds, then by marks. What
// cannot be read or asked is left alone, and the report is not clean. Waits for a keeper that is
// undoing one.
Task<RecoverReport> recover(os::Host& host, std::string state_directory, RecoverOptions options);

struct LiveStep {
  std::string step;
  std::string name;
  std::string fault;
  bool live = false;  // false: its run is dead and it waits for `ordeal recover`
};
BOOST_DESCRIBE_STRUCT(LiveStep, (), (step, name, fault, live))

struct JournalStatus {
  std::string token;
  std::string run;
  bool live = false;
  std::vector<LiveStep> steps;
  std::vector<std::string> problems;
};
BOOST_DESCRIBE_STRUCT(JournalStatus, (), (token, run, live, steps, problems))

// What is on this host now. Touches nothing but locks.
struct StatusReport {
  std::string halted;  // reason; empty: not halted
  std::vector<JournalStatus> journals;
  std::vector<std::string> orphans;  // bears our mark, is in no live journal
  std::vector<std::string> dirty;    // lines for a person: what dead runs left; empty: clean
};
BOOST_DESCRIBE_STRUCT(StatusReport, (), (halted, journals, orphans, dirty))

StatusReport status(os::Host& host, const std::string& state_directory);

struct HaltReport {
  std::vector<std::string> left;  // "method.0 of run r-1121-0140-7f3a"; empty: nothing is held
};
BOOST_DESCRIBE_STRUCT(HaltReport, (), (left))

// The halt latch: a file that every keeper watches. While it exists nothing is injected.
Result<void> set_halt(os::Host& host, const std::string& state_directory,
                      const std::string& reason);
Result<void> lift_halt(os::Host& host, const std::string& state_directory);
// The reason, "no reason given" when it is empty; nothing when not halted.
std::optional<std::string> halt_reason(const os::Host& host, const std::string& state_directory);

}  // namespace ordeal::executor
