// The commands about this host, done on every host of an inventory at once.
#pragma once

#include "engine/cli/options.hpp"

namespace ordeal::cli {

int doctor_hosts(const Options& options);
int status_hosts(const Options& options);
int recover_hosts(const Options& options);
int halt_hosts(const Options& options);

}  // namespace ordeal::cli
