#include "engine/executor/outbox.hpp"

#include "engine/executor/budget.hpp"

namespace ordeal::executor {
namespace {

constexpr std::size_t kBusy = 16;
constexpr std::size_t kLongestFrame = wire::kFactLimit + 4;

}  // namespace

void Outbox::answer(std::int64_t order, wire::FactBody body) {
  std::string frame = frame_of(order, std::move(body));
  if (frame.size() > kLongestFrame) {
    // The front would take it for a broken wire.
    wire::Refused refused;
    refused.text =
        fmt::format("the answer has {} bytes; at most {} are sent", frame.size(), kLongestFrame);
    frame = frame_of(order, std::move(refused));
  }
  remember(order, frame);
  queue(std::move(frame));
}

void Outbox::push(wire::FactBody body) {
  if (std::holds_alternative<wire::HostFact>(body) && frames_.size() > kBusy) return;
  queue(frame_of(0, std::move(body)));
}

bool Outbox::repeat(std::int64_t order) {
  const auto found = answers_.find(order);
  if (found == answers_.end()) return false;
  queue(found->second);
  return true;
}

std::string Outbox::frame_of(std::int64_t order, wire::FactBody body) {
  wire::Fact fact;
  fact.seq = ++sequence_;
  fact.re = order;
  fact.body = std::move(body);
  return wire::encode(fact);
}

void Outbox::remember(std::int64_t order, const std::string& frame) {
  std::string& kept = answers_[order];
  remembered_ += frame.size() - kept.size();
  kept = frame;
  while (answers_.size() > 1 && (answers_.size() > kMostAnswers || remembered_ > kMostRemembered)) {
    const auto oldest =
        answers_.begin()->first == order ? std::next(answers_.begin()) : answers_.begin();
    remembered_ -= oldest->second.size();
    answers_.erase(oldest);
  }
}

void Outbox::queue(std::string frame) {
  if (broken_) return;
  if (queued_ + frame.size() > kMostQueued) {
    broken_ = true;
    frames_.clear();
    queued_ = 0;
    changed_.notify();
    return unread_();
  }
  queued_ += frame.size();
  frames_.push_back(std::move(frame));
  changed_.notify();
}

Task<void> Outbox::send() {
  while (true) {
    while (!frames_.empty() && !broken_) {
      std::string frame = std::move(frames_.front());
      frames_.pop_front();
      queued_ -= frame.size();
      sending_ = true;
      const auto written = co_await wire_.write(std::move(frame));
      sending_ = false;
      broken_ = broken_ || written.has_error();
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
