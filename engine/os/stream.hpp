#pragma once

#include <string>

#include "engine/os/task.hpp"

namespace ordeal::os {

// An ordered byte stream between two processes: a socketpair, a pipe pair, ssh's stdio.
class Stream {
 public:
  virtual ~Stream() = default;
  // At least one byte, at most `limit`. Code::closed at the end.
  virtual Task<Result<std::string>> read_some(std::size_t limit) = 0;
  virtual Task<Result<void>> write(std::string bytes) = 0;
  virtual void close() = 0;
};

}  // namespace ordeal::os
