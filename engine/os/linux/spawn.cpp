#include "engine/os/linux/spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "engine/base/assert.hpp"
#include "engine/os/linux/begin.hpp"
#include "engine/os/linux/harden.hpp"

namespace ordeal::os {
namespace {

// Everything the child needs, made before vfork: it shares our memory and may allocate nothing.
struct Child {
  const char* path;
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::vector<Fd> descriptors;  // all numbers above those that the child shall have
  std::vector<const char*> cgroup_files;
  const Identity* identity;  // or null
  bool own_session;
  bool dies_with_parent;
  pid_t parent;
  bool like_a_service;
  // The child's answer, through the shared memory.
  const char* failed_step = nullptr;
  int problem = 0;
};

bool children_like_services = false;

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (const auto& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

bool enter_cgroup(const char* file) {
  const int fd = ::open(file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool entered = ::write(fd, "0", 1) == 1;  // 0: the writer itself
  const int problem = errno;
  ::close(fd);
  errno = problem;
  return entered;
}

// By the bare system calls: those of libc would tell the other threads of the memory that we share.
bool become_somebody(const Identity& who) {
  return ::syscall(SYS_setgroups, who.groups.size(), who.groups.data()) == 0 &&
         ::syscall(SYS_setresgid, who.gid, who.gid, who.gid) == 0 &&
         ::syscall(SYS_setresuid, who.uid, who.uid, who.uid) == 0;
}

// Returns the step that failed, or null.
const char* die_with_parent(const Child& child) {
  if (!child.dies_with_parent) return nullptr;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return "PR_SET_PDEATHSIG";
  if (::getppid() != child.parent) return "find the parent";
  return nullptr;
}

// Runs in the child between vfork and exec: system calls only. Returns the step that failed.
const char* become(Child& child) {
  default_signals();
  soften_child();
  restore_limits();
  if (child.like_a_service) {
    ::umask(022);
    if (::chdir("/") != 0) return "chdir";
  }
  // Before the cgroup, which may be frozen.
  if (const char* problem = die_with_parent(child)) return problem;
  for (const char* file : child.cgroup_files) {
    if (!enter_cgroup(file)) return file;
  }
  if (child.identity != nullptr && !become_somebody(*child.identity)) return "change the user";
  // Again: a change of user switches it off.
  if (const char* problem = die_with_parent(child)) return problem;
  if (child.own_session && ::setsid() < 0) return "setsid";
  for (std::size_t i = 0; i < child.descriptors.size(); ++i) {
    if (::dup2(child.descriptors[i].get(), static_cast<int>(i)) < 0) return "dup2";
  }
  // Marked, not closed: the memory is shared, but the table of descriptors is the child's own.
  const unsigned first = static_cast<unsigned>(child.descriptors.size());
  if (::close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return "close_range";
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(child.path, child.argv.data(), child.environment.data());
  return "exec";
}

// A function of its own that is never inlined, so that vfork's second return finds its frame.
[[gnu::noinline]] pid_t start(Child& child) {
  const pid_t pid = ::vfork();
  if (pid == 0) {
    child.failed_step = become(child);
    child.problem = errno;
    ::_exit(127);
  }
  return pid;
}

Result<Fd> duplicate_above(int fd, int lowest) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, lowest));
  if (!copy) return Error::system(errno, "duplicate a descriptor");
  return copy;
}

Result<std::vector<Fd>> move_away(const std::vector<int>& descriptors) {
  const int lowest = static_cast<int>(descriptors.size());
  TRY(const Fd nothing, open_file("/dev/null", O_RDWR));
  std::vector<Fd> out;
  for (const int fd : descriptors) {
    TRY(Fd copy, duplicate_above(fd < 0 ? nothing.get() : fd, lowest));
    out.push_back(std::move(copy));
  }
  return out;
}

}  // namespace

void start_children_like_services() { children_like_services = true; }

Result<Spawned> spawn(const SpawnPlan& plan) {
  ORDEAL_ASSERT(::gettid() == ::getpid());
  ORDEAL_ASSERT(!plan.argv.empty() && plan.descriptors.size() >= 3);
  TRY(auto descriptors, move_away(plan.descriptors));
  Child child{plan.path.c_str(),
              pointers(plan.argv),
              pointers(plan.environment),
              std::move(descriptors),
              {},
              plan.identity ? &*plan.identity : nullptr,
              plan.own_session,
              plan.dies_with_parent,
              ::getpid(),
              children_like_services};
  for (const auto& file : plan.cgroup_files) child.cgroup_files.push_back(file.c_str());

  // No handler of ours may run in the child, where it would write into our memory.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = start(child);
  const int problem = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

  if (pid < 0 && problem == EAGAIN) {
    return Error(Code::failed,
                 fmt::format("start {}: no more processes may run here: raise the limit (ulimit "
                             "-Hu, TasksMax=, --pids-limit)",
                             plan.path),
                 problem);
  }
  if (pid < 0) return Error::system(problem, "start " + plan.path);
  if (child.failed_step != nullptr) {
    ::waitpid(pid, nullptr, 0);  // It has ended before vfork returned.
    return Error::system(child.problem, fmt::format("start {}: {}", plan.path, child.failed_step));
  }
  // The pid cannot be reused before we have reaped it.
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const int reason = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return Error::system(reason, "pidfd_open of " + plan.path);
  }
  return Spawned{pid, std::move(pidfd)};
}

Result<std::optional<int>> try_reap(int pidfd) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0) {
    return Error::system(errno, "waitid");
  }
  if (info.si_pid == 0) return std::optional<int>();
  const int code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  return std::optional<int>(code);
}

}  // namespace ordeal::os
