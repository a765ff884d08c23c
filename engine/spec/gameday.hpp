// From the text of a game day file to model::Gameday, or to every error of the file at once.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/gameday.hpp"
#include "engine/spec/keys.hpp"
#include "engine/spec/problem.hpp"

namespace ordeal::spec {

struct GamedayInput {
  std::string file;  // as the user named it; the paths in it are relative to its folder
  std::function<Result<std::string>(const std::string& path)> read;
};

struct GamedayOutcome {
  std::optional<model::Gameday> gameday;  // exactly when there are no problems
  std::vector<Problem> problems;          // sorted by place
};

// The experiments that it names are not read.
GamedayOutcome parse_gameday(const GamedayInput& input);

// JSON Schema (draft 2020-12) of game day files, for editors.
std::string json_schema_of_gamedays();

// engine/spec/gameday_keys.cpp: the tables of a game day file.
const std::vector<Table>& gameday_tables();
const Table& gameday_table(std::string_view name);
const std::vector<Hint>& gameday_hints();

}  // namespace ordeal::spec
