#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <optional>
#include <string>

#include "engine/os/linux/fd.hpp"
#include "engine/os/task.hpp"

namespace ordeal::os {

// How a child ended.
struct ChildEnd {
  std::optional<int> code;  // 128 + n for signal n; empty: nobody knows
  std::string text;         // "exit 1", "signal 9"
};

// A child of ours that runs the same program: the keeper's hold on its worker.
class ForkedChild {
 public:
  ForkedChild(asio::any_io_executor executor, int pid);

  // Returns when it has ended with all its threads; at once when it has.
  Task<ChildEnd> wait();
  void kill();
  // "S", or "D (wchan)"; empty when it is not there.
  std::string state() const;

 private:
  int pid_;
  asio::posix::stream_descriptor pidfd_;
  std::optional<ChildEnd> end_;
};

}  // namespace ordeal::os
