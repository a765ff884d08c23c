#include "engine/cli/tool.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "engine/cli/paths.hpp"
#include "engine/os/linux/cgroups.hpp"
#include "engine/os/linux/clock.hpp"
#include "engine/os/linux/processes.hpp"

namespace ordeal::cli {

Result<ToolAnswer> ask_executor(std::vector<std::string> arguments) {
  TRY(auto path, executor_path());
  asio::io_context loop{1};
  os::LinuxClock clock(loop.get_executor());
  os::LinuxCgroups cgroups(clock);
  os::LinuxProcesses processes(loop.get_executor(), clock, cgroups);

  model::Command command;
  command.argv = {path};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.timeout = 120s;  // recovery may start services
  std::map<std::string, std::string> settings;
  for (const char* name : {"ORDEAL_STATE", "ORDEAL_POLICY"}) {
    if (!environment(name).empty()) settings[name] = environment(name);
  }
  std::optional<Result<os::CommandResult>> ended;
  auto ask = [&]() -> Task<void> {
    ended.emplace(co_await processes.run(std::move(command), std::move(settings)));
    loop.stop();
  };
  asio::co_spawn(loop, ask, [](std::exception_ptr problem) {
    if (problem) std::rethrow_exception(problem);
  });
  loop.run();
  if (!ended) return Error(Code::failed, "ordeal-executor did not answer");
  TRY(auto result, *std::move(ended));
  return ToolAnswer{result.exit_code, std::move(result.output), std::move(result.errors)};
}

}  // namespace ordeal::cli
