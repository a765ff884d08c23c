#include "engine/os/linux/distribution.hpp"

#include <algorithm>
#include <cmath>

namespace ordeal::os {
namespace {

constexpr int kSize = 4096;
constexpr double kScale = 8192;  // NETEM_DIST_SCALE

// The x of a standard normal distribution below which a share `p` lies, by bisection.
double normal_quantile(double p) {
  double low = -10;
  double high = 10;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

// Pareto with shape 3: its mean is 1.5; 4/3 makes its deviation near 1.
double pareto_quantile(double p) { return (std::pow(1 - p, -1.0 / 3) - 1.5) * 4 / 3; }

std::int16_t scaled(double value) {
  return static_cast<std::int16_t>(std::lround(std::clamp(value * kScale, -32767.0, 32767.0)));
}

}  // namespace

std::vector<std::int16_t> distribution_table(model::Distribution distribution) {
  std::vector<std::int16_t> table;
  if (distribution == model::Distribution::uniform) return table;
  table.reserve(kSize);
  for (int i = 0; i < kSize; ++i) {
    const double p = (i + 0.5) / kSize;
    if (distribution == model::Distribution::normal) {
      table.push_back(scaled(normal_quantile(p)));
    } else if (distribution == model::Distribution::pareto) {
      table.push_back(scaled(pareto_quantile(p)));
    } else {
      table.push_back(scaled(0.25 * normal_quantile(p) + 0.75 * pareto_quantile(p)));
    }
  }
  return table;
}

}  // namespace ordeal::os
