#include <gmock/gmock.h>

#include "tests/unit/probe/fixture.hpp"

namespace ordeal::probe {
namespace {

using testing::HasSubstr;
using enum Aggregate;
using enum Comparison;

Part success_below_80() { return part("shop", success, less, 80, Unit::percent, 3s); }

// 30 of the 150 samples in 3 s may fail: the 31st crosses.
TEST(AbortIf, FullOutageCrossesSoonWithAHealthyPrefix) {
  Scene scene;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.fault();
  scene.shop(10s, 12s, false);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->cause, model::AbortCause::threshold);
  EXPECT_EQ(scene.abort->condition, "abort_if.0");
  EXPECT_EQ(scene.abort->text, "shop.success 79.3% over 3s crossed < 80% (119 good of 150)");
  EXPECT_EQ(*scene.aborted_at, 10s + 30 * 20ms + 10ms);
}

TEST(AbortIf, TwentyPercentOfFailuresDoNotCrossBelow80) {
  Scene scene;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.fault();
  scene.shop_failing(10s, 30s, 5);
  EXPECT_FALSE(scene.abort) << scene.abort->text;
  EXPECT_EQ(scene.last("abort_if.0").truth, Truth::broken);
  EXPECT_THAT(scene.last("abort_if.0").nearest_text, HasSubstr("80% at +"));
}

TEST(AbortIf, ShortWindowsOfAColdStartAreNotJudged) {
  Scene scene;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.start();
  scene.judge->begin_baseline(at(0s));
  scene.shop(0s, 2900ms, false);
  EXPECT_FALSE(scene.abort);
  scene.shop(2900ms, 3100ms, false);
  EXPECT_TRUE(scene.abort);
}

TEST(AbortIf, SamplesBeforeTheWarmUpDoNotCount) {
  Scene scene;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.start();
  scene.shop(0s, 2s, false);
  scene.judge->begin_baseline(at(2s));
  scene.shop(2s, 8s, true);
  EXPECT_FALSE(scene.abort);
}

TEST(AbortIf, WithTooFewSamplesForLongerThanTheGraceIsNoData) {
  Scene scene;
  scene.experiment.slis[0].min_samples = 200;  // the window holds 150
  scene.experiment.abort_if = {one(success_below_80())};
  scene.fault();
  scene.shop(10s, 12900ms, false);
  EXPECT_FALSE(scene.abort);
  EXPECT_EQ(scene.last("abort_if.0").truth, Truth::unknown);
  EXPECT_EQ(scene.last("abort_if.0").problem, "150 of 200 samples");
  scene.shop(12900ms, 13100ms, false);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->cause, model::AbortCause::no_data);
  EXPECT_THAT(scene.abort->text, HasSubstr("150 of 200 samples"));
}

// Eight connections that all wait for a timeout of 2 s are never silent, and never 20 samples in 3 s.
void hang(Scene& scene) {
  model::HttpProbe http;
  http.concurrency = 8;
  http.timeout = 2s;
  scene.experiment.slis[0].probe = http;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.fault();
  for (int i = 0; i < 200; ++i) scene.sample(0, 10s, true);  // as fast as it was, so far
  for (Duration when = 10010ms; when < 30s; when += 2s) {
    scene.idle(when, when + 2s);
    for (int i = 0; i < 8; ++i) scene.sample(0, when, false, 2s);
  }
}

TEST(AbortIf, AClosedLoopThatHangsIsNoData) {
  Scene scene;
  hang(scene);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->cause, model::AbortCause::no_data);
  EXPECT_THAT(scene.abort->text, HasSubstr("of 20 samples"));
  // The healthy answers have left the window at 13 s; grace is 4 s.
  EXPECT_GT(*scene.aborted_at, 16s);
  EXPECT_LT(*scene.aborted_at, 18s);
}

TEST(AbortIf, AClosedLoopThatHangsGoesOnWhenNoDataIsInconclusive) {
  Scene scene;
  scene.experiment.slis[0].on_no_data = model::OnNoData::inconclusive;
  hang(scene);
  EXPECT_FALSE(scene.abort);
}

