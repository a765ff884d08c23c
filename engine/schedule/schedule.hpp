// A schedule file as a value, and when its schedules fire: a pure function of the file and of the
// time, so that a forecast is what will happen.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/model/place.hpp"
#include "engine/schedule/cron.hpp"
#include "engine/schedule/ics.hpp"
#include "engine/schedule/zone.hpp"

namespace ordeal::schedule {

// Every multiple of the period since 1970-01-01T00:00:00Z.
struct Every {
  Duration period{};
};

// Once at each of these. A skipped time fires at the first moment after the gap, a repeated one at
// its first occurrence.
struct At {
  std::vector<LocalTime> times;  // in order
};

// Chaos Monkey's model: gaps of min_gap and an exponential rest, mean_time_between on average. A
// moment outside the windows moves to a random moment of the next window. The moments follow from
// the seed alone, from 2026 on: a forecast, a restart and another machine find the same.
struct Random {
  Duration mean_time_between{};
  Duration min_gap{};
  std::uint64_t seed = 0;
};

using Trigger = std::variant<Cron, Every, At, Random>;

// Local time on some days; begins on that day, ends before `end`, on the next day when that is not
// later than `begin`.
struct Window {
  std::array<bool, 7> weekdays{};  // 0 is Sunday
  std::chrono::minutes begin{};
  std::chrono::minutes end{};  // up to 24h
  std::string text;
};
std::optional<TextProblem> parse_window(std::string_view text, Window& out);

// Whole days in the zone of each schedule, the last one included; or the events of a calendar.
struct Blackout {
  std::chrono::local_days first{};
  std::chrono::local_days last{};
  std::string reason;
  std::string calendar;  // file, or empty: then first and last
  std::vector<Event> events;
};
std::optional<TextProblem> parse_dates(std::string_view text, Blackout& out);

// What a firing does while the run of an earlier one goes on.
enum class Concurrency { forbid, queue, replace };

struct Schedule {
  std::string name;
  std::string file;    // of the experiment
  model::Place place;  // where the file is named
  std::map<std::string, std::string> vars;
  std::string inventory;  // file with the hosts of the experiment, or empty
  Trigger trigger;
  Zone zone;
  std::vector<Window> windows;  // none: always
  Duration start_deadline = 10s;
  Concurrency concurrency = Concurrency::forbid;
  bool leashed = false;                    // plans and reports, injects nothing
  std::map<std::string, int> pause_after;  // names of exits, and so many of them
  // From the start of a run until its faults are over; known to who has read the experiment.
  Duration length{};
};

struct Calendar {
  std::vector<Schedule> schedules;
  std::vector<Blackout> blackouts;
};

// The moments of one schedule, in order. Keeps its place, so that going on is cheap.
class Firings {
 public:
  explicit Firings(const Schedule& schedule) : schedule_(schedule) {}

  // The first one after `after`; nothing when there is none in the next 41 years.
  std::optional<WallTime> next(WallTime after);

 private:
  WallTime next_random(const Random& random, WallTime after);

  Schedule schedule_;
  std::uint64_t drawn_ = 0;  // so many of the random moments are known
  WallTime previous_{};      // the last but one of them
  WallTime last_{};
};
std::optional<WallTime> next_firing(const Schedule& schedule, WallTime after);

// Why its run may not begin now, or empty: the faults must be over before the windows close and
// before a blackout begins.
std::string forbidden(const Calendar& calendar, const Schedule& schedule, WallTime now);

struct Forecast {
  WallTime when{};
  const Schedule* schedule = nullptr;
  std::string note;  // why it will not run, or "leashed"; concurrency and pauses are not foreseen
  bool forbidden = false;  // by a window or a blackout
};
// Every firing with from < when <= until, by time, then by the order of the file.
std::vector<Forecast> forecast(const Calendar& calendar, WallTime from, WallTime until,
                               std::size_t at_most);

}  // namespace ordeal::schedule
