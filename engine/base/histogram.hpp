// Log-linear histogram of microseconds, in the manner of HdrHistogram.
//
// Buckets below 128 us are 1 us wide. Above, each power of two has 64 buckets, so a bucket is at
// most 1/64 of its lower edge wide and its midpoint is at most 1/128 = 0.8% away from any value in
// it. One hour (the most that is kept apart) is bucket 1707. Only the range between the lowest and
// the highest bucket in use is stored: 100 ms of requests take some hundred bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/units.hpp"

namespace ordeal {

class Histogram {
 public:
  // Values below 0 count as 0, values above one hour as one hour.
  void add(Duration value, std::uint32_t count = 1);
  // Takes back what was added; removing what was never added is a bug of ours.
  void remove(Duration value);
  void merge(const Histogram& other);

  std::int64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // The smallest value such that at least share q (0..1) of all values are at most as large
  // (nearest rank), as its bucket's midpoint. Zero when empty.
  Duration quantile(double q) const;

  // Pairs bucket, count, bucket, count, ... in rising order: model::Samples::latency.
  std::vector<std::int64_t> pairs() const;
  // Reads `pairs()` back. A pair that is out of range, or half, is left out: a stored stream can be
  // damaged, and one bad slice must not lose the rest.
  static Histogram from_pairs(const std::vector<std::int64_t>& pairs);

  static std::size_t bucket_of(Duration value);
  static Duration midpoint(std::size_t bucket);

 private:
  std::uint32_t& at(std::size_t bucket);

  std::size_t first_ = 0;  // bucket of counts_[0]
  std::vector<std::uint32_t> counts_;
  std::int64_t count_ = 0;
};

}  // namespace ordeal
