#include "engine/base/histogram.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace ordeal {
namespace {

TEST(Histogram, MidpointIsWithinOnePercentOfEveryValue) {
  for (double value = 1; value <= 3.6e9; value = value * 1.003 + 1) {
    const Duration exact(static_cast<std::int64_t>(value));
    const Duration kept = Histogram::midpoint(Histogram::bucket_of(exact));
    const double error = std::abs(static_cast<double>((kept - exact).count()));
    EXPECT_LE(error, 0.01 * static_cast<double>(exact.count())) << exact.count();
  }
}

TEST(Histogram, BucketsRiseWithoutGaps) {
  std::size_t last = 0;
  for (std::int64_t us = 0; us < 100'000; ++us) {
    const std::size_t bucket = Histogram::bucket_of(Duration(us));
    ASSERT_TRUE(bucket == last || bucket == last + 1) << us;
    last = bucket;
  }
}

// Goal: quantiles agree with exact ones. Method: log-normal latencies, seeded, against a sort.
TEST(Histogram, QuantilesAgreeWithExactOnes) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency(std::log(9'000), 1.1);
  Histogram histogram;
  std::vector<std::int64_t> exact;
  for (int i = 0; i < 20'000; ++i) {
    exact.push_back(static_cast<std::int64_t>(latency(random)));
    histogram.add(Duration(exact.back()));
  }
  std::sort(exact.begin(), exact.end());
  for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * 20'000 - 1e-6));
    const auto expected = static_cast<double>(exact.at(rank - 1));
    EXPECT_NEAR(static_cast<double>(histogram.quantile(q).count()), expected, 0.01 * expected) << q;
  }
}

TEST(Histogram, QuantileIsTheNearestRank) {
  Histogram histogram;
  for (int i = 1; i <= 20; ++i) histogram.add(Duration(i));
  EXPECT_EQ(histogram.quantile(0.95), 19us);
  EXPECT_EQ(histogram.quantile(0.5), 10us);
  EXPECT_EQ(histogram.quantile(0), 1us);
  EXPECT_EQ(Histogram().quantile(0.5), 0us);
}

TEST(Histogram, RemoveUndoesAdd) {
  Histogram histogram;
  histogram.add(5ms);
  histogram.add(900ms);
  histogram.add(20us);
  histogram.remove(900ms);
  EXPECT_EQ(histogram.count(), 2);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(1).count()), 5000, 50);
}

TEST(Histogram, MergeIsTheSumOfBoth) {
  Histogram a;
  Histogram b;
  Histogram both;
  for (int i = 0; i < 1000; ++i) {
    (i % 3 == 0 ? a : b).add(Duration(i * 37));
    both.add(Duration(i * 37));
  }
  a.merge(b);
  EXPECT_EQ(a.count(), 1000);
  EXPECT_EQ(a.pairs(), both.pairs());
}

TEST(Histogram, PairsReadBack) {
  Histogram histogram;
  histogram.add(3ms, 5);
  histogram.add(2h);
  const std::vector<std::int64_t> pairs = histogram.pairs();
  ASSERT_EQ(pairs.size(), 4U);
  EXPECT_EQ(pairs[1], 5);
  EXPECT_EQ(Histogram::from_pairs(pairs).pairs(), pairs);
  EXPECT_EQ(Histogram::from_pairs(pairs).count(), 6);
}

TEST(Histogram, DamagedPairsAreLeftOut) {
  EXPECT_EQ(Histogram::from_pairs({1}).count(), 0);
  EXPECT_EQ(Histogram::from_pairs({-1, 1, 5000, 1, 5, -1, 7, 3}).count(), 3);
}

}  // namespace
}  // namespace ordeal
