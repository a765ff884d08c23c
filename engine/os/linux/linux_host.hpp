// This host: every seam with its Linux implementation.
#pragma once

#include "engine/os/host.hpp"
#include "engine/os/linux/cgroups.hpp"
#include "engine/os/linux/clock.hpp"
#include "engine/os/linux/files.hpp"
#include "engine/os/linux/links.hpp"
#include "engine/os/linux/machine.hpp"
#include "engine/os/linux/nftables.hpp"
#include "engine/os/linux/processes.hpp"
#include "engine/os/linux/qdiscs.hpp"
#include "engine/os/linux/random.hpp"
#include "engine/os/linux/sockets.hpp"

namespace ordeal::os {

// One for each process. Made on the main thread, after the last fork without exec.
class LinuxHost {
 public:
  // `executor_path` is what spawn_helper starts.
  explicit LinuxHost(asio::any_io_executor executor, std::string executor_path = "/proc/self/exe");
  LinuxHost(const LinuxHost&) = delete;
  LinuxHost& operator=(const LinuxHost&) = delete;

  Host& host() { return host_; }
  operator Host&() { return host_; }
  LinuxClock& clock() { return clock_; }

 private:
  LinuxClock clock_;
  LinuxRandom random_;
  LinuxCgroups cgroups_;
  LinuxProcesses processes_;
  LinuxLinks links_;
  LinuxQdiscs qdiscs_;
  LinuxNftables nftables_;
  LinuxSockets sockets_;
  LinuxFiles files_;
  LinuxMachine machine_;
  Host host_;
};

}  // namespace ordeal::os
