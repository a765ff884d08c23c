// The command line front: one function for each command, each returning its exit code.
#pragma once

#include "engine/cli/log.hpp"
#include "engine/cli/options.hpp"

namespace ordeal::cli {

int run(int argc, char** argv);

int command_run(const Options& options);  // also plan
int command_validate(const Options& options);
int command_faults(const Options& options);
int command_new(const Options& options);
int command_schema(const Options& options);
int command_doctor(const Options& options);
int command_status(const Options& options);
int command_recover(const Options& options);
int command_halt(const Options& options);
int command_abort(const Options& options);
int command_runs(const Options& options);
int command_report(const Options& options);
int command_schedule(const Options& options);
int command_serve(const Options& options);
int command_gameday(const Options& options);

}  // namespace ordeal::cli
