// Windows of one schedule as intervals of time.
#pragma once

#include "engine/schedule/schedule.hpp"

namespace ordeal::schedule {

// When the window closes that is open now, the latest of several; nothing: none is open.
std::optional<WallTime> closes(const Schedule& schedule, WallTime now);

struct Opening {
  WallTime begin{};
  WallTime end{};
};
// The next window that opens after `after`. Nothing: there is none.
std::optional<Opening> next_opening(const Schedule& schedule, WallTime after);

}  // namespace ordeal::schedule
