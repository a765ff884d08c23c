#include "engine/probe/texts.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace ordeal::probe {

using model::Unit;

namespace {

constexpr int kFewestDigits = 3;
constexpr int kMostDigits = 17;

struct Scale {
  double factor;
  const char* suffix;
};

Scale scale_of(double value, Unit unit) {
  const double size = std::abs(value);
  switch (unit) {
    case Unit::seconds:
      if (size == 0 || size >= 1) return {1, "s"};
      return size < 1e-3 ? Scale{1e-6, "us"} : Scale{1e-3, "ms"};
    case Unit::bytes:
    case Unit::bytes_per_second: {
      const bool rate = unit == Unit::bytes_per_second;
      if (size < 1024) return {1, rate ? " B/s" : " B"};
      if (size < 1048576) return {1024, rate ? " KiB/s" : " KiB"};
      if (size < 1073741824) return {1048576, rate ? " MiB/s" : " MiB"};
      return {1073741824, rate ? " GiB/s" : " GiB"};
    }
    case Unit::percent: return {1, "%"};
    case Unit::per_second: return {1, "/s"};
    case Unit::none: break;
  }
  return {1, ""};
}

double rounded(double value, int digits) {
  if (value == 0 || !std::isfinite(value)) return value;
  return std::stod(fmt::format("{:.{}e}", value, digits - 1));
}

// What a reader takes the shown number for.
double as_shown(double value, Unit unit, int digits) {
  const double factor = scale_of(value, unit).factor;
  return rounded(value / factor, digits) * factor;
}

int side(double a, double b) { return a < b ? -1 : a > b ? 1 : 0; }

// Digits at which measured and bound, both as shown, compare as they really do.
int digits_for(double measured, double bound, bool bound_is_exact, Unit unit) {
  for (int digits = kFewestDigits; digits < kMostDigits; ++digits) {
    const double shown_bound = bound_is_exact ? bound : as_shown(bound, unit, digits);
    if (side(as_shown(measured, unit, digits), shown_bound) == side(measured, bound)) return digits;
  }
  return kMostDigits;
}

int digits_of(const Reading& reading, Unit unit) {
  if (!reading.measured || !reading.bound) return kFewestDigits;
  return digits_for(*reading.measured, *reading.bound, !reading.part->bound.relative, unit);
}

Unit unit_of_reading(const Reading& reading) {
  const Unit bound = reading.part->bound.quantity.unit;
  if (bound != Unit::none || reading.traits == nullptr) return bound;
  return unit_of(reading.part->measure.aggregate, *reading.traits);
}

std::string name_of(const Reading& reading) {
  const model::Measure& measure = reading.part->measure;
  if (measure.host_value && reading.traits) return reading.traits->name;
  return fmt::format("{}.{}", measure.sli, model::to_string(measure.aggregate));
}

std::string relative_text(const model::Bound& bound, double baseline, Unit unit, int digits) {
  std::string out;
  if (bound.factor != 1) out += fmt::format("{}x ", bound.factor);
  out += number_text(baseline, unit, digits);
  if (bound.quantity.value != 0) {
    const double offset = bound.quantity.value;
    out += offset < 0 ? " - " : " + ";
    out += number_text(std::abs(offset), unit, kMostDigits);
  }
  return out;
}

}  // namespace

std::string number_text(double value, Unit unit, int digits) {
  if (!std::isfinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const Scale scale = scale_of(value, unit);
  const double shown = rounded(value / scale.factor, std::min(digits, 15));
  return fmt::format("{}{}", shown, scale.suffix);
}

std::string measured_text(const Reading& reading) {
  if (reading.part == nullptr) return {};
  if (reading.part->flag) {
    if (!reading.measured) return {};
    const std::string flag = model::to_string(reading.part->measure.aggregate);
    return *reading.measured != 0 ? flag : "not " + flag;
  }
  if (!reading.measured) return {};
  const Unit unit = unit_of_reading(reading);
  return number_text(*reading.measured, unit, digits_of(reading, unit));
}

std::string bound_text(const Reading& reading) {
  if (reading.part == nullptr) return {};
  if (reading.part->flag) {
    return (reading.part->negated ? "not " : "") +
           model::to_string(reading.part->measure.aggregate);
  }
  const Unit unit = unit_of_reading(reading);
  const std::string sign = model::to_string(reading.part->comparison);
  const model::Bound& bound = reading.part->bound;
  if (!bound.relative) {
    return fmt::format("{} {}", sign, number_text(bound.quantity.value, unit, kMostDigits));
  }
  if (!reading.baseline) return sign + " (baseline not fixed yet)";
  const int digits = digits_of(reading, unit);
  return fmt::format("{} {} = {}", sign, number_text(*reading.bound, unit, digits),
                     relative_text(bound, *reading.baseline, unit, kFewestDigits));
}

std::string problem_text(const Reading& reading) {
  const std::string note = reading.note.empty() ? "" : ": " + reading.note;
  switch (reading.why) {
    case Why::none: break;
    case Why::no_sample: return "no sample" + note;
    case Why::silent: {
      const Duration grace = reading.traits ? reading.traits->grace : Duration::zero();
      return fmt::format("nothing measured for longer than {}{}", format_duration(grace), note);
    }
    case Why::not_full: return "its window is not full yet";
    case Why::few: return fmt::format("{} of {} samples", reading.attempts, reading.need);
    case Why::behind: return "ordeal could not keep its rate";
    case Why::none_good: return fmt::format("no good answer of {}", reading.attempts);
    case Why::gap: return "measured for less than 90% of the phase" + note;
    case Why::no_baseline: return "the baseline is not fixed yet";
  }
  if (reading.traits == nullptr || !reading.traits->request || reading.attempts == 0) return {};
  return fmt::format("{} good of {}", reading.good, reading.attempts);
}

std::string crossed_text(const std::vector<Reading>& readings) {
  std::string out;
  for (const Reading& reading : readings) {
    if (!out.empty()) out += " and ";
    out += name_of(reading);
    const std::string measured = measured_text(reading);
    const bool flag = reading.part->flag && !measured.empty();
    if (!measured.empty()) out += (flag ? " is " : " ") + measured;
    if (reading.part->over) out += " over " + format_duration(*reading.part->over);
    if (!flag) out += fmt::format(" crossed {}", bound_text(reading));
    const std::string detail = problem_text(reading);
    if (!detail.empty()) out += fmt::format(" ({})", detail);
  }
  return out;
}

}  // namespace ordeal::probe
