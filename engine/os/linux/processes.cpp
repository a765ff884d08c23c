#include "engine/os/linux/processes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <set>

#include "engine/base/ids.hpp"
#include "engine/os/linux/proc.hpp"
#include "engine/os/linux/protected.hpp"
#include "engine/os/linux/suspend.hpp"

namespace ordeal::os {
namespace {

constexpr std::size_t kArgumentsLimit = 32 * 1024;

Error not_that_process(model::ProcessId id) {
  return Error(Code::gone, fmt::format("pid {} is gone", id.pid));
}

// Files are read relative to one open directory: when the process dies and its pid is taken
// meanwhile, the reads fail instead of telling of two processes.
Result<std::string> read_in(const Fd& directory, const char* name, std::size_t limit) {
  const Fd file(::openat(directory.get(), name, O_RDONLY | O_CLOEXEC));
  if (!file) return Error::system(errno, name);
  return read_all(file.get(), limit);
}

std::string executable_in(const Fd& directory) {
  char target[4096];
  const ssize_t size = ::readlinkat(directory.get(), "exe", target, sizeof target);
  if (size <= 0) return {};
  std::string_view path(target, static_cast<std::size_t>(size));
  // A package upgrade replaces the file under a running service.
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return std::string(path);
}

// The effective user: the second number of "Uid:".
std::int64_t user_of(std::string_view status) {
  const auto at = status.find("\nUid:\t");
  if (at == std::string_view::npos) return -1;
  const auto line = status.substr(at + 6, status.find('\n', at + 1) - at - 6);
  const auto ids = proc::split(line, '\t');
  if (ids.size() < 2) return -1;
  return proc::parse_number<std::int64_t>(ids[1]).value_or(-1);
}

Result<Fd> open_process(std::int64_t pid) {
  return open_file(fmt::format("/proc/{}", pid), O_RDONLY | O_DIRECTORY);
}

Result<model::ProcessInfo> describe(std::int64_t pid) {
  TRY(const Fd directory, open_process(pid));
  TRY(const std::string stat_text, read_in(directory, "stat", 4096));
  TRY(proc::Stat stat, proc::parse_stat(stat_text));
  if (stat.gone()) return not_that_process(stat.id);
  TRY(const std::string status, read_in(directory, "status", 16 * 1024));
  TRY(std::string command, read_in(directory, "cmdline", kArgumentsLimit));
  TRY(const std::string cgroup, read_in(directory, "cgroup", 64 * 1024));
  while (!command.empty() && command.back() == '\0') command.pop_back();
  std::replace(command.begin(), command.end(), '\0', ' ');
  proc::CgroupPaths paths = proc::parse_cgroup(cgroup);

  model::ProcessInfo info;
  info.id = stat.id;
  info.parent = stat.parent;
  info.uid = user_of(status);
  info.state = stat.state;
  info.name = std::move(stat.name);
  info.exe = executable_in(directory);
  info.command = std::move(command);
  info.cgroup = std::move(paths.unified);
  info.unit = std::move(paths.unit);
  return info;
}

// Opens the pid FIRST and compares the start time THEN: from there on the pidfd is that process.
Result<Fd> open_pidfd(model::ProcessId id) {
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0)));
  if (!pidfd) {
    if (errno == ESRCH || errno == EINVAL) return not_that_process(id);
    return Error::system(errno, fmt::format("pidfd_open {}", id.pid));
  }
  const auto stat = proc::read_stat(id.pid);
  if (!stat && stat.error().code() != Code::gone) return stat.error();
  if (!stat || stat.value().id != id || stat.value().gone()) return not_that_process(id);
  return pidfd;
}

bool has_ended(int pidfd) {
  pollfd wanted{pidfd, POLLIN, 0};
  return ::poll(&wanted, 1, 0) == 1;
}

std::optional<Duration> precise_cpu(std::int64_t pid) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(static_cast<pid_t>(pid), &clock) != 0) return std::nullopt;
  if (::clock_gettime(clock, &time) != 0) return std::nullopt;
  return std::chrono::floor<Duration>(std::chrono::seconds(time.tv_sec) +
                                      std::chrono::nanoseconds(time.tv_nsec));
}

// One that bears a mark and runs as our user.
struct Marked {
  std::string mark;
  model::ProcessId id;
  std::int64_t parent = 0;
};

// Only what has gone meanwhile is left out: a helper that could not be looked at may be somebody's.
Result<std::vector<Marked>> scan_marked() {
  std::vector<Marked> found;
  TRY(const auto all, proc::pids());
  for (const std::int64_t pid : all) {
    const auto name = read_file(fmt::format("/proc/{}/comm", pid), 64);
    if (!name && name.error().code() != Code::gone) return name.error();
    if (!name || !is_mark(proc::trimmed(name.value()))) continue;
    auto process = describe(pid);
    if (!process && process.error().code() != Code::gone) return std::move(process.error());
    if (!process || process.value().uid != ::geteuid()) continue;
    const model::ProcessInfo& info = process.value();
    found.push_back(Marked{info.name, info.id, info.parent});
  }
  return found;
}

