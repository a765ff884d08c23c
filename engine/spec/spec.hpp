// From the text of an experiment file to model::Experiment, or to every error of the file at once.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/experiment.hpp"
#include "engine/model/fault_description.hpp"
#include "engine/model/gameday.hpp"
#include "engine/spec/problem.hpp"

namespace ordeal::spec {

// What a game day brings to each of its experiments, whose own keys win: the keys of a service
// file, and abort conditions that are added to those it has.
struct DayRules {
  std::string service;  // path, or empty
  std::vector<model::PlacedText> abort_if;
};

struct Input {
  std::string file;                         // as the user named it; problems name it so
  std::map<std::string, std::string> vars;  // --var
  // Reads a file: the experiment itself, and the file that `service:` names.
  std::function<Result<std::string>(const std::string& path)> read;
  const DayRules* day = nullptr;
};

struct Outcome {
  std::optional<model::Experiment> experiment;  // exactly when there are no problems
  std::vector<Problem> problems;                // sorted by place
  std::vector<Problem> warnings;
};

Outcome parse_experiment(const Input& input, std::span<const model::FaultDescription> faults);

// JSON Schema (draft 2020-12) of experiment files, for editors.
std::string json_schema(std::span<const model::FaultDescription> faults);

}  // namespace ordeal::spec
