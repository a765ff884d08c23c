// Facts on their way to the front: sent in order by one coroutine, so that a front that does not
// read holds up nothing else. What waits for it is bounded (budget.hpp): beyond that it is gone.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "engine/os/event.hpp"
#include "engine/os/stream.hpp"
#include "engine/wire/message.hpp"

namespace ordeal::executor {

class Outbox {
 public:
  // `unread` is called once, when more waits than a front that reads would let come together.
  Outbox(os::Stream& wire, std::function<void()> unread)
      : wire_(wire), unread_(std::move(unread)) {}

  // Answers an order, and remembers the answer for when the order comes again.
  void answer(std::int64_t order, wire::FactBody body);
  // Pushed without being asked. Host values are dropped while the front does not read.
  void push(wire::FactBody body);
  // Sends the remembered answer again. False: the order was never answered, or long ago.
  bool repeat(std::int64_t order);

  // Until it is cancelled or the wire is gone.
  Task<void> send();
  Task<void> flush(os::Clock& clock, Duration limit);

  std::size_t queued() const { return queued_; }          // bytes
  std::size_t remembered() const { return remembered_; }  // bytes

 private:
  std::string frame_of(std::int64_t order, wire::FactBody body);
  void remember(std::int64_t order, const std::string& frame);
  void queue(std::string frame);

  os::Stream& wire_;
  std::function<void()> unread_;
  std::int64_t sequence_ = 0;
  std::deque<std::string> frames_;
  std::size_t queued_ = 0;
  std::map<std::int64_t, std::string> answers_;  // frames, by order
  std::size_t remembered_ = 0;
  bool sending_ = false;
  bool broken_ = false;
  os::Event changed_;
};

}  // namespace ordeal::executor
