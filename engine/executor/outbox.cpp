#include "engine/executor/outbox.hpp"

namespace ordeal::executor {
namespace {

constexpr std::size_t kMostAnswers = 256;
constexpr std::size_t kMostFrames = 1024;  // then the front is as good as gone
constexpr std::size_t kBusy = 16;

}  // namespace

void Outbox::answer(std::int64_t order, wire::FactBody body) {
  queue(order, body);
  answers_.insert_or_assign(order, std::move(body));
  if (answers_.size() > kMostAnswers) answers_.erase(answers_.begin());
}

void Outbox::push(wire::FactBody body) {
  if (std::holds_alternative<wire::HostFact>(body) && frames_.size() > kBusy) return;
  queue(0, body);
}

bool Outbox::repeat(std::int64_t order) {
  const auto found = answers_.find(order);
  if (found == answers_.end()) return false;
  queue(order, found->second);
  return true;
}

void Outbox::queue(std::int64_t order, const wire::FactBody& body) {
  if (broken_ || frames_.size() >= kMostFrames) return;
  wire::Fact fact;
  fact.seq = ++sequence_;
  fact.re = order;
  fact.body = body;
  frames_.push_back(wire::encode(fact));
  changed_.notify();
}

Task<void> Outbox::send() {
  while (true) {
    while (!frames_.empty() && !broken_) {
      std::string frame = std::move(frames_.front());
      frames_.pop_front();
      sending_ = true;
      const auto written = co_await wire_.write(std::move(frame));
      sending_ = false;
      broken_ = written.has_error();
    }
    changed_.notify();
    co_await changed_.wait();
  }
}

Task<void> Outbox::flush(os::Clock& clock, Duration limit) {
  const BootTime end = clock.now() + limit;
  while (!broken_ && (sending_ || !frames_.empty()) && clock.now() < end) {
    co_await changed_.wait_until(clock, end);
  }
}

}  // namespace ordeal::executor
