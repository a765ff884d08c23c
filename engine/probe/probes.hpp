// Probes: they measure SLIs, on schedule, whatever is outstanding.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/model/experiment.hpp"
#include "engine/os/client.hpp"
#include "engine/os/clock.hpp"
#include "engine/os/host_files.hpp"
#include "engine/os/processes.hpp"
#include "engine/probe/sample.hpp"

namespace ordeal::probe {

// Called on the run's thread as each sample completes.
using SampleSink = std::function<void(Sample)>;

struct Tools {
  os::Clock& clock;
  os::Client& client;
  os::Processes& processes;  // exec and process probes
  os::Files& files;          // host probes
};

// Reads the secrets that the SLIs name, before anything starts. Error: names what is missing, never
// a secret's value.
Result<void> check_secrets(const std::vector<model::Sli>& slis);

// Runs all probes until cancelled. Open-loop requests go out at their rate whatever is outstanding
// (at most rate x timeout at a time); a sender that falls behind by more than 5% in a window
// reports no_data "ordeal could not keep its rate".
Task<void> run_probes(Tools tools, const std::vector<model::Sli>& slis, SampleSink sink);

}  // namespace ordeal::probe
