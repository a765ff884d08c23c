#pragma once

#include <exception>

#include "engine/os/linux/clock.hpp"

namespace ordeal::os {

// A loop with a real clock. run() returns when the task is done AND nothing else is under way: a
// forgotten alarm or wait would keep it.
struct Loop {
  asio::io_context context;
  LinuxClock clock{context.get_executor()};

  asio::any_io_executor executor() { return context.get_executor(); }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    run([](Task<T> inner, std::optional<T>& out) -> Task<void> { out = co_await std::move(inner); }(
                                                     std::move(task), result));
    return *std::move(result);
  }

  void run(Task<void> task) {
    std::exception_ptr problem;
    asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown) { problem = thrown; });
    context.restart();
    context.run();
    if (problem) std::rethrow_exception(problem);
  }

  Duration since(BootTime start) { return clock.now() - start; }
};

}  // namespace ordeal::os
