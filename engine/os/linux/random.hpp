#pragma once

#include "engine/os/clock.hpp"

namespace ordeal::os {

// getrandom(2).
class LinuxRandom final : public Random {
 public:
  std::uint64_t next() override;
};

}  // namespace ordeal::os
