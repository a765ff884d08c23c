// The commands about this host, done on every host of an inventory at once.
#pragma once

#include "engine/cli/hosts.hpp"
#include "engine/cli/options.hpp"
#include "engine/cli/root.hpp"

namespace ordeal::cli {

int doctor_hosts(const Options& options, Rooted& rooted);
int status_hosts(const Options& options, Rooted& rooted);
int recover_hosts(const Options& options, Rooted& rooted);
int halt_hosts(const Options& options, Rooted& rooted);

// What the executor of each host is asked. It names nothing of the caller's files.
Question hosts_question(const Options& options);

}  // namespace ordeal::cli