TEST(AbortIf, ThreeFailuresAreEnoughToCountThree) {
  Scene scene;
  model::TcpProbe tcp;
  tcp.rate = 1;
  scene.experiment.slis[0].probe = tcp;
  scene.experiment.abort_if = {one(part("shop", failures, greater_equal, 3, Unit::none, 10s))};
  scene.fault();
  for (Duration when = 10s; when < 20s; when += 1s) scene.sample(0, when, false);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->cause, model::AbortCause::threshold);
  EXPECT_EQ(*scene.aborted_at, 12010ms);
}

TEST(AbortIf, TimeoutsCountWhenTheyTimeOut) {
  Scene scene;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.fault();
  scene.shop(10s, 12s, false, 1s);
  ASSERT_TRUE(scene.abort);
  // At 11.0 s the first fails; the window then holds 2 s of good answers.
  EXPECT_GT(*scene.aborted_at, 11s);
  EXPECT_LT(*scene.aborted_at, 11600ms);
}

TEST(AbortIf, SilenceStopsAfterTimeoutAndTwoSeconds) {
  Scene scene;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.fault();
  scene.idle(10s, 20s);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->cause, model::AbortCause::no_data);
  EXPECT_THAT(scene.abort->text, HasSubstr("no data of shop"));
  // The last sample completed at 9.99 s; grace is 3 s.
  EXPECT_EQ(*scene.aborted_at, 13s);
}

TEST(AbortIf, SilenceOfAnSliThatOnlyExpectReadsDoesNotStop) {
  Scene scene;
  scene.experiment.expect = {one(part("queue", value, greater, 100), std::nullopt, 30s)};
  scene.fault();
  scene.idle(10s, 30s);
  EXPECT_FALSE(scene.abort);
}

TEST(AbortIf, OnNoDataInconclusiveDoesNotStop) {
  Scene scene;
  scene.experiment.slis[0].on_no_data = model::OnNoData::inconclusive;
  scene.experiment.during = {one(part("shop", success, greater_equal, 99, Unit::percent))};
  scene.fault();
  scene.idle(10s, 30s);
  EXPECT_FALSE(scene.abort);
  EXPECT_EQ(scene.end(30s, "during.0").truth, Truth::unknown);
}

// It would not have stopped anything, so the run proves nothing.
TEST(AbortIf, IsUnknownInTheEndWhenItWasNeverKnown) {
  for (const bool silent : {false, true}) {
    Scene scene;
    scene.experiment.slis[0].on_no_data = model::OnNoData::inconclusive;
    scene.experiment.abort_if = {one(success_below_80())};
    if (silent) {
      scene.start();
      scene.judge->begin_baseline(at(0s));
      ASSERT_TRUE(scene.judge->end_baseline(at(10s)).has_value());
      scene.judge->arm(at(10s));
      scene.judge->begin_fault(at(10s));
      scene.idle(10s, 30s);
    } else {
      scene.fault();
      scene.shop(10s, 30s, true);
    }
    scene.judge->end_fault(at(30s));
    std::vector<model::Truth> truths;
    for (const auto& status : scene.judge->final_statuses(Phase::fault, at(30s))) {
      if (status.id == "abort_if.0") truths.push_back(status.truth);
    }
    EXPECT_EQ(truths, silent ? std::vector{Truth::unknown} : std::vector<model::Truth>());
  }
}

TEST(AbortIf, SilenceInTheBaselineIsAReasonToo) {
  Scene scene;
  scene.experiment.steady_state = {one(flag("worker"))};
  scene.start();
  scene.judge->begin_baseline(at(0s));
  scene.idle(0s, 5s);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->cause, model::AbortCause::no_data);
}

TEST(AbortIf, OurOwnLatenessIsNoDataNotABreach) {
  Scene scene;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.fault();
  for (Duration when = 10s; when < 20s; when += 40ms) {
    scene.sample(0, when, false, 10ms, 0, true);
    scene.sample(0, when + 20ms, true);
  }
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->cause, model::AbortCause::no_data);
  EXPECT_THAT(scene.abort->text, HasSubstr("could not keep its rate"));
}

