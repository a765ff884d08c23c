#include "engine/os/linux/harden.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "engine/os/linux/fd.hpp"

namespace ordeal::os {
namespace {

constexpr const char* kOomFile = "/proc/self/oom_score_adj";

// What we were started with; for children. Written once, before any child or thread.
struct Before {
  bool changed = false;
  rlimit core{};
  std::array<char, 16> oom{};
};
Before g_before;

void write_oom(const char* text) {
  const int fd = ::open(kOomFile, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  const ssize_t written = ::write(fd, text, std::strlen(text));
  (void)written;  // not allowed to this user
  ::close(fd);
}

// Not where the limit of locked memory is low (no root, or root in a container): there nothing more
// could be mapped, not even the stack of a thread.
void lock_memory() {
  constexpr std::size_t kRoom = 64u << 20;
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) return;
  void* room = ::mmap(nullptr, kRoom, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) {
    ::munlockall();
    return;
  }
  ::munmap(room, kRoom);
  // A thread's stack is locked whole, 8 MiB by default. Ours only write and sync.
  constexpr std::size_t kStack = 256u << 10;
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStack);
  ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
}

}  // namespace

void harden_this_process() {
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGTSTP}) {
    std::signal(signal, SIG_IGN);
  }
  ::setsid();  // fails for a leader, who has a session of its own already
  if (!g_before.changed) {
    g_before.changed = true;
    ::getrlimit(RLIMIT_CORE, &g_before.core);
    const auto oom = read_file(kOomFile, g_before.oom.size() - 1);
    if (oom.has_value()) std::strncpy(g_before.oom.data(), oom.value().c_str(), 15);
  }
  const rlimit no_core{0, g_before.core.rlim_max};
  ::setrlimit(RLIMIT_CORE, &no_core);
  write_oom("-900");
  lock_memory();
}

void go_before_others() {
  constexpr int kBefore = -10;  // the packet shaper stands before this
  errno = 0;
  const int now = ::getpriority(PRIO_PROCESS, 0);
  if (errno != 0 || now <= kBefore) return;
  if (::setpriority(PRIO_PROCESS, 0, kBefore) != 0) return;
  const sched_param none{};  // children, such as the programs of exec probes, do not go first
  ::sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none);
}

void soften_child() {
  if (!g_before.changed) return;
  ::setrlimit(RLIMIT_CORE, &g_before.core);
  if (g_before.oom[0] != '\0') write_oom(g_before.oom.data());
}

}  // namespace ordeal::os
