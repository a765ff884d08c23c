// What a far side that is not what it should be can do to us.
#include "engine/fleet/executor.hpp"

#include <gtest/gtest.h>

#include <deque>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/os/event.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::fleet {
namespace {

// Says these things one after the other, and ends.
class Speaker final : public os::Stream {
 public:
  explicit Speaker(std::deque<std::string> words) : words_(std::move(words)) {}
  Task<Result<std::string>> read_some(std::size_t) override {
    if (words_.empty()) co_return Error(Code::closed, "the end");
    std::string out = std::move(words_.front());
    words_.pop_front();
    co_return out;
  }
  Task<Result<void>> write(std::string) override { co_return ok(); }
  void close() override {}

 private:
  std::deque<std::string> words_;
};

// A line without an end is forgotten before it fills our memory, and what follows is heard.
TEST(ExecutorWire, ALineOfTheKeeperThatNeverEndsIsNotKept) {
  constexpr std::size_t kPart = 64u << 10;
  std::deque<std::string> words((wire::kFactLimit + kPart) / kPart, std::string(kPart, 'x'));
  words.emplace_back("{\"keeper\":\"halt\",\"clean\":true,\"undos\":[]}\n");
  os::Loop loop;
  std::optional<wire::KeeperReport> heard;
  Pushed pushed;
  pushed.lost = [&heard](const std::string&, std::optional<wire::KeeperReport> keeper) {
    heard = std::move(keeper);
  };
  Executor executor(loop.clock, std::make_unique<Speaker>(std::deque<std::string>{}),
                    std::make_unique<Speaker>(std::move(words)), std::move(pushed));
  loop.run(executor.run());
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->keeper, "halt");
}

std::string said(wire::FactBody body, std::int64_t re = 0) {
  wire::Fact fact;
  fact.re = re;
  fact.body = std::move(body);
  return wire::encode(fact);
}

wire::FactBody values() {
  wire::HostFact out;
  for (const char* name : {"cpu", "memory_available", "memory_used", "memory_total", "swap_used",
                           "load1", "cpu_pressure", "memory_pressure", "io_pressure"}) {
    out.values[name] = 123456789.25;
  }
  return out;
}

wire::FactBody reverted(const std::string& step, std::size_t size = 100) {
  wire::StepReverted out;
  out.step = step;
  out.why = "ordered";
  out.last_effect.text.assign(size, 'x');
  return out;
}

// How a front loses a host that says these things; empty: it heard them all and the wire ended.
struct Heard {
  std::string lost;
  int values = 0;
  int reverted = 0;
};

Heard hear(std::deque<std::string> words, const std::string& ordered = "") {
  os::Loop loop;
  Heard out;
  Pushed pushed;
  pushed.host_values = [&out](const wire::HostFact&) { ++out.values; };
  pushed.step_reverted = [&out](const wire::StepReverted&) { ++out.reverted; };
  pushed.lost = [&out](const std::string& reason, std::optional<wire::KeeperReport>) {
    out.lost = reason;
  };
  Executor executor(loop.clock, std::make_unique<Speaker>(std::move(words)), nullptr,
                    std::move(pushed));
  auto both = [&]() -> Task<void> {
    using namespace asio::experimental::awaitable_operators;
    if (ordered.empty()) {
      co_await executor.run();
    } else {
      std::string step = ordered;
      std::string digest = "digest";
      co_await (executor.ready(std::move(step), std::move(digest)) && executor.run());
    }
  };
  loop.run(both());
  return out;
}

constexpr const char* kFarMore = "it said far more than it was asked for";

TEST(FactBudget, AHostMayPushFourThousandFactsAtOnceAndNotOneMore) {
  EXPECT_EQ(hear(std::deque<std::string>(4000, said(values()))).lost, "the wire was closed");
  const Heard more = hear(std::deque<std::string>(4200, said(values())));
  EXPECT_EQ(more.lost, kFarMore);
  // The loop takes a moment, in which some more may come.
  EXPECT_GE(more.values, 4000);
  EXPECT_LT(more.values, 4200);
}