TEST(AbortIf, OurOwnLatenessIsJudgedWhenItCannotChangeTheAnswer) {
  // One in ten is missing: between 90% and 100%, never below 80%.
  Scene fine;
  fine.experiment.abort_if = {one(success_below_80())};
  fine.experiment.during = {one(part("shop", success, greater_equal, 85, Unit::percent)),
                            one(part("shop", success, greater_equal, 95, Unit::percent))};
  fine.fault();
  const auto tenth_missing = [](Scene& scene, bool good) {
    for (Duration when = 10s; when < 20s; when += 20ms) {
      const bool late = (when / 20ms) % 10 == 0;
      scene.sample(0, when, good && !late, 10ms, 0, late);
    }
  };
  tenth_missing(fine, true);
  EXPECT_FALSE(fine.abort);
  EXPECT_EQ(fine.end(20s, "during.0").truth, Truth::holds);
  EXPECT_EQ(fine.end(20s, "during.1").truth, Truth::unknown) << "90% is possible";

  // All that were measured failed: at most 10%, surely below 80%.
  Scene bad;
  bad.experiment.abort_if = {one(success_below_80())};
  bad.fault();
  tenth_missing(bad, false);
  ASSERT_TRUE(bad.abort);
  EXPECT_EQ(bad.abort->cause, model::AbortCause::threshold);
}

TEST(AbortIf, AFewLateRequestsAreDropped) {
  Scene scene;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.fault();
  for (Duration when = 10s; when < 20s; when += 1s) {
    scene.sample(0, when, false, 10ms, 0, true);  // 1 of 50
    scene.shop(when + 20ms, when + 1s, true);
  }
  EXPECT_FALSE(scene.abort);
  EXPECT_EQ(scene.last("abort_if.0").measured, 100.0);
}

TEST(AbortIf, NoGoodAnswerCrossesALatencyBound) {
  Scene scene;
  scene.experiment.abort_if = {one(part("shop", p95, greater, 0.5, Unit::seconds, 2s))};
  scene.fault();
  scene.shop(10s, 13s, false);
  ASSERT_TRUE(scene.abort);
  EXPECT_THAT(scene.abort->text, HasSubstr("no good answer of 100"));
}

TEST(AbortIf, RelativeBoundIsFixedByTheBaseline) {
  Scene scene;
  scene.experiment.abort_if = {
      one(relative(part("shop", p95, greater, 0, Unit::seconds, 2s), 3, 0.005))};
  scene.baseline(20ms);
  ASSERT_TRUE(scene.fixed.has_value());
  scene.begin_fault();
  scene.shop(10s, 15s, true, 60ms);
  EXPECT_FALSE(scene.abort);
  EXPECT_THAT(scene.last("abort_if.0").bound_text, HasSubstr("> 65.3ms = 3x 20.1ms + 5ms"));
  scene.shop(15s, 18s, true, 70ms);
  EXPECT_TRUE(scene.abort);
}

TEST(AbortIf, RelativeBoundIsNotJudgedInTheBaseline) {
  Scene scene;
  scene.experiment.abort_if = {
      one(relative(part("shop", p95, greater, 0, Unit::seconds, 2s), 0.5, 0))};
  scene.baseline(20ms);
  EXPECT_FALSE(scene.abort);
}

struct ForCase {
  const char* name;
  std::vector<double> values;  // one a second from 10 s; negative: no data
  bool crosses;
};
class ForOfAbort : public testing::TestWithParam<ForCase> {};

