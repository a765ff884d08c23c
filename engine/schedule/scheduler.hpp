// What to do at each moment, as a state machine without clock, files or processes: time and the
// ends of runs go in, decisions come out. Whoever drives it records the decisions first and acts
// then (engine/cli/serve.cpp), and brings the records back after a crash.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/schedule/schedule.hpp"

namespace ordeal::schedule {

struct Decision {
  enum class What {
    start,      // a run, or a plan when leashed
    wait,       // a start will follow when the run before has ended
    skip,       // will not run: a window, a blackout, a pause, an earlier run
    miss,       // was due when nobody could start it in time
    interrupt,  // the run of the firing `due`, because a later one replaces it
  };
  What what = What::start;
  std::string schedule;
  WallTime due{};
  std::string reason;
};

// Where one schedule stands.
struct Standing {
  WallTime decided{};               // every firing up to here was decided
  std::optional<WallTime> running;  // the firing whose run goes on
  bool interrupted = false;         // and was told to end
  std::optional<WallTime> waiting;  // the firing that is next when that has ended
  std::map<std::string, int> ends;  // how its runs ended since the last resume
};

// Why it is paused, or empty. `ends`: how its runs ended since the last resume.
std::string paused(const Schedule& schedule, const std::map<std::string, int>& ends);

class Scheduler {
 public:
  // A schedule without a standing begins now: it fires from then on.
  Scheduler(Calendar calendar, std::map<std::string, Standing> standings, WallTime now);

  // Decides every firing that is due, and goes on with what waited. Of several missed ones each of
  // the latest hundred is a decision, the ones before are one.
  std::vector<Decision> tick(WallTime now);
  // The run of that firing is over; `exit_name` is "planned" for a plan.
  std::vector<Decision> ended(const std::string& schedule, WallTime due,
                              const std::string& exit_name, WallTime now);
  // How its runs ended since somebody resumed it.
  void set_ends(const std::string& schedule, std::map<std::string, int> ends);
  // Another file: what runs goes on, schedules of the same name keep where they stand.
  std::vector<Decision> reload(Calendar calendar, WallTime now);
  // Nothing may start any more; what waits is skipped for this reason.
  std::vector<Decision> drain(const std::string& reason);

  // Up to when every firing of each schedule of the file is decided.
  std::map<std::string, WallTime> decided() const;
  // When tick() has something to do next. Nothing: never, as far as is known.
  std::optional<WallTime> next_wake() const;
  const Calendar& calendar() const { return calendar_; }
  const Schedule* find(const std::string& name) const;

 private:
  struct Entry {
    Standing standing;
    std::optional<Firings> firings;  // none: not in the file any more
  };

  void decide(const Schedule& schedule, Entry& entry, WallTime now, std::vector<Decision>& out);
  void fire(const Schedule& schedule, Standing& standing, WallTime due, WallTime now,
            std::vector<Decision>& out);
  void begin(const Schedule& schedule, Standing& standing, WallTime due, WallTime now,
             std::vector<Decision>& out);

  Calendar calendar_;
  std::map<std::string, Entry> entries_;
};

}  // namespace ordeal::schedule
