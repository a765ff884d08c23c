// What `ordeal run` and `ordeal gameday run` share: what is made as root, files, reports.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/session.hpp"
#include "engine/model/verdict.hpp"
#include "engine/os/linux/caller.hpp"
#include "engine/spec/spec.hpp"

namespace ordeal::cli {

// Everything that needs root and is therefore made before root is given up, for one run.
struct Prepared {
  std::string run;
  os::ExecutorProcess executor;
  os::Fd control;
};
Result<Prepared> prepare(const Options& options, const os::Caller& who, os::Random& random);

WallTime wall_now();
// The id of a run that begins now.
std::string new_run_id(os::Random& random);

// On a terminal a person agrees to run it without a net; elsewhere --yes must have been given.
// Error: why it may not run.
Result<void> agreed(const Options& options, const model::Experiment& experiment);
// The plan on stdout, why it would be refused on stderr.
void print_plan(const Options& options, const report::Report& report, bool root);
model::Exit exit_of(const report::Report& report);

}  // namespace ordeal::cli
