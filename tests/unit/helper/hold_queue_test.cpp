#include "engine/executor/helper/hold_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ordeal::helper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(HoldQueue, LetsGoWhatIsDueInTheOrderOfTheirTimes) {
  HoldQueue queue;
  queue.hold(1, 300);
  queue.hold(2, 100);
  queue.hold(3, 200);
  EXPECT_EQ(queue.next(), 100);
  EXPECT_THAT(queue.take(99), IsEmpty());
  EXPECT_THAT(queue.take(200), ElementsAre(2, 3));
  EXPECT_EQ(queue.next(), 300);
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_THAT(queue.take(INT64_MAX), ElementsAre(1));
  EXPECT_FALSE(queue.next());
}

TEST(HoldQueue, KeepsTheOrderOfArrivalAtTheSameTime) {
  HoldQueue queue;
  for (std::uint32_t id = 0xfffffffe; id != 4; ++id) queue.hold(id, 7);  // ids wrap
  EXPECT_THAT(queue.take(7), ElementsAre(0xfffffffe, 0xffffffff, 0, 1, 2, 3));
}

}  // namespace
}  // namespace ordeal::helper
