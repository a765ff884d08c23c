// Decisions of the state machine, in virtual time.
#include "tests/unit/schedule/values.hpp"

namespace ordeal::schedule {
namespace {

const WallTime kNoon = instant("2026-11-21T12:00:00Z");

// One schedule every minute, from noon on.
struct Minutely {
  explicit Minutely(Concurrency concurrency = Concurrency::forbid, Duration deadline = 10s)
      : schedule(schedule_of(Every{1min})) {
    schedule.concurrency = concurrency;
    schedule.start_deadline = deadline;
  }
  Calendar calendar() const {
    Calendar out;
    out.schedules.push_back(schedule);
    return out;
  }
  Scheduler make(std::map<std::string, Standing> standings = {}) const {
    return Scheduler(calendar(), std::move(standings), kNoon);
  }
  Schedule schedule;
};

Texts tick(Scheduler& scheduler, Duration after_noon) {
  return to_texts(scheduler.tick(kNoon + after_noon));
}
Texts end(Scheduler& scheduler, Duration due, const std::string& exit, Duration now) {
  return to_texts(scheduler.ended("test", kNoon + due, exit, kNoon + now));
}

TEST(Scheduler, FiresFromNowOnAndNothingTwice) {
  Scheduler scheduler = Minutely().make();
  EXPECT_EQ(scheduler.next_wake(), kNoon + 1min);
  EXPECT_EQ(tick(scheduler, 0s), Texts{});
  EXPECT_EQ(tick(scheduler, 59s), Texts{});
  EXPECT_EQ(tick(scheduler, 60s), Texts{"start test 12:01:00"});
  EXPECT_EQ(tick(scheduler, 60s), Texts{});
  EXPECT_EQ(end(scheduler, 1min, "upheld", 70s), Texts{});
  EXPECT_EQ(tick(scheduler, 80s), Texts{});
  EXPECT_EQ(tick(scheduler, 121s), Texts{"start test 12:02:00"});
}

TEST(Scheduler, ForbidsQueuesOrReplaces) {
  const std::string goes_on = "the run of 2026-11-21 12:01:00 +00:00 goes on";
  Scheduler forbid = Minutely(Concurrency::forbid).make();
  tick(forbid, 1min);
  EXPECT_EQ(tick(forbid, 2min), Texts{"skip test 12:02:00: " + goes_on});
  EXPECT_EQ(end(forbid, 1min, "upheld", 150s), Texts{});

  const std::string waits = "for the end of the run of 2026-11-21 12:01:00 +00:00";
  Scheduler queue = Minutely(Concurrency::queue).make();
  tick(queue, 1min);
  EXPECT_EQ(tick(queue, 2min), Texts{"wait test 12:02:00: " + waits});
  EXPECT_EQ(tick(queue, 3min), Texts{"skip test 12:03:00: another firing waits already"});
  EXPECT_EQ(end(queue, 1min, "upheld", 200s), Texts{"start test 12:02:00"});
  EXPECT_EQ(end(queue, 1min, "upheld", 200s), Texts{}) << "an end that was told before";
  EXPECT_EQ(tick(queue, 4min).size(), 1u);

  Scheduler replace = Minutely(Concurrency::replace).make();
  tick(replace, 1min);
  EXPECT_EQ(tick(replace, 2min),
            (Texts{"wait test 12:02:00: " + waits,
                   "interrupt test 12:01:00: replaced by the firing of 2026-11-21 12:02:00 "
                   "+00:00"}));
  EXPECT_EQ(tick(replace, 3min), (Texts{"skip test 12:02:00: replaced by a later firing",
                                        "wait test 12:03:00: " + waits}));
  EXPECT_EQ(end(replace, 1min, "interrupted", 190s), Texts{"start test 12:03:00"});
}

TEST(Scheduler, AsksTheWindowsAgainWhenWhatWaitedBegins) {
  Minutely minutely(Concurrency::queue);
  minutely.schedule.windows.push_back(window("12:00-12:03"));
  Scheduler scheduler = minutely.make();
  tick(scheduler, 1min);
  tick(scheduler, 2min);
  EXPECT_EQ(end(scheduler, 1min, "upheld", 181s),
            Texts{"skip test 12:02:00: outside its windows (12:00-12:03)"});
}

TEST(Scheduler, MissesWhatIsSeenTooLateAndCatchesUpOnlyTheLatest) {
  Scheduler scheduler = Minutely(Concurrency::forbid, 150s).make({{"test", {.decided = kNoon}}});
  EXPECT_EQ(tick(scheduler, 5min),
            (Texts{"miss test 12:01:00: seen 4m late, start_deadline is 2m30s",
                   "miss test 12:02:00: seen 3m late, start_deadline is 2m30s",
                   "miss test 12:03:00: a later firing was due as well",
                   "miss test 12:04:00: a later firing was due as well", "start test 12:05:00"}));
  EXPECT_EQ(end(scheduler, 5min, "upheld", 5min + 5s), Texts{});
  EXPECT_EQ(tick(scheduler, 6min + 151s).size(), 3u);
}

TEST(Scheduler, TellsOfManyMissedInOneSentence) {
  Scheduler scheduler = Minutely().make({{"test", {.decided = kNoon}}});
  const Texts told = tick(scheduler, 30 * 24h + 30s);
  ASSERT_EQ(told.size(), 101u);
  EXPECT_EQ(told[0],
            "miss test 12:01:00: 43100 firings from here to 2026-12-21 10:20:00 +00:00: seen "
            "1h40m30s late, start_deadline is 10s");
  EXPECT_EQ(told[1], "miss test 10:21:00: seen 1h39m30s late, start_deadline is 10s");
  EXPECT_EQ(told[100], "miss test 12:00:00: seen 30s late, start_deadline is 10s");
}

TEST(Scheduler, PausesAfterBadEndsUntilResumed) {
  Minutely minutely;
  minutely.schedule.pause_after = {{"violated", 2}};
  Scheduler scheduler = minutely.make({{"test", {.decided = kNoon, .ends = {{"violated", 1}}}}});
  EXPECT_EQ(tick(scheduler, 1min), Texts{"start test 12:01:00"});
  EXPECT_EQ(end(scheduler, 1min, "violated", 70s), Texts{});
  const std::string paused = "paused: 2 runs ended violated; ordeal schedule resume test";
  EXPECT_EQ(ordeal::schedule::paused(minutely.schedule, {{"violated", 2}}), paused);
  EXPECT_EQ(tick(scheduler, 2min), Texts{"skip test 12:02:00: " + paused});
  scheduler.set_ends("test", {});
  EXPECT_EQ(tick(scheduler, 3min), Texts{"start test 12:03:00"});
}

TEST(Scheduler, NeverFiresTwiceWhenTheClockGoesBack) {
  Scheduler scheduler = Minutely().make();
  EXPECT_EQ(tick(scheduler, 60min).back(), "start test 13:00:00");
  end(scheduler, 60min, "upheld", 60min);
  EXPECT_EQ(tick(scheduler, 30min), Texts{});
  EXPECT_EQ(tick(scheduler, 60min), Texts{});
  EXPECT_EQ(tick(scheduler, 61min), Texts{"start test 13:01:00"});
}

TEST(Scheduler, TakesALargeStepBackAsACorrection) {
  Scheduler scheduler = Minutely().make({{"test", {.decided = kNoon + 24h * 365 * 70}}});
  EXPECT_EQ(tick(scheduler, 30s), Texts{});
  EXPECT_EQ(tick(scheduler, 60s), Texts{"start test 12:01:00"});
}

TEST(Scheduler, ReloadsWithoutTouchingWhatRuns) {
  Minutely minutely(Concurrency::queue);
  Scheduler scheduler = minutely.make();
  tick(scheduler, 1min);
  Calendar other = minutely.calendar();
  other.schedules[0].trigger = Every{1h};
  EXPECT_EQ(to_texts(scheduler.reload(other, kNoon + 90s)), Texts{});
  EXPECT_EQ(tick(scheduler, 59min), Texts{});
  EXPECT_EQ(tick(scheduler, 60min).size(), 1u);  // waits: the first run goes on still
  other.schedules[0].name = "other";
  EXPECT_EQ(to_texts(scheduler.reload(other, kNoon + 61min)),
            Texts{"skip test 13:00:00: not in the schedule file any more"});
  EXPECT_EQ(end(scheduler, 1min, "upheld", 62min), Texts{});
  EXPECT_EQ(tick(scheduler, 120min), Texts{"start other 14:00:00"});
}

TEST(Scheduler, DrainsForAStop) {
  Scheduler scheduler = Minutely(Concurrency::queue).make();
  tick(scheduler, 1min);
  tick(scheduler, 2min);
  EXPECT_EQ(to_texts(scheduler.drain("stopped")), Texts{"skip test 12:02:00: stopped"});
  EXPECT_EQ(tick(scheduler, 3min), Texts{});
  EXPECT_EQ(end(scheduler, 1min, "interrupted", 3min), Texts{});
}

TEST(Scheduler, GoesOnAfterARestart) {
  // It died with one that ran and one that waited; meanwhile the run has gone on.
  Standing standing{.decided = kNoon + 2min};
  standing.running = kNoon + 1min;
  standing.waiting = kNoon + 2min;
  Scheduler scheduler(Minutely(Concurrency::queue).calendar(), {{"test", standing}}, kNoon + 150s);
  EXPECT_EQ(tick(scheduler, 150s), Texts{});
  EXPECT_EQ(end(scheduler, 1min, "upheld", 160s), Texts{"start test 12:02:00"});
  // It died with one that waited for nothing any more.
  standing.running.reset();
  Scheduler free(Minutely(Concurrency::queue).calendar(), {{"test", standing}}, kNoon + 150s);
  EXPECT_EQ(tick(free, 150s), Texts{"start test 12:02:00"});
}

}  // namespace
}  // namespace ordeal::schedule
