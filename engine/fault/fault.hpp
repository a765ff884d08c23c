// The contract of a fault: one file with a description and one function from a request and a
// read-only view of the host to values. It cannot touch anything; the engine applies, journals,
// verifies and undoes what it wrote (docs/internals/writing-a-fault.md).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/model/change.hpp"
#include "engine/model/fault_description.hpp"
#include "engine/os/host.hpp"

namespace ordeal::fault {

struct PlanContext {
  const model::StepRequest& request;
  const os::Host& host;
  const Token& token;  // names of everything that the step will make: token.mark()
  // What target.process picked, already filtered (protected set), ranked by seed and cut by mode.
  // Empty for faults without a process target.
  const std::vector<model::ProcessInfo>& processes;
  // How many target.process matched before the protected set and `mode` (HostStep::matched).
  std::int64_t matched = 0;
};

struct Fault {
  model::FaultDescription description;
  // Fills backend, summary, warnings, claims, changes, effects. The engine fills the rest.
  // Errors: unsupported with the reason and the command that mends it; refused; gone; invalid.
  std::function<Result<model::HostStep>(const PlanContext&)> plan;
};

// An explicit array in faults/catalogue.cpp; duplicate names are a failed assertion at start.
using Catalogue = std::span<const Fault>;

const Fault* find(Catalogue catalogue, std::string_view name);

// Decodes `with` into the parameter struct of a fault (described, see engine/base/json.hpp).
// Implemented as a template in engine/fault/parameters.hpp to keep this header light.

}  // namespace ordeal::fault
