// What a step occupies when it acts on processes. Two steps of any run that name the same process
// or the same unit conflict, whichever faults they are.
#pragma once

#include <string>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/model/change.hpp"

namespace ordeal::process {

inline model::Claim claim_of(const model::ProcessId& id) {
  return {"process", fmt::format("{}:{}", id.pid, id.start_ticks)};
}

// "pid 4711 (nginx: worker process)"
inline std::string name_of(const model::ProcessInfo& process) {
  const std::string& words = process.command.empty() ? process.name : process.command;
  return fmt::format("pid {} ({})", process.id.pid, printable(words, 60));
}

}  // namespace ordeal::process
