#include <gmock/gmock.h>

#include "engine/probe/texts.hpp"
#include "tests/unit/probe/fixture.hpp"

namespace ordeal::probe {
namespace {

using testing::HasSubstr;
using enum Aggregate;
using enum Comparison;

// ---- expect ------------------------------------------------------------------------------------

TEST(Expect, HoldsFromTheFirstMomentOnAndSaysWhen) {
  Scene scene;
  scene.experiment.expect = {one(part("queue", value, greater, 100), std::nullopt, 30s)};
  scene.fault();
  scene.queue(10s, 15s, 5);
  scene.queue(15s, 20s, 200);
  scene.queue(20s, 25s, 5);  // once is enough
  const ConditionStatus status = scene.end(50s, "expect.0");
  EXPECT_EQ(status.truth, Truth::holds);
  EXPECT_EQ(status.after, 5s);
}

TEST(Expect, TooLateIsBroken) {
  Scene scene;
  scene.experiment.expect = {one(part("queue", value, greater, 100), std::nullopt, 30s)};
  scene.fault();
  scene.queue(10s, 41s, 5);
  scene.queue(41s, 50s, 200);
  const ConditionStatus status = scene.end(50s, "expect.0");
  EXPECT_EQ(status.truth, Truth::broken);
  EXPECT_THAT(status.problem, HasSubstr("not within 30s"));
}

TEST(Expect, TrueBeforeTheFaultProvesNothing) {
  Scene scene;
  scene.experiment.expect = {one(flag("worker"), std::nullopt, 10s)};
  scene.fault();
  scene.worker(10s, 30s, true);
  const ConditionStatus status = scene.end(30s, "expect.0");
  EXPECT_EQ(status.truth, Truth::unknown);
  EXPECT_THAT(status.problem, HasSubstr("proves nothing"));
}

TEST(Expect, TrueBeforeThenFalseThenTrueCounts) {
  Scene scene;
  scene.experiment.expect = {one(flag("worker"), std::nullopt, 10s)};
  scene.fault();
  scene.worker(10s, 14s, false);
  scene.worker(14s, 30s, true);
  const ConditionStatus status = scene.end(30s, "expect.0");
  EXPECT_EQ(status.truth, Truth::holds);
  EXPECT_EQ(status.after, 4s);
}

// The effect may come before the fault is verified: what counts is the moment before the injection.
TEST(Expect, BecomingTrueWhileTheFaultIsInjectedCounts) {
  Scene scene;
  scene.experiment.expect = {one(flag("worker", true), std::nullopt, 10s)};
  scene.baseline();
  scene.judge->arm(at(10s));
  scene.worker(10500ms, 11s, false);
  scene.judge->begin_fault(at(11s));
  scene.worker(11500ms, 30s, false);
  EXPECT_EQ(scene.end(30s, "expect.0").truth, Truth::holds);
}

TEST(Expect, WindowsBeginAtTheAnchor) {
  Scene scene;
  scene.experiment.expect = {
      one(part("shop", success, greater_equal, 99, Unit::percent, 5s), std::nullopt, 30s)};
  scene.fault();
  scene.shop(10s, 20s, true);
  const ConditionStatus status = scene.end(45s, "expect.0");
  EXPECT_EQ(status.truth, Truth::holds);
  EXPECT_GE(*status.after, 5s);
  EXPECT_LE(*status.after, 5100ms);
}

TEST(Expect, ForMustBeUnbroken) {
  for (const bool broken : {false, true}) {
    Scene scene;
    scene.experiment.expect = {
        one(part("shop", success, greater_equal, 99, Unit::percent, 2s), 8s, 15s)};
    scene.fault();
    scene.shop(10s, 16s, true);
    if (broken) scene.shop(16s, 16200ms, false);
    scene.shop(broken ? 16200ms : 16s, 25s, true);
    scene.idle(25s, 26s);
    EXPECT_EQ(scene.end(30s, "expect.0").truth, broken ? Truth::broken : Truth::holds);
  }
}

TEST(Expect, UnknownBreaksFor) {
  Scene scene;
  scene.experiment.slis[2].on_no_data = model::OnNoData::inconclusive;
  scene.experiment.expect = {one(part("queue", value, greater, 100), 4s, 6s)};
  scene.fault();
  scene.queue(10s, 13s, 200);
  scene.sample(2, 13s, false, 0ms, 0, true);
  scene.queue(14s, 18s, 200);
  EXPECT_EQ(scene.end(30s, "expect.0").truth, Truth::broken);
}

TEST(Expect, NeverMeasuredIsUnknown) {
  Scene scene;
  scene.experiment.expect = {one(part("queue", value, greater, 100), std::nullopt, 5s)};
  scene.fault();
  scene.idle(10s, 20s);
  EXPECT_EQ(scene.end(20s, "expect.0").truth, Truth::unknown);
}

TEST(Expect, FaultThatEndsEarlyLeavesItUnknown) {
  Scene scene;
  scene.experiment.expect = {one(part("queue", value, greater, 100), std::nullopt, 60s)};
  scene.fault();
  scene.queue(10s, 15s, 5);
  EXPECT_EQ(scene.end(15s, "expect.0").truth, Truth::unknown);
}

TEST(Expect, OfAStepIsAnchoredAtItsStep) {
  Scene scene;
  model::Step step;
  step.path = "method.1";
  step.expect = {one(part("queue", value, greater, 100), std::nullopt, 5s)};
  scene.experiment.method = {model::Wait{}, step};
  scene.fault();
  scene.queue(10s, 20s, 5);
  scene.judge->begin_step("method.1", at(20s));
  scene.queue(20s, 23s, 5);
  scene.queue(23s, 30s, 200);
  const ConditionStatus status = scene.end(30s, "method.1.expect.0");
  EXPECT_EQ(status.truth, Truth::holds);
  EXPECT_EQ(status.after, 3s);
}

TEST(Expect, OfAStepThatNeverRanIsUnknown) {
  Scene scene;
  model::Step step;
  step.path = "method.0";
  step.expect = {one(part("queue", value, greater, 100), std::nullopt, 5s)};
  scene.experiment.method = {step};
  scene.fault();
  EXPECT_EQ(scene.end(20s, "method.0.expect.0").truth, Truth::unknown);
}

// ---- wait --------------------------------------------------------------------------------------

TEST(WaitUntil, WindowsBeginAtItsAnchor) {
  Scene scene;
  model::Wait wait;
  wait.until = one(part("shop", success, greater_equal, 99, Unit::percent, 2s));
  scene.experiment.method = {wait};
  scene.fault();
  scene.judge->begin_wait("method.0", at(10s));
  EXPECT_FALSE(scene.judge->wait_holds("method.0", at(10s)));
  scene.shop(10s, 11s, false);
  scene.shop(11s, 12900ms, true);
  EXPECT_FALSE(scene.judge->wait_holds("method.0", at(12900ms)));
  scene.shop(12900ms, 13100ms, true);
  EXPECT_TRUE(scene.judge->wait_holds("method.0", at(13100ms)));
}

TEST(WaitUntil, AStateThatIsAlreadyThereIsEnough) {
  Scene scene;
  model::Wait wait;
  wait.until = one(flag("worker"));
  scene.experiment.method = {wait};
  scene.fault();
  scene.judge->begin_wait("method.0", at(10s));
  EXPECT_TRUE(scene.judge->wait_holds("method.0", at(10s)));
}

// ---- baseline ----------------------------------------------------------------------------------

TEST(Baseline, FactorOnHalfAMillisecondIsRefused) {
  Scene scene;
  scene.experiment.during = {
      one(relative(part("shop", p95, less_equal, 0, Unit::seconds), 1.5, 0))};
  scene.baseline(500us);
  ASSERT_TRUE(scene.fixed.has_error());
  EXPECT_EQ(scene.fixed.error().code(), Code::refused);
  EXPECT_THAT(scene.fixed.error().message(), HasSubstr("use 'baseline + x'"));
}

TEST(Baseline, OffsetOnHalfAMillisecondIsFine) {
  Scene scene;
  scene.experiment.during = {
      one(relative(part("shop", p95, less_equal, 0, Unit::seconds), 1, 0.02))};
  scene.baseline(500us);
  EXPECT_TRUE(scene.fixed.has_value());
}

TEST(Baseline, FactorWithAnOffsetOnHalfAMillisecondIsFine) {
  Scene scene;
  scene.experiment.during = {
      one(relative(part("shop", p95, less_equal, 0, Unit::seconds), 1.5, 0.02))};
  scene.baseline(500us);
  EXPECT_TRUE(scene.fixed.has_value());
}

TEST(Baseline, FactorOnZeroIsRefused) {
  Scene scene;
  scene.experiment.during = {one(relative(part("queue", mean, less_equal, 0), 2, 0))};
  scene.baseline(10ms, 0);
  EXPECT_TRUE(scene.fixed.has_error());
}

TEST(Baseline, TooFewSamplesForARelativeBoundAreRefused) {
  Scene scene;
  scene.experiment.slis[0].min_samples = 10'000;
  scene.experiment.abort_if = {
      one(relative(part("shop", p95, greater, 0, Unit::seconds, 2s), 2, 0))};
  scene.baseline();
  ASSERT_TRUE(scene.fixed.has_error());
  EXPECT_THAT(scene.fixed.error().message(), HasSubstr("500 of 10000 samples"));
}

TEST(Baseline, SteadyStateIsJudgedAtItsEnd) {
  for (const bool steady : {true, false}) {
    Scene scene;
    scene.experiment.steady_state = {one(part("shop", success, greater_equal, 99, Unit::percent)),
                                     one(flag("worker"))};
    scene.baseline(10ms, 5, steady);
    EXPECT_EQ(scene.final(Phase::baseline, 11s, "steady_state.0").truth, Truth::holds);
    EXPECT_EQ(scene.final(Phase::baseline, 11s, "steady_state.1").truth,
              steady ? Truth::holds : Truth::broken);
  }
}

TEST(Baseline, IsNotComparedWithItself) {
  Scene scene;
  scene.experiment.steady_state = {
      one(relative(part("shop", throughput, greater_equal, 0, Unit::per_second), 1.2, 0))};
  scene.baseline();
  EXPECT_EQ(scene.final(Phase::baseline, 11s, "steady_state.0").truth, Truth::holds);
}

// Only the part that is relative to this very baseline is left for later.
TEST(Baseline, OtherPartsOfARelativeConditionAreJudged) {
  const auto relative_part =
      relative(part("shop", throughput, greater_equal, 0, Unit::per_second), 1.2, 0);
  const auto impossible = part("shop", success, greater_equal, 101, Unit::percent);
  for (const auto& [join, truth] : {std::pair(model::Join::all_of, Truth::broken),
                                    std::pair(model::Join::any_of, Truth::holds)}) {
    Scene scene;
    model::Condition both = one(impossible);
    both.parts.push_back(relative_part);
    both.join = join;
    scene.experiment.steady_state = {both};
    scene.baseline();
    EXPECT_EQ(scene.final(Phase::baseline, 11s, "steady_state.0").truth, truth);
  }
}

TEST(Baseline, SlicesAreComparedWithTheWhole) {
  Scene scene;
  scene.experiment.steady_state = {
      one(relative(part("shop", p50, less_equal, 0, Unit::seconds, 2s), 1.5, 0))};
  scene.start();
  scene.judge->begin_baseline(at(0s));
  scene.shop(0s, 8s, true, 10ms);
  scene.shop(8s, 10s, true, 40ms);
  ASSERT_TRUE(scene.judge->end_baseline(at(10s)).has_value());
  EXPECT_EQ(scene.final(Phase::baseline, 11s, "steady_state.0").truth, Truth::broken);
}

// ---- recovery ----------------------------------------------------------------------------------

TEST(Recovery, TimeIsToTheBeginningOfTheGoodStretch) {
  Scene scene;
  scene.experiment.steady_state = {one(part("shop", success, greater_equal, 100, Unit::percent))};
  scene.fault();
  scene.judge->end_fault(at(20s));
  scene.judge->begin_recovery(at(20s));
  scene.shop(20s, 23s, false);
  scene.shop(23s, 27s, true);
  EXPECT_FALSE(scene.judge->recovered(at(27s)));
  scene.shop(27s, 29s, true);
  const auto after = scene.judge->recovered(at(29s));
  ASSERT_TRUE(after);
  EXPECT_NEAR(static_cast<double>(after->count()), 3e6, 0.1e6);
}

TEST(Recovery, HealthyAtOnceTakesZero) {
  Scene scene;
  scene.experiment.steady_state = {one(part("shop", success, greater_equal, 99, Unit::percent)),
                                   one(flag("worker"))};
  scene.fault();
  scene.judge->begin_recovery(at(20s));
  for (Duration second = 20s; second < 26s; second += 1s) {
    scene.worker(second, second + 1s, true);
    scene.shop(second, second + 1s, true);
  }
  const auto after = scene.judge->recovered(at(26s));
  ASSERT_TRUE(after);
  EXPECT_LT(*after, 100ms);
}

TEST(Recovery, AnInterruptionStartsItAgain) {
  Scene scene;
  scene.experiment.steady_state = {one(flag("worker"))};
  scene.fault();
  scene.judge->begin_recovery(at(20s));
  scene.worker(20s, 24s, true);
  scene.worker(24s, 25s, false);
  scene.worker(25s, 29s, true);
  EXPECT_FALSE(scene.judge->recovered(at(29s)));
  scene.worker(29s, 31s, true);
  EXPECT_EQ(scene.judge->recovered(at(30500ms)), 5s);
}

TEST(Recovery, GapsBeforeTheHoldAreForgotten) {
  for (const Aggregate aggregate : {outage, downtime}) {
    Scene scene;
    scene.experiment.steady_state = {one(part("shop", aggregate, less_equal, 1, Unit::seconds))};
    scene.fault();
    scene.judge->begin_recovery(at(20s));
    scene.shop(20s, 23s, false);
    scene.shop(23s, 26s, true);
    EXPECT_FALSE(scene.judge->recovered(at(26s)));
    scene.shop(26s, 29s, true);
    const auto after = scene.judge->recovered(at(29s));
    ASSERT_TRUE(after);
    // All but the last second of the outage is before the good stretch.
    EXPECT_NEAR(static_cast<double>(after->count()), 2e6, 0.1e6);
  }
}

TEST(Recovery, GapsOfASenderThatIsBehindAreUnknown) {
  Scene scene;
  scene.experiment.steady_state = {one(part("shop", outage, less_equal, 1, Unit::seconds))};
  scene.fault();
  scene.judge->begin_recovery(at(20s));
  int n = 0;
  for (Duration when = 20s; when < 30s; when += 20ms) {
    const bool sent = n++ % 10 == 0;
    scene.sample(0, when, sent, 10ms, 0, !sent);
  }
  EXPECT_FALSE(scene.judge->recovered(at(30s)));
}

TEST(Recovery, RestartsBeforeTheHoldAreForgotten) {
  Scene scene;
  scene.experiment.slis[1].probe = model::ProcessProbe{};
  scene.experiment.steady_state = {one(part("worker", restarts, equal, 0))};
  scene.start();
  scene.judge->begin_baseline(at(0s));
  for (Duration when = 0s; when < 10s; when += 1s) scene.restarts(when, 2);
  ASSERT_TRUE(scene.judge->end_baseline(at(10s)).has_value());
  scene.begin_fault();
  scene.judge->begin_recovery(at(20s));
  for (Duration when = 20s; when < 23s; when += 1s) scene.restarts(when, 2);
  for (Duration when = 23s; when < 27s; when += 1s) scene.restarts(when, 3);
  EXPECT_FALSE(scene.judge->recovered(at(27s)));
  for (Duration when = 27s; when < 30s; when += 1s) scene.restarts(when, 3);
  EXPECT_TRUE(scene.judge->recovered(at(30s)));
}

TEST(Recovery, SilenceIsNotRecovery) {
  Scene scene;
  scene.experiment.steady_state = {one(part("shop", success, greater_equal, 99, Unit::percent))};
  scene.fault();
  scene.judge->begin_recovery(at(20s));
  scene.idle(20s, 30s);
  EXPECT_FALSE(scene.judge->recovered(at(30s)));
}

// ---- events and texts --------------------------------------------------------------------------

TEST(Statuses, AreEmittedOnChangeAndOnceASecond) {
  Scene scene;
  scene.experiment.during = {one(part("shop", success, greater_equal, 99, Unit::percent))};
  scene.fault();
  scene.seen.clear();
  scene.shop(10s, 20s, true);
  EXPECT_GE(scene.seen.size(), 9U);
  EXPECT_LE(scene.seen.size(), 12U);
}

TEST(Ids, NameListAndStep) {
  Scene scene;
  model::Step step;
  step.path = "method.0";
  step.abort_if = {one(part("queue", value, greater, 1))};
  model::Wait wait;
  wait.until = one(flag("worker"));
  scene.experiment.method = {step, wait};
  scene.experiment.steady_state = {one(flag("worker"))};
  scene.start();
  std::vector<std::string> ids;
  for (const auto& info : scene.judge->conditions()) ids.push_back(info.id);
  EXPECT_THAT(ids, testing::ElementsAre("steady_state.0", "method.0.abort_if.0", "method.1.until"));
}

TEST(Slices, OfEventsHoldEverySampleOnce) {
  Scene scene;
  scene.fault();
  std::int64_t attempts = 0;
  std::int64_t counted = 0;
  for (const model::Samples& samples : scene.judge->slices(at(10s))) {
    if (samples.sli != "shop") continue;
    EXPECT_EQ(samples.from % 100ms, 0ms);
    attempts += samples.attempts;
    counted += Histogram::from_pairs(samples.latency).count();
  }
  EXPECT_EQ(attempts, 500);
  EXPECT_EQ(counted, 500);
  EXPECT_TRUE(scene.judge->slices(at(10s)).empty());
}

TEST(Summaries, HoldWhatApplies) {
  Scene scene;
  scene.fault();
  const auto summaries = scene.judge->summaries(Phase::baseline);
  ASSERT_EQ(summaries.size(), 3U);
  EXPECT_EQ(summaries[0].values.at("count"), 500);
  EXPECT_EQ(summaries[0].values.at("success"), 100);
  EXPECT_NEAR(summaries[0].values.at("p95"), 0.01, 0.0001);
  EXPECT_FALSE(summaries[0].values.contains("p99.9"));  // needs 1000
  EXPECT_EQ(summaries[1].values.at("success"), 100);
  EXPECT_EQ(summaries[2].values.at("mean"), 5);
}

struct TextCase {
  double measured;
  double bound;
  Unit unit;
  const char* shown;
};
class Texts : public testing::TestWithParam<TextCase> {};

TEST_P(Texts, AgreeWithTheVerdict) {
  const Part bounded = part("shop", value, less, GetParam().bound, GetParam().unit);
  Traits traits;
  Reading reading;
  reading.part = &bounded;
  reading.traits = &traits;
  reading.measured = GetParam().measured;
  reading.bound = GetParam().bound;
  EXPECT_EQ(measured_text(reading), GetParam().shown);
}
INSTANTIATE_TEST_SUITE_P(Table, Texts,
                         testing::Values(TextCase{99.4999, 99.5, Unit::percent, "99.4999%"},
                                         TextCase{99.5001, 99.5, Unit::percent, "99.5001%"},
                                         TextCase{99.5, 99.5, Unit::percent, "99.5%"},
                                         TextCase{79.3333, 80, Unit::percent, "79.3%"},
                                         TextCase{0.25004, 0.25, Unit::seconds, "250.04ms"},
                                         TextCase{0.0124, 0.25, Unit::seconds, "12.4ms"},
                                         TextCase{15.02, 15, Unit::seconds, "15.02s"},
                                         TextCase{0, 5, Unit::seconds, "0s"},
                                         TextCase{1610612736, 1e9, Unit::bytes, "1.5 GiB"},
                                         TextCase{12, 10, Unit::none, "12"},
                                         TextCase{100, 10, Unit::per_second, "100/s"}));

TEST(Success, OfNineHundredNinetyNineOfAThousandIsNotBelow999) {
  Scene scene;
  scene.experiment.during = {one(part("shop", success, greater_equal, 99.9, Unit::percent))};
  scene.fault();
  scene.shop_failing(10s, 30s, 1000);
  EXPECT_EQ(scene.end(30s, "during.0").truth, Truth::holds);
}

}  // namespace
}  // namespace ordeal::probe
