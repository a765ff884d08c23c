// The local policy: what this host's owner allows, in a root-owned file that no wire can change.
// docs/reference/policy.md has its format.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/model/change.hpp"
#include "engine/os/host.hpp"

namespace ordeal::executor {

struct Policy {
  std::vector<std::string> allow;             // patterns of fault names; empty: all
  std::vector<std::string> deny;              // stronger than allow
  std::optional<Duration> max_duration;       // of one step
  std::optional<std::int64_t> max_processes;  // that a selector of one step picks
  std::optional<Ppm> max_share;               // of what the selector matches
  std::vector<std::string> protect_names;     // patterns of process names
  std::vector<std::string> protect_units;     // patterns of units
  std::vector<std::string> protect_paths;     // executables below, and file systems at, these paths
  bool any_program = true;                    // no file: whatever an experiment names may be run
  std::vector<std::string> run;               // else programs that may be, for whatever purpose
  std::vector<std::string> where;             // and those that a step's `where` may run, too
};

// Error: the line that is wrong. Unknown keys are errors: a policy that is half understood is none.
Result<Policy> parse_policy(std::string_view text);

// Without a file everything is allowed. Errors: the file is wrong, or not only root may write it.
Result<Policy> load_policy(const os::Host& host, const std::string& path);

// Why the policy protects the process; empty: it does not.
std::string protected_by(const Policy& policy, const model::ProcessInfo& process,
                         const os::Host& host);

// Code::refused when the policy forbids the step, or what no policy allows: to touch a protected
// unit or process, to fill the file system that holds the state directory. Asked of what the step's
// changes and undos touch (model::touches), so no fault can forget it; asked when the step is
// prepared and again right before it is injected.
Result<void> check_policy(const Policy& policy, const model::HostStep& step, const os::Host& host,
                          const std::string& state_directory);

// Code::refused when the policy forbids to run the program of a step's `where`.
Result<void> check_where(const Policy& policy, const model::Where& where);

}  // namespace ordeal::executor
