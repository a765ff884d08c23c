// What keeper and worker know of each other: a pipe with notices of nine bytes, and, for the
// keeper, a hold on the worker's process. No text is parsed here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/base/units.hpp"
#include "engine/os/task.hpp"

namespace ordeal::executor {

// How a worker ended.
struct WorkerEnd {
  bool clean = false;  // it left with code 0: nothing is injected, its journal is removed
  std::string text;    // "exit 1", "signal 9"
};

// The keeper's hold on its child: a pidfd. In the simulator: a node.
class WorkerProcess {
 public:
  virtual ~WorkerProcess() = default;
  // Returns when every thread of it has ended; again and again once it has.
  virtual Task<WorkerEnd> wait() = 0;
  // SIGKILL. Does nothing to one that is in D state.
  virtual void kill() = 0;
  // Why it does not die: "D (jbd2_log_wait_commit)"; empty when it is not there.
  virtual std::string state() const = 0;
};

// While nothing is injected: how often a process shows the kernel that it lives, and when the
// kernel kills it otherwise: before the front stops waiting for its word (fleet's kRevertTime).
inline constexpr Duration kIdlePulse = 30s;
inline constexpr Duration kIdleReach = 60s;

struct Notice {
  enum class Kind : char {
    active = 'A',     // worker: something is injected; the lease ends at `deadline`
    reverting = 'R',  // worker: I am undoing; more news by `deadline`
    idle = 'I',       // worker: nothing is injected
    ask = 'Q',        // worker: I am about to inject, as for active; do you watch?
    heard = 'K',      // keeper: I do
    halt = 'H',       // keeper: the latch is set, revert everything
  };
  Kind kind = Kind::idle;
  BootTime deadline{};
};

std::string encode(const Notice& notice);

// Cuts a stream of bytes into notices; bytes that are none are skipped.
class NoticeReader {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  std::optional<Notice> next();

 private:
  std::string buffer_;
};

}  // namespace ordeal::executor
