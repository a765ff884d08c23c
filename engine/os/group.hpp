// Coroutines that run beside each other and are waited for together. Nothing in ordeal is detached:
// who starts a coroutine joins it.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "engine/os/event.hpp"
#include "engine/os/task.hpp"

namespace ordeal::os {

class Group {
 public:
  explicit Group(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  // Starts it. Its arguments must be values, or outlive the join.
  void spawn(Task<void> task) {
    ++running_;
    asio::co_spawn(executor_, std::move(task), [this](std::exception_ptr problem) {
      if (problem && !problem_) problem_ = problem;
      --running_;
      finished_.notify();
    });
  }

  // Waits for all; rethrows the first exception that ended one of them.
  Task<void> join() {
    while (running_ > 0) co_await finished_.wait();
    if (problem_) std::rethrow_exception(std::exchange(problem_, nullptr));
  }

  int running() const { return running_; }

 private:
  asio::any_io_executor executor_;
  int running_ = 0;
  std::exception_ptr problem_;
  Event finished_;
};

}  // namespace ordeal::os
