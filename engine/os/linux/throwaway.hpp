// A network namespace that exists for one question: "would the kernel accept this?"
#pragma once

#include <functional>

#include "engine/base/result.hpp"

namespace ordeal::os {

// Runs `question` on a thread of its own inside a new, empty network namespace (only `lo`, down).
// The kernel may load modules to answer. Errors: those of `question`; Code::denied without
// CAP_SYS_ADMIN.
Result<void> ask_in_empty_network(const std::function<Result<void>()>& question);

}  // namespace ordeal::os
