#pragma once

#include <memory>
#include <optional>

#include "engine/fleet/connect.hpp"
#include "engine/fleet/executor.hpp"
#include "engine/os/linux/executor_process.hpp"
#include "engine/os/linux/launcher.hpp"

namespace ordeal::cli {

// The wires of one run: to the executor of this machine, which was started before root was given
// up, and over ssh to those of others.
class Wires {
 public:
  // `here` may be empty when no host is this machine; `ssh_config` is the inventory's.
  Wires(asio::any_io_executor executor, os::Clock& clock, const os::Caller& who,
        std::string ssh_config, os::ExecutorProcess& here);

  Task<Result<std::unique_ptr<fleet::Executor>>> connect(const model::InventoryHost& host,
                                                         fleet::Pushed pushed);

 private:
  asio::any_io_executor executor_;
  os::Clock& clock_;
  os::LinuxLauncher launcher_;
  std::string ssh_config_;
  os::ExecutorProcess& here_;
  std::optional<fleet::ExecutorFile> file_;
};

}  // namespace ordeal::cli
