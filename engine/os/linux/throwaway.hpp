// A network namespace that exists for one question: "would the kernel accept this?"
#pragma once

#include <functional>

#include "engine/base/result.hpp"

namespace ordeal::os {

// Runs `apart` on a thread of its own inside a new, empty network namespace (`lo` alone, down).
// Where none may be made (a container without CAP_SYS_ADMIN, a seccomp profile, a limit) runs
// `here` in our own, which must change nothing. The kernel may load modules to answer. Errors:
// those of the one that was asked.
Result<void> ask_apart_or_here(const std::function<Result<void>()>& apart,
                               const std::function<Result<void>()>& here);

}  // namespace ordeal::os
