#include "engine/cli/calendar.hpp"

#include <fmt/format.h>

#include "engine/cli/files.hpp"
#include "engine/cli/hosts.hpp"
#include "engine/cli/paths.hpp"
#include "engine/spec/inventory.hpp"
#include "engine/spec/schedule.hpp"
#include "engine/spec/spec.hpp"

namespace ordeal::cli {
std::string serve_directory() { return state_directory() + "/history"; }

std::optional<schedule::Calendar> read_calendar(const std::string& file) {
  spec::ScheduleOutcome outcome = spec::parse_schedules({file, read_users_file});
  if (!print_problems(outcome.problems)) return std::nullopt;
  const std::vector<model::FaultDescription> faults = descriptions();
  bool good = true;
  for (schedule::Schedule& schedule : outcome.calendar->schedules) {
    spec::Outcome read_one =
        spec::parse_experiment({schedule.file, schedule.vars, read_users_file}, faults);
    const std::optional<model::Inventory> hosts =
        schedule.inventory.empty() ? spec::local_inventory() : read_inventory(schedule.inventory);
    if (read_one.experiment && hosts) {
      read_one.problems = spec::check_hosts(*read_one.experiment, *hosts);
    }
    if (!hosts || !print_problems(read_one.problems)) {
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
