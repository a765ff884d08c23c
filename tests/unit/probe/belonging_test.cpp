// Every sample is of exactly one phase, and what a fault hit is of the fault.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "tests/unit/probe/fixture.hpp"

namespace ordeal::probe {
namespace {

using enum Aggregate;
using enum Comparison;

model::Step step_at(const std::string& path) {
  model::Step step;
  step.path = path;
  return step;
}

Condition no_failure() { return one(part("shop", failures, equal, 0)); }

double counted(Scene& scene, Phase phase, const std::string& value = "count") {
  for (const model::SliSummary& summary : scene.judge->summaries(phase)) {
    const auto found = summary.values.find(value);
    if (summary.sli == "shop" && found != summary.values.end()) return found->second;
  }
  return 0;
}

// Answers take 800 ms; a worker is killed with 40 requests on their way, all due before the first
// effect was seen and some even before the order was out.
TEST(Belonging, WhatWasOnItsWayAtTheInjectionIsOfTheFault) {
  Scene scene;
  scene.experiment.during = {no_failure()};
  scene.baseline();
  scene.judge->arm(at(10800ms));
  for (Duration due = 10s; due < 10800ms; due += 20ms) {
    scene.sample(0, due, false, 10810ms - due);
  }
  scene.judge->begin_fault(at(10900ms));
  scene.shop(10900ms, 20s, true);
  const ConditionStatus status = scene.end(20s, "during.0");
  EXPECT_EQ(status.truth, Truth::broken);
  EXPECT_EQ(status.measured_text, "40");
  EXPECT_EQ(counted(scene, Phase::fault, "failures"), 40);
}

TEST(Belonging, WhatWasAnsweredBeforeTheInjectionIsNot) {
  Scene scene;
  scene.experiment.during = {one(part("shop", success, greater_equal, 50, Unit::percent))};
  scene.baseline();
  scene.shop(10s, 15s, true);  // the baseline's last answer was waited for
  scene.judge->arm(at(15s));
  scene.judge->begin_fault(at(15100ms));
  scene.shop(15s, 19s, false);
  const ConditionStatus status = scene.end(19s, "during.0");
  EXPECT_EQ(status.measured_text, "0%");
  EXPECT_EQ(counted(scene, Phase::inject), 250);
}

// Paused for 4 s, then a wait of 16 s in which all is well: 0% while the fault was active.
TEST(Belonging, AWaitIsNotJudgedAsAFault) {
  Scene scene;
  scene.experiment.method = {step_at("method.0")};
  scene.experiment.during = {one(part("shop", success, greater_equal, 80, Unit::percent))};
  scene.fault();
  scene.judge->begin_step("method.0", at(10s));
  scene.shop(10s, 14s, false);
  scene.judge->end_step("method.0", at(14s));
  scene.shop(14s, 30s, true);
  const ConditionStatus status = scene.end(30s, "during.0");
  EXPECT_EQ(status.truth, Truth::broken);
  EXPECT_EQ(status.measured_text, "0%");
  EXPECT_EQ(counted(scene, Phase::fault, "success"), 0);
  EXPECT_EQ(counted(scene, Phase::revert, "success"), 100);
}

TEST(Belonging, FailuresOfAWaitAreNotOfTheFault) {
  Scene scene;
  scene.experiment.method = {step_at("method.0"), step_at("method.2")};
  scene.experiment.during = {no_failure()};
  scene.fault();
  scene.judge->begin_step("method.0", at(10s));
  scene.shop(10s, 14s, true);
  scene.judge->end_step("method.0", at(14s));
  scene.shop(14s, 18s, false);
  scene.judge->begin_step("method.2", at(18s));
  scene.shop(18s, 22s, true);
  scene.judge->end_step("method.2", at(22s));
  EXPECT_EQ(scene.end(22s, "during.0").truth, Truth::holds);
}

// In flight when the second step begins, after a wait: the second fault hit it.
TEST(Belonging, ALaterStepHasWhatItHit) {
  Scene scene;
  scene.experiment.method = {step_at("method.0"), step_at("method.2")};
  scene.experiment.during = {no_failure()};
  scene.fault();
  scene.judge->begin_step("method.0", at(10s));
  scene.shop(10s, 14s, true);
  scene.judge->end_step("method.0", at(14s));
  scene.shop(14s, 17900ms, true);
  scene.sample(0, 17900ms, false, 200ms);
  scene.judge->begin_step("method.2", at(18100ms), at(18s));
  scene.shop(18100ms, 22s, true);
  scene.judge->end_step("method.2", at(22s));
  EXPECT_EQ(scene.end(22s, "during.0").measured_text, "1");
}

// Random times of everything, answers of up to 3 s, failures anywhere.
TEST(Belonging, TheSumOverThePhasesIsEverySampleOnce) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](int low, int high) {
      return Duration(std::uniform_int_distribution<int>(low * 1000, high * 1000)(random));
    };
    Scene scene;
    scene.experiment.method = {step_at("method.0"), step_at("method.2")};
    const Duration armed = 10s + pick(0, 3000);
    const Duration verified = armed + pick(0, 500);
    const Duration ended = verified + pick(100, 5000);
    const Duration second = ended + pick(0, 4000);
    const Duration second_seen = second + pick(0, 500);
    const Duration over = second_seen + pick(100, 5000);
    const Duration recovery = over + pick(0, 2000);
    std::vector<std::pair<Duration, std::function<void()>>> todo;
    Judge* judge = nullptr;
    const auto when = [&todo](Duration time, std::function<void()> action) {
      todo.emplace_back(time, std::move(action));
    };
    scene.start();
    judge = scene.judge.get();
    when(0s, [&] { judge->begin_baseline(at(0s)); });
    when(10s, [&] { ASSERT_TRUE(judge->end_baseline(at(10s)).has_value()); });
    when(armed, [&] { judge->arm(at(armed)); });
    when(verified, [&] {
      judge->begin_fault(at(verified));
      judge->begin_step("method.0", at(verified), at(armed));
    });
    when(ended, [&] { judge->end_step("method.0", at(ended)); });
    when(second_seen, [&] { judge->begin_step("method.2", at(second_seen), at(second)); });
    when(over, [&] { judge->end_fault(at(over)); });
    when(recovery, [&] { judge->begin_recovery(at(recovery)); });
    int sent = 0;
    for (Duration due = 0s; due < recovery + 5s; due += 37ms) {
      const Duration latency = random() % 4 == 0 ? pick(1, 3000) : pick(1, 20);
      const bool good = random() % 3 != 0;
      ++sent;
      when(due + latency, [&scene, due, latency, good] { scene.sample(0, due, good, latency); });
    }
    std::stable_sort(todo.begin(), todo.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [time, action] : todo) action();
    double sum = 0;
    for (const Phase phase :
         {Phase::baseline, Phase::inject, Phase::fault, Phase::revert, Phase::recovery}) {
      sum += counted(scene, phase);
    }
    EXPECT_EQ(sum, sent) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ordeal::probe
