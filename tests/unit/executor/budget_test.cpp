// What a front can make a worker hold is bounded, each bound with what stays within it and what
// goes one beyond. The memory is locked: without a bound a front that does not read, or prepares
// without end, takes the host's.
#include <gtest/gtest.h>

#include "engine/executor/budget.hpp"
#include "engine/executor/outbox.hpp"
#include "tests/unit/executor/bench.hpp"

namespace ordeal::executor::test {
namespace {

// Never takes a byte.
class Deaf final : public os::Stream {
 public:
  Task<Result<std::string>> read_some(std::size_t) override { co_return Error(Code::closed, ""); }
  Task<Result<void>> write(std::string) override { co_return ok(); }
  void close() override {}
};

wire::FactBody refusal_of_size(std::size_t size) {
  wire::Refused out;
  out.text.assign(size, 'x');
  return out;
}

struct Queue {
  Deaf wire;
  int unread = 0;
  Outbox outbox{wire, [this] { ++unread; }};
};

TEST(OutboxBudget, TwoOfTheLargestFactsMayWaitAndNotOneByteMore) {
  Queue queue;
  const std::size_t empty = [] {
    Queue one;
    one.outbox.push(refusal_of_size(0));
    return one.outbox.queued();
  }();
  queue.outbox.push(refusal_of_size(wire::kFactLimit + 4 - empty));
  queue.outbox.push(refusal_of_size(wire::kFactLimit + 4 - empty));
  EXPECT_EQ(queue.outbox.queued(), kMostQueued);
  EXPECT_EQ(queue.unread, 0);
  queue.outbox.push(refusal_of_size(0));
  EXPECT_EQ(queue.unread, 1);
  EXPECT_EQ(queue.outbox.queued(), 0u);
  queue.outbox.push(
      refusal_of_size(0));  // nobody is there: nothing is kept, and nothing said again
  EXPECT_EQ(queue.outbox.queued(), 0u);
  EXPECT_EQ(queue.unread, 1);
}

TEST(OutboxBudget, RemembersTheNewestAnswersAndNotMoreThanMayBe) {
  Queue queue;
  for (std::int64_t id = 1; id <= 300; ++id) queue.outbox.answer(id, wire::Done{});
  EXPECT_FALSE(queue.outbox.repeat(44));
  EXPECT_TRUE(queue.outbox.repeat(45));
  EXPECT_TRUE(queue.outbox.repeat(300));
  queue.outbox.answer(301, refusal_of_size(kMostRemembered - 50));
  EXPECT_LE(queue.outbox.remembered(), kMostRemembered + 100);
  EXPECT_FALSE(queue.outbox.repeat(290));
  EXPECT_TRUE(queue.outbox.repeat(301));
}

TEST(OutboxBudget, AnAnswerThatNoFrontWouldReadIsARefusal) {
  Queue queue;
  queue.outbox.answer(1, refusal_of_size(wire::kFactLimit + 1));
  EXPECT_LT(queue.outbox.queued(), 200u);
  EXPECT_EQ(queue.unread, 0);
}

std::string refusal(const wire::FactBody& body) {
  const auto* refused = std::get_if<wire::Refused>(&body);
  return refused == nullptr ? "" : refused->text;
}

wire::Prepare pause(const std::string& step) {
  wire::Prepare order;
  order.request.step = step;
  order.request.name = "pause";
  order.request.fault = "test.pause";
  order.request.target.process.emplace().unit = "shop.service";
  order.request.duration = 30s;
  return order;
}

// Each pauses three processes and weighs some 7 KiB.
TEST_F(ExecutorTest, PreparesWithoutEndAreRefusedAndNothingElseIsHurt) {
  Pair pair(machine_);
  const wire::Prepared held = pair.prepare_pause("method.0", "db.service");
  ASSERT_TRUE(std::holds_alternative<wire::Injected>(pair.inject(held, 60s)));
  int prepared = 0;
  std::string refused;
  for (int i = 1; i < 3000 && refused.empty(); ++i) {
    refused = refusal(pair.ask(pause(fmt::format("method.{}", i))));
    prepared += refused.empty() ? 1 : 0;
    pair.facts.clear();
  }
  EXPECT_NE(refused.find("at most 4096 KiB are"), refused.npos) << refused;
  EXPECT_GE(prepared, 400);  // a legitimate experiment of some hundred steps
  EXPECT_LT(prepared, 1500);
  // The same step again takes the room of its last plan.
  EXPECT_EQ(refusal(pair.ask(pause("method.1"))), "");
  EXPECT_TRUE(std::holds_alternative<wire::AllReverted>(pair.ask(wire::Revert{})));
  EXPECT_EQ(refusal(pair.ask(wire::Bye{})), "");
  pair.read_for(2s);
  EXPECT_EQ(machine_.snapshot(), before_);
}

// More rounds than there is room for: those that are over make room for the next ones.
TEST_F(ExecutorTest, AStepThatIsRepeatedIsNeverRefused) {
  Pair pair(machine_);
  for (int round = 1; round <= 900; ++round) {
    const auto body = pair.ask(pause(fmt::format("method.0#{}", round)));
    ASSERT_EQ(refusal(body), "") << round;
    const auto injected = pair.inject(std::get<wire::Prepared>(body), 60s);
    ASSERT_EQ(refusal(injected), "") << round;
    const auto reverted = pair.ask(wire::Revert{});
    ASSERT_TRUE(std::get<wire::AllReverted>(reverted).ok) << round;
    pair.facts.clear();
  }
  EXPECT_TRUE(std::get<wire::HostReport>(pair.ask(wire::CheckHost{})).clean);
  EXPECT_EQ(machine_.snapshot(), before_);
}

// Each asks a program first, and no answer is waited for.
TEST_F(ExecutorTest, OrdersWithoutEndEndTheSessionAndEverythingIsPutBack) {
  machine_.commands["/usr/bin/role"] = [](sim::Machine&, const std::vector<std::string>&) {
    return os::CommandResult{};
  };
  Pair pair(machine_);
  ASSERT_TRUE(std::holds_alternative<wire::Injected>(
      pair.inject(pair.prepare_pause("method.0", "db.service"), 60s)));
  std::string flood;
  for (int i = 0; i < 600; ++i) {
    wire::Prepare asked = pause(fmt::format("method.{}", i + 1));
    asked.request.target.where.emplace();
    asked.request.target.where->exec = {"/usr/bin/role"};
    asked.request.target.where->stdout_pattern = "^master$";
    wire::Order order;
    order.id = 1000 + i;
    order.body = std::move(asked);
    flood += wire::encode(order);
  }
  pair.write(std::move(flood));
  pair.read_for(10s);
  EXPECT_EQ(stopped("db.service"), 0u);
  EXPECT_EQ(pair.worker_code(), 0);
  ASSERT_FALSE(pair.of<wire::StepReverted>().empty());
  EXPECT_EQ(pair.of<wire::StepReverted>()[0].why, "too many orders at once");
}

// The injections of a `parallel` with 300 steps, all at once.
TEST_F(ExecutorTest, ThreeHundredOrdersAtOnceAreAnswered) {
  Pair pair(machine_);
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 300; ++i) ids.push_back(pair.send(wire::CheckHost{}));
  for (const std::int64_t id : ids) {
    EXPECT_TRUE(std::holds_alternative<wire::HostReport>(pair.answer(id)));
  }
  EXPECT_TRUE(pair.worker().alive());
}

}  // namespace
}  // namespace ordeal::executor::test
