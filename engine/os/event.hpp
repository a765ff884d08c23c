// Wakes coroutines: the one way in which parts of a run wait for each other. No threads, no locks;
// it works on any executor.
#pragma once

#include <list>
#include <memory>

#include "engine/os/clock.hpp"
#include "engine/os/task.hpp"

namespace ordeal::os {

class Event {
 public:
  Event();
  ~Event();  // those who still wait are never woken
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Returns at the next notify(). Cancellation travels as an exception.
  Task<void> wait();
  // Wakes everyone who waits now. Never runs them inline.
  void notify();

  // A call of notify() by then? The state that it stands for must be checked by the caller.
  Task<bool> wait_until(Clock& clock, BootTime deadline);

 private:
  class Waiter;
  class Waiting;
  template <class Handler>
  class WaiterOf;
  std::list<std::shared_ptr<Waiter>> waiters_;
};

}  // namespace ordeal::os