// A step with a thousand processes says 200 KiB; one fact may have a MiB.
TEST(FactBudget, AHostMaySayFourMegabytesAtOnceAndNotMore) {
  constexpr std::size_t kPart = 500'000;
  const std::string part = said(reverted("method.0", kPart));
  EXPECT_EQ(hear(std::deque<std::string>(8, part), "method.0").lost, "the wire was closed");
  const Heard more = hear(std::deque<std::string>(30, part), "method.0");
  EXPECT_EQ(more.lost, kFarMore);
  EXPECT_EQ(more.reverted, 8);
}

TEST(FactBudget, AThousandStepsOfOneHostMayBeRevertedAtOnce) {
  const Heard heard =
      hear(std::deque<std::string>(1000, said(reverted("method.0", 400))), "method.0");
  EXPECT_EQ(heard.reverted, 1000);
  EXPECT_EQ(heard.lost, "the wire was closed");
}

TEST(FactBudget, AStepThatWasNeverOrderedThereEndsTheWire) {
  const Heard heard = hear({said(reverted("method.7")), said(reverted("method.7"))});
  EXPECT_EQ(heard.lost, "it spoke of step method.7, which was not ordered there");
  EXPECT_EQ(heard.reverted, 0);
}

TEST(FactBudget, AnswersToNobodyAreNoWayAroundIt) {
  std::deque<std::string> words;
  for (int i = 0; i < 4200; ++i) words.push_back(said(wire::Done{}, 1'000'000 + i));
  EXPECT_EQ(hear(std::move(words)).lost, kFarMore);
}

// Takes nothing, says nothing.
class Stuck final : public os::Stream {
 public:
  explicit Stuck(os::Event& closed) : closed_(closed) {}
  Task<Result<std::string>> read_some(std::size_t) override {
    co_await closed_.wait();
    co_return Error(Code::closed, "closed");
  }
  Task<Result<void>> write(std::string) override {
    co_await closed_.wait();
    co_return Error(Code::closed, "closed");
  }
  void close() override { closed_.notify(); }

 private:
  os::Event& closed_;
};

TEST(FactBudget, AHostThatDoesNotReadItsOrdersIsLost) {
  os::Loop loop;
  os::Event closed;
  std::string lost;
  Pushed pushed;
  pushed.lost = [&lost](const std::string& reason, std::optional<wire::KeeperReport>) {
    lost = reason;
  };
  Executor executor(loop.clock, std::make_unique<Stuck>(closed), nullptr, std::move(pushed));
  auto both = [&]() -> Task<void> {
    using namespace asio::experimental::awaitable_operators;
    auto orders = [&]() -> Task<void> {
      // Two a second for an hour are no reason.
      for (int i = 0; i < 7200; ++i) ignore(executor.renew(5s, i), "it is looked at below");
      EXPECT_FALSE(executor.lost());
      co_await loop.clock.sleep(10ms);
      EXPECT_FALSE(executor.lost());
      for (int i = 0; i < 20'000; ++i) ignore(executor.renew(5s, i), "it is looked at below");
    };
    co_await (executor.run() && orders());
  };
  loop.run(both());
  EXPECT_EQ(lost, "it does not read its orders");
}

// Lines of one byte, a megabyte of them: reading them costs their length, not its square.
TEST(FactBudget, ManyShortLinesOfTheKeeperCostLittle) {
  std::deque<std::string> words;
  for (int i = 0; i < 16; ++i) words.emplace_back(64u << 10, '\n');
  os::Loop loop;
  Pushed pushed;
  Executor executor(loop.clock, std::make_unique<Speaker>(std::deque<std::string>{}),
                    std::make_unique<Speaker>(std::move(words)), std::move(pushed));
  const BootTime begun = loop.clock.now();
  loop.run(executor.run());
  EXPECT_LT(loop.clock.now() - begun, 3s);  // 30 s when the rest was moved for each line
}

}  // namespace
}  // namespace ordeal::fleet
