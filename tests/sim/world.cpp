#include "tests/sim/world.hpp"

#include <cstdio>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/base/assert.hpp"
#include "tests/sim/machine.hpp"

namespace ordeal::sim {

using boost::system::error_code;

std::uint64_t Prng::next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::int64_t Prng::between(std::int64_t low, std::int64_t high) {
  ORDEAL_ASSERT(low <= high);
  return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
}

asio::execution_context& SimExecutor::query(asio::execution::context_t) const noexcept {
  return *node_;
}

bool SimExecutor::runs_here() const {
  return at_once_ && node_->alive_ && node_->world_.running_ == node_;
}

void SimExecutor::post(Handler handler) const {
  node_->ready_.push_back(std::move(handler));
  if (!node_->alive_) node_->world_.deaths_ = true;  // trap 1: frames of the dead come back here
}

// ---- Node ---------------------------------------------------------------------------------------

Node::Node(World& world, Machine& machine, std::string name, int id)
    : world_(world), machine_(machine), name_(std::move(name)), id_(id) {}

Node::~Node() {
  shutdown();
  destroy();
}

os::Host& Node::host() { return machine_.host_of(*this); }
os::Client& Node::client() { return machine_.client_of(*this); }
os::SelfKill& Node::self_kill() { return machine_.self_kill_of(*this); }

void Node::spawn(Task<void> root) {
  roots_.push_back(std::make_unique<asio::cancellation_signal>());
  auto ended = [this](std::exception_ptr problem) {
    if (!problem || !alive_) return;
    try {
      std::rethrow_exception(problem);
    } catch (const std::exception& exception) {
      world_.violation(fmt::format("{}: uncaught exception: {}", name_, exception.what()));
    }
  };
  const asio::any_io_executor on = executor();
  asio::co_spawn(on, std::move(root), asio::bind_cancellation_slot(roots_.back()->slot(), ended));
}

void Node::kill(std::string_view why) {
  if (!alive_) return;
  world_.trace(this, fmt::format("dies: {}", why));
  alive_ = false;
  world_.deaths_ = true;
  for (const auto& work : at_death) work();
  at_death.clear();
}

void Node::stop() {
  if (!alive_ || stopped_) return;
  world_.trace(this, "SIGSTOP");
  stopped_ = true;
}

void Node::resume() {
  if (!stopped_) return;
  world_.trace(this, "SIGCONT");
  stopped_ = false;
}

// Trap 1: destroying a handler destroys frames, which post other frames back. Until nothing comes.
void Node::drop_everything() {
  if (!dropped_) {
    for (auto& root : roots_) root->emit(asio::cancellation_type::terminal);
  }
  while (true) {
    std::vector<World::Parked> parked;
    for (auto it = world_.parked_.begin(); it != world_.parked_.end();) {
      if (it->second.node != this) {
        ++it;
        continue;
      }
      parked.push_back(std::move(it->second));
      it = world_.parked_.erase(it);
    }
    shutdown();  // waiters of os::Event
    if (parked.empty() && ready_.empty()) break;
    parked.clear();
    std::deque<Handler> handlers;
    handlers.swap(ready_);
  }
  dropped_ = true;
}

// ---- World --------------------------------------------------------------------------------------

World::World(std::uint64_t seed)
    : now_(BootTime(1000s)), wall_offset_(std::chrono::seconds(1'795'000'000)), prng_(seed) {}

World::~World() {
  for (Node* node : active_) node->alive_ = false;
  deaths_ = true;
  bury();
  timers_.clear();
  nodes_.clear();
}

Node& World::add_node(Machine& machine, std::string name) {
  const int id = static_cast<int>(nodes_.size()) + 1;
  nodes_.push_back(std::make_unique<Node>(*this, machine, std::move(name), id));
  active_.push_back(nodes_.back().get());
  return *nodes_.back();
}

Node* World::pick() {
  std::size_t count = 0;
  Node* chosen = nullptr;
  for (Node* node : active_) {
    if (node->stopped_ || node->ready_.empty()) continue;
    ++count;
    chosen = node;
  }
  if (count < 2) return chosen;
  std::size_t index = prng_.below(count);
  for (Node* node : active_) {
    if (node->stopped_ || node->ready_.empty()) continue;
    if (index-- == 0) return node;
  }
  return nullptr;
}

bool World::step() {
  bury();
  if (++steps_ > step_budget) {
    violation("step budget used up: something runs in circles");
    return false;
  }
  if (Node* node = pick()) {
    if (shuffle && node->ready_.size() > 1) {
      std::swap(node->ready_.front(), node->ready_[prng_.below(node->ready_.size())]);
    }
    Handler handler = std::move(node->ready_.front());
    node->ready_.pop_front();
    now_ += 1us;  // nothing takes no time at all
    mix(static_cast<std::uint64_t>(node->id_));
    running_ = node;
    handler();
    running_ = nullptr;
  } else {
    if (timers_.empty()) return false;
    std::pop_heap(timers_.begin(), timers_.end(), std::greater<>());
    Timer timer = std::move(timers_.back());
    timers_.pop_back();
    now_ = std::max(now_, timer.when);
    mix(timer.seq);
    if (timer.work) timer.work();
    if (timer.wait != 0) wake(timer.wait);
  }
  bury();
  if (after_step) after_step();
  return true;
}

// Frames of nodes that died in this step, and what dead ones have posted since.
void World::bury() {
  while (deaths_) {
    deaths_ = false;
    const std::size_t count = nodes_.size();
    for (std::size_t i = 0; i < count; ++i) {
      if (!nodes_[i]->alive_ && (!nodes_[i]->dropped_ || !nodes_[i]->ready_.empty())) {
        nodes_[i]->drop_everything();
      }
    }
    std::erase_if(active_, [](Node* node) { return !node->alive_; });
  }
}

bool World::run_until(const std::function<bool()>& condition, Duration limit) {
  const BootTime end = now_ + limit;
  at(end, [] {});  // so that time gets there even when nothing else happens
  while (!condition()) {
    if (now_ >= end || !step()) return condition();
  }
  return true;
}

void World::run_for(Duration time) {
  run_until([] { return false; }, time);
}

void World::at(BootTime when, std::function<void()> work) {
  timers_.push_back(Timer{std::max(when, now_), ++timer_seq_, 0, std::move(work)});
  std::push_heap(timers_.begin(), timers_.end(), std::greater<>());
}

void World::wake_at(BootTime when, WaitId id) {
  timers_.push_back(Timer{std::max(when, now_), ++timer_seq_, id, nullptr});
  std::push_heap(timers_.begin(), timers_.end(), std::greater<>());
}

void World::park(Node& node, WaitId id, Parked parked) {
  parked_.emplace(id, std::move(parked));
  if (!node.alive_) deaths_ = true;
}

void World::wake(WaitId id) { complete(id, error_code()); }

void World::complete(WaitId id, error_code result) {
  const auto found = parked_.find(id);
  if (found == parked_.end()) return;
  const Parked parked = std::move(found->second);
  parked_.erase(found);
  parked.complete(result);
}

Task<void> World::suspend(Node& node, WaitId id) {
  const asio::any_io_executor on = node.executor();
  auto start = [this, &node, id, on](auto handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    const auto kept = std::make_shared<decltype(handler)>(std::move(handler));
    auto complete_later = [kept = std::weak_ptr(kept), on](error_code result) {
      const auto held = kept.lock();
      asio::post(on, [moved = std::move(*held), result]() mutable { std::move(moved)(result); });
    };
    park(node, id, Parked{&node, complete_later, kept});
    if (slot.is_connected()) {
      slot.assign(
          [this, id](asio::cancellation_type) { complete(id, asio::error::operation_aborted); });
    }
  };
  const asio::use_awaitable_t<asio::any_io_executor> token;
  co_await asio::async_initiate<decltype(token), void(error_code)>(start, token);
}

void World::point(Node& node, std::string_view what, std::string_view side) {
  ++points_;
  trace(&node, fmt::format("point {} {} {}", points_, side, what));
  if (on_point) on_point(node, what, side);
}

void World::violation(std::string text) {
  trace(nullptr, "VIOLATION " + text);
  if (violation_.empty()) {
    violation_ = fmt::format("at {}: {}", format_duration(now_ - BootTime(1000s)), text);
  }
}

void World::trace(Node* node, std::string_view text) {
  for (const char c : text) mix(static_cast<unsigned char>(c));
  if (!print_trace) return;
  const double seconds = static_cast<double>((now_ - BootTime(1000s)).count()) / 1e6;
  fmt::print("{:12.6f} {:10} {}\n", seconds, node ? node->name() : "-", text);
}

void World::mix(std::uint64_t value) {
  hash_ =
      (hash_ ^ value ^ static_cast<std::uint64_t>(now_.time_since_epoch().count())) * 0x100000001b3;
}

bool run_task(Node& node, Task<void> task, Duration limit) {
  const auto done = std::make_shared<bool>(false);
  auto wrap = [](Task<void> inner, std::shared_ptr<bool> out) -> Task<void> {
    co_await std::move(inner);
    *out = true;
  };
  node.spawn(wrap(std::move(task), done));
  node.world().run_until([&] { return *done || !node.alive(); }, limit);
  return *done;
}

}  // namespace ordeal::sim
