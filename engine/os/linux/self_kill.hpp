#pragma once

#include <ctime>

#include "engine/os/clock.hpp"

namespace ordeal::os {

// A POSIX timer on CLOCK_BOOTTIME whose signal is SIGKILL: it ends even a stopped process, since
// the kernel itself sends it. A forked child does not inherit it.
class LinuxSelfKill final : public SelfKill {
 public:
  LinuxSelfKill();
  ~LinuxSelfKill() override;
  LinuxSelfKill(const LinuxSelfKill&) = delete;
  LinuxSelfKill& operator=(const LinuxSelfKill&) = delete;

  void arm(BootTime deadline) override;
  void disarm() override;

 private:
  timer_t timer_{};
};

}  // namespace ordeal::os
