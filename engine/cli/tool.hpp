// Asks `ordeal-executor` something that ends by itself: --status, --recover, --doctor, --halt.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/json.hpp"
#include "engine/base/text.hpp"
#include "engine/os/processes.hpp"

namespace ordeal::cli {

struct ToolAnswer {
  int exit_code = 0;
  std::string output;
  std::string errors;
};

// Runs it as whoever we are; recovery may start services. Error: it could not be started.
Result<ToolAnswer> ask_executor(std::vector<std::string> arguments, Duration within = 120s);

// The same beside others, within a time.
Task<Result<ToolAnswer>> ask_executor(os::Processes& processes, std::vector<std::string> arguments,
                                      Duration within);

// What the executor printed with --json. Error: what it said instead.
template <class Answer>
Result<Answer> decode_answer(const std::string& output, const std::string& errors) {
  auto value = json::parse(output);
  if (value.has_error()) {
    return Error(Code::failed, errors.empty() ? "ordeal-executor said nothing" : printable(errors));
  }
  return json::decode<Answer>(value.value(), json::Unknown::ignored);
}

// Why this machine is halted, printable; nothing when it is not. What cannot be read counts as a
// halt, unless we are not root: then it is not ours to know.
std::optional<std::string> halted_here();

}  // namespace ordeal::cli
