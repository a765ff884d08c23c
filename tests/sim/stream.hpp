#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "engine/os/stream.hpp"
#include "tests/sim/world.hpp"

namespace ordeal::sim {

// One direction: what was written, when it arrives, who waits for it.
struct Pipe {
  struct Piece {
    BootTime arrives;
    std::string bytes;
  };
  std::deque<Piece> pieces;
  std::size_t size = 0;
  bool writer_closed = false;
  bool reader_closed = false;
  Node* writer = nullptr;
  Node* reader = nullptr;
  WaitId reading = 0;  // 0: nobody
  WaitId writing = 0;
  Duration latency{};  // 0 to twice this for each piece
  bool cut = false;    // nothing arrives any more, and nobody is told
};

using StreamPair = std::pair<std::unique_ptr<os::Stream>, std::unique_ptr<os::Stream>>;

// A socketpair between two processes; each end closes when its process dies.
StreamPair make_streams(Node& a, Node& b, Duration latency = 50us);

}  // namespace ordeal::sim
