#pragma once

#include "engine/base/units.hpp"
#include "engine/os/task.hpp"

namespace ordeal::os {

// Time. Linux: CLOCK_BOOTTIME and one timerfd a process. Simulator: virtual.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual BootTime now() const = 0;
  virtual WallTime wall() const = 0;
  // Returns at `when` or a little later; at once when it has passed. Cancellation travels as an
  // exception. Two alarms of the same moment fire in the order in which they were set.
  virtual Task<void> sleep_until(BootTime when) = 0;

  Task<void> sleep(Duration time) { return sleep_until(now() + time); }
};

// A dead man's switch on this very process: SIGKILL from the kernel at the deadline unless it is
// pushed forward, so a stopped or looping process dies by itself. Not when in D state.
class SelfKill {
 public:
  virtual ~SelfKill() = default;
  virtual void arm(BootTime deadline) = 0;
  virtual void disarm() = 0;
};

// A stream of random numbers; seeded in the simulator, from the kernel otherwise.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
};

}  // namespace ordeal::os
