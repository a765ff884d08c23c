// Facts on their way to the front: sent in order by one coroutine, so that a front that does not
// read holds up nothing else.
#pragma once

#include <deque>
#include <map>

#include "engine/os/event.hpp"
#include "engine/os/stream.hpp"
#include "engine/wire/message.hpp"

namespace ordeal::executor {

class Outbox {
 public:
  explicit Outbox(os::Stream& wire) : wire_(wire) {}

  // Answers an order, and remembers the answer for when the order comes again.
  void answer(std::int64_t order, wire::FactBody body);
  // Pushed without being asked. Host values are dropped while the front does not read.
  void push(wire::FactBody body);
  // Sends the remembered answer again. False: the order was never answered.
  bool repeat(std::int64_t order);

  // Until it is cancelled or the wire is gone.
  Task<void> send();
  Task<void> flush(os::Clock& clock, Duration limit);

 private:
  void queue(std::int64_t order, const wire::FactBody& body);

  os::Stream& wire_;
  std::int64_t sequence_ = 0;
  std::deque<std::string> frames_;
  std::map<std::int64_t, wire::FactBody> answers_;
  bool sending_ = false;
  bool broken_ = false;
  os::Event changed_;
};

}  // namespace ordeal::executor
