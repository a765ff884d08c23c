#include "engine/os/linux/begin.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include <fmt/format.h>

namespace ordeal::os {
namespace {

// A worker has about twenty open, a front as many and its connections.
constexpr rlim_t kFewestFiles = 64;

struct Limit {
  int which;
  rlimit before;
  bool raised;
};
std::array g_limits = {
    Limit{RLIMIT_NOFILE, {}, false}, Limit{RLIMIT_NPROC, {}, false}, Limit{RLIMIT_AS, {}, false},
    Limit{RLIMIT_DATA, {}, false},   Limit{RLIMIT_FSIZE, {}, false}, Limit{RLIMIT_CPU, {}, false},
};

// open() takes the lowest free number, so each round fills one. Where there is no /dev/null, a
// descriptor that can be neither read nor written.
void open_standard_descriptors() {
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    if (::open("/dev/null", O_RDWR) < 0) ::open("/", O_PATH);
  }
}

void raise_limits() {
  for (Limit& limit : g_limits) {
    if (::getrlimit(limit.which, &limit.before) != 0) continue;
    const rlimit most{limit.before.rlim_max, limit.before.rlim_max};
    limit.raised =
        limit.before.rlim_cur != limit.before.rlim_max && ::setrlimit(limit.which, &most) == 0;
  }
}

}  // namespace

void default_signals() {
  // As the kernel knows it: handler (null is SIG_DFL), flags, restorer, mask. By the bare system
  // call, because libc says no to the two signals that it keeps for itself.
  const std::array<unsigned long, 4> standard{};
  for (int signal = 1; signal < _NSIG; ++signal) {
    ::syscall(SYS_rt_sigaction, signal, standard.data(), nullptr, _NSIG / 8);
  }
}

Result<void> begin_process() {
  default_signals();
  for (const int signal : {SIGXFSZ, SIGTTOU}) std::signal(signal, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  open_standard_descriptors();
  const mode_t mask = ::umask(077);
  ::umask(mask & 077);
  raise_limits();
  const rlim_t files = g_limits.front().before.rlim_max;
  if (files >= kFewestFiles) return ok();
  return Error(Code::refused, fmt::format("only {} files may be open at once here, {} are needed: "
                                          "raise the limit (ulimit -Hn, LimitNOFILE=, --ulimit)",
                                          files, kFewestFiles));
}

void restore_limits() {
  for (const Limit& limit : g_limits) {
    if (limit.raised) ::setrlimit(limit.which, &limit.before);
  }
}

}  // namespace ordeal::os
