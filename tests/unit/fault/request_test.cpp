// Goal: what came over a wire is checked against the executor's own descriptions, before any plan.
#include <gtest/gtest.h>

#include "engine/base/json.hpp"
#include "engine/fault/resolve.hpp"
#include "faults/catalogue.hpp"
#include "tests/sim/machine.hpp"

namespace ordeal::fault {
namespace {

class RequestTest : public ::testing::Test {
 protected:
  RequestTest() { sim::furnish(machine_); }

  std::string told(const std::string& name, const std::string& with) {
    request_.fault = name;
    request_.with = json::parse(with).value().as_object();
    const os::Host& host = node_.host();
    const auto step = resolve(catalogue(), request_, host, Token::from_bits(7), {});
    return step.has_value() ? "" : step.error().message();
  }

  sim::World world_{1};
  sim::Machine machine_{world_};
  sim::Node& node_ = machine_.start("worker");
  model::StepRequest request_;
};

constexpr const char* kBurn = R"({"load": 500000, "of": "host", "mode": "add"})";

// It was a division by zero.
TEST_F(RequestTest, NoWorkersAreAnError) {
  EXPECT_EQ(told("cpu.load", R"({"load": 500000, "of": "host", "workers": 0, "mode": "add"})"),
            "with.workers: expected 1 to 1024, found 0");
  EXPECT_NE(told("cpu.load", R"({"load": 500000, "of": "core", "workers": -3, "mode": "add"})"),
            "");
  EXPECT_EQ(told("cpu.load", kBurn), "");
}

TEST_F(RequestTest, NegativeSizesAreErrors) {
  EXPECT_NE(told("disk.fill", R"({"path": "/data", "size": -1})"), "");
  EXPECT_NE(told("disk.fill", R"({"path": "/data", "size": 1048576, "floor": -1})"), "");
  EXPECT_NE(told("memory.load", R"({"size": {"bytes": -5}, "of": "host", "ramp": 0,
                                    "oom": "stressor"})"),
            "");
  EXPECT_NE(told("disk.fill", R"({"path": "/data", "size": 1048576, "percent": 500000})"), "");
}

TEST_F(RequestTest, TheTargetIsOfTheKindThatTheFaultTakes) {
  EXPECT_EQ(told("process.pause", "{}"), "target: process.pause takes `process`");
  request_.target.process.emplace().unit = "shop.service";
  EXPECT_EQ(told("cpu.load", kBurn), "target: cpu.load takes `unit` or nothing");
  EXPECT_EQ(told("disk.fill", R"({"path": "/data", "size": 1048576})"),
            "target: disk.fill takes neither `unit` nor `process`");
  request_.target.unit = "shop.service";
  EXPECT_EQ(told("service.stop", "{}"),
            "target: service.stop takes exactly one of `unit` and `process`");
}

// Each of them met arithmetic before.
TEST_F(RequestTest, NumbersOfTheTargetAndTheDurationHaveBounds) {
  constexpr const char* kPause = R"({"method": "auto"})";
  request_.target.process.emplace().unit = "shop.service";
  EXPECT_EQ(told("process.pause", kPause), "");
  request_.duration = Duration::max();
  EXPECT_NE(told("process.pause", kPause), "");
  request_.duration = -1s;
  EXPECT_NE(told("process.pause", kPause), "");
  request_.duration = 5s;
  request_.target.mode = model::Mode::fixed_percent;
  for (const std::int64_t share : {std::numeric_limits<std::int64_t>::max(), std::int64_t(0),
                                   std::int64_t(-5), std::int64_t(1'000'001)}) {
    request_.target.value_share = Ppm{share};
    EXPECT_EQ(told("process.pause", kPause).substr(0, 12), "target.value") << share;
  }
  request_.target.value_share.reset();
  request_.target.mode = model::Mode::fixed;
  for (const std::int64_t count : {std::numeric_limits<std::int64_t>::min(), std::int64_t(0)}) {
    request_.target.value_count = count;
    EXPECT_EQ(told("process.pause", kPause).substr(0, 12), "target.value") << count;
  }
  request_.target.value_count = 1;
  EXPECT_EQ(told("process.pause", kPause), "");
  request_.target.process->count_min = -1;
  EXPECT_NE(told("process.pause", kPause), "");
}

TEST_F(RequestTest, NamesOfUnitsAreNames) {
  request_.target.unit = "../shop.service";
  EXPECT_EQ(told("service.stop", R"({"timeout": 1000000, "restore_within": 1000000})"),
            "target.unit: expected the name of a unit, found '../shop.service'");
}

}  // namespace
}  // namespace ordeal::fault
