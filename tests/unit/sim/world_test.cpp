// The simulator's own promises: virtual time, kills that leave nothing running, the same trace for
// the same seed, a disk that loses what was not synced.
#include <csignal>

#include <gtest/gtest.h>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/os/event.hpp"
#include "tests/sim/host.hpp"

namespace ordeal::sim {
namespace {

using namespace asio::experimental::awaitable_operators;

Task<int> add_after(os::Host& host, int a, int b) {
  co_await host.clock().sleep(3s);
  co_return a + b;
}

TEST(World, RunsTasksInVirtualTime) {
  World world(1);
  Machine machine(world);
  Node& node = machine.start("worker");
  const BootTime before = world.now();
  EXPECT_EQ(run_task(node, add_after(node.host(), 2, 3)), 5);
  EXPECT_GE(world.now() - before, 3s);
  EXPECT_LT(world.now() - before, 3s + 1ms);
}

Task<int> race(os::Host& host) {
  const auto first = co_await (host.clock().sleep(5s) || host.clock().sleep(1s));
  co_return static_cast<int>(first.index());
}

TEST(World, CancelsTheLoserOfARace) {
  World world(1);
  Machine machine(world);
  Node& node = machine.start("worker");
  EXPECT_EQ(run_task(node, race(node.host())), 1);
}

// What a real process would hold: a guard whose destructor writes to the machine.
Task<void> hold_table(os::Host& host, bool& destroyed) {
  struct Guard {
    os::Host& host;
    bool& destroyed;
    ~Guard() {
      destroyed = true;
      ignore(host.processes().signal(model::ProcessId{}, SIGCONT), "there is nobody to tell");
      ignore(host.links().remove("ordeal-aaaaaaaa"), "the same");
    }
  };
  const Guard guard{host, destroyed};
  ignore(host.links().add_ifb("ordeal-aaaaaaaa"), "checked by the test");
  os::Event never;  // a frame that only its own waiter keeps
  co_await (never.wait() || host.clock().sleep(100s));
}

TEST(World, KillDestroysFramesButTheirDestructorsDoNothing) {
  World world(1);
  Machine machine(world);
  Node& node = machine.start("worker");
  bool destroyed = false;
  node.spawn(hold_table(node.host(), destroyed));
  world.run_for(1s);
  ASSERT_TRUE(machine.links.contains("ordeal-aaaaaaaa"));
  machine.signal(node.pid(), SIGKILL);
  world.run_for(1s);
  EXPECT_TRUE(destroyed);
  EXPECT_TRUE(machine.links.contains("ordeal-aaaaaaaa"));
  EXPECT_FALSE(node.alive());
}

TEST(World, AStoppedProcessRunsNothingUntilItGoesOn) {
  World world(1);
  Machine machine(world);
  Node& node = machine.start("worker");
  node.stop();
  EXPECT_EQ(run_task(node, add_after(node.host(), 2, 3), 60s), std::nullopt);
  node.resume();
  world.run_for(4s);
  EXPECT_EQ(run_task(node, add_after(node.host(), 2, 3), 60s), 5);
}

TEST(World, SelfKillHitsAStoppedProcess) {
  World world(1);
  Machine machine(world);
  Node& node = machine.start("worker");
  node.self_kill().arm(world.now() + 2s);
  node.stop();
  world.run_for(1s);
  EXPECT_TRUE(node.alive());
  world.run_for(2s);
  EXPECT_FALSE(node.alive());
}

Task<Result<void>> write_ring(os::Host& host) {
  CO_CHECK_OK(host.files().make_directory("/var/lib/ordeal"));
  CO_TRY(auto file, host.files().create_durable("/var/lib/ordeal/ring", 4096));
  CO_CHECK_OK(co_await file->write(512, std::string(512, 'x'), 1s));
  co_return ok();
}

TEST(Disk, KeepsWhatWasSyncedAndOnlyThat) {
  World world(1);
  Machine machine(world);
  Node& node = machine.start("worker");
  const auto done = run_task(node, write_ring(node.host()));
  ASSERT_TRUE(done && done->has_value());
  File& file = machine.disk.files.at("/var/lib/ordeal/ring");
  file.cache[2048] = 'y';
  file.dirty.insert(4);
  machine.power_loss();
  EXPECT_EQ(file.cache.substr(512, 512), std::string(512, 'x'));
  EXPECT_EQ(file.cache.size(), 4096u);
  EXPECT_EQ(file.lock, nullptr);
}

Task<std::string> read_all(os::Stream& stream) {
  std::string out;
  while (true) {
    auto some = co_await stream.read_some(3);
    if (some.has_error()) co_return out + "|" + some.error().message();
    out += some.value();
  }
}

Task<void> say(os::Stream& stream, std::string text) {
  ignore(co_await stream.write(std::move(text)), "the test reads the other end");
}

TEST(Stream, CarriesBytesInOrderAndEndsWithTheWriter) {
  World world(1);
  Machine machine(world);
  Node& a = machine.start("front");
  Node& b = machine.start("worker");
  const auto [left, right] = make_streams(a, b);
  ASSERT_TRUE(run_task(a, say(*left, "hello ")));
  ASSERT_TRUE(run_task(a, say(*left, "world")));
  a.kill("test");
  EXPECT_EQ(run_task(b, read_all(*right)), "hello world|the peer closed the stream");
}

TEST(Machine, RestartsWhatASupervisorKeepsAndUsesPidsAgain) {
  World world(1);
  Machine machine(world);
  furnish(machine);
  const auto before = machine.snapshot();
  for (int i = 0; i < 200; ++i) {
    machine.signal(machine.of_service("shop.service").front()->info.id.pid, SIGKILL);
    world.run_for(1s);
  }
  EXPECT_EQ(machine.snapshot(), before);
  for (const auto& [pid, process] : machine.processes) EXPECT_LE(pid, machine.pid_limit);
}

std::uint64_t trace_of(std::uint64_t seed) {
  World world(seed);
  Machine machine(world);
  furnish(machine);
  Node& node = machine.start("worker");
  bool destroyed = false;
  node.spawn(hold_table(node.host(), destroyed));
  run_task(node, write_ring(node.host()));
  machine.power_loss();
  world.run_for(1s);
  return world.trace_hash();
}

TEST(World, GivesTheSameTraceForTheSameSeed) {
  EXPECT_EQ(trace_of(7), trace_of(7));
  EXPECT_NE(trace_of(7), trace_of(8));
}

}  // namespace
}  // namespace ordeal::sim
