#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "engine/os/linux/random.hpp"
#include "engine/os/linux/self_kill.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

using namespace asio::experimental::awaitable_operators;

Task<void> note_at(Clock& clock, BootTime when, std::string& order, char name) {
  co_await clock.sleep_until(when);
  order += name;
}

TEST(LinuxClock, FiresByTimeAndTiesInTheOrderOfSetting) {
  Loop loop;
  std::string order;
  const BootTime start = loop.clock.now();
  const BootTime early = start + 20ms;
  const BootTime late = start + 40ms;
  loop.run(note_at(loop.clock, late, order, 'x') && note_at(loop.clock, early, order, 'a') &&
           note_at(loop.clock, early, order, 'b') && note_at(loop.clock, late, order, 'y') &&
           note_at(loop.clock, early, order, 'c'));
  EXPECT_EQ(order, "abcxy");
  EXPECT_GE(loop.since(start), 40ms);
  EXPECT_LT(loop.since(start), 2s);
}

TEST(LinuxClock, ReturnsAtOnceWhenTheTimeHasPassed) {
  Loop loop;
  const BootTime start = loop.clock.now();
  loop.run(loop.clock.sleep_until(start - 1s));
  loop.run(loop.clock.sleep_until(BootTime{}));
  EXPECT_LT(loop.since(start), 1s);
}

TEST(LinuxClock, NeverWakesEarly) {
  Loop loop;
  for (int i = 0; i < 20; ++i) {
    const BootTime when = loop.clock.now() + Duration(1500);
    loop.run(loop.clock.sleep_until(when));
    EXPECT_GE(loop.clock.now(), when);
  }
}

// The loop ends although an alarm of an hour was set: the cancelled alarm leaves nothing armed.
TEST(LinuxClock, CancelledAlarmIsForgotten) {
  Loop loop;
  const BootTime start = loop.clock.now();
  const auto race = [](Clock& clock) -> Task<std::size_t> {
    Task<void> hour = clock.sleep(1h);
    Task<void> moment = clock.sleep(10ms);
    const auto first = co_await (std::move(hour) || std::move(moment));
    co_return first.index();
  };
  EXPECT_EQ(loop.run(race(loop.clock)), 1u);
  EXPECT_LT(loop.since(start), 5s);
  // And the clock still works, with an alarm that is set anew.
  EXPECT_EQ(loop.run(race(loop.clock)), 1u);
}

TEST(LinuxClock, MayEndWhileSomebodySleeps) {
  asio::io_context context;
  auto clock = std::make_unique<LinuxClock>(context.get_executor());
  asio::co_spawn(context, clock->sleep(1h), asio::detached);
  context.poll();
  clock.reset();
  context.restart();
  context.run();  // returns: nobody is left
}

TEST(LinuxClock, ReadsBothTimes) {
  Loop loop;
  EXPECT_GT(loop.clock.now().time_since_epoch(), 0s);
  EXPECT_GT(loop.clock.wall().time_since_epoch(), 24h * 365 * 50);
}

// Runs `body` in a forked child and returns its wait status.
template <class Body>
int status_of(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    body();
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(pid, &status, 0);
  return status;
}

BootTime in(Duration time) {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return BootTime(std::chrono::floor<Duration>(std::chrono::seconds(now.tv_sec) +
                                               std::chrono::nanoseconds(now.tv_nsec))) +
         time;
}

TEST(LinuxSelfKill, KillsAStoppedProcess) {
  const BootTime deadline = in(200ms);
  const int status = status_of([deadline] {
    LinuxSelfKill self_kill;
    self_kill.arm(deadline);
    ::raise(SIGSTOP);
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_GE(in(0s), deadline);
}

TEST(LinuxSelfKill, KillsAtOnceWhenTheDeadlineHasPassed) {
  const int status = status_of([] {
    LinuxSelfKill self_kill;
    self_kill.arm(BootTime{});
    ::usleep(5'000'000);
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(LinuxSelfKill, SparesWhoPushesItForwardOrDisarms) {
  const int status = status_of([] {
    LinuxSelfKill self_kill;
    for (int i = 0; i < 5; ++i) {
      self_kill.arm(in(2s));
      ::usleep(10'000);
    }
    self_kill.arm(in(100ms));
    self_kill.disarm();
    ::usleep(200'000);
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(LinuxRandom, DoesNotRepeat) {
  LinuxRandom random;
  EXPECT_NE(random.next(), random.next());
}

}  // namespace
}  // namespace ordeal::os
