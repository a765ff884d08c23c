// Readings in words. Numbers are shown with enough digits that what is shown agrees with the
// verdict: never "99.5% < 99.5%".
#pragma once

#include <string>
#include <vector>

#include "engine/probe/reading.hpp"

namespace ordeal::probe {

// "412ms", "99.2%", "12/s": at least three significant digits, and as many as it takes to be on the
// same side of the bound as the true value.
std::string measured_text(const Reading& reading);
// "<= 250ms", "<= 24.8ms = 1.5x 13.2ms + 5ms"
std::string bound_text(const Reading& reading);
// "119 good of 150", "8 of 20 samples", "silent for longer than 3s: timeout"
std::string problem_text(const Reading& reading);
// "shop.success 79.3% over 3s crossed < 80% (119 good of 150)"; parts joined by "and".
std::string crossed_text(const std::vector<Reading>& readings);

// The value alone, at least `digits` significant digits.
std::string number_text(double value, model::Unit unit, int digits);

}  // namespace ordeal::probe
