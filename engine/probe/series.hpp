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

// Stretches without a good answer, by the time at which requests were scheduled. A stretch goes
// from one good answer to the next; one without a failed sample in it, or of at most three probe
// intervals, counts as nothing.
class Gaps {
 public:
  Gaps(BootTime from, Duration interval, Duration timeout);

  void add(BootTime scheduled, bool good);
  struct Down {
    Duration longest{};
    Duration total{};
  };
  // `end`: the phase is over, and a stretch that is still open ends there. Without it an open
  // stretch counts up to the last sample that failed.
  Down read(BootTime now, std::optional<BootTime> end) const;
  // The same without an end, as if the first sample had been due at `from`.
  Down read_from(BootTime from) const;

 private:
  struct State {
    BootTime last_good{};
    std::optional<BootTime> last_failed;
    Down down;
  };
  void fold(State& state, const std::pair<BootTime, bool>& item) const;
  void close(State& state, BootTime end) const;

  BootTime from_;
  Duration interval_;
  Duration timeout_;
  std::vector<std::pair<BootTime, bool>> items_;  // by scheduled time
  // Everything up to here was scheduled more than a timeout ago: nothing earlier can still arrive.
  mutable std::size_t settled_ = 0;
  mutable State settled_state_;
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
