#pragma once

#include <string>
#include <vector>

namespace ordeal::os {

// With systemd, as root: starts this program again with these arguments in a scope of its own in
// ordeal.slice, by turning into systemd-run(1), so that pid, descriptors and parent stay. Whoever
// ends the cgroup that we were started in, such as a CI job that is cancelled or an SSH session
// that is closed, then does not end us, and we live to put everything back.
// Returns when there is no systemd, or when it could not be done.
void enter_own_scope(const std::vector<std::string>& arguments);

}  // namespace ordeal::os
