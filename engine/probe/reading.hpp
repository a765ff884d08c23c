// What one part of a condition reads at one moment, and how readings combine.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "engine/probe/series.hpp"

namespace ordeal::probe {

// Why a reading is unknown, or counts against the run without a number.
enum class Why {
  none,
  no_sample,   // nothing measured yet
  silent,      // nothing measured for longer than the grace
  not_full,    // the window is longer than what it may look back on
  few,         // not enough samples
  behind,      // our own sender could not keep its rate
  none_good,   // enough attempts, none good: there is no latency to compare
  gap,         // judged for less than 90% of the phase
  no_baseline  // relative, and the baseline is not fixed yet
};

struct Reading {
  model::Truth truth = model::Truth::unknown;
  Why why = Why::no_sample;
  const model::Part* part = nullptr;
  const Traits* traits = nullptr;
  std::optional<double> measured;
  // When our own sender was behind: what was seen, and the least and the most it can have been,
  // had every missing request failed or succeeded.
  struct Seen {
    double value = 0;
    double least = 0;
    double most = 0;
  };
  std::optional<Seen> seen;
  std::optional<double> bound;
  std::optional<double> baseline;  // behind a relative bound
  std::int64_t good = 0;
  std::int64_t attempts = 0;
  std::int64_t need = 0;
  std::string note;  // what the probe said
};

// True for aggregates of many samples; false for the latest sample and for outage, downtime.
bool is_windowed(const model::Measure& measure, const Traits& traits);
bool is_gap(model::Aggregate aggregate);
// Our own sender could not keep its rate: more than 5% of these requests were not sent in time.
bool is_behind(const Traits& traits, const Tally& tally);
model::Unit unit_of(model::Aggregate aggregate, const Traits& traits);

// The aggregate over a tally whose samples cover `length`; empty when there are too few samples.
// Fills the counts and `why` of the reading. No more than `most_needed` samples are asked for.
std::optional<double> measure(model::Aggregate aggregate, const Traits& traits, const Tally& tally,
                              Duration length, Reading& reading,
                              std::int64_t most_needed = std::numeric_limits<std::int64_t>::max());

// Outage or downtime of the series in these spans, the same for whoever asks. `behind`: too many of
// the requests were not sent in time, so nobody knows how long it was at most.
void read_down(Reading& reading, model::Aggregate aggregate, const Series& series,
               const std::vector<Span>& spans, BootTime now, bool behind);

bool compare(model::Comparison comparison, double a, double b);
// True when more samples can only keep such a condition broken: `failures == 0`, `max < 1s`.
bool stays_broken(model::Aggregate aggregate, const Traits& traits, model::Comparison comparison,
                  double measured, double bound);
// How far the value is from making the comparison true; negative: it is true.
double distance(model::Comparison comparison, double measured, double bound);

// Sets the bound of a reading, from the baseline when it is relative.
void set_bound(Reading& reading, const Book& book, std::size_t series);
// Judges a reading that has its number, bound and `why`. One whose sender was behind is judged when
// the missing requests cannot change the answer. `against`: the truth of a condition that
// counts against the run (holds in abort_if, broken elsewhere).
void decide(Reading& reading, model::Truth against);

model::Truth both(model::Truth a, model::Truth b);    // Kleene and
model::Truth either(model::Truth a, model::Truth b);  // Kleene or
model::Truth inverted(model::Truth truth);
// The truth of all, with the reading that decides it.
struct Combined {
  model::Truth truth = model::Truth::unknown;
  std::size_t decided_by = 0;
};
Combined combine(model::Join join, const std::vector<Reading>& readings);

}  // namespace ordeal::probe
