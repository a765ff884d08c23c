#pragma once

#include <memory>

#include "engine/os/clock.hpp"

namespace ordeal::os {

// CLOCK_BOOTTIME over one timerfd with an ordered list of alarms. Idle, it arms nothing and wakes
// nobody. One for each process; it must be made after the last fork without exec.
class LinuxClock final : public Clock {
 public:
  explicit LinuxClock(asio::any_io_executor executor);
  ~LinuxClock() override;
  LinuxClock(const LinuxClock&) = delete;
  LinuxClock& operator=(const LinuxClock&) = delete;

  BootTime now() const override;
  WallTime wall() const override;
  Task<void> sleep_until(BootTime when) override;

 private:
  class Alarms;
  std::shared_ptr<Alarms> alarms_;
};

}  // namespace ordeal::os
