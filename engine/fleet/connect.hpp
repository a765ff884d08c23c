// Reaches the executor of a host over ssh.
#pragma once

#include "engine/fleet/ssh.hpp"
#include "engine/os/clock.hpp"
#include "engine/os/launcher.hpp"

namespace ordeal::fleet {

// What every connection of one command shares.
struct Route {
  os::Clock& clock;
  os::Launcher& launcher;
  const ExecutorFile& file;
  std::string ssh_config;  // of the inventory; may be empty
};

struct Reached {
  os::Program program;
  std::string begun;   // what the executor has said already; --stdio waits to be spoken to
  std::string errors;  // what ssh, sudo and the executor have said on stderr already
  std::string how;     // "installed", "found" or "copied"
  std::string path;    // of the executor there
};

// Connects, finds or copies the executor, and starts it with `arguments`. Closing the wire, or
// losing it, ends the executor, which then puts everything back.
// Errors (refused): what ssh said, or why the host will not do, and what mends it.
Task<Result<Reached>> reach(Route route, model::InventoryHost host,
                            std::vector<std::string> arguments);

struct FarAnswer {
  std::string how;  // as Reached
  std::string path;
  std::string output;
  std::string errors;
};

// Runs one of the executor's commands that end by themselves. `input` goes to its stdin.
// Errors: as reach(); Code::timeout when it has not ended `within` that time.
Task<Result<FarAnswer>> ask_far(Route route, model::InventoryHost host,
                                std::vector<std::string> arguments, std::string input,
                                Duration within);

}  // namespace ordeal::fleet
