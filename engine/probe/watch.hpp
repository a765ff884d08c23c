// One condition, watched: over trailing windows (abort_if, expect, wait, recovery) or over a phase
// (steady_state, during).
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/probe/reading.hpp"

namespace ordeal::probe {

// How one part is read.
enum class PartKind {
  latest,  // the newest sample: value, restarts, flags, count of processes, host values
  window,  // an aggregate over a window
  since,   // an aggregate over everything since the beginning
  gap,     // outage, downtime
};

// The newest sample of a series.
struct Latest {
  std::optional<Point> point;
  std::optional<double> restarts_base;  // of the last sample before the watch began
};

// Reads a `latest` part at `now`; does not decide.
void read_latest(Reading& reading, const Latest& latest, BootTime now);

// ---- trailing ----------------------------------------------------------------------------------

class TrailingWatch {
 public:
  struct Setup {
    BootTime floor{};  // nothing scheduled before it counts
    model::ConditionList list = model::ConditionList::abort_if;
    std::optional<Duration> default_window;  // for parts without `over` (recovery: its hold)
  };
  // Condition and book outlive it.
  TrailingWatch(const model::Condition& condition, const Book& book, Setup setup);

  // True when the condition reads this series. The point must be the newest to complete.
  bool feed(std::size_t series, const Point& point);
  // Only what the newest sample says, though it is older than the floor.
  void prime(std::size_t series, const Point& point);
  // Forgets what was counted "since the beginning": a new phase begins.
  void restart(BootTime at);

  // One reading for each part.
  const std::vector<Reading>& read(BootTime now);
  Combined combined() const { return combine(condition_.join, readings_); }
  // Longest window, zero when there is none.
  Duration longest_window() const;

 private:
  struct Channel {
    std::size_t series;
    std::optional<Window> window;
    std::optional<Tally> since;
    bool gap = false;  // outage or downtime
    Latest latest;
    std::deque<Point> recent;  // of restarts in the default window
  };
  struct PartState {
    const model::Part* part;
    std::vector<Channel> channels;  // one; for host values one for each host
  };

  Channel& channel_of(PartState& state, std::size_t series);
  void read_window(Reading& reading, Channel& channel, BootTime now) const;
  void read_gaps(Reading& reading, Channel& channel, BootTime now) const;
  Reading read_channel(const PartState& state, Channel& channel, BootTime now);
  Reading read_part(PartState& state, BootTime now);
  model::Truth against() const;

  const model::Condition& condition_;
  const Book& book_;
  Setup setup_;
  BootTime since_;
  std::vector<PartState> parts_;
  std::vector<Reading> readings_;
};

// ---- phase -------------------------------------------------------------------------------------

struct Outcome {
  model::Truth truth = model::Truth::unknown;
  bool certain = false;  // broken whatever comes
  std::vector<Reading> readings;
  std::size_t decided_by = 0;
  std::optional<BootTime> broken_at;
};

// Fed with the samples of the phase in order of completion. The final verdict is the same
// arithmetic, fed again with exactly the samples that belong to the phase.
class PhaseWatch {
 public:
  PhaseWatch(const model::Condition& condition, const Book& book, std::vector<Span> spans);

  void feed(std::size_t series, const Point& point);
  // No fault is active now, or a step's own list replaces this one.
  bool suspended() const { return spans_.empty() || spans_.back().to.has_value(); }

  Outcome so_far(BootTime now);
  // Every span has ended, and every request in them was answered or has timed out.
  Outcome finish(BootTime now);

 private:
  struct Slice {
    BootTime from{};
    BootTime to{};
  };
  struct Channel {
    std::size_t series;
    Latest latest;
    Tally whole;
    std::map<std::size_t, Tally> slices;  // by slice; those that are not judged yet
  };
  struct PartState {
    const model::Part* part;
    std::vector<Channel> channels;
  };
  enum class Mode { moments, slices, whole };
  // Parts that are judged together, moment by moment or slice by slice.
  struct Group {
    Mode mode = Mode::whole;
    Duration width{};
    std::vector<PartState> parts;
    std::vector<Slice> slices;  // by time; the last of a span may overlap the one before
    std::size_t judged = 0;     // slices judged, from the front
    std::size_t known_slices = 0;
    std::optional<Reading> worst;  // of all moments or slices
    double margin = 0;             // of `worst`: how far beyond its bound
    bool broken = false;
    std::optional<BootTime> broken_at;
    Duration known{};                   // of moments
    std::optional<BootTime> spoken_to;  // the time up to here is accounted for
    std::size_t span = 0;               // that it lies in
    bool speaks = false;                // for the time from there on
  };

  static Mode mode_of(const model::Part& part, const Traits* traits);
  const Traits* traits_for(const model::Part& part) const;
  Channel& channel_of(PartState& state, std::size_t series);
  void add_slices(Group& group, const Span& span, BootTime until) const;
  void feed_group(Group& group, std::size_t series, const Point& point, std::size_t span);
  void feed_slices(Group& group, Channel& channel, const Point& point, BootTime at);
  void feed_moment(Group& group, const Point& point, std::size_t span);
  void judge_slices(Group& group, std::optional<BootTime> settled);
  Reading read_slice(PartState& state, std::size_t index, const Slice& slice) const;
  Reading read_whole(const PartState& state, BootTime now, bool final, bool& certain) const;
  Reading read_whole_channel(const PartState& state, const Channel& channel, BootTime now,
                             bool final, bool& certain) const;
  void speak(Group& group, BootTime at, std::size_t span, bool known) const;
  Duration reach(const Group& group, std::size_t spans, BootTime now) const;
  void note(Group& group, const std::vector<Reading>& readings, BootTime at) const;
  Reading group_reading(Group& group, BootTime now, bool final, bool& certain);
  Outcome outcome(BootTime now, bool final);
  Duration length(BootTime now) const;
  Duration longest_timeout(const Group& group) const;
  Duration patience(const Group& group) const;

  const model::Condition& condition_;
  const Book& book_;
  std::vector<Span> spans_;
  std::vector<Group> groups_;
};

}  // namespace ordeal::probe
