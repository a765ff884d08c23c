#include "engine/cli/calendar.hpp"

#include <fmt/format.h>

#include "engine/cli/hosts.hpp"
#include "engine/cli/paths.hpp"
#include "engine/os/linux/fd.hpp"
#include "engine/spec/inventory.hpp"
#include "engine/spec/schedule.hpp"
#include "engine/spec/spec.hpp"
#include "engine/spec/yaml.hpp"
#include "faults/catalogue.hpp"

namespace ordeal::cli {
namespace {

Result<std::string> read(const std::string& path) {
  return os::read_file(path, spec::kMostBytes + 1);
}

bool print(const std::vector<spec::Problem>& problems) {
  for (const spec::Problem& problem : problems) {
    fmt::print(stderr, "{}\n", spec::to_string(problem));
  }
  return problems.empty();
}

}  // namespace

std::string serve_directory() { return state_directory() + "/history"; }

std::optional<schedule::Calendar> read_calendar(const std::string& file) {
  spec::ScheduleOutcome outcome = spec::parse_schedules({file, read});
  if (!print(outcome.problems)) return std::nullopt;
  std::vector<model::FaultDescription> faults;
  for (const fault::Fault& fault : catalogue()) faults.push_back(fault.description);
  bool good = true;
  for (schedule::Schedule& schedule : outcome.calendar->schedules) {
    spec::Outcome read_one = spec::parse_experiment({schedule.file, schedule.vars, read}, faults);
    const std::optional<model::Inventory> hosts =
        schedule.inventory.empty() ? spec::local_inventory() : read_inventory(schedule.inventory);
    if (read_one.experiment && hosts) {
      read_one.problems = spec::check_hosts(*read_one.experiment, *hosts);
    }
    if (!hosts || !print(read_one.problems)) {
      fmt::print(stderr, "{}: this experiment cannot be run\n",
                 spec::to_string({schedule.place, schedule.name}));
      good = false;
      continue;
    }
    const model::Experiment& experiment = *read_one.experiment;
    schedule.length = experiment.warmup + experiment.baseline + model::method_duration(experiment);
  }
  if (!good) return std::nullopt;
  return std::move(outcome.calendar);
}

}  // namespace ordeal::cli
