#include "engine/cli/wires.hpp"

#include "engine/cli/hosts.hpp"
#include "engine/cli/log.hpp"

namespace ordeal::cli {

Wires::Wires(asio::any_io_executor executor, os::Clock& clock, const os::Caller& who,
             std::string ssh_config, os::ExecutorProcess& here)
    : executor_(executor), clock_(clock), launcher_(executor, who),
      ssh_config_(std::move(ssh_config)), here_(here) {}

Task<Result<std::unique_ptr<fleet::Executor>>> Wires::connect(const model::InventoryHost& host,
                                                              fleet::Pushed pushed) {
  if (!host.ssh) {
    if (!here_.wire) {
      co_return Error(Code::refused, "it is this machine, and to change it needs root: sudo");
    }
    co_return std::make_unique<fleet::Executor>(clock_, os::wire_stream(executor_, here_),
                                                os::report_stream(executor_, here_),
                                                std::move(pushed));
  }
  if (!file_) {
    CO_TRY(file_, executor_file());
  }
  fleet::Route route{clock_, launcher_, *file_, ssh_config_};
  model::InventoryHost copy = host;
  std::vector<std::string> arguments = {"--stdio", "--own-scope"};
  CO_TRY(auto reached,
         co_await fleet::reach(std::move(route), std::move(copy), std::move(arguments)));
  if (!reached.begun.empty()) co_return Error(Code::failed, "it spoke before it was asked");
  if (verbose()) detail(fmt::format("{}: {} {}", host.name, reached.how, reached.path));
  co_return std::make_unique<fleet::Executor>(clock_, std::move(reached.program.wire),
                                              std::move(reached.program.errors), std::move(pushed));
}

}  // namespace ordeal::cli
