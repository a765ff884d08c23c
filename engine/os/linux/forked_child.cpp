#include "engine/os/linux/forked_child.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "engine/base/assert.hpp"
#include "engine/base/text.hpp"
#include "engine/os/linux/suspend.hpp"

namespace ordeal::os {
namespace {

int open_pidfd(int pid) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  ORDEAL_ASSERT(fd >= 0);  // our own child, not reaped yet; close-on-exec by itself
  return fd;
}

}  // namespace

ForkedChild::ForkedChild(asio::any_io_executor executor, int pid)
    : pid_(pid), pidfd_(std::move(executor), open_pidfd(pid)) {}

Task<ChildEnd> ForkedChild::wait() {
  while (!end_) {
    co_await wait_readable(pidfd_);
    int status = 0;
    const pid_t reaped = ::waitpid(pid_, &status, WNOHANG);
    if (reaped == 0 || (reaped < 0 && errno == EINTR)) continue;
    ChildEnd end;
    if (reaped < 0) {  // somebody else took its exit code
      end.text = "its exit code is unknown";
      end_ = std::move(end);
      break;
    }
    const bool killed = WIFSIGNALED(status);
    end.code = killed ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    end.text = killed ? fmt::format("signal {}", WTERMSIG(status))
                      : fmt::format("exit {}", WEXITSTATUS(status));
    end_ = std::move(end);
  }
  co_return *end_;
}

void ForkedChild::kill() {
  if (!end_) ::kill(pid_, SIGKILL);  // not reaped, so the pid is still its own
}

std::string ForkedChild::state() const {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid_));
  if (stat.has_error()) return "";
  const std::size_t at = stat.value().rfind(") ");
  if (at == std::string::npos || at + 2 >= stat.value().size()) return "";
  const std::string state = stat.value().substr(at + 2, 1);
  const auto place = read_file(fmt::format("/proc/{}/wchan", pid_));
  if (state != "D" || place.has_error()) return state;
  return fmt::format("D ({})", printable(place.value(), 64));
}

}  // namespace ordeal::os
