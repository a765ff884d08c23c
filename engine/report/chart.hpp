// What the charts show, apart from how they are drawn.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/report/report.hpp"

namespace ordeal::report {

struct Trace {
  bool soft = false;
  std::vector<std::pair<double, std::optional<double>>> points;  // seconds, value
};

struct Limit {
  double value = 0;
  bool low_is_bad = false;
  bool abort = false;   // an abort condition, not a bound of the verdict
  bool broken = false;  // judged broken: what is beyond it is a breach, else only a dip
  double from = 0;      // where it applies, seconds
  double to = 0;
  std::string text;
};

struct Chart {
  std::string id;
  std::string title;
  std::string what;  // under the title, when the cursor is away
  std::string unit;
  double height = 98;
  double spacing = 1;  // seconds between points; twice that without one is a gap
  std::vector<Trace> traces;
  std::vector<Limit> limits;
  std::vector<Gap> gaps;
  double low = 0;
  double high = 1;
};

// One or two charts for each series that was measured.
std::vector<Chart> charts_of(const Report& report);

inline double seconds(Duration time) { return static_cast<double>(time.count()) / 1e6; }

}  // namespace ordeal::report