TEST_P(ForOfAbort, NeedsEveryReading) {
  Scene scene;
  scene.experiment.abort_if = {one(part("queue", value, greater, 30), 5s)};
  scene.fault();
  Duration when = 10s;
  for (const double number : GetParam().values) {
    scene.sample(2, when, true, 0ms, std::max(number, 0.0), number < 0);
    when += 1s;
  }
  EXPECT_EQ(scene.abort.has_value(), GetParam().crosses);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ForOfAbort,
    testing::Values(ForCase{"unbroken", {40, 40, 40, 40, 40, 40}, true},
                    ForCase{"too_short", {40, 40, 40, 40, 40}, false},
                    ForCase{"interrupted", {40, 40, 40, 5, 40, 40, 40}, false},
                    ForCase{"unknown_keeps_it_running", {40, 40, -1, 40, 40, 40}, true},
                    ForCase{"equal_is_not_greater", {30, 30, 30, 30, 30, 30}, false}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(AbortIf, JoinedByAndNeedsBoth) {
  Scene scene;
  scene.experiment.abort_if = {joined(model::Join::all_of,
                                      part("shop", error, greater, 5, Unit::percent, 5s),
                                      part("queue", value, greater, 10))};
  scene.fault();
  for (Duration second = 10s; second < 16s; second += 1s) {
    scene.queue(second, second + 1s, 5);
    scene.shop_failing(second, second + 1s, 4);
  }
  EXPECT_FALSE(scene.abort);
  scene.queue(16s, 17s, 11);
  ASSERT_TRUE(scene.abort);
  EXPECT_THAT(scene.abort->text, HasSubstr("shop.error"));
  EXPECT_THAT(scene.abort->text, HasSubstr("and queue.value 11 crossed > 10"));
}

TEST(AbortIf, CountsWithoutWindowBeginWhenArmed) {
  Scene scene;
  scene.experiment.abort_if = {one(part("shop", failures, greater, 10))};
  scene.baseline();
  scene.begin_fault();
  scene.shop(10s, 10200ms, false);
  EXPECT_FALSE(scene.abort);
  scene.shop(10200ms, 10220ms, false);
  EXPECT_TRUE(scene.abort);
}

TEST(AbortIf, OutageCrosses) {
  Scene scene;
  scene.experiment.abort_if = {one(part("shop", outage, greater, 2, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 12s, false);
  EXPECT_FALSE(scene.abort);
  scene.shop(12s, 12100ms, false);
  EXPECT_TRUE(scene.abort);
}

TEST(AbortIf, AnyHostIsEnough) {
  Scene scene;
  scene.experiment.abort_if = {
      one(host(model::HostValue::memory_available, less, 5, Unit::percent))};
  scene.start();
  scene.judge->begin_baseline(at(0s));
  const std::map<std::string, double> fine = {{"memory_available", 5e9}, {"memory_total", 1e10}};
  const std::map<std::string, double> low = {{"memory_available", 4e8}, {"memory_total", 1e10}};
  scene.judge->add_host("a", fine, at(1s));
  scene.judge->add_host("b", fine, at(1s));
  scene.look(1s);
  EXPECT_FALSE(scene.abort);
  scene.judge->add_host("b", low, at(2s));
  scene.look(2s);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->text, "host.memory_available on b 4% crossed < 5%");
}

TEST(AbortIf, SilentHostValuesStop) {
  Scene scene;
  scene.experiment.abort_if = {one(host(model::HostValue::load1, greater, 50, Unit::none))};
  scene.start();
  scene.judge->begin_baseline(at(0s));
  scene.idle(0s, 4s);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->cause, model::AbortCause::no_data);
}

TEST(AbortIf, OfAStepLivesWithItsStep) {
  Scene scene;
  model::Step step;
  step.path = "method.1";
  step.abort_if = {one(part("queue", value, greater, 10))};
  scene.experiment.method = {model::Wait{}, step};
  scene.fault();
  scene.queue(11s, 12s, 50);
  EXPECT_FALSE(scene.abort);
  scene.judge->begin_step("method.1", at(13s));
  scene.queue(14s, 15s, 50);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->condition, "method.1.abort_if.0");
}

TEST(AbortIf, OfAStepCountsFromItsBeginning) {
  Scene scene;
  model::Step step;
  step.path = "method.1";
  step.abort_if = {one(part("shop", failures, greater, 20))};
  scene.experiment.method = {model::Wait{}, step};
  scene.fault();
  scene.shop(11s, 13s, false);  // what another step did
  scene.judge->begin_step("method.1", at(13s));
  scene.shop(13s, 15s, true);
  EXPECT_FALSE(scene.abort);
  scene.shop(15s, 17s, false);
  ASSERT_TRUE(scene.abort);
  EXPECT_EQ(scene.abort->condition, "method.1.abort_if.0");
}

TEST(AbortIf, IsOnlyRecordedInRecovery) {
  Scene scene;
  scene.experiment.abort_if = {one(success_below_80())};
  scene.fault();
  scene.shop(10s, 12s, true);
  scene.judge->end_fault(at(12s));
  scene.judge->begin_recovery(at(12s));
  scene.shop(12s, 15s, false);
  EXPECT_FALSE(scene.abort);
  EXPECT_EQ(scene.last("abort_if.0").truth, Truth::holds);
  EXPECT_EQ(scene.last("abort_if.0").phase, Phase::recovery);
}

}  // namespace
}  // namespace ordeal::probe
