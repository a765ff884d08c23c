#include "engine/fleet/knows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ordeal::fleet {
namespace {

using testing::HasSubstr;

wire::HelloFact old_host() {
  model::Parameter latency;
  latency.name = "latency";
  latency.kind = model::ParameterKind::duration;
  latency.maximum = 60'000'000;
  model::Parameter backend;
  backend.name = "backend";
  backend.kind = model::ParameterKind::choice;
  backend.choices = {"netem"};
  model::FaultDescription delay;
  delay.name = "network.delay";
  delay.parameters = {latency, backend};
  wire::HelloFact hello;
  hello.host = "db-1";
  hello.version = "0.0.9";
  hello.faults = {delay};
  return hello;
}

model::Step step(std::string fault, boost::json::object with) {
  model::Step out;
  out.fault = std::move(fault);
  out.with = std::move(with);
  return out;
}

TEST(Knows, WhatItsDescriptionHas) {
  EXPECT_TRUE(knows(old_host(), step("network.delay", {{"latency", 100'000}, {"backend", "netem"}}))
                  .has_value());
}

TEST(Knows, NamesHostVersionAndWhatIsNew) {
  const auto fault = knows(old_host(), step("network.loss", {}));
  ASSERT_TRUE(fault.has_error());
  EXPECT_EQ(fault.error().code(), Code::refused);
  EXPECT_THAT(fault.error().message(), HasSubstr("db-1: ordeal-executor 0.0.9"));
  EXPECT_THAT(fault.error().message(), HasSubstr("network.loss"));
  const auto parameter = knows(old_host(), step("network.delay", {{"jitter", 5}}));
  ASSERT_TRUE(parameter.has_error());
  EXPECT_THAT(parameter.error().message(), HasSubstr("network.delay.jitter"));
}

TEST(Knows, RangesAndChoicesOfThatVersion) {
  EXPECT_TRUE(knows(old_host(), step("network.delay", {{"latency", 90'000'000}})).has_error());
  EXPECT_TRUE(knows(old_host(), step("network.delay", {{"backend", "nfqueue"}})).has_error());
}

}  // namespace
}  // namespace ordeal::fleet
