// One host, as everything that acts on it sees it: typed operations, no system call.
//
// `const Host&` can only read: a fault's plan gets that, so it cannot touch anything.
#pragma once

#include "engine/os/clock.hpp"
#include "engine/os/host_files.hpp"
#include "engine/os/network.hpp"
#include "engine/os/processes.hpp"

namespace ordeal::os {

class Host {
 public:
  Host(Clock& clock, Random& random, Processes& processes, Links& links, Qdiscs& qdiscs,
       Nftables& nftables, Sockets& sockets, Cgroups& cgroups, Files& files, Machine& machine)
      : clock_(clock), random_(random), processes_(processes), links_(links), qdiscs_(qdiscs),
        nftables_(nftables), sockets_(sockets), cgroups_(cgroups), files_(files),
        machine_(machine) {}

  Clock& clock() const { return clock_; }
  Random& random() { return random_; }
  Processes& processes() { return processes_; }
  const Processes& processes() const { return processes_; }
  Links& links() { return links_; }
  const Links& links() const { return links_; }
  Qdiscs& qdiscs() { return qdiscs_; }
  const Qdiscs& qdiscs() const { return qdiscs_; }
  Nftables& nftables() { return nftables_; }
  const Nftables& nftables() const { return nftables_; }
  const Sockets& sockets() const { return sockets_; }
  Cgroups& cgroups() { return cgroups_; }
  const Cgroups& cgroups() const { return cgroups_; }
  Files& files() { return files_; }
  const Files& files() const { return files_; }
  const Machine& machine() const { return machine_; }

 private:
  Clock& clock_;
  Random& random_;
  Processes& processes_;
  Links& links_;
  Qdiscs& qdiscs_;
  Nftables& nftables_;
  Sockets& sockets_;
  Cgroups& cgroups_;
  Files& files_;
  Machine& machine_;
};

}  // namespace ordeal::os
