// Packets that wait for their time.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

namespace ordeal::helper {

// Times are nanoseconds of any one clock. Packets of the same time leave in the order they came.
class HoldQueue {
 public:
  void hold(std::uint32_t id, std::int64_t due) { waiting_.push({due, arrivals_++, id}); }

  // When the next one is due; nothing when none waits.
  std::optional<std::int64_t> next() const {
    if (waiting_.empty()) return std::nullopt;
    return waiting_.top().due;
  }

  // Takes out the ids that are due at `now`, first due first.
  std::vector<std::uint32_t> take(std::int64_t now) {
    std::vector<std::uint32_t> ids;
    while (!waiting_.empty() && waiting_.top().due <= now) {
      ids.push_back(waiting_.top().id);
      waiting_.pop();
    }
    return ids;
  }

  std::size_t size() const { return waiting_.size(); }

 private:
  struct Packet {
    std::int64_t due;
    std::uint64_t arrival;
    std::uint32_t id;
    bool operator>(const Packet& other) const {
      return due != other.due ? due > other.due : arrival > other.arrival;
    }
  };

  std::priority_queue<Packet, std::vector<Packet>, std::greater<>> waiting_;
  std::uint64_t arrivals_ = 0;
};

}  // namespace ordeal::helper
