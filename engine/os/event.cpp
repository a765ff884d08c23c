#include "engine/os/event.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace ordeal::os {

using boost::system::error_code;

class Event::Waiter {
 public:
  virtual ~Waiter() = default;
  virtual void complete(error_code result) = 0;
  bool done() const { return done_; }

 protected:
  bool done_ = false;
};

template <class Handler>
class Event::WaiterOf : public Event::Waiter {
 public:
  WaiterOf(Handler handler, asio::any_io_executor executor)
      : handler_(std::move(handler)), executor_(std::move(executor)) {}

  void complete(error_code result) override {
    if (done_) return;
    done_ = true;
    asio::post(executor_, [handler = std::move(handler_), result]() mutable {
      std::move(handler)(result);
    });
  }

 private:
  Handler handler_;
  asio::any_io_executor executor_;
};

Event::Event() = default;
Event::~Event() = default;

Task<void> Event::wait() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto start = [this, &executor](auto handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    using Handler = decltype(handler);
    std::shared_ptr<Waiter> waiter =
        std::make_shared<WaiterOf<Handler>>(std::move(handler), executor);
    // A cancelled waiter stays in the list until here: a loop of raced waits must not pile them up.
    waiters_.remove_if([](const auto& old) { return old->done(); });
    waiters_.push_back(waiter);
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr<Waiter>(waiter)](asio::cancellation_type) {
        if (const auto waiting = weak.lock()) waiting->complete(asio::error::operation_aborted);
      });
    }
  };
  const asio::use_awaitable_t<asio::any_io_executor> token;
  co_await asio::async_initiate<decltype(token), void(error_code)>(start, token);
}

void Event::notify() {
  std::list<std::shared_ptr<Waiter>> woken;
  woken.swap(waiters_);
  for (const auto& waiter : woken) waiter->complete({});
}

Task<bool> Event::wait_until(Clock& clock, BootTime deadline) {
  using namespace asio::experimental::awaitable_operators;
  const auto first = co_await (wait() || clock.sleep_until(deadline));
  co_return first.index() == 0;
}

}  // namespace ordeal::os
