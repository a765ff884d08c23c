#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/units.hpp"

namespace ordeal::probe {

// One measurement. A failed request is data (ok == false); `no_data` means that the probe itself
// could not measure, which is unsafe.
struct Sample {
  std::int64_t seq = 0;  // over all SLIs of a run, from 1, in order of completion
  std::size_t sli = 0;   // index into Experiment::slis; kHostSli for host values
  BootTime scheduled{};  // when it was due to be sent: latency counts from here
  BootTime completed{};
  bool no_data = false;
  bool ok = true;                  // requests and flags: good?
  Duration latency{};              // requests: scheduled -> completed
  std::optional<double> value;     // gauges, in the SLI's base unit
  std::optional<double> restarts;  // process probes
  std::string problem;             // "refused", "timeout 1s", "status 502", ... ; empty when good
};

}  // namespace ordeal::probe
