#pragma once

#include <string>

#include "engine/model/target.hpp"

namespace ordeal::os {

// Why no selector may reach a process of this name, or empty. Knows nothing of ancestors.
std::string protected_by_name(const model::ProcessInfo& process);

}  // namespace ordeal::os
