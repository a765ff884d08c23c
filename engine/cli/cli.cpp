#include "engine/cli/cli.hpp"

#include <csignal>
#include <cstdio>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "engine/model/verdict.hpp"

namespace ordeal::cli {

int run(int argc, char** argv) {
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
  static const std::map<std::string, int (*)(const Options&)> kCommands = {
      {"run", command_run},         {"plan", command_run},          {"validate", command_validate},
      {"faults", command_faults},   {"new", command_new},           {"schema", command_schema},
      {"doctor", command_doctor},   {"status", command_status},     {"recover", command_recover},
      {"halt", command_halt},       {"abort", command_abort},       {"runs", command_runs},
      {"report", command_report},   {"schedule", command_schedule}, {"serve", command_serve},
      {"gameday", command_gameday},
  };
  return kCommands.at(options.value().command)(options.value());
}

}  // namespace ordeal::cli
