// The numbers that conditions are judged by: all samples of one SLI (or of one value of one host),
// and the tallies that phases, slices and trailing windows keep of them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/histogram.hpp"
#include "engine/model/event.hpp"
#include "engine/model/experiment.hpp"
#include "engine/probe/sample.hpp"

namespace ordeal::probe {

struct Point {
  BootTime scheduled{};
  BootTime completed{};
  Duration latency{};
  double value = 0;  // gauges; a process probe's count
  double restarts = 0;
  bool good = true;
  bool no_data = false;
};

struct Traits {
  std::string name;        // "shop", "host.cpu on db-1"
  bool request = false;    // attempts with latency
  bool flag = false;       // up or not
  bool gauge = false;      // a number
  bool open_loop = false;  // exactly one sample for each interval
  Duration interval{};
  Duration timeout{};
  Duration grace{};  // silence for longer is unsafe
  std::optional<std::int64_t> min_samples;
  model::Unit unit = model::Unit::none;
};
Traits traits_of(const model::Sli& sli);
Traits traits_of_host(const std::string& host, model::HostValue value, bool percent);

// Counts of some samples, with the aggregates that can be read from them.
class Tally {
 public:
  // `extremes`: min or max of requests is asked for; gauges always keep their numbers.
  explicit Tally(bool gauge = false, bool extremes = false)
      : keeps_numbers_(gauge || extremes), gauge_(gauge) {}

  void add(const Point& point);
  // Takes back the point that was added first.
  void remove_oldest(const Point& point);

  std::int64_t attempts() const { return attempts_; }
  std::int64_t good() const { return good_; }
  std::int64_t no_data() const { return no_data_; }
  std::int64_t readings() const { return gauge_ ? attempts_ : good_; }
  const Histogram& latency() const { return latency_; }

  // In seconds for requests, in the SLI's unit for gauges. The tally must not be empty.
  double mean() const;
  double minimum() const;
  double maximum() const;
  double quantile(double q) const;

 private:
  bool keeps_numbers_;
  bool gauge_;
  std::int64_t attempts_ = 0;
  std::int64_t good_ = 0;
  std::int64_t no_data_ = 0;
  Duration sum_{};
  Histogram latency_;
  std::deque<double> numbers_;
  mutable std::optional<std::pair<double, double>> extremes_;  // of numbers_, when known
};

// The samples that completed in the last `length`; none that was scheduled before `floor`.
class Window {
 public:
  Window(Duration length, BootTime floor, Tally tally)
      : length_(length), floor_(floor), tally_(std::move(tally)) {}

  void add(const Point& point);
  // Drops what completed at `now - length` or before.
  void trim(BootTime now);
  bool full(BootTime now) const { return now - length_ >= floor_; }
  Duration length() const { return length_; }
  const Tally& tally() const { return tally_; }

 private:
  Duration length_;
  BootTime floor_;
  Tally tally_;
  std::deque<Point> points_;
};

// From `from` on, to `to`: a phase, or a part of it. Every sample is of exactly one phase: of that
// in which it was due, unless a fault hit it on its way.
struct Span {
  BootTime from{};
  std::optional<BootTime> to;  // empty: still going on
  // A fault was injected here: what was due since `reach`, and was not answered yet, is its.
  std::optional<BootTime> hit{};
  BootTime reach{};
  std::optional<BootTime> cut{};  // what was not answered by then is of what comes after it
  bool contains(BootTime at) const { return at >= from && (!to || at < *to); }
  bool has(const Point& point) const {
    const bool on_its_way =
        hit && point.scheduled >= reach && point.scheduled < from && point.completed >= *hit;
    if (cut && point.completed >= *cut) return false;
    return on_its_way || contains(point.scheduled);
  }
};

// The times in which no good answer arrived: what outage and downtime are. Each goes from one good
// answer to the next, whatever was asked meanwhile; those of at most three times the pace count as
// nothing. This is the one place that computes them, for every condition, table and view.
class Arrivals {
 public:
  // `learns`: a closed loop has no pace of its own; it is that of its answers before the fault.
  explicit Arrivals(Duration pace = 1s, bool learns = false) : pace_(pace), learns_(learns) {}

  // In order of completion.
  void add(const Point& point);
  // ordeal itself did not run: whether answers came meanwhile is unknown.
  void blind(BootTime from, BootTime to);
  // What is learned is learned: the baseline is over.
  void fix_pace() { learns_ = false; }

  struct Down {
    Duration longest{};
    Duration total{};
  };
  // They differ where ordeal did not measure: as if a good answer had come then, or none.
  struct Known {
    Down least;
    Down most;
  };
  // A gap belongs to the span in which it became one, three paces after the last good answer, and
  // counts from that answer to the next, though this comes after the span. Of one that was a gap
  // before, what is left counts.
  Known read(const std::vector<Span>& spans, BootTime now) const;

 private:
  struct Gap {
    BootTime from{};
    BootTime to{};
    bool certain = true;  // ordeal measured in it
  };
  // Since the last good answer.
  struct Since {
    BootTime good{};
    BootTime known{};  // a good answer, or the end of what was not measured
    std::int64_t attempts = 0;
    std::int64_t missing = 0;
    Duration blind{};
  };
  Duration shortest() const;
  bool certain(Duration length) const;
  Duration part_in(const std::vector<Span>& spans, const Gap& gap) const;
  void count(Known& out, const std::vector<Span>& spans, const Gap& gap, BootTime now) const;

  Duration pace_;
  bool learns_;
  Histogram learned_;
  std::optional<Since> since_;  // empty: nothing was measured yet
  std::vector<Gap> gaps_;       // closed, by time
  std::vector<Gap> surely_;     // the same, had every sample without data been good
};

struct Series {
  Traits traits;
  std::string sli;  // "host" for host values
  std::string host;
  std::map<std::string, std::string> labels;  // of the host
  bool target = true;                         // a step acts on the host
  std::optional<model::HostValue> host_value;
  bool percent = false;               // host value read as a share of the total
  std::vector<Point> log;             // in order of completion
  Arrivals arrivals;                  // of requests and flags
  std::optional<BootTime> last_data;  // completion of the last sample that measured something
  std::string last_problem;           // why there is no data
};

// True when the picks mean this host.
bool picks(const std::vector<model::HostPick>& picks, const std::string& host,
           const std::map<std::string, std::string>& labels, bool target);
// True when the part reads this series.
bool reads(const model::Part& part, const Series& series);

// Every series of a run, and the values that its baseline fixed.
struct Book {
  std::deque<Series> series;  // readings point into it
  std::map<std::pair<std::size_t, model::Aggregate>, double> baseline;
};

}  // namespace ordeal::probe
