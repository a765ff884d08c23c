// The deterministic world: one thread, virtual time, one seed.
//
//   sim::World world(seed);
//   sim::Machine machine(world);              // tests/sim/machine.hpp
//   sim::Node& node = machine.start("worker");
//   os::Host& host = node.host();
//   auto result = sim::run_task(node, some_task(host));   // empty: the node died before it ended
//
// A Node is one incarnation of one process. It is killed, never restarted: a restart is a new Node.
// Kill -9 runs no destructor of the real process, but here coroutine frames are destroyed; so every
// seam asks Node::alive() first and does nothing for the dead.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>

#include "engine/base/units.hpp"
#include "engine/os/client.hpp"
#include "engine/os/host.hpp"
#include "engine/os/task.hpp"

namespace ordeal::sim {

class Machine;
class Node;
class World;

// SplitMix64: small, and the same on every machine.
class Prng {
 public:
  explicit Prng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  // 0 <= result < bound; bound > 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  std::int64_t between(std::int64_t low, std::int64_t high);  // both inclusive
  bool chance(int per_million) { return static_cast<int>(below(1'000'000)) < per_million; }

 private:
  std::uint64_t state_;
};

// A move-only void() callable.
class Handler {
 public:
  Handler() = default;
  template <class F>
  explicit Handler(F body) : body_(std::make_unique<BodyOf<F>>(std::move(body))) {}
  void operator()() { std::exchange(body_, nullptr)->run(); }

 private:
  struct Body {
    virtual ~Body() = default;
    virtual void run() = 0;
  };
  template <class F>
  struct BodyOf : Body {
    explicit BodyOf(F body) : function(std::move(body)) {}
    void run() override { std::move(function)(); }
    F function;
  };
  std::unique_ptr<Body> body_;
};

// Asio's executor concept on a node. As on io_context, dispatch from the node's own handlers runs at
// once and post never does: Asio 1.81 ends the process when a coroutine is cancelled between its
// co_spawn and its start, which on io_context cannot be.
class SimExecutor {
 public:
  explicit SimExecutor(Node& node, bool at_once = true) : node_(&node), at_once_(at_once) {}

  asio::execution_context& query(asio::execution::context_t) const noexcept;
  asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept {
    if (at_once_) return asio::execution::blocking.possibly;
    return asio::execution::blocking.never;
  }
  SimExecutor require(asio::execution::blocking_t::possibly_t) const {
    return SimExecutor(*node_, true);
  }
  SimExecutor require(asio::execution::blocking_t::never_t) const {
    return SimExecutor(*node_, false);
  }
  template <class F>
  void execute(F&& function) const {
    if (runs_here()) {
      std::forward<F>(function)();
    } else {
      post(Handler(std::forward<F>(function)));
    }
  }
  bool operator==(const SimExecutor& other) const noexcept {
    return node_ == other.node_ && at_once_ == other.at_once_;
  }
  bool operator!=(const SimExecutor& other) const noexcept { return !(*this == other); }

 private:
  bool runs_here() const;
  void post(Handler handler) const;
  Node* node_;
  bool at_once_;
};

// A suspended coroutine, by number: woken at most once.
using WaitId = std::uint64_t;

class Node : public asio::execution_context {
 public:
  Node(World& world, Machine& machine, std::string name, int id);
  ~Node();

  World& world() { return world_; }
  Machine& machine() { return machine_; }
  const std::string& name() const { return name_; }
  int id() const { return id_; }
  std::int64_t pid() const { return pid_; }
  void set_pid(std::int64_t pid) { pid_ = pid; }
  bool alive() const { return alive_; }
  bool stopped() const { return stopped_; }
  asio::any_io_executor executor() { return asio::any_io_executor(SimExecutor(*this)); }
  os::Host& host();
  os::Client& client();
  os::SelfKill& self_kill();

  // Starts a coroutine on this node. An exception that escapes it is a violation.
  void spawn(Task<void> root);
  // Kill -9: the node is dead at once; its frames go at the end of the running step.
  void kill(std::string_view why);
  void stop();  // SIGSTOP: nothing of it runs any more
  void resume();
  // The process ended by itself (its main returned). Same as kill for everybody else.
  void exit() { kill("exit"); }

  // What must happen in the kernel when the process ends (descriptors are closed, children die).
  std::vector<std::function<void()>> at_death;

