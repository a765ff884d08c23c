// What commands need root for. It is given up in one place (cli.cpp), before a command opens
// anything that its caller names: what needs root is done or made before that.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/cli/running.hpp"
#include "engine/cli/tool.hpp"
#include "engine/os/linux/caller.hpp"

namespace ordeal::cli {

// A process that keeps root after we have given it up, to answer questions of one kind. It ends
// with us.
class RootSide {
 public:
  using Answer = std::function<std::string(const std::string& question)>;
  static Result<RootSide> start(const Answer& answer);

  // Blocks until it is answered.
  Result<std::string> ask(const std::string& question);
  // Waits beside others.
  Task<Result<std::string>> ask_beside(std::string question);

 private:
  explicit RootSide(os::Fd fd) : fd_(std::move(fd)) {}
  os::Fd fd_;
};

// What a command was given before root was given up.
struct Rooted {
  os::Caller who;
  bool root = false;  // we had it, so the executors have it

  std::optional<RootSide> side;    // --inventory: the executor of this machine; forecast: records
  std::vector<Prepared> prepared;  // run, plan, game days: what each experiment needs
  os::Fd day_control;              // of a game day
  std::string day_folder;
  std::string day_id;
  std::string why_not;  // run, plan, game days: it cannot begin
};

// ---- Done as root, by command. They open nothing that the caller names. A number: the exit code
// of the command, which is done.
std::optional<int> doctor_as_root(const Options& options, Rooted& rooted);
std::optional<int> status_as_root(const Options& options, Rooted& rooted);
std::optional<int> recover_as_root(const Options& options, Rooted& rooted);
std::optional<int> halt_as_root(const Options& options, Rooted& rooted);
std::optional<int> abort_as_root(const Options& options, Rooted& rooted);
std::optional<int> schedule_as_root(const Options& options, Rooted& rooted);
std::optional<int> run_as_root(const Options& options, Rooted& rooted);
std::optional<int> gameday_as_root(const Options& options, Rooted& rooted);
std::optional<int> serve_as_root(const Options& options, Rooted& rooted);

// Keeps root for one thing: to ask the executor of this machine this, when it turns out to be one
// of the inventory's hosts.
Result<RootSide> keep_executor_question(std::vector<std::string> arguments, Duration within);
Task<Result<ToolAnswer>> ask_kept_executor(RootSide& side);

}  // namespace ordeal::cli
