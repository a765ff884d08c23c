// The arithmetic of the CPU burners, apart from clocks and threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ordeal::helper {

// Says how far a thread's CPU clock may run. It is a closed loop: whatever was burned too little or
// too much is made up for in the next periods, so the mean is exact although a single period is
// not. Times in nanoseconds, duty in parts per million of one core.
class DutyCycle {
 public:
  // What a thread may owe: a steal of this length is made up for, a longer one is not, so that a
  // machine that gets free again is not hit by a burst of old debt.
  static constexpr std::int64_t kMostOwed = 200'000'000;

  explicit DutyCycle(std::int64_t cpu_now) : goal_(cpu_now) {}

  // `elapsed` more time is about to be shared out; the clock stands at `cpu_now`. Returns where to
  // stop it.
  std::int64_t advance(std::int64_t elapsed, std::int64_t duty_ppm, std::int64_t cpu_now) {
    const __int128 exact = static_cast<__int128>(elapsed) * duty_ppm + rest_;
    goal_ += static_cast<std::int64_t>(exact / 1'000'000);
    rest_ = static_cast<std::int64_t>(exact % 1'000'000);
    goal_ = std::min(goal_, cpu_now + kMostOwed);
    return goal_;
  }

 private:
  std::int64_t goal_;
  std::int64_t rest_ = 0;  // millionths of a nanosecond that were not shared out yet
};

// For `mode: reach`: what all workers together shall burn next, from what they are told to burn
// now, the load that is wanted and the load that was measured, ours included. Half of the gap is
// closed at each step, so that a noisy reading does not swing the load. All in parts per million
// of one core.
inline std::int64_t next_total(std::int64_t now, std::int64_t wanted, std::int64_t measured,
                               std::int64_t most) {
  return std::clamp<std::int64_t>(now + (wanted - measured) / 2, 0, most);
}

}  // namespace ordeal::helper
