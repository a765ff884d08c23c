#pragma once

#include <map>

#include "engine/os/launcher.hpp"
#include "engine/os/linux/caller.hpp"

namespace ordeal::os {

// Programs run as `who`, also when we are root through sudo, and get the whole environment of this
// process, so that ssh finds the caller's agent, but HOME, USER and LOGNAME of `who`.
class LinuxLauncher final : public Launcher {
 public:
  LinuxLauncher(asio::any_io_executor executor, const Caller& who);

  Result<Program> start(const std::vector<std::string>& argv) override;

 private:
  asio::any_io_executor executor_;
  Caller who_;
  std::map<std::string, std::string> environment_;
};

}  // namespace ordeal::os
