#include "engine/probe/reading.hpp"

#include <algorithm>
#include <cmath>

namespace ordeal::probe {

using model::Aggregate;
using model::Comparison;
using model::Truth;
using model::Unit;

bool is_gap(Aggregate aggregate) {
  return aggregate == Aggregate::outage || aggregate == Aggregate::downtime;
}

bool is_behind(const Traits& traits, const Tally& tally) {
  return traits.request && tally.no_data() * 20 > tally.attempts() + tally.no_data();
}

bool is_windowed(const model::Measure& measure, const Traits& traits) {
  switch (measure.aggregate) {
    case Aggregate::success:
    case Aggregate::error:
    case Aggregate::failures:
    case Aggregate::throughput:
    case Aggregate::mean:
    case Aggregate::min:
    case Aggregate::max:
    case Aggregate::p50:
    case Aggregate::p90:
    case Aggregate::p95:
    case Aggregate::p99:
    case Aggregate::p999: return true;
    case Aggregate::count: return traits.request;
    default: return false;
  }
}

Unit unit_of(Aggregate aggregate, const Traits& traits) {
  switch (aggregate) {
    case Aggregate::success:
    case Aggregate::error: return Unit::percent;
    case Aggregate::throughput: return Unit::per_second;
    case Aggregate::outage:
    case Aggregate::downtime: return Unit::seconds;
    case Aggregate::failures:
    case Aggregate::count:
    case Aggregate::restarts: return Unit::none;
    default: return traits.request ? Unit::seconds : traits.unit;
  }
}

namespace {

bool is_latency(Aggregate aggregate) {
  switch (aggregate) {
    case Aggregate::mean:
    case Aggregate::min:
    case Aggregate::max:
    case Aggregate::p50:
    case Aggregate::p90:
    case Aggregate::p95:
    case Aggregate::p99:
    case Aggregate::p999: return true;
    default: return false;
  }
}

double read(Aggregate aggregate, const Tally& tally, Duration length) {
  const auto attempts = static_cast<double>(tally.attempts());
  const auto good = static_cast<double>(tally.good());
  switch (aggregate) {
    // One division last: 100 * 999 / 1000 is the very number that "99.9" is read as.
    case Aggregate::success: return 100.0 * good / attempts;
    case Aggregate::error: return 100.0 * (attempts - good) / attempts;
    case Aggregate::failures: return attempts - good;
    case Aggregate::count: return attempts;
    case Aggregate::throughput: return good * 1e6 / static_cast<double>(length.count());
    case Aggregate::min: return tally.minimum();
    case Aggregate::max: return tally.maximum();
    case Aggregate::p50: return tally.quantile(0.5);
    case Aggregate::p90: return tally.quantile(0.9);
    case Aggregate::p95: return tally.quantile(0.95);
    case Aggregate::p99: return tally.quantile(0.99);
    case Aggregate::p999: return tally.quantile(0.999);
    default: return tally.mean();
  }
}

std::optional<Reading::Seen> seen_of(Aggregate aggregate, const Tally& tally) {
  if (aggregate != Aggregate::success && aggregate != Aggregate::error) return std::nullopt;
  const auto share = [&](std::int64_t part, std::int64_t whole) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  };
  const bool success = aggregate == Aggregate::success;
  const std::int64_t hits = success ? tally.good() : tally.attempts() - tally.good();
  const std::int64_t due = tally.attempts() + tally.no_data();
  Reading::Seen out;
  out.value = share(hits, tally.attempts());
  out.least = share(hits, due);
  out.most = share(hits + tally.no_data(), due);
  return out;
}

// The answer, when it is the same wherever the number lies between the least and the most.
std::optional<bool> sure(const Reading& reading) {
  const Comparison comparison = reading.part->comparison;
  if (!reading.seen || !reading.bound) return std::nullopt;
  if (comparison == Comparison::equal || comparison == Comparison::not_equal) return std::nullopt;
  const bool at_least = compare(comparison, reading.seen->least, *reading.bound);
  const bool at_most = compare(comparison, reading.seen->most, *reading.bound);
  return at_least == at_most ? std::optional(at_least) : std::nullopt;
}

}  // namespace

std::optional<double> measure(Aggregate aggregate, const Traits& traits, const Tally& tally,
                              Duration length, Reading& reading, std::int64_t most_needed) {
  reading.good = tally.good();
  reading.attempts = tally.attempts();
  reading.need =
      std::min(model::least_samples(aggregate, traits.request, traits.min_samples), most_needed);
  reading.seen.reset();
  if (is_behind(traits, tally)) {
    reading.why = Why::behind;
    if (tally.attempts() >= std::max<std::int64_t>(reading.need, 1)) {
      reading.seen = seen_of(aggregate, tally);
    }
    return std::nullopt;
  }
  if (tally.attempts() < std::max<std::int64_t>(reading.need, 1)) {
    reading.why = tally.attempts() == 0 ? Why::no_sample : Why::few;
    return std::nullopt;
  }
  if (traits.request && is_latency(aggregate) && tally.good() == 0) {
    reading.why = Why::none_good;
    return std::nullopt;
  }
  reading.why = Why::none;
  return read(aggregate, tally, length);
}

