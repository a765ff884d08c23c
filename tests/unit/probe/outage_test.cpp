// How long nobody got a good answer: by when answers arrived, whatever was due when.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/unit/probe/fixture.hpp"

namespace ordeal::probe {
namespace {

using testing::HasSubstr;
using enum Aggregate;
using enum Comparison;

TEST(Outage, IsKnownAfterFifteenSecondsAndOneSample) {
  Scene scene;
  scene.experiment.during = {one(part("shop", outage, less_equal, 15, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 12s, true);       // the last good one is scheduled at 11.98 s
  scene.shop(12s, 26990ms, false);  // the last good one arrived at 11.99 s
  EXPECT_EQ(scene.last("during.0").truth, Truth::holds);
  scene.shop(27s, 27010ms, false);
  EXPECT_EQ(scene.last("during.0").truth, Truth::broken);
  EXPECT_EQ(scene.last("during.0").measured_text, "15.02s");
}

TEST(Outage, ShortGapsAreNothing) {
  Scene scene;
  scene.experiment.during = {one(part("shop", outage, equal, 0, Unit::seconds)),
                             one(part("shop", downtime, equal, 0, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 15s, true);
  scene.shop(15s, 15040ms, false);  // two lost: 60 ms from good to good
  scene.shop(15040ms, 20s, true);
  scene.judge->end_fault(at(20s));
  EXPECT_EQ(scene.final(Phase::fault, 21s, "during.0").truth, Truth::holds);
  EXPECT_EQ(scene.final(Phase::fault, 21s, "during.1").truth, Truth::holds);
}

TEST(Outage, DowntimeAddsWhatOutageTakesTheLongestOf) {
  Scene scene;
  scene.experiment.during = {one(part("shop", outage, less_equal, 1.5, Unit::seconds)),
                             one(part("shop", downtime, less_equal, 1.5, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 12s, true);
  scene.shop(12s, 13s, false);
  scene.shop(13s, 15s, true);
  scene.shop(15s, 16s, false);
  scene.shop(16s, 20s, true);
  scene.judge->end_fault(at(20s));
  EXPECT_EQ(scene.final(Phase::fault, 21s, "during.0").measured_text, "1.02s");
  EXPECT_EQ(scene.final(Phase::fault, 21s, "during.1").measured_text, "2.04s");
  EXPECT_EQ(scene.final(Phase::fault, 21s, "during.1").truth, Truth::broken);
}

TEST(Outage, ReachesToTheEndOfThePhase) {
  Scene scene;
  scene.experiment.during = {one(part("shop", outage, less, 3, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 17s, true);
  scene.shop(17s, 20s, false);
  scene.judge->end_fault(at(20s));
  scene.shop(20s, 21s, true);
  EXPECT_EQ(scene.final(Phase::fault, 21s, "during.0").measured_text, "3.02s");
}

TEST(Outage, GoesOnAcrossTheEndOfThePhase) {
  Scene scene;
  scene.experiment.during = {one(part("shop", outage, less, 3, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 19s, true);
  scene.shop(19s, 20s, false);
  scene.judge->end_fault(at(20s));
  scene.judge->begin_recovery(at(20100ms));
  scene.shop(20s, 24s, false);
  scene.shop(24s, 26s, true);
  const ConditionStatus status = scene.final(Phase::fault, 26s, "during.0");
  EXPECT_EQ(status.measured_text, "5.02s");
  EXPECT_EQ(status.truth, Truth::broken);
}

TEST(Outage, BeginsWithTheLastGoodAnswerBeforeThePhase) {
  Scene scene;
  scene.experiment.slis[0].min_samples = 1;
  scene.experiment.during = {one(part("shop", outage, less, 1, Unit::seconds))};
  scene.fault();  // the last good answer arrived at 9.99 s
  scene.shop(10s, 12s, false);
  scene.shop(12s, 20s, true);
  EXPECT_EQ(scene.end(20s, "during.0").measured_text, "2.02s");
}

// A pause of 3 s in which requests wait: whatever the timeout, nobody got an answer for 3 s.
std::vector<std::pair<Duration, Sample>> paused(Duration timeout) {
  std::vector<std::pair<Duration, Sample>> out;
  for (Duration due = 10s; due < 20s; due += 20ms) {
    const bool hit = due + 10ms >= 12s && due < 15s;
    const bool good = !hit || due + timeout > 15s;
    const Duration done = !hit ? due + 10ms : good ? Duration(15s) : due + timeout;
    Sample sample;
    sample.scheduled = at(due);
    sample.completed = at(done);
    sample.latency = done - due;
    sample.ok = good;
    out.emplace_back(done, sample);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  return out;
}

TEST(Outage, IsTheSameWhateverTheTimeout) {
  for (const Duration timeout : {Duration(1s), Duration(2s), Duration(5s), Duration(12s)}) {
    Scene scene;
    std::get<model::HttpProbe>(scene.experiment.slis[0].probe).timeout = timeout;
    scene.experiment.during = {one(part("shop", outage, less, 1, Unit::seconds)),
                               one(part("shop", downtime, less, 1, Unit::seconds))};
    scene.fault();
    for (auto& [done, sample] : paused(timeout)) {
      scene.judge->add(sample);
      scene.look(done);
    }
    const double outage_s = *scene.end(20s, "during.0").measured;
    EXPECT_NEAR(outage_s, 3.0, 0.05) << format_duration(timeout);
    EXPECT_EQ(*scene.final(Phase::fault, 21s, "during.1").measured, outage_s);
    // The table says what the condition says.
    for (const model::SliSummary& summary : scene.judge->summaries(Phase::fault)) {
      if (summary.sli != "shop") continue;
      EXPECT_EQ(summary.values.at("outage"), outage_s);
    }
  }
}

TEST(Outage, IsKnownWhileRequestsStillHang) {
  Scene scene;
  std::get<model::HttpProbe>(scene.experiment.slis[0].probe).timeout = 12s;
  scene.experiment.during = {one(part("shop", outage, less_equal, 4, Unit::seconds))};
  scene.experiment.abort_if = {one(part("shop", outage, greater, 5, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 12s, true);
  scene.idle(12s, 16500ms);  // nothing is answered, nothing has timed out
  EXPECT_EQ(scene.last("during.0").truth, Truth::broken);
  EXPECT_FALSE(scene.abort);
  scene.idle(16500ms, 18s);
  ASSERT_TRUE(scene.abort);
  EXPECT_LE(*scene.aborted_at, 17100ms);
}

// ordeal did not run for 2.5 s: nobody knows what the service did.
TEST(Outage, OfOurOwnSleepIsNone) {
  Scene scene;
  scene.experiment.abort_if = {one(part("shop", outage, greater, 2, Unit::seconds))};
  scene.experiment.during = {one(part("shop", outage, less_equal, 2, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 12s, true);
  scene.judge->blind(at(12s), at(14500ms));
  scene.look(14500ms);
  EXPECT_FALSE(scene.abort) << scene.abort->text;
  for (Duration when = 12s; when < 14500ms; when += 20ms) {
    scene.sample(0, when, false, 14500ms - when, 0, true);
  }
  scene.shop(14500ms, 28s, true);
  EXPECT_FALSE(scene.abort);
  EXPECT_EQ(scene.end(28s, "during.0").truth, Truth::unknown);
}

// One connection that takes 400 ms for each answer: that is the service, not its outage.
TEST(Outage, OfAClosedLoopKnowsItsPaceFromTheBaseline) {
  Scene scene;
  std::get<model::HttpProbe>(scene.experiment.slis[0].probe).concurrency = 1;
  scene.experiment.during = {one(part("shop", downtime, less_equal, 0.5, Unit::seconds))};
  scene.start();
  scene.judge->begin_baseline(at(0s));
  for (Duration due = 0s; due < 10s; due += 400ms) scene.sample(0, due, true, 400ms);
  ASSERT_TRUE(scene.judge->end_baseline(at(10s)).has_value());
  scene.begin_fault();
  for (Duration due = 10s; due < 20s; due += 500ms) scene.sample(0, due, true, 500ms);
  EXPECT_EQ(scene.end(20s, "during.0").measured_text, "0s");
}

TEST(Outage, AnswersOutOfOrderCloseTheGap) {
  Scene scene;
  scene.experiment.during = {one(part("shop", outage, less, 1, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 12s, true);
  scene.shop(12s, 12900ms, false);
  scene.sample(0, 12500ms, true, 400ms);  // was in flight meanwhile: arrived at 12.9 s
  scene.shop(12900ms, 13400ms, false);
  scene.shop(13400ms, 20s, true);
  EXPECT_EQ(scene.end(20s, "during.0").measured_text, "910ms");
}

// A sender that was behind for nine requests of ten knows nothing of outages, good or bad.
TEST(Outage, OfASenderThatWasBehindIsUnknown) {
  for (const Aggregate aggregate : {outage, downtime}) {
    Scene scene;
    scene.experiment.during = {one(part("shop", aggregate, less_equal, 1, Unit::seconds))};
    scene.fault();
    int n = 0;
    for (Duration when = 10s; when < 20s; when += 20ms) {
      const bool sent = n++ % 10 == 0;
      scene.sample(0, when, sent && n % 100 != 1, 10ms, 0, !sent);
    }
    const ConditionStatus status = scene.end(20s, "during.0");
    EXPECT_EQ(status.truth, Truth::unknown) << status.measured_text;
    EXPECT_THAT(status.problem, HasSubstr("could not keep its rate"));
  }
}

TEST(Outage, ThatWasSeenBeforeTheSenderFellBehindIsBroken) {
  Scene scene;
  scene.experiment.during = {one(part("shop", outage, less_equal, 1, Unit::seconds))};
  scene.fault();
  scene.shop(10s, 12s, false);
  scene.shop(12s, 15s, true);
  for (Duration when = 15s; when < 20s; when += 20ms) scene.sample(0, when, false, 0ms, 0, true);
  const ConditionStatus status = scene.end(20s, "during.0");
  EXPECT_EQ(status.truth, Truth::broken) << status.problem;
  EXPECT_EQ(status.measured_text, "2.02s");
}

}  // namespace
}  // namespace ordeal::probe
