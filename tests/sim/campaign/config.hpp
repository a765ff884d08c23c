// One seed's world: which faults, which misfortunes, who is struck down when. Swarm testing: each
// class of misfortune is left out of half of the seeds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/executor/executor.hpp"
#include "tests/sim/machine.hpp"

namespace ordeal::sim {

enum class Blow { kill, stop, power_loss, cut_wire, halt, interrupt, meddle };

struct Strike {
  Blow blow = Blow::kill;
  bool front = false;
  bool worker = false;
  bool keeper = false;
  // When: after so much time, or at the n-th point (before or after a call) of the worker.
  std::optional<Duration> after;
  std::uint64_t point = 0;
  std::optional<Duration> resume_after;  // of a stop
};

std::string to_string(const Strike& strike);

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
  executor::PlantedBugs bugs;

  // Nothing but strikes goes wrong: then the time limits of promise P1 hold to the letter.
  bool strict() const;
};

Config make_config(std::uint64_t seed);
// The fault alone, for the enumeration of points.
Config make_config_of(const std::string& fault);
std::string describe(const Config& config);

// The faults that the campaign knows how to ask for: all of the catalogue's.
std::vector<std::string> known_faults();

}  // namespace ordeal::sim