// The numbers of a process from the namespace of this /proc inwards: the last one is that by which
// it knows itself. Empty: an old kernel.
std::vector<std::string_view> nested_pids(std::string_view status) {
  constexpr std::string_view kKey = "\nNSpid:";
  const auto at = status.find(kKey);
  if (at == status.npos) return {};
  status.remove_prefix(at + kKey.size());
  return proc::split(status.substr(0, status.find('\n')), '\t');
}

Result<std::int64_t> own_number_of(std::int64_t pid) {
  TRY(const std::string status, read_file(fmt::format("/proc/{}/status", pid), 16 * 1024));
  const auto pids = nested_pids(status);
  if (pids.empty()) return pid;
  return proc::parse_number<std::int64_t>(pids.back()).value_or(pid);
}

// A helper names its executor on its command line and dies with it. While that is its parent still,
// the executor lives: on this host, in a container, of whichever version and state directory.
Result<bool> parent_is_its_executor(const Marked& helper) {
  if (helper.parent == 0) return true;  // in a namespace above ours: it may well live
  const auto command = read_file(fmt::format("/proc/{}/cmdline", helper.id.pid), kArgumentsLimit);
  if (!command && command.error().code() == Code::gone) return false;
  if (!command) return command.error();
  const auto words = proc::split(command.value(), '\0');
  const auto option = std::find(words.begin(), words.end(), "--parent");
  if (option == words.end() || option + 1 == words.end()) return false;
  const auto number = own_number_of(helper.parent);
  if (!number && number.error().code() == Code::gone) return false;
  if (!number) return number.error();
  return proc::parse_number<std::int64_t>(option[1]) == number.value();
}

Result<std::string> first_line(const std::string& path) {
  TRY(const std::string text, read_file(path, 4096));
  return std::string(proc::trimmed(text));
}

}  // namespace

// /proc shows the pids of the namespace that it was mounted in. NSpid has ours from there inwards:
// in our own namespace exactly one number, the one that we know.
Result<void> LinuxProcesses::pids_are_ours() const {
  const auto status = read_file("/proc/self/status", 64 * 1024);
  const auto pids = status ? nested_pids(status.value()) : std::vector<std::string_view>();
  if (pids.size() == 1 && pids[0] == std::to_string(::getpid())) return ok();
  return Error(Code::unsupported,
               status ? "/proc belongs to another pid namespace: the pids in it are not those that "
                        "we would signal; mount one of this namespace (mount -t proc proc /proc, "
                        "unshare --mount-proc)"
                      : "/proc does not show us: it is not mounted, or belongs to another pid "
                        "namespace; mount one of this namespace (mount -t proc proc /proc)");
}

Result<std::vector<model::ProcessInfo>> LinuxProcesses::list() const {
  std::vector<model::ProcessInfo> processes;
  TRY(const auto all, proc::pids());
  for (const std::int64_t pid : all) {
    auto process = describe(pid);
    if (process) processes.push_back(std::move(process.value()));
    if (process) continue;
    // It has just gone, or only root may look at it.
    const Code why = process.error().code();
    if (why != Code::gone && (why != Code::denied || ::geteuid() == 0)) {
      return std::move(process.error());
    }
  }
  // /proc without a single process is hidden or not mounted; "none matches" would be a lie.
  if (processes.empty()) return Error(Code::unsupported, "/proc lists no process");
  return processes;
}

Result<model::ProcessInfo> LinuxProcesses::find(model::ProcessId id) const {
  auto process = describe(id.pid);
  if (process && process.value().id != id) return not_that_process(id);
  return within(fmt::format("read pid {}", id.pid), std::move(process));
}

Result<ProcessUsage> LinuxProcesses::usage(model::ProcessId id) const {
  const std::string what = fmt::format("usage of pid {}", id.pid);
  const auto cpu = precise_cpu(id.pid);
  TRY(const std::string memory,
      within(what, read_file(fmt::format("/proc/{}/statm", id.pid), 256)));
  // Last, so that everything before was read of this process.
  TRY(const proc::Stat stat, within(what, proc::read_stat(id.pid)));
  if (stat.id != id || stat.gone()) return not_that_process(id);
  const auto fields = proc::words(memory);
  const auto pages = fields.size() > 1 ? proc::parse_number<std::int64_t>(fields[1]) : std::nullopt;
  if (!pages) return Error(Code::failed, what + ": statm is unreadable");
  const auto ticks = stat.cpu_ticks * std::int64_t{1'000'000} / ::sysconf(_SC_CLK_TCK);
  return ProcessUsage{cpu.value_or(Duration(ticks)), Bytes{*pages * ::sysconf(_SC_PAGESIZE)}};
}

