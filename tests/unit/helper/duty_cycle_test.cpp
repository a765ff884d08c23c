#include "engine/executor/helper/duty_cycle.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "engine/executor/helper/fill.hpp"

namespace ordeal::helper {
namespace {

constexpr std::int64_t kPeriod = 20'000'000;

TEST(DutyCycle, GivesEachPeriodItsShare) {
  DutyCycle cycle(1000);
  EXPECT_EQ(cycle.advance(kPeriod, 250'000, 1000), 1000 + kPeriod / 4);
}

TEST(DutyCycle, MakesUpForWhatWasBurnedTooMuch) {
  DutyCycle cycle(0);
  cycle.advance(kPeriod, 500'000, 0);
  // 11 ms were burned instead of 10: the next period ends at 20 ms all the same.
  EXPECT_EQ(cycle.advance(kPeriod, 500'000, 11'000'000), 20'000'000);
}

// A thousand periods with a rest each: the sum is exact to a nanosecond.
TEST(DutyCycle, LosesNothingToRounding) {
  DutyCycle cycle(0);
  std::int64_t goal = 0;
  for (int i = 0; i < 1000; ++i) goal = cycle.advance(333, 333'333, goal);
  EXPECT_EQ(goal, 333 * 1000 * 333'333LL / 1'000'000);
}

TEST(DutyCycle, MakesUpForAShortStealOnly) {
  DutyCycle cycle(0);
  EXPECT_EQ(cycle.advance(100'000'000, 1'000'000, 0), 100'000'000);
  // Ten seconds without any CPU: only the last 200 ms are still owed.
  EXPECT_EQ(cycle.advance(10'000'000'000, 1'000'000, 0), DutyCycle::kMostOwed);
}

TEST(DutyCycle, ZeroBurnsNothing) {
  DutyCycle cycle(500);
  EXPECT_EQ(cycle.advance(kPeriod, 0, 500), 500);
}

// A host of two cores, half a core used by others, 1.4 cores wanted: the loop must settle at 0.9.
TEST(NextTotal, SettlesAtWhatIsMissing) {
  std::int64_t total = 0;
  for (int i = 0; i < 20; ++i) total = next_total(total, 1'400'000, 500'000 + total, 2'000'000);
  EXPECT_NEAR(static_cast<double>(total), 900'000, 10);
}

TEST(NextTotal, StaysWithinItsBounds) {
  EXPECT_EQ(next_total(100'000, 500'000, 2'000'000, 2'000'000), 0);
  EXPECT_EQ(next_total(1'900'000, 2'000'000, 0, 2'000'000), 2'000'000);
}

TEST(MemoryStep, FollowsTheRampInWholeHugePages) {
  constexpr std::int64_t kHuge = 2 << 20;
  constexpr std::int64_t kMost = 64 << 20;
  EXPECT_EQ(memory_step(1 << 30, 0, kHuge, kMost), kMost);
  EXPECT_EQ(memory_step(1 << 30, 10'000'000, kHuge, kMost), 10 << 20);
  EXPECT_EQ(memory_step(1 << 20, 60'000'000, kHuge, kMost), kHuge);
  EXPECT_EQ(memory_step(64LL << 40, 3'600'000'000, kHuge, kMost), kMost);
}

TEST(FillPages, NoTwoPagesAreEqualAndNoneIsEmpty) {
  constexpr std::size_t kPages = 9000;  // more than the noise has places to start from
  std::vector<char> memory(kPages * kPageBytes);
  fill_pages(memory.data(), memory.size(), 5, 1536);
  for (std::size_t page = 0; page < kPages; ++page) {
    std::uint64_t number = 0;
    std::memcpy(&number, memory.data() + page * kPageBytes, sizeof number);
    ASSERT_EQ(number, page + 5);
    ASSERT_NE(memory[page * kPageBytes + 1000] | memory[page * kPageBytes + 1535] |
                  memory[page * kPageBytes + 700],
              0);
  }
}

TEST(FillPages, WritesNotBeyondTheEnd) {
  std::vector<char> memory(kPageBytes + 3, 'x');
  fill_pages(memory.data(), kPageBytes + 2, 0, kPageBytes);
  EXPECT_EQ(memory.back(), 'x');
}

}  // namespace
}  // namespace ordeal::helper
