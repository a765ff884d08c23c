// Is what is asked of this host what the fault's own description allows? Whoever reads an
// experiment file has looked at the same; but what comes over a wire may have been read by nobody.
#pragma once

#include "engine/model/change.hpp"
#include "engine/model/fault_description.hpp"

namespace ordeal::fault {

// The target's kind and criteria, `mode` and its value, the duration, and `with`: whatever number
// is in the request lies in a range that arithmetic stands. Code::invalid says what is expected.
Result<void> check_request(const model::FaultDescription& fault, const model::StepRequest& request);

}  // namespace ordeal::fault
