#include <gmock/gmock.h>

#include "tests/unit/probe/fixture.hpp"

namespace ordeal::probe {
namespace {

using testing::HasSubstr;
using enum Aggregate;
using enum Comparison;

// ---- whole phase: 10 s of shop from 10 s on, then the verdict ----------------------------------

struct WholeCase {
  const char* name;
  Part part;
  int fails_every;  // 0: never
  Truth truth;
  const char* measured;
};
class WholePhase : public testing::TestWithParam<WholeCase> {};

TEST_P(WholePhase, IsJudgedOnceAtTheEnd) {
  Scene scene;
  scene.experiment.during = {one(GetParam().part)};
  scene.fault();
  scene.shop_failing(10s, 20s, GetParam().fails_every == 0 ? 1'000'000 : GetParam().fails_every);
  const ConditionStatus status = scene.end(20s, "during.0");
  EXPECT_EQ(status.truth, GetParam().truth) << status.measured_text << " " << status.problem;
  EXPECT_EQ(status.measured_text, GetParam().measured);
}
INSTANTIATE_TEST_SUITE_P(
    Table, WholePhase,
    testing::Values(
        WholeCase{"success", part("shop", success, greater_equal, 99, Unit::percent), 100,
                  Truth::holds, "99%"},
        WholeCase{"low", part("shop", success, greater_equal, 99, Unit::percent), 50, Truth::broken,
                  "98%"},
        WholeCase{"equal_is_not_greater", part("shop", success, greater, 99, Unit::percent), 100,
                  Truth::broken, "99%"},
        WholeCase{"error", part("shop", error, less, 1, Unit::percent), 50, Truth::broken, "2%"},
        WholeCase{"failures_none", part("shop", failures, equal, 0), 0, Truth::holds, "0"},
        WholeCase{"failures_some", part("shop", failures, equal, 0), 250, Truth::broken, "2"},
        WholeCase{"count", part("shop", count, equal, 500), 3, Truth::holds, "500"},
        WholeCase{"throughput", part("shop", throughput, greater_equal, 45, Unit::per_second), 5,
                  Truth::broken, "40/s"},
        WholeCase{"p95", part("shop", p95, less_equal, 0.05, Unit::seconds), 0, Truth::holds,
                  "10ms"},
        WholeCase{"p99_has_enough", part("shop", p99, less_equal, 0.05, Unit::seconds), 0,
                  Truth::holds, "10ms"},
        WholeCase{"p999_has_not", part("shop", p999, less_equal, 0.05, Unit::seconds), 0,
                  Truth::unknown, ""},
        WholeCase{"mean", part("shop", mean, less, 0.01, Unit::seconds), 0, Truth::broken, "10ms"},
        WholeCase{"no_good_answer", part("shop", p50, less, 5, Unit::seconds), 1, Truth::broken,
                  ""}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(During, SamplesBelongToThePhaseInWhichTheyWereScheduled) {
  Scene scene;
  scene.experiment.during = {one(part("shop", failures, equal, 0))};
  scene.baseline();
  // Sent before the fault, and answered before it.
  scene.sample(0, 9990ms, false, 5ms);
  scene.begin_fault();
  scene.shop(10500ms, 20s, true);
  scene.shop(10s, 10500ms, true);
  // Sent in the fault, failed after its end.
  scene.judge->end_fault(at(20s));
  EXPECT_EQ(scene.final(Phase::fault, 21s, "during.0").truth, Truth::holds);
  scene.sample(0, 19999ms, false, 1s);
  EXPECT_EQ(scene.final(Phase::fault, 22s, "during.0").truth, Truth::broken);
}

TEST(During, FirstFailureIsKnownAtOnce) {
  Scene scene;
  scene.experiment.during = {one(part("shop", failures, equal, 0))};
  scene.fault();
  scene.shop(10s, 11s, true);
  EXPECT_NE(scene.last("during.0").truth, Truth::broken);
  scene.sample(0, 11s, false);
  EXPECT_EQ(scene.last("during.0").truth, Truth::broken);
  EXPECT_FALSE(scene.last("during.0").final);
  EXPECT_FALSE(scene.abort);
}

TEST(During, ARatioThatMayStillComeRightIsNotBrokenYet) {
  Scene scene;
  scene.experiment.during = {one(part("shop", success, greater_equal, 99, Unit::percent))};
  scene.fault();
  scene.shop_failing(10s, 11s, 50);
  scene.idle(11s, 13s);
  EXPECT_EQ(scene.last("during.0").truth, Truth::unknown);
  EXPECT_EQ(scene.last("during.0").measured, 98.0);
}

TEST(During, NinePartsOfTenMustBeMeasured) {
  for (const auto& [until, truth] :
       {std::pair{19500ms, Truth::holds}, std::pair{18500ms, Truth::unknown}}) {
    Scene scene;
    scene.experiment.during = {one(part("shop", success, greater_equal, 99, Unit::percent))};
    scene.fault();
    scene.shop(10s, until, true);
    EXPECT_EQ(scene.end(20s, "during.0").truth, truth);
  }
}

TEST(During, NoFailureOfFifteenIsNone) {
  Scene scene;
  model::TcpProbe tcp;
  tcp.rate = 1;
  scene.experiment.slis[0].probe = tcp;
  scene.experiment.during = {one(part("shop", failures, equal, 0))};
  scene.fault();
  for (Duration when = 10s; when < 25s; when += 1s) scene.sample(0, when, true);
  EXPECT_EQ(scene.end(25s, "during.0").truth, Truth::holds);
}

TEST(During, WithoutSamplesIsUnknown) {
  Scene scene;
  scene.experiment.during = {one(part("shop", success, greater_equal, 99, Unit::percent))};
  scene.fault();
  const ConditionStatus status = scene.end(20s, "during.0");
  EXPECT_EQ(status.truth, Truth::unknown);
  EXPECT_THAT(status.problem, HasSubstr("no sample"));
}

TEST(During, OurLatenessMakesItUnknown) {
  Scene scene;
  scene.experiment.during = {one(part("shop", success, greater_equal, 99, Unit::percent))};
  scene.fault();
  for (Duration when = 10s; when < 20s; when += 200ms) {
    scene.sample(0, when, true, 10ms, 0, true);  // one of ten
    scene.shop(when + 20ms, when + 200ms, true);
  }
  const ConditionStatus status = scene.end(20s, "during.0");
  EXPECT_EQ(status.truth, Truth::unknown);
  EXPECT_EQ(status.problem.substr(0, 29), "ordeal could not keep its rat");
}

// ---- slices ------------------------------------------------------------------------------------

Part p95_slice() { return part("shop", p95, less_equal, 0.1, Unit::seconds, 4s); }

TEST(Slices, OneBadSliceBreaks) {
  Scene scene;
  scene.experiment.during = {one(p95_slice())};
  scene.fault();
  scene.shop(10s, 14s, true);
  scene.shop(14s, 18s, true, 200ms);
  scene.shop(18s, 20s, true);
  scene.idle(20s, 21s);
  EXPECT_EQ(scene.last("during.0").truth, Truth::broken);  // early
  const ConditionStatus status = scene.end(22s, "during.0");
  EXPECT_EQ(status.truth, Truth::broken);
  EXPECT_THAT(status.problem, HasSubstr("first at +14"));
}

TEST(Slices, BadFifthOfThePhaseIsSeenBySlicesOnly) {
  for (const bool sliced : {true, false}) {
    Scene scene;
    Part bound = part("shop", p50, less_equal, 0.1, Unit::seconds);
    if (sliced) bound.over = 2s;
    scene.experiment.during = {one(bound)};
    scene.fault();
    scene.shop(10s, 18s, true);
    scene.shop(18s, 20s, true, 300ms);
    EXPECT_EQ(scene.end(20s, "during.0").truth, sliced ? Truth::broken : Truth::holds);
  }
}

TEST(Slices, LastOneEndsWithThePhase) {
  Scene scene;
  scene.experiment.during = {one(part("shop", p50, less_equal, 0.1, Unit::seconds, 4s))};
  scene.fault();
  // Slices 10-14, 14-18, and 16-20: only the last is mostly slow.
  scene.shop(10s, 17s, true);
  scene.shop(17s, 20s, true, 200ms);
  EXPECT_EQ(scene.end(20s, "during.0").truth, Truth::broken);
}

TEST(Slices, PhaseShorterThanASliceIsUnknown) {
  Scene scene;
  scene.experiment.during = {one(part("shop", p95, less_equal, 0.1, Unit::seconds, 30s))};
  scene.fault();
  scene.shop(10s, 20s, true);
  EXPECT_EQ(scene.end(20s, "during.0").truth, Truth::unknown);
}

TEST(Slices, SilentSlicesMakeItUnknown) {
  Scene scene;
  scene.experiment.during = {one(p95_slice())};
  scene.fault();
  scene.shop(10s, 14s, true);
  scene.shop(18s, 22s, true);
  EXPECT_EQ(scene.end(22s, "during.0").truth, Truth::unknown);
}

TEST(Slices, ABrokenSliceBeatsASilentOne) {
  Scene scene;
  scene.experiment.during = {one(p95_slice())};
  scene.fault();
  scene.shop(10s, 14s, true, 500ms);
  scene.shop(18s, 22s, true);
  EXPECT_EQ(scene.end(22s, "during.0").truth, Truth::broken);
}

// ---- moments -----------------------------------------------------------------------------------

TEST(Flags, HoldAtEverySample) {
  Scene scene;
  scene.experiment.during = {one(flag("worker"))};
  scene.fault();
  scene.worker(10s, 20s, true);
  EXPECT_EQ(scene.end(20s, "during.0").truth, Truth::holds);
}

TEST(Flags, OneBadSampleBreaks) {
  Scene scene;
  scene.experiment.during = {one(flag("worker")), one(flag("worker", true))};
  scene.fault();
  scene.worker(10s, 15s, true);
  scene.worker(15s, 16s, false);
  scene.worker(16s, 20s, true);
  EXPECT_EQ(scene.last("during.0").truth, Truth::broken);
  EXPECT_EQ(scene.end(20s, "during.0").truth, Truth::broken);
  EXPECT_EQ(scene.final(Phase::fault, 21s, "during.1").truth, Truth::broken);
}

TEST(Flags, HalfThePhaseUnmeasuredIsUnknown) {
  Scene scene;
  scene.experiment.slis[1].on_no_data = model::OnNoData::inconclusive;
  scene.experiment.during = {one(flag("worker"))};
  scene.fault();
  scene.worker(10s, 15s, true);
  EXPECT_EQ(scene.end(25s, "during.0").truth, Truth::unknown);
}

struct KleeneCase {
  const char* name;
  model::Join join;
  std::optional<bool> worker;  // empty: no data
  double queue;
  Truth truth;
};
class Kleene : public testing::TestWithParam<KleeneCase> {};

TEST_P(Kleene, AtEveryMoment) {
  Scene scene;
  const KleeneCase& one_case = GetParam();
  scene.experiment.slis[1].on_no_data = model::OnNoData::inconclusive;
  scene.experiment.during = {joined(one_case.join, flag("worker"), part("queue", value, less, 10))};
  scene.fault();
  for (Duration when = 10s; when < 20s; when += 1s) {
    scene.sample(1, when, one_case.worker.value_or(false), 0ms, 0, !one_case.worker);
    scene.queue(when, when + 1s, one_case.queue);
  }
  // At 10 s only the worker has spoken: with `or` that first moment is not judged by it alone.
  EXPECT_EQ(scene.end(20s, "during.0").truth, one_case.truth);
}
INSTANTIATE_TEST_SUITE_P(
    Table, Kleene,
    testing::Values(KleeneCase{"both", model::Join::all_of, true, 5, Truth::holds},
                    KleeneCase{"and_one_false", model::Join::all_of, true, 50, Truth::broken},
                    KleeneCase{"and_unknown_false", model::Join::all_of, {}, 50, Truth::broken},
                    KleeneCase{"and_unknown_true", model::Join::all_of, {}, 5, Truth::unknown},
                    KleeneCase{"or_one_true", model::Join::any_of, false, 5, Truth::holds},
                    KleeneCase{"or_unknown_true", model::Join::any_of, {}, 5, Truth::holds},
                    KleeneCase{"or_unknown_false", model::Join::any_of, {}, 50, Truth::unknown},
                    KleeneCase{"or_both_false", model::Join::any_of, false, 50, Truth::broken}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Gauges, MeanOverSlices) {
  Scene scene;
  scene.experiment.during = {one(part("queue", mean, less_equal, 10, Unit::none, 5s))};
  scene.fault();
  scene.queue(10s, 15s, 5);
  scene.queue(15s, 20s, 12);
  const ConditionStatus status = scene.end(20s, "during.0");
  EXPECT_EQ(status.truth, Truth::broken);
  EXPECT_EQ(status.measured_text, "12");
}

TEST(Gauges, MaxOverThePhase) {
  Scene scene;
  scene.experiment.during = {one(part("queue", max, less, 10))};
  scene.fault();
  scene.queue(10s, 15s, 5);
  scene.queue(15s, 16s, 10);
  EXPECT_EQ(scene.last("during.0").truth, Truth::broken);  // known at once
  scene.queue(16s, 20s, 5);
  EXPECT_EQ(scene.end(20s, "during.0").truth, Truth::broken);
}

// Samples without data measured nothing, whatever was read in between.
struct SparseCase {
  const char* name;
  Part part;
  std::size_t sli;
  int known_of_ten;
  Truth truth;
};
class Sparse : public testing::TestWithParam<SparseCase> {};

TEST_P(Sparse, CountsOnlyWhatWasMeasured) {
  Scene scene;
  for (model::Sli& sli : scene.experiment.slis) sli.on_no_data = model::OnNoData::inconclusive;
  scene.experiment.during = {one(GetParam().part)};
  scene.fault();
  int n = 0;
  for (Duration when = 10s; when < 40s; when += 1s) {
    const bool no_data = n++ % 10 >= GetParam().known_of_ten;
    scene.sample(GetParam().sli, when, !no_data, 0ms, 2, no_data);
  }
  const ConditionStatus status = scene.end(40s, "during.0");
  EXPECT_EQ(status.truth, GetParam().truth) << status.problem;
}
INSTANTIATE_TEST_SUITE_P(
    Table, Sparse,
    testing::Values(SparseCase{"whole_most", part("queue", max, less, 5), 2, 9, Truth::holds},
                    SparseCase{"whole_few", part("queue", max, less, 5), 2, 2, Truth::unknown},
                    SparseCase{"whole_broken", part("queue", max, less, 1), 2, 2, Truth::broken},
                    SparseCase{"slices_few", part("queue", max, less, 5, Unit::none, 10s), 2, 2,
                               Truth::unknown},
                    SparseCase{"value_most", part("queue", value, less, 5), 2, 9, Truth::holds},
                    SparseCase{"value_few", part("queue", value, less, 5), 2, 5, Truth::unknown},
                    SparseCase{"value_broken", part("queue", value, less, 1), 2, 5, Truth::broken},
                    SparseCase{"flag_most", flag("worker"), 1, 9, Truth::holds},
                    SparseCase{"flag_few", flag("worker"), 1, 8, Truth::unknown},
                    SparseCase{"outage_few", part("worker", outage, less, 5, Unit::seconds), 1, 5,
                               Truth::unknown}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Restarts, CountFromTheBeginningOfThePhase) {
  model::ProcessProbe process;
  Scene scene;
  scene.experiment.slis[1].probe = process;
  scene.experiment.during = {one(part("worker", restarts, equal, 0))};
  scene.start();
  scene.judge->begin_baseline(at(0s));
  for (Duration when = 0s; when < 10s; when += 1s) scene.restarts(when, 2);  // before: not ours
  ASSERT_TRUE(scene.judge->end_baseline(at(10s)).has_value());
  scene.begin_fault();
  for (Duration when = 10s; when < 15s; when += 1s) scene.restarts(when, 2);
  EXPECT_NE(scene.last("during.0").truth, Truth::broken);
  for (Duration when = 15s; when < 20s; when += 1s) scene.restarts(when, 3);
  const ConditionStatus status = scene.end(20s, "during.0");
  EXPECT_EQ(status.truth, Truth::broken);
  EXPECT_EQ(status.measured_text, "1");
}

// ---- lists of steps ----------------------------------------------------------------------------

TEST(During, OfAStepReplacesTheGlobalOne) {
  Scene scene;
  model::Step step;
  step.path = "method.0";
  step.during =
      std::vector<Condition>{one(part("shop", success, greater_equal, 50, Unit::percent))};
  model::Step beside;  // goes on all the while
  beside.path = "method.1";
  scene.experiment.method = {step, beside};
  scene.experiment.during = {one(part("shop", failures, equal, 0))};
  scene.fault();
  scene.judge->begin_step("method.1", at(10s));
  scene.shop(10s, 14s, true);
  scene.judge->begin_step("method.0", at(14s));
  scene.shop_failing(14s, 18s, 3);
  scene.judge->end_step("method.0", at(18s));
  scene.shop(18s, 22s, true);
  EXPECT_EQ(scene.end(22s, "during.0").truth, Truth::holds);
  EXPECT_EQ(scene.final(Phase::fault, 23s, "method.0.during.0").truth, Truth::holds);
}

// What is looked at each second is known between the looks too, also where one short step ends and
// the next one begins.
TEST(During, ShortStepsOneAfterAnotherAreMeasuredWhole) {
  for (const bool all : {true, false}) {
    Scene scene;
    for (int i = 0; i < 6; ++i) {
      model::Step step;
      step.path = fmt::format("method.{}", i);
      scene.experiment.method.push_back(step);
    }
    scene.experiment.during = {one(flag("worker"))};
    scene.fault();
    for (int i = 0; i < 6; ++i) {
      const Duration begun = 10s + i * 2500ms;
      scene.judge->begin_step(fmt::format("method.{}", i), at(begun));
      // Its second look has no data now and then: half of the time is unknown.
      scene.sample(1, begun + 300ms, true, 0ms);
      scene.sample(1, begun + 1300ms, true, 0ms, 0, !all && i % 2 == 0);
      scene.judge->end_step(fmt::format("method.{}", i), at(begun + 2s));
    }
    EXPECT_EQ(scene.end(24500ms, "during.0").truth, all ? Truth::holds : Truth::unknown) << all;
  }
}

TEST(During, AStepInWhichNobodyLookedIsKnownByTheLookBefore) {
  Scene scene;
  for (int i = 0; i < 10; ++i) {
    model::Step step;
    step.path = fmt::format("method.{}", i);
    scene.experiment.method.push_back(step);
  }
  scene.experiment.during = {one(flag("worker"))};
  scene.fault();
  for (int i = 0; i < 10; ++i) {
    const Duration begun = 10s + i * 500ms;
    scene.judge->begin_step(fmt::format("method.{}", i), at(begun));
    if (i % 2 == 0) scene.sample(1, begun + 100ms, true, 0ms);
    scene.judge->end_step(fmt::format("method.{}", i), at(begun + 400ms));
  }
  EXPECT_EQ(scene.end(14900ms, "during.0").truth, Truth::holds);
}

TEST(During, ReplacedFromBeginningToEndIsNotJudged) {
  Scene scene;
  model::Step step;
  step.path = "method.0";
  step.during = std::vector<Condition>{};
  scene.experiment.method = {step};
  scene.experiment.during = {one(part("shop", failures, equal, 0))};
  scene.fault();
  scene.judge->begin_step("method.0", at(10s));
  scene.shop(10s, 15s, false);
  scene.judge->end_step("method.0", at(15s));
  scene.judge->end_fault(at(15s));
  EXPECT_TRUE(scene.judge->final_statuses(Phase::fault, at(16s)).empty());
}

}  // namespace
}  // namespace ordeal::probe
