#include "engine/os/linux/self_kill.hpp"

#include <time.h>

#include <algorithm>
#include <csignal>

#include "engine/base/assert.hpp"

namespace ordeal::os {

LinuxSelfKill::LinuxSelfKill() {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  const int made = ::timer_create(CLOCK_BOOTTIME, &event, &timer_);
  // A fault whose owner may hang for ever must not be injected: better not to start at all.
  ORDEAL_ASSERT(made == 0);
}

LinuxSelfKill::~LinuxSelfKill() { ::timer_delete(timer_); }

void LinuxSelfKill::arm(BootTime deadline) {
  // Zero would disarm; a deadline long past must kill.
  const Duration time = std::max(deadline.time_since_epoch(), Duration(1));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  itimerspec setting{};
  setting.it_value.tv_sec = seconds.count();
  setting.it_value.tv_nsec = std::chrono::nanoseconds(time - seconds).count();
  const int armed = ::timer_settime(timer_, TIMER_ABSTIME, &setting, nullptr);
  ORDEAL_ASSERT(armed == 0);
}

void LinuxSelfKill::disarm() {
  const itimerspec nothing{};
  const int disarmed = ::timer_settime(timer_, 0, &nothing, nullptr);
  ORDEAL_ASSERT(disarmed == 0);
}

}  // namespace ordeal::os
