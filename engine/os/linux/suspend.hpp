// Suspends a coroutine until somebody calls its resume function: the bridge between Asio's
// completion handlers, whose types nobody can name, and lists of those who wait.
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>

#include "engine/os/task.hpp"

namespace ordeal::os {

// Call it once, on the loop's thread. The coroutine goes on from the loop, never inline.
using Resume = std::function<void(boost::system::error_code)>;

// `start(Resume, asio::cancellation_slot)` runs when the coroutine is suspended; it shall install
// what calls Resume with operation_aborted when the slot is emitted. Keeps the loop running.
template <class Start>
Task<void> suspend(Start start) {
  auto initiate = [start = std::move(start)](auto handler) mutable {
    using Handler = decltype(handler);
    const auto slot = asio::get_associated_cancellation_slot(handler);
    auto executor = asio::prefer(asio::get_associated_executor(handler),
                                 asio::execution::outstanding_work.tracked);
    auto shared = std::make_shared<Handler>(std::move(handler));
    Resume resume = [shared, executor](boost::system::error_code problem) {
      asio::post(executor, [shared, problem] { std::move (*shared)(problem); });
    };
    start(std::move(resume), slot);
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(boost::system::error_code)>(
      std::move(initiate), asio::use_awaitable);
}

// Returns when the descriptor is readable, at end of file, or (a pidfd) when the process is gone.
inline Task<void> wait_readable(asio::posix::stream_descriptor& descriptor) {
  co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
}

}  // namespace ordeal::os
