// The command line front: one function for each command, each returning its exit code.
#pragma once

#include "engine/cli/log.hpp"
#include "engine/cli/options.hpp"

namespace ordeal::cli {

int run(int argc, char** argv);

// Each runs as the caller: root was given up before (root.hpp).
struct Rooted;
int command_run(const Options& options, Rooted& rooted);  // also plan
int command_validate(const Options& options, Rooted& rooted);
int command_faults(const Options& options, Rooted& rooted);
int command_new(const Options& options, Rooted& rooted);
int command_schema(const Options& options, Rooted& rooted);
int command_runs(const Options& options, Rooted& rooted);
int command_report(const Options& options, Rooted& rooted);
int command_schedule(const Options& options, Rooted& rooted);
int command_gameday(const Options& options, Rooted& rooted);

}  // namespace ordeal::cli