 private:
  friend class World;
  friend class SimExecutor;
  void drop_everything();

  World& world_;
  Machine& machine_;
  std::string name_;
  int id_;
  std::int64_t pid_ = 0;
  bool alive_ = true;
  bool stopped_ = false;
  bool dropped_ = false;
  std::deque<Handler> ready_;
  std::vector<std::unique_ptr<asio::cancellation_signal>> roots_;
};

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  BootTime now() const { return now_; }
  WallTime wall() const { return WallTime(now_.time_since_epoch() + wall_offset_); }
  void jump_wall_clock(Duration by) { wall_offset_ += by; }
  Prng& prng() { return prng_; }

  Node& add_node(Machine& machine, std::string name);

  // Runs one handler, or moves time to the next timer. False: nothing is left to do.
  bool step();
  // Steps until the condition holds, time is past the limit, or nothing is left. True: it holds.
  bool run_until(const std::function<bool()>& condition, Duration limit = std::chrono::hours(1));
  void run_for(Duration time);

  // ---- for the seams
  WaitId next_wait() { return ++last_wait_; }
  // Suspends the calling coroutine, which runs on `node`, until wake(id). Cancellable.
  Task<void> suspend(Node& node, WaitId id);
  void wake(WaitId id);
  void wake_at(BootTime when, WaitId id);
  // Kernel work at a time: runs even when every node is dead or stopped.
  void at(BootTime when, std::function<void()> work);
  // Something was done that a crash may precede or follow ("create_table", "before").
  void point(Node& node, std::string_view what, std::string_view side);
  std::uint64_t points() const { return points_; }
  std::function<void(Node&, std::string_view what, std::string_view side)> on_point;

  // ---- results
  void violation(std::string text);
  const std::string& first_violation() const { return violation_; }
  std::uint64_t steps() const { return steps_; }
  std::uint64_t trace_hash() const { return hash_; }
  void trace(Node* node, std::string_view text);
  bool print_trace = false;
  bool shuffle = false;  // handlers of one node in any order, not only nodes
  std::uint64_t step_budget = 20'000'000;
  // A state that a campaign must reach sometimes, or its seeds prove nothing.
  void sometimes(const std::string& what) { ++sometimes_[what]; }
  const std::map<std::string, std::uint64_t>& sometimes() const { return sometimes_; }
  // After each step, for invariants.
  std::function<void()> after_step;

 private:
  friend class Machine;
  friend class Node;
  friend class SimExecutor;
  struct Timer {
    BootTime when;
    std::uint64_t seq;
    WaitId wait;
    std::function<void()> work;
    bool operator>(const Timer& other) const {
      return std::tie(when, seq) > std::tie(other.when, other.seq);
    }
  };
  struct Parked {
    Node* node;
    std::function<void(boost::system::error_code)> complete;
    std::shared_ptr<void> owner;  // of the handler
  };
  void park(Node& node, WaitId id, Parked parked);
  void complete(WaitId id, boost::system::error_code result);
  void mix(std::uint64_t value);
  Node* pick();
  void bury();

  Node* running_ = nullptr;  // whose handler runs now
  BootTime now_;
  Duration wall_offset_;
  Prng prng_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Node*> active_;
  bool deaths_ = false;
  std::vector<Timer> timers_;
  std::map<WaitId, Parked> parked_;
  WaitId last_wait_ = 0;
  std::uint64_t timer_seq_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t points_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325;
  std::string violation_;
  std::map<std::string, std::uint64_t> sometimes_;
};

// Runs the task on the node until it ends. Empty: the node died first, or `limit` passed.
template <class T>
std::optional<T> run_task(Node& node, Task<T> task, Duration limit = std::chrono::hours(1)) {
  const auto result = std::make_shared<std::optional<T>>();
  auto wrap = [](Task<T> inner, std::shared_ptr<std::optional<T>> out) -> Task<void> {
    out->emplace(co_await std::move(inner));
  };
  node.spawn(wrap(std::move(task), result));
  node.world().run_until([&] { return result->has_value() || !node.alive(); }, limit);
  return std::move(*result);
}

// The same for a task without a value. False: it did not end.
bool run_task(Node& node, Task<void> task, Duration limit = std::chrono::hours(1));

}  // namespace ordeal::sim
