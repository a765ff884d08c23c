// From a request to the resolved step: picks the processes, asks the fault for its plan, and checks
// that the plan keeps the contract whatever its author wrote.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/fault/fault.hpp"

namespace ordeal::fault {

// Why the local policy protects a process; empty: it does not.
using Protection = std::function<std::string(const model::ProcessInfo&)>;

// Why nothing may be done to the process, by whatever selector it was found: itself, its unit, or
// the local policy. Empty: it may.
std::string protected_because(const model::ProcessInfo& process, const os::Host& host,
                              const Protection& protection);

struct Picked {
  std::vector<model::ProcessInfo> processes;  // in the order of the seed's ranking
  std::vector<std::string> keys;              // one for each: stable over restarts
  std::int64_t matched = 0;                   // by the selector, before protection and mode
};

// Errors name what matched and what was protected. Percentages are of what matched and round down;
// none picked is an error.
Result<Picked> pick(const model::StepRequest& request, const os::Host& host,
                    const Protection& protection);

// Touches nothing. Errors: no such fault; what pick and the fault's plan say.
Result<model::HostStep> resolve(Catalogue catalogue, const model::StepRequest& request,
                                const os::Host& host, const Token& token,
                                const Protection& protection);

// What the contract demands of every plan: each change has an undo, everything that is made bears
// the mark. Error: which one does not (a bug of the fault's author).
Result<void> check_plan(const model::HostStep& step);

}  // namespace ordeal::fault
