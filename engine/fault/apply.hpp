// The one interpreter of model::Apply: nothing else in ordeal changes a host.
#pragma once

#include "engine/model/change.hpp"
#include "engine/os/host.hpp"

namespace ordeal::fault {

// Makes one change. `lease` is how long a table's rules match before they must be renewed.
// A process that has ended meanwhile is no error: the effect will show it.
// Undo: the change's own undos; they must be in the journal before this is called.
Task<Result<void>> apply(os::Host& host, model::Apply change, Duration lease);

// Does this answer of apply() say that nothing was changed? Then nothing needs to be undone, and
// who was not allowed to change something would not be allowed to undo it either.
bool surely_not_made(const model::Apply& change, const Error& answer);

// After all changes of a step: KILL for what a gentler signal did not end in its time.
Task<Result<void>> follow_up(os::Host& host, std::vector<model::Change> changes, BootTime applied);

}  // namespace ordeal::fault
