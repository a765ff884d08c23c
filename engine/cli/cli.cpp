#include "engine/cli/cli.hpp"

#include <csignal>
#include <cstdio>
#include <map>

#include <fmt/format.h>

#include "engine/cli/command_hosts.hpp"
#include "engine/cli/root.hpp"
#include "engine/model/verdict.hpp"
#include "engine/os/linux/begin.hpp"
#include "engine/os/linux/caller.hpp"

namespace ordeal::cli {
namespace {

// What of a command is done as root, before it is given up for the rest. A new command has nothing.
struct Command {
  int (*as_caller)(const Options&, Rooted&);
  std::optional<int> (*as_root)(const Options&, Rooted&) = nullptr;
};

// Of a command that does everything as root, and opens nothing that the caller names.
int nothing_more(const Options&, Rooted&) { return static_cast<int>(model::Exit::error); }

const std::map<std::string, Command>& commands() {
  static const std::map<std::string, Command> kCommands = {
      {"run", {command_run, run_as_root}},                 // executors, control sockets
      {"plan", {command_run, run_as_root}},                // executors
      {"gameday", {command_gameday, gameday_as_root}},     // executors, control sockets
      {"doctor", {doctor_hosts, doctor_as_root}},          // an executor that answers
      {"status", {status_hosts, status_as_root}},          // that, and control sockets
      {"recover", {recover_hosts, recover_as_root}},       // an executor that answers
      {"halt", {halt_hosts, halt_as_root}},                // an executor that answers
      {"abort", {nothing_more, abort_as_root}},            // control sockets
      {"schedule", {command_schedule, schedule_as_root}},  // the records of serve
      {"serve", {nothing_more, serve_as_root}},            // all its life, and so not for others
      {"validate", {command_validate}},
      {"faults", {command_faults}},
      {"new", {command_new}},
      {"schema", {command_schema}},
      {"runs", {command_runs}},
      {"report", {command_report}},
  };
  return kCommands;
}

// The one place where root is given up, before anything that the caller names is opened.
int carry_out(const Command& command, const Options& options) {
  Rooted rooted;
  rooted.who = os::caller();
  rooted.root = os::is_root();
  if (command.as_root != nullptr) {
    if (const auto done = command.as_root(options, rooted)) return *done;
  }
  if (const auto dropped = os::become_caller(rooted.who); dropped.has_error()) {
    complain(dropped.error().message());
    return static_cast<int>(model::Exit::refused);
  }
  return command.as_caller(options, rooted);
}

}  // namespace

int run(int argc, char** argv) {
  if (auto begun = os::begin_process(); begun.has_error()) {
    complain(begun.error().message());
    return static_cast<int>(model::Exit::refused);
  }
  std::signal(SIGPIPE, SIG_IGN);  // `ordeal run | head` must not kill a run
  auto options = read_options(argc, argv);
  if (options.has_error()) {
    complain(options.error().message());
    return static_cast<int>(model::Exit::invalid);
  }
  start_log(options.value().verbose);
  if (options.value().help || options.value().command.empty()) {
    fmt::print("{}", help_text(options.value().command));
    return options.value().help ? 0 : static_cast<int>(model::Exit::invalid);
  }
  if (options.value().command == "version") {
    fmt::print("ordeal {}\n", ORDEAL_VERSION);
    return 0;
  }
  return carry_out(commands().at(options.value().command), options.value());
}

}  // namespace ordeal::cli
