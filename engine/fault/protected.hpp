// Units that no fault stops, loads or takes a process of, on any host and by whatever selector.
#pragma once

#include <string>
#include <string_view>

namespace ordeal::fault {

// Why; empty: it is not protected. The local policy may protect more (engine/executor/policy.hpp).
std::string unit_protected_because(std::string_view unit);

// The innermost service or scope of a cgroup's path, or empty: what os::Processes calls its unit.
std::string unit_of_cgroup(std::string_view cgroup);

}  // namespace ordeal::fault
