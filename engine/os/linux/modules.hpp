// Kernel modules that the carrier needs: what is loaded, and loading ifb without its two devices.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.hpp"

namespace ordeal::os {

// Loaded (it has a folder in /sys/module, or a line in /proc/modules). Built-in ones may show
// neither.
bool has_module(const std::string& name);

// The file of a module of the running kernel, by /lib/modules/RELEASE/modules.dep. Code::gone when
// there is none; Code::unsupported when it needs others first.
Result<std::string> module_file(const std::string& name);

// Loads a module by itself (finit_module; the kernel unpacks compressed ones). Success when it is
// there already or has no file (built in, or nothing to load). Error: why, and the command that
// does it by hand.
Result<void> load_module(const std::string& name, const std::string& options);

// Names in /proc/modules.
std::vector<std::string> loaded_modules();

}  // namespace ordeal::os
