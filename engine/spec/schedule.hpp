// From the text of a schedule file to schedule::Calendar, or to every error of the file at once.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/schedule/schedule.hpp"
#include "engine/spec/keys.hpp"
#include "engine/spec/problem.hpp"

namespace ordeal::spec {

struct ScheduleInput {
  std::string file;  // as the user named it; `run:` is relative to its folder
  std::function<Result<std::string>(const std::string& path)> read;
};

struct ScheduleOutcome {
  std::optional<schedule::Calendar> calendar;  // exactly when there are no problems
  std::vector<Problem> problems;               // sorted by place
};

// The experiments that it names are not read; their schedules' `length` is 0.
ScheduleOutcome parse_schedules(const ScheduleInput& input);

// JSON Schema (draft 2020-12) of schedule files, for editors.
std::string json_schema_of_schedules();

// engine/spec/schedule_keys.cpp: the tables of a schedule file, apart from those of experiments.
const std::vector<Table>& schedule_tables();
const Table& schedule_table(std::string_view name);
const std::vector<Hint>& schedule_hints();

}  // namespace ordeal::spec
