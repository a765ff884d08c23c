#include "tests/sim/stream.hpp"

#include "tests/sim/host.hpp"

namespace ordeal::sim {
namespace {

constexpr std::size_t kBuffer = 256u << 10;

class SimStream : public os::Stream {
 public:
  SimStream(Node& node, std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : node_(node), in_(std::move(in)), out_(std::move(out)) {}
  ~SimStream() override { close(); }

  Task<Result<std::string>> read_some(std::size_t limit) override {
    World& world = node_.world();
    while (node_.alive()) {
      if (in_->reader_closed) co_return Error(Code::closed, "the stream is closed");
      if (!in_->cut && !in_->pieces.empty() && in_->pieces.front().arrives <= world.now()) {
        co_return take(limit);
      }
      if (in_->pieces.empty() && in_->writer_closed && !in_->cut) {
        co_return Error(Code::closed, "the peer closed the stream");
      }
      const WaitId wait = world.next_wait();
      in_->reading = wait;
      if (!in_->pieces.empty() && !in_->cut) world.wake_at(in_->pieces.front().arrives, wait);
      co_await world.suspend(node_, wait);
    }
    co_return dead();
  }

  Task<Result<void>> write(std::string bytes) override {
    World& world = node_.world();
    if (!node_.alive()) co_return dead();
    world.point(node_, "stream write", "before");
    while (node_.alive() && !out_->reader_closed && !out_->writer_closed && out_->size > kBuffer) {
      const WaitId wait = world.next_wait();
      out_->writing = wait;
      co_await world.suspend(node_, wait);
    }
    if (!node_.alive()) co_return dead();
    if (out_->reader_closed || out_->writer_closed) {
      co_return Error(Code::closed, "the peer closed the stream");
    }
    BootTime arrives = world.now();
    if (out_->latency.count() > 0) {
      arrives += 1us * world.prng().between(0, 2 * out_->latency.count());
    }
    if (!out_->pieces.empty()) arrives = std::max(arrives, out_->pieces.back().arrives);
    out_->size += bytes.size();
    out_->pieces.push_back(Pipe::Piece{arrives, std::move(bytes)});
    if (out_->reading != 0 && !out_->cut) world.wake_at(arrives, out_->reading);
    world.point(node_, "stream write", "after");
    co_return ok();
  }

  void close() override {
    if (!node_.alive()) return;  // the kernel has closed it
    end(*in_, *out_, node_.world());
  }

  static void end(Pipe& in, Pipe& out, World& world) {
    in.reader_closed = true;
    out.writer_closed = true;
    for (Pipe* pipe : {&in, &out}) {
      world.wake(std::exchange(pipe->reading, 0));
      world.wake(std::exchange(pipe->writing, 0));
    }
  }

 private:
  std::string take(std::size_t limit) {
    Pipe::Piece& piece = in_->pieces.front();
    std::string bytes = piece.bytes.substr(0, limit);
    piece.bytes.erase(0, bytes.size());
    if (piece.bytes.empty()) in_->pieces.pop_front();
    in_->size -= bytes.size();
    node_.world().wake(std::exchange(in_->writing, 0));
    return bytes;
  }

  Node& node_;
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
};

}  // namespace

StreamPair make_streams(Node& a, Node& b, Duration latency) {
  const auto there = std::make_shared<Pipe>();
  const auto back = std::make_shared<Pipe>();
  there->latency = back->latency = latency;
  there->writer = back->reader = &a;
  there->reader = back->writer = &b;
  for (Node* node : {&a, &b}) {
    node->machine().sim_host_of(*node).keep(there);
    node->machine().sim_host_of(*node).keep(back);
  }
  return {std::make_unique<SimStream>(a, back, there), std::make_unique<SimStream>(b, there, back)};
}

void SimHost::cut_from(const Node& peer) {
  for (const auto& weak : pipes_) {
    const auto pipe = weak.lock();
    if (pipe && (pipe->writer == &peer || pipe->reader == &peer)) pipe->cut = true;
  }
}

void SimHost::close_streams() {
  for (const auto& weak : pipes_) {
    const auto pipe = weak.lock();
    if (!pipe) continue;
    if (pipe->writer == &node_) pipe->writer_closed = true;
    if (pipe->reader == &node_) pipe->reader_closed = true;
    node_.world().wake(std::exchange(pipe->reading, 0));
    node_.world().wake(std::exchange(pipe->writing, 0));
  }
  pipes_.clear();
}

}  // namespace ordeal::sim
