#include "engine/os/linux/sockets.hpp"

#include <algorithm>
#include <set>

#include "engine/os/linux/fd.hpp"
#include "engine/os/linux/proc.hpp"

namespace ordeal::os {
namespace {

// Sockets of every SSH server process above us: the session's connection is held by one or two of
// them (privilege separation), and by "sshd-session" since OpenSSH 9.8.
std::set<std::uint64_t> session_inodes() {
  std::set<std::uint64_t> inodes;
  for (const std::int64_t pid : proc::ancestors()) {
    const auto stat = proc::read_stat(pid);
    if (!stat) continue;
    const std::string& name = stat.value().name;
    if (name != "sshd" && name != "sshd-session") continue;
    for (const std::uint64_t inode : proc::socket_inodes(pid)) inodes.insert(inode);
  }
  return inodes;
}

}  // namespace

std::vector<ExemptFlow> LinuxSockets::exempt_flows() const {
  std::vector<ExemptFlow> flows;
  const auto inodes = session_inodes();
  if (inodes.empty()) return flows;
  for (const char* table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    const auto text = read_file(table, 1u << 28);
    if (!text) continue;
    for (auto& socket : proc::parse_sockets(text.value())) {
      if (!inodes.contains(socket.inode) || socket.state == proc::kListening) continue;
      ExemptFlow flow;
      flow.local_address = std::move(socket.local_address);
      flow.local_port = socket.local_port;
      flow.remote_address = std::move(socket.remote_address);
      flow.remote_port = socket.remote_port;
      flow.why = "your ssh session";
      flows.push_back(std::move(flow));
    }
  }
  return flows;
}

}  // namespace ordeal::os
