// From the text of an inventory file to model::Inventory, or to every error of the file at once;
// and whether an experiment fits an inventory.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/experiment.hpp"
#include "engine/model/inventory.hpp"
#include "engine/spec/keys.hpp"
#include "engine/spec/problem.hpp"

namespace ordeal::spec {

struct InventoryInput {
  std::string file;  // as the user named it; `ssh.config` is relative to its folder
  std::function<Result<std::string>(const std::string& path)> read;
};

struct InventoryOutcome {
  std::optional<model::Inventory> inventory;  // exactly when there are no problems
  std::vector<Problem> problems;              // sorted by place
};

InventoryOutcome parse_inventory(const InventoryInput& input);

// What a run without --inventory has: one host `local`, and no file.
model::Inventory local_inventory();

// What keeps the experiment from running on these hosts, each at its place: a step that says
// nothing about hosts although there is an inventory; hosts and labels that nobody has, there or in
// `host(...)`; any hosts when there is no inventory. Empty: it fits. Whether a selection is empty
// is for the plan.
std::vector<Problem> check_hosts(const model::Experiment& experiment,
                                 const model::Inventory& inventory);

// JSON Schema (draft 2020-12) of inventory files, for editors.
std::string json_schema_of_inventories();

// What is wrong with the name of a host, or the name or value of a label; empty: nothing. They go
// into command lines, conditions, file names and reports.
std::string problem_of_host_name(std::string_view text);
std::string problem_of_label(std::string_view text);

// engine/spec/inventory_keys.cpp: the tables of an inventory file, apart from those of experiments.
const std::vector<Table>& inventory_tables();
const Table& inventory_table(std::string_view name);
const std::vector<Hint>& inventory_hints();

}  // namespace ordeal::spec
