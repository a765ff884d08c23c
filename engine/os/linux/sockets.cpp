#include "engine/os/linux/sockets.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "engine/os/linux/fd.hpp"
#include "engine/os/linux/proc.hpp"

namespace ordeal::os {
namespace {

constexpr std::int64_t kInit = 1;

struct Process {
  std::int64_t parent = 0;
  std::string name;
  std::string uid;
  std::string login;  // who logged in, through sudo and su; empty where the kernel does not know
};
using Processes = std::map<std::int64_t, Process>;

// "sshd-session" since OpenSSH 9.8. A session's connection is held by one or two of them (privilege
// separation).
bool is_ssh_server(std::string_view name) { return name == "sshd" || name == "sshd-session"; }

Processes all_processes() {
  Processes out;
  const auto pids = proc::pids();
  if (!pids) return out;
  for (const std::int64_t pid : pids.value()) {
    const auto stat = proc::read_stat(pid);
    const std::string folder = "/proc/" + std::to_string(pid);
    const auto status = read_file(folder + "/status");
    if (!stat || !status) continue;  // it has ended
    Process one;
    one.parent = stat.value().parent;
    one.name = stat.value().name;
    one.uid = proc::trimmed(proc::value_of(status.value(), "Uid:"));
    const auto login = read_file(folder + "/loginuid");
    if (login && login.value() != "4294967295") one.login = proc::trimmed(login.value());
    out.emplace(pid, std::move(one));
  }
  return out;
}

std::set<std::uint64_t> inodes_of(const std::set<std::int64_t>& pids) {
  std::set<std::uint64_t> out;
  for (const std::int64_t pid : pids) {
    for (const std::uint64_t inode : proc::socket_inodes(pid)) out.insert(inode);
  }
  return out;
}

std::set<std::int64_t> ssh_servers_above(std::int64_t pid, const Processes& all) {
  std::set<std::int64_t> out;
  for (int depth = 0; depth < 1000; ++depth) {
    const auto found = all.find(pid);
    if (found == all.end()) break;
    if (is_ssh_server(found->second.name)) out.insert(pid);
    pid = found->second.parent;
  }
  return out;
}

// In tmux and screen we descend from their server, which left the session that it was started in.
// So every session counts that somebody of the same user works in; his is among them.
std::set<std::int64_t> ssh_servers_of_the_same_user(const std::vector<std::int64_t>& ancestors,
                                                    const Processes& all) {
  const Process* outermost = nullptr;
  for (const std::int64_t pid : ancestors) {
    const auto found = all.find(pid);
    if (pid != kInit && found != all.end()) outermost = &found->second;
  }
  std::set<std::int64_t> out;
  if (outermost == nullptr) return out;
  for (const auto& [pid, one] : all) {
    // Root's servers are above the sessions of everybody.
    if (is_ssh_server(one.name) && one.uid == "0") continue;
    const bool same_login = !one.login.empty() && one.login == outermost->login;
    if (one.uid == outermost->uid || same_login) out.merge(ssh_servers_above(pid, all));
  }
  return out;
}

// Local and remote end, as $SSH_CONNECTION of an ancestor has them: it also tells of servers that
// are no OpenSSH or that we cannot see.
using Ends = std::tuple<std::string, std::uint16_t, std::string, std::uint16_t>;

std::set<Ends> told_by_environments(const std::vector<std::int64_t>& ancestors) {
  constexpr std::string_view kName = "SSH_CONNECTION=";
  std::set<Ends> out;
  for (const std::int64_t pid : ancestors) {
    const auto text = read_file("/proc/" + std::to_string(pid) + "/environ");
    if (!text) continue;
    for (const auto entry : proc::split(text.value(), '\0')) {
      if (!entry.starts_with(kName)) continue;
      const auto words = proc::words(entry.substr(kName.size()));  // client, port, server, port
      if (words.size() != 4) continue;
      const auto remote = proc::parse_number<std::uint16_t>(words[1]);
      const auto local = proc::parse_number<std::uint16_t>(words[3]);
      if (remote && local) out.emplace(words[2], *local, words[0], *remote);
    }
  }
  return out;
}

// Those that are open now: what an environment tells may be long over.
template <class Wanted>
std::vector<ExemptFlow> open_connections(const char* why, const Wanted& wanted) {
  std::vector<ExemptFlow> flows;
  for (const char* table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    const auto text = read_file(table, 1u << 28);
    if (!text) continue;
    for (auto& socket : proc::parse_sockets(text.value())) {
      if (socket.state == proc::kListening || !wanted(socket)) continue;
      ExemptFlow flow;
      flow.local_address = std::move(socket.local_address);
      flow.local_port = socket.local_port;
      flow.remote_address = std::move(socket.remote_address);
      flow.remote_port = socket.remote_port;
      flow.why = why;
      flows.push_back(std::move(flow));
    }
  }
  return flows;
}

std::vector<ExemptFlow> held_by(const char* why, const std::set<std::int64_t>& pids) {
  const auto inodes = inodes_of(pids);
  if (inodes.empty()) return {};
  return open_connections(why, [&](const auto& one) { return inodes.contains(one.inode); });
}

}  // namespace

std::vector<ExemptFlow> LinuxSockets::exempt_flows() const {
  const auto chain = proc::ancestors();
  const auto ancestors = chain ? chain.value() : std::vector<std::int64_t>();
  std::set<std::int64_t> above;
  for (const std::int64_t pid : ancestors) {
    const auto stat = proc::read_stat(pid);
    if (stat && is_ssh_server(stat.value().name)) above.insert(pid);
  }
  std::vector<ExemptFlow> flows = held_by("your ssh session", above);
  if (!flows.empty()) return flows;
  const Processes all = all_processes();
  flows = held_by("an ssh session of yours", ssh_servers_of_the_same_user(ancestors, all));
  const auto told = told_by_environments(ancestors);
  if (told.empty()) return flows;
  for (auto& flow : open_connections("your ssh session", [&](const proc::Socket& one) {
         return told.contains(
             Ends(one.local_address, one.local_port, one.remote_address, one.remote_port));
       })) {
    const bool known = std::any_of(flows.begin(), flows.end(), [&](const ExemptFlow& other) {
      return other.remote_address == flow.remote_address && other.remote_port == flow.remote_port;
    });
    if (!known) flows.push_back(std::move(flow));
  }
  return flows;
}

}  // namespace ordeal::os
