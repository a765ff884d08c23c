#include "engine/cli/tool.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "engine/base/text.hpp"
#include "engine/cli/paths.hpp"
#include "engine/executor/paths.hpp"
#include "engine/os/linux/caller.hpp"
#include "engine/os/linux/cgroups.hpp"
#include "engine/os/linux/clock.hpp"
#include "engine/os/linux/processes.hpp"
#include "engine/os/linux/settings.hpp"

namespace ordeal::cli {

Task<Result<ToolAnswer>> ask_executor(os::Processes& processes, std::vector<std::string> arguments,
                                      Duration within) {
  CO_TRY(auto path, executor_path());
  model::Command command;
  command.argv = {path};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.timeout = within;
  std::map<std::string, std::string> settings;
  for (const char* name : {"ORDEAL_STATE", "ORDEAL_POLICY"}) {
    if (std::string value = os::setting(name); !value.empty()) settings[name] = std::move(value);
  }
  CO_TRY(auto result, co_await processes.run(std::move(command), std::move(settings)));
  ToolAnswer out;
  constexpr int kUnknown = 255;
  out.exit_code = result.exit_code.value_or(kUnknown);
  out.output = std::move(result.output);
  out.errors = std::move(result.errors);
  co_return out;
}

Result<ToolAnswer> ask_executor(std::vector<std::string> arguments, Duration within) {
  asio::io_context loop{1};
  os::LinuxClock clock(loop.get_executor());
  os::LinuxCgroups cgroups(clock);
  os::LinuxProcesses processes(loop.get_executor(), clock, cgroups);
  std::optional<Result<ToolAnswer>> ended;
  auto ask = [&]() -> Task<void> {
    ended.emplace(co_await ask_executor(processes, std::move(arguments), within));
    loop.stop();
  };
  asio::co_spawn(loop, ask, [](std::exception_ptr problem) {
    if (problem) std::rethrow_exception(problem);
  });
  loop.run();
  if (!ended) return Error(Code::failed, "ordeal-executor did not answer");
  return *std::move(ended);
}

std::optional<std::string> halted_here() {
  constexpr std::size_t kLongest = 4096;
  const auto text = os::read_file(executor::halt_file(state_directory()), kLongest);
  if (text.has_error()) {
    if (text.error().code() == Code::gone || !os::is_root()) return std::nullopt;
    return "it cannot be read whether this host is halted: " + text.error().message();
  }
  std::string reason = text.value();
  while (!reason.empty() && (reason.back() == '\n' || reason.back() == ' ')) reason.pop_back();
  return reason.empty() ? "no reason given" : printable(reason, kLongest / 2);
}

}  // namespace ordeal::cli
