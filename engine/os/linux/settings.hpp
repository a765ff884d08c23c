// ORDEAL_* variables: where tests, and root's own services, put state, policy and executor.
#pragma once

#include <string>

namespace ordeal::os {

// Root was lent to somebody else, who asked through sudo (also run0), doas or pkexec. It stays true
// after root was given up.
bool is_lent_root();

// The value of the variable; empty when it is unset, and for lent root: who may start us does not
// choose root's policy, state or program (`sudo -E`, `sudo ORDEAL_POLICY=...`, env_keep).
std::string setting(const char* name);

}  // namespace ordeal::os