Result<std::vector<std::int64_t>> LinuxProcesses::holders_of_port(std::uint16_t port) const {
  std::set<std::uint64_t> inodes;
  for (const char* table : {"tcp", "tcp6", "udp", "udp6"}) {
    const auto text = read_file(fmt::format("/proc/self/net/{}", table), 1u << 28);
    if (!text && text.error().code() == Code::gone) continue;  // a kernel without IPv6
    if (!text) return text.error();
    const bool tcp = table[0] == 't';
    for (const auto& socket : proc::parse_sockets(text.value())) {
      if (socket.local_port != port || socket.inode == 0) continue;
      if (!tcp || socket.state == proc::kListening) inodes.insert(socket.inode);
    }
  }
  std::vector<std::int64_t> holders;
  if (inodes.empty()) return holders;
  TRY(const auto all, proc::pids());
  bool hidden = false;
  std::set<std::uint64_t> found;
  for (const std::int64_t pid : all) {
    const std::size_t before = holders.size();
    for (const std::uint64_t inode : proc::socket_inodes(pid)) {
      if (!inodes.contains(inode)) continue;
      found.insert(inode);
      if (holders.size() == before) holders.push_back(pid);
    }
    hidden = hidden || (::access(fmt::format("/proc/{}/fd", pid).c_str(), R_OK) != 0 &&
                        (errno == EACCES || errno == EPERM));
  }
  // "Nobody" would be a lie.
  if (found.size() < inodes.size() && hidden) {
    return Error(Code::denied,
                 fmt::format("who holds port {} cannot be seen: to look into processes of other "
                             "users needs CAP_SYS_PTRACE (in a container: --cap-add SYS_PTRACE); "
                             "name the process in another way",
                             port));
  }
  return holders;
}

std::string LinuxProcesses::protected_because(const model::ProcessInfo& process) const {
  if (process.id.pid == ::getpid()) return "it is ordeal itself";
  std::string why = protected_by_name(process);
  if (!why.empty()) return why;
  const auto above = proc::ancestors();
  if (!above) return "nobody can tell whether it is above ordeal: " + above.error().message();
  if (std::find(above.value().begin(), above.value().end(), process.id.pid) !=
      above.value().end()) {
    return "it is an ancestor of ordeal";
  }
  return {};
}

Result<std::string> LinuxProcesses::boot_id() const {
  return first_line("/proc/sys/kernel/random/boot_id");
}

Result<std::string> LinuxProcesses::machine_id() const {
  for (const char* path : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
    auto id = first_line(path);
    if (id && !id.value().empty()) return id;
    if (!id && id.error().code() != Code::gone) return id;
  }
  return std::string();
}

std::string LinuxProcesses::host_name() const {
  utsname names{};
  ::uname(&names);
  return names.nodename;
}

bool LinuxProcesses::systemd_is_pid1() const {
  struct stat entry {};  // sd_booted(3) asks for this directory
  const auto first = first_line("/proc/1/comm");
  return ::stat("/run/systemd/system", &entry) == 0 && S_ISDIR(entry.st_mode) && first &&
         first.value() == "systemd";
}

Result<void> LinuxProcesses::signal(model::ProcessId id, int signal) {
  TRY(const Fd pidfd, open_pidfd(id));
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0) return ok();
  if (errno == ESRCH) return not_that_process(id);
  const int problem = errno;
  const std::string what = fmt::format("send signal {} to pid {}", signal, id.pid);
  if (problem != EPERM) return Error::system(problem, what);
  return Error(Code::denied,
               what +
                   ": not permitted: it belongs to another user, and that needs CAP_KILL (in a "
                   "container: --cap-add KILL)",
               problem);
}

Task<Result<void>> LinuxProcesses::wait_gone(model::ProcessId id, BootTime deadline) {
  using namespace asio::experimental::awaitable_operators;
  Result<Fd> opened = open_pidfd(id);
  if (!opened) {
    reap();
    if (opened.error().code() == Code::gone) co_return ok();
    co_return std::move(opened.error());
  }
  asio::posix::stream_descriptor pidfd(executor_, opened.value().release());
  Task<void> ended = wait_readable(pidfd);
  Task<void> alarm = clock_.sleep_until(deadline);
  co_await (std::move(ended) || std::move(alarm));
  const bool gone = has_ended(pidfd.native_handle());
  reap();
  if (gone) co_return ok();
  co_return Error(Code::timeout, fmt::format("pid {} is still there", id.pid));
}

Result<std::vector<model::ProcessId>> LinuxProcesses::find_marked(const std::string& mark) const {
  reap();
  std::vector<model::ProcessId> found;
  for (const Child& child : children_) {
    if (child.mark == mark && !has_ended(child.pidfd.get())) found.push_back(child.id);
  }
  if (!found.empty()) return found;
  TRY(const auto all, scan_marked());
  for (const Marked& one : all) {
    if (one.mark == mark) found.push_back(one.id);
  }
  return found;
}

Result<std::vector<Helper>> LinuxProcesses::helpers() const {
  std::vector<Helper> found;
  TRY(const auto all, scan_marked());
  for (const Marked& one : all) {
    TRY(const bool owned, parent_is_its_executor(one));
    found.push_back(Helper{one.mark, one.id, owned});
  }
  return found;
}

}  // namespace ordeal::os
