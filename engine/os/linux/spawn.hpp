// The one function that starts another program.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/os/linux/fd.hpp"

namespace ordeal::os {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

struct SpawnPlan {
  std::string path;  // absolute
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "NAME=value"
  // What the child finds as descriptor 0, 1, 2 and so on; -1 is /dev/null. It has no other.
  std::vector<int> descriptors = {-1, -1, -1};
  bool own_session = false;               // setsid: leader of a process group of its own
  bool dies_with_parent = false;          // SIGKILL when the main thread of this process ends
  std::vector<std::string> cgroup_files;  // cgroup.procs files to enter before exec
  std::optional<Identity> identity;       // to become; we must be root
};

struct Spawned {
  pid_t pid = 0;
  Fd pidfd;
};

// The child has default signal dispositions, no blocked signal, and no descriptor but the wanted
// ones: an inherited netlink socket would keep our nftables alive after our death.
// Only for the main thread, since PDEATHSIG follows the thread that started the child.
// Errors: what the child could not do, exec included.
Result<Spawned> spawn(const SpawnPlan& plan);

// From now on children begin as systemd begins a service, in / and with umask 022, whatever this
// process was given: what an undo starts again stays.
void start_children_like_services();

// How a child of ours ended: its exit code, or 128 + the signal. Empty while it lives. Reaps it.
Result<std::optional<int>> try_reap(int pidfd);

}  // namespace ordeal::os
