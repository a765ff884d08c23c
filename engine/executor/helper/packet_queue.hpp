// The listening end of one NFQUEUE, by plain netlink: only packet ids are read, never contents.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/base/result.hpp"

namespace ordeal::helper {

class PacketQueue {
 public:
  PacketQueue() = default;
  PacketQueue(const PacketQueue&) = delete;
  PacketQueue& operator=(const PacketQueue&) = delete;
  ~PacketQueue();

  // Binds to the queue. At most `limit` packets wait; more pass at once (fail open).
  Result<void> open(std::uint16_t number, std::uint32_t limit);
  int fd() const { return fd_; }
  // Ids of the packets that came since, in their order. Never waits.
  std::vector<std::uint32_t> receive();
  // Lets packets go on. `ordered`: everything up to the last id goes, in one message.
  void release(std::span<const std::uint32_t> ids, bool ordered);
  // From now on packets are not held any more but pass at once.
  void pass_everything();

 private:
  int fd_ = -1;
  std::uint16_t number_ = 0;
  std::vector<char> buffer_;
  std::vector<char> verdicts_;
};

}  // namespace ordeal::helper
