#include "engine/base/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "engine/base/assert.hpp"

namespace ordeal {
namespace {

constexpr std::uint64_t kPerOctave = 64;
constexpr Duration kLongest = 1h;

}  // namespace

std::size_t Histogram::bucket_of(Duration value) {
  const Duration kept = std::clamp(value, Duration::zero(), kLongest);
  const auto us = static_cast<std::uint64_t>(kept.count());
  if (us < 2 * kPerOctave) return us;
  const int shift = std::bit_width(us) - 7;  // leaves the 7 highest bits: 64..127
  return static_cast<std::size_t>(shift) * kPerOctave + (us >> shift);
}

Duration Histogram::midpoint(std::size_t bucket) {
  if (bucket < 2 * kPerOctave) return Duration(bucket);
  const std::size_t shift = bucket / kPerOctave - 1;
  const std::uint64_t low = (bucket - shift * kPerOctave) << shift;
  return Duration(low + (std::uint64_t{1} << shift) / 2);
}

std::uint32_t& Histogram::at(std::size_t bucket) {
  if (counts_.empty()) first_ = bucket;
  if (bucket < first_) {
    counts_.insert(counts_.begin(), first_ - bucket, 0);
    first_ = bucket;
  }
  if (bucket - first_ >= counts_.size()) counts_.resize(bucket - first_ + 1);
  return counts_[bucket - first_];
}

void Histogram::add(Duration value, std::uint32_t count) {
  at(bucket_of(value)) += count;
  count_ += count;
}

void Histogram::remove(Duration value) {
  std::uint32_t& kept = at(bucket_of(value));
  ORDEAL_ASSERT(kept > 0);
  --kept;
  --count_;
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < other.counts_.size(); ++i) {
    if (other.counts_[i] != 0) at(other.first_ + i) += other.counts_[i];
  }
  count_ += other.count_;
}

Duration Histogram::quantile(double q) const {
  if (count_ == 0) return Duration::zero();
  // 0.95 * 20 is 19.000000000000004 in floating numbers: without the slack it would be rank 20.
  const double exact = q * static_cast<double>(count_);
  const auto rank = std::clamp<std::int64_t>(std::ceil(exact - 1e-6), 1, count_);
  std::int64_t seen = 0;
  std::size_t i = 0;
  while (i < counts_.size()) {
    seen += counts_[i];
    if (seen >= rank) break;
    ++i;
  }
  return midpoint(first_ + i);
}

std::vector<std::int64_t> Histogram::pairs() const {
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    out.push_back(static_cast<std::int64_t>(first_ + i));
    out.push_back(counts_[i]);
  }
  return out;
}

Histogram Histogram::from_pairs(const std::vector<std::int64_t>& pairs) {
  const auto last = static_cast<std::int64_t>(bucket_of(kLongest));
  Histogram out;
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const std::int64_t bucket = pairs[i];
    const std::int64_t count = pairs[i + 1];
    if (bucket < 0 || bucket > last || count <= 0 ||
        count > std::numeric_limits<std::uint32_t>::max()) {
      continue;
    }
    out.at(static_cast<std::size_t>(bucket)) += static_cast<std::uint32_t>(count);
    out.count_ += count;
  }
  return out;
}

}  // namespace ordeal
