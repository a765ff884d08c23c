// Where things are: the executor, the state, the history, the control sockets.
#pragma once

#include <string>

#include "engine/base/result.hpp"
#include "engine/os/linux/caller.hpp"

namespace ordeal::cli {

// ordeal-executor: $ORDEAL_EXECUTOR, beside this program, or in lib/ordeal. Error: where it looked.
Result<std::string> executor_path();

// Executor state: /var/lib/ordeal, or $ORDEAL_STATE (tests).
std::string state_directory();
// History of the caller: runs and their database.
std::string history_directory(const os::Caller& caller);
// Control sockets of runs that go on: /run/ordeal, or $ORDEAL_STATE/run.
std::string control_directory();

// "" when unset.
std::string environment(const char* name);

}  // namespace ordeal::cli
