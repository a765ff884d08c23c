#include "engine/os/linux/distribution.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ordeal::os {
namespace {

TEST(DistributionTable, IsCenteredAndScaledForNetem) {
  for (const auto shape : {model::Distribution::normal, model::Distribution::pareto,
                           model::Distribution::paretonormal}) {
    const auto table = distribution_table(shape);
    ASSERT_EQ(table.size(), 4096u);
    EXPECT_TRUE(std::is_sorted(table.begin(), table.end()));
    double sum = 0;
    double squares = 0;
    for (const std::int16_t value : table) {
      sum += value / 8192.0;
      squares += std::pow(value / 8192.0, 2);
    }
    EXPECT_NEAR(sum / 4096, 0, 0.06);
    // The tails of pareto are cut at 4 deviations.
    EXPECT_NEAR(std::sqrt(squares / 4096), shape == model::Distribution::normal ? 1.0 : 0.9, 0.15);
  }
}

TEST(DistributionTable, HasItsQuantiles) {
  const auto normal = distribution_table(model::Distribution::normal);
  EXPECT_NEAR(normal[2048] / 8192.0, 0, 0.001);
  EXPECT_NEAR(normal[3446] / 8192.0, 1.0, 0.002);  // 84.13%
  const auto pareto = distribution_table(model::Distribution::pareto);
  EXPECT_NEAR(pareto[0] / 8192.0, -2.0 / 3, 0.001);                           // its least
  EXPECT_NEAR(pareto[2048] / 8192.0, (std::cbrt(2.0) - 1.5) * 4 / 3, 0.001);  // its median
}

TEST(DistributionTable, UniformNeedsNone) {
  EXPECT_TRUE(distribution_table(model::Distribution::uniform).empty());
}

}  // namespace
}  // namespace ordeal::os
