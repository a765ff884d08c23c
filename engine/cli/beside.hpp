// What `ordeal serve` does beside its schedules.
#pragma once

#include <string>

#include "engine/os/task.hpp"

namespace ordeal::cli {

class Beside {
 public:
  virtual ~Beside() = default;
  // Until it is cancelled.
  virtual Task<void> serve() = 0;
  // Everything that it started is to put everything back and end.
  virtual void stop(const std::string& reason) = 0;
  // Something that it started goes on.
  virtual bool busy() = 0;
};

}  // namespace ordeal::cli
