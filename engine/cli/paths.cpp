#include "engine/cli/paths.hpp"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "engine/os/linux/settings.hpp"

namespace ordeal::cli {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<std::string> executor_path() {
  const std::string named = os::setting("ORDEAL_EXECUTOR");
  if (!named.empty()) return named;
  std::error_code problem;
  const fs::path self = fs::read_symlink("/proc/self/exe", problem);
  const fs::path candidates[] = {self.parent_path() / "ordeal-executor",
                                 self.parent_path().parent_path() / "lib/ordeal/ordeal-executor",
                                 "/usr/lib/ordeal/ordeal-executor"};
  for (const fs::path& path : candidates) {
    if (fs::is_regular_file(path, problem)) return path.string();
  }
  return Error(Code::gone, fmt::format("ordeal-executor is neither beside {} nor in lib/ordeal; "
                                       "name it in ORDEAL_EXECUTOR",
                                       self.string()));
}

std::string state_directory() {
  const std::string named = os::setting("ORDEAL_STATE");
  return named.empty() ? "/var/lib/ordeal" : named;
}

std::string control_directory() {
  const std::string named = os::setting("ORDEAL_STATE");
  return named.empty() ? "/run/ordeal" : named + "/run";
}

std::string history_directory(const os::Caller& who) {
  if (who.uid == 0) return state_directory() + "/history";
  const std::string xdg = environment("XDG_STATE_HOME");
  return (xdg.empty() ? who.home + "/.local/state" : xdg) + "/ordeal";
}

}  // namespace ordeal::cli
