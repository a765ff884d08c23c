// Reads what a daemon writes to the pipes of the command that started it, and forgets it.
//
// A pipe that nobody reads holds its writer up once 64 KiB are in it. The daemon is what a
// `restore` or `start` brought back; it shall not notice that ordeal has left. This process ends
// when the last writer has closed its end, holds nothing else, and does not hinder an unmount.
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "engine/executor/helper/roles.hpp"

namespace ordeal::helper {

int run_swallow() {
  ::prctl(PR_SET_NAME, "ordeal-swallow");
  pollfd pipes[2] = {{0, POLLIN, 0}, {3, POLLIN, 0}};
  char buffer[4096];
  while (pipes[0].fd >= 0 || pipes[1].fd >= 0) {
    if (::poll(pipes, 2, -1) < 0 && errno != EINTR) return 1;
    for (pollfd& pipe : pipes) {
      if (pipe.fd < 0 || pipe.revents == 0) continue;
      const ssize_t count = ::read(pipe.fd, buffer, sizeof buffer);
      if (count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN))) continue;
      ::close(pipe.fd);
      pipe.fd = -1;  // poll passes it over
    }
  }
  return 0;
}

}  // namespace ordeal::helper
