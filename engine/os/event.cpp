#include "engine/os/event.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace ordeal::os {

using boost::system::error_code;

class Event::Waiter {
 public:
  virtual ~Waiter() = default;
  virtual void complete(error_code result) = 0;
  // Destroys the coroutine instead of waking it.
  virtual void drop() = 0;
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
    asio::post(executor_,
               [handler = std::move(handler_), result]() mutable { std::move(handler)(result); });
  }

  void drop() override {
    if (done_) return;
    done_ = true;
    const Handler gone = std::move(handler_);
  }

 private:
  Handler handler_;
  asio::any_io_executor executor_;
};

// A coroutine that waits on an Event in its own frame is held by nothing but itself. So, as Asio
// does for its own operations, the context knows who waits in it and drops them at its shutdown.
class Event::Waiting : public asio::execution_context::service {
 public:
  using key_type = Waiting;
  static inline asio::execution_context::id id;

  explicit Waiting(asio::execution_context& context) : service(context) {}

  void add(const std::shared_ptr<Waiter>& waiter) {
    if (all_.size() >= prune_at_) {
      std::erase_if(all_, [](const auto& old) {
        const auto held = old.lock();
        return !held || held->done();
      });
      prune_at_ = std::max<std::size_t>(64, 2 * all_.size());
    }
    all_.push_back(waiter);
  }

 private:
  void shutdown() override {
    while (!all_.empty()) {
      std::vector<std::weak_ptr<Waiter>> some;
      some.swap(all_);
      for (const auto& waiter : some) {
        if (const auto held = waiter.lock()) held->drop();
      }
    }
  }

  std::vector<std::weak_ptr<Waiter>> all_;
  std::size_t prune_at_ = 64;
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
    auto& context = asio::query(executor, asio::execution::context);
    asio::use_service<Waiting>(context).add(waiter);
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
