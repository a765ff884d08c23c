// The delay distributions of netem, computed instead of read from /usr/lib/tc: a table of values at
// equal steps of probability, in 1/8192 of the standard deviation around 0. The formulas follow
// iproute2 (netem/normal.c, pareto.c, paretonormal.c).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model/network.hpp"

namespace ordeal::os {

// 4096 values; empty for uniform, which needs no table.
std::vector<std::int16_t> distribution_table(model::Distribution distribution);

}  // namespace ordeal::os
