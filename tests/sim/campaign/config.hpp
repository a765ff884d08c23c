// One seed's world: which faults, which misfortunes, who is struck down when. Swarm testing: each
// class of misfortune is left out of half of the seeds.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/executor/executor.hpp"
#include "engine/run/run.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/wishes.hpp"

namespace ordeal::sim {

class Lab;

enum class Blow { kill, stop, power_loss, cut_wire, halt, interrupt, meddle, wall_clock };
enum class Whose { worker, keeper, recover };

struct Strike {
  Blow blow = Blow::kill;
  bool front = false;
  bool worker = false;
  bool keeper = false;
  // When: after so much time, or at the n-th point (before or after a call) of `of`.
  std::optional<Duration> after;
  std::uint64_t point = 0;
  Whose of = Whose::worker;              // recover: whoever runs it is killed
  std::optional<Duration> resume_after;  // of a stop
};

std::string to_string(const Strike& strike);

// Bugs that the judges must find, each the proof that one of them can say no. The first three are in
// production code, the others in what surrounds it.
enum class Plant {
  none,
  inject_before_journal,
  no_fsync,
  drop_rest,
  lying_disk,    // what was synced is not on the platter
  late_keeper,   // hears of the worker's death three seconds late
  long_lease,    // three times what was agreed
  deaf_to_halt,  // the latch is somewhere else
  slow_abort,    // the order to revert leaves two seconds late
  early_word,    // the front says reverted when it has only ordered it
  damage,        // a revert takes somebody else's qdisc away
  false_clean,   // a verdict that says clean, whatever is left
  false_dirty,   // one that cries wolf
  false_upheld,  // one that forgets what went wrong
  false_error,   // one that invents it
};
BOOST_DESCRIBE_ENUM(Plant, none, inject_before_journal, no_fsync, drop_rest, lying_disk,
                    late_keeper, long_lease, deaf_to_halt, slow_abort, early_word, damage,
                    false_clean, false_dirty, false_upheld, false_error)

// For tests of whole runs that need a world of their own.
struct Hooks {
  std::function<void(Machine&)> furnish;                       // before the front starts
  std::function<void(const model::Event&, Lab&)> on_event;     // as the front says it
  std::function<void(const wire::Order&, BootTime)> on_order;  // as it leaves the front
  std::function<void(Machine&)> mend;                          // before `ordeal recover`
};

struct Config {
  std::uint64_t seed = 1;
  std::string yaml;
  std::vector<std::string> faults;
  Misfortunes misfortunes;
  std::vector<Strike> strikes;
  Duration lease = 5s;
  Duration renew = 1s;
  Duration wire_latency = 50us;
  bool shuffle = false;
  bool systemd_recovers = true;  // something runs `ordeal recover` when both processes died
  Plant plant = Plant::none;
  run::Mode mode = run::Mode::run;
  bool stop_on_violation = false;
  bool machine_obeys = true;  // hooks make no undo impossible
  Hooks hooks;

  // No call fails: then whatever somebody can revert is reverted.
  bool strict() const;
  // Nothing is slow either: then the time limits of promise P1 hold to the letter.
  bool prompt() const;
};

Config make_config(std::uint64_t seed);
// The step alone, for the enumeration of points.
Config make_config_of(const Wish& wish);
std::string describe(const Config& config);
executor::PlantedBugs bugs_of(Plant plant);
// A part of what the judge says that the bug is planted for.
const char* objection_to(Plant plant);

}  // namespace ordeal::sim
