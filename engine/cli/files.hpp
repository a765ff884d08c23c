// Files that a person names: how they are read, and how what is wrong with them is told.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/fault_description.hpp"
#include "engine/spec/problem.hpp"

namespace ordeal::cli {

// No more of it than is looked at.
Result<std::string> read_users_file(const std::string& path);

// Variables of experiments, a JSON object of texts, in a file; "-" is stdin. Errors hold no value.
Result<std::map<std::string, std::string>> read_vars(const std::string& path);
std::string to_json(const std::map<std::string, std::string>& vars);

// A line each on stderr. True: there are none.
bool print_problems(const std::vector<spec::Problem>& problems);

// What is known of every fault.
std::vector<model::FaultDescription> descriptions();

}  // namespace ordeal::cli
