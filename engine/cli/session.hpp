// One run as the command line does it: the wiring of seams, signals, screen and history around
// run::run_experiment.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/cli/options.hpp"
#include "engine/model/experiment.hpp"
#include "engine/os/linux/executor_process.hpp"
#include "engine/report/report.hpp"
#include "engine/run/run.hpp"

namespace ordeal::cli {

struct Session {
  const Options& options;
  const model::Experiment& experiment;
  const model::Inventory& inventory;  // of one local host when none was given
  std::string run;
  std::uint64_t seed = 0;
  os::ExecutorProcess executor;
  os::Fd control;  // listening socket, or none
  std::string history;
  std::string user;
  bool root = true;  // the executor has it
  // Goes on beside the run and ends with it; what it is given stops the run, with a reason, and
  // tells the person at the terminal something.
  using Told = std::function<void(std::string)>;
  std::function<Task<void>(Told stop, Told say)> beside;
};

// Who starts a run, where and how.
model::RunStarted about_here(const Options& options, const std::string& user);

// Runs it to its verdict; what happened is in the report.
report::Report run_session(Session session);

}  // namespace ordeal::cli
