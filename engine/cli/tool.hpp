// Asks `ordeal-executor` something that ends by itself: --status, --recover, --doctor, --halt.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.hpp"

namespace ordeal::cli {

struct ToolAnswer {
  int exit_code = 0;
  std::string output;
  std::string errors;
};

// Runs it as whoever we are. Error: it could not be started.
Result<ToolAnswer> ask_executor(std::vector<std::string> arguments);

}  // namespace ordeal::cli