void read_down(Reading& reading, Aggregate aggregate, const Series& series,
               const std::vector<Span>& spans, BootTime now, bool behind) {
  reading.why = series.last_data ? Why::none : Why::no_sample;
  if (!series.last_data) return;
  const Arrivals::Known known = series.arrivals.read(spans, now);
  const auto seconds = [aggregate](const Arrivals::Down& down) {
    const Duration length = aggregate == Aggregate::outage ? down.longest : down.total;
    return static_cast<double>(length.count()) / 1e6;
  };
  const double least = seconds(known.least);
  const double most = seconds(known.most);
  reading.measured = least;
  if (least == most && !behind) return;
  reading.why = Why::behind;
  reading.seen =
      Reading::Seen{least, least, behind ? std::numeric_limits<double>::infinity() : most};
}

bool compare(Comparison comparison, double a, double b) {
  switch (comparison) {
    case Comparison::less: return a < b;
    case Comparison::less_equal: return a <= b;
    case Comparison::greater: return a > b;
    case Comparison::greater_equal: return a >= b;
    case Comparison::equal: return a == b;
    case Comparison::not_equal: return a != b;
  }
  return false;
}

bool stays_broken(Aggregate aggregate, const Traits& traits, Comparison comparison, double measured,
                  double bound) {
  if (compare(comparison, measured, bound)) return false;
  const bool counts = aggregate == Aggregate::failures || aggregate == Aggregate::restarts ||
                      (aggregate == Aggregate::count && traits.request);
  const bool upper = comparison == Comparison::less || comparison == Comparison::less_equal ||
                     (comparison == Comparison::equal && measured > bound);
  const bool lower = comparison == Comparison::greater || comparison == Comparison::greater_equal;
  if (counts || is_gap(aggregate) || aggregate == Aggregate::max) return upper;
  return aggregate == Aggregate::min && lower;
}

double distance(Comparison comparison, double measured, double bound) {
  switch (comparison) {
    case Comparison::less:
    case Comparison::less_equal: return measured - bound;
    case Comparison::greater:
    case Comparison::greater_equal: return bound - measured;
    default: return std::abs(measured - bound);
  }
}

void set_bound(Reading& reading, const Book& book, std::size_t series) {
  if (reading.part->flag) return;
  const model::Bound& bound = reading.part->bound;
  if (!bound.relative) {
    reading.bound = bound.quantity.value;
    return;
  }
  const auto found = book.baseline.find({series, reading.part->measure.aggregate});
  if (found == book.baseline.end()) return;
  reading.baseline = found->second;
  reading.bound = bound.factor * found->second + bound.quantity.value;
}

void decide(Reading& reading, Truth against) {
  reading.truth = Truth::unknown;
  if (reading.why == Why::behind) {
    const std::optional<bool> holds = sure(reading);
    if (!holds) return;
    reading.why = Why::none;
    reading.measured = reading.seen->value;
    reading.truth = *holds ? Truth::holds : Truth::broken;
  } else if (reading.why == Why::none_good) {
    reading.truth = against;
  } else if (reading.why == Why::none && reading.measured && !reading.bound) {
    reading.why = Why::no_baseline;
  } else if (reading.why == Why::none && reading.measured) {
    const bool holds = compare(reading.part->comparison, *reading.measured, *reading.bound);
    reading.truth = holds ? Truth::holds : Truth::broken;
  }
}

Truth both(Truth a, Truth b) {
  if (a == Truth::broken || b == Truth::broken) return Truth::broken;
  return a == Truth::holds && b == Truth::holds ? Truth::holds : Truth::unknown;
}

Truth inverted(Truth truth) {
  if (truth == Truth::unknown) return truth;
  return truth == Truth::holds ? Truth::broken : Truth::holds;
}

Truth either(Truth a, Truth b) { return inverted(both(inverted(a), inverted(b))); }

Combined combine(model::Join join, const std::vector<Reading>& readings) {
  Combined out;
  if (readings.empty()) return out;
  out.truth = readings.front().truth;
  for (std::size_t i = 1; i < readings.size(); ++i) {
    const Truth next = readings[i].truth;
    const Truth joined =
        join == model::Join::any_of ? either(out.truth, next) : both(out.truth, next);
    if (joined != out.truth) out.decided_by = i;
    out.truth = joined;
  }
  return out;
}

}  // namespace ordeal::probe
