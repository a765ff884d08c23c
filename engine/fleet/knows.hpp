#pragma once

#include "engine/model/experiment.hpp"
#include "engine/wire/message.hpp"

namespace ordeal::fleet {

// A host's executor may be of another version than the file was checked against: is the step's
// fault known there, with every parameter that the step gives?
// Error (refused): naming host, version, and what it does not know.
Result<void> knows(const wire::HelloFact& hello, const model::Step& step);

}  // namespace ordeal::fleet
