#include "engine/os/linux/throwaway.hpp"

#include <sched.h>

#include <cerrno>
#include <thread>

namespace ordeal::os {

Result<void> ask_in_empty_network(const std::function<Result<void>()>& question) {
  Result<void> answer = ok();
  // unshare() moves only the calling thread; the namespace ends with it and its sockets.
  std::thread asker([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      answer = Error::system(errno, "make a network namespace to try it in");
      return;
    }
    answer = question();
  });
  asker.join();
  return answer;
}

}  // namespace ordeal::os
