#include "engine/os/linux/modules.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include <fmt/format.h>

#include "engine/base/scope.hpp"

namespace ordeal::os {
namespace {

constexpr int kInitCompressedFile = 4;  // MODULE_INIT_COMPRESSED_FILE, Linux 5.17

}  // namespace

bool has_module(const std::string& name) {
  if (::access(("/sys/module/" + name).c_str(), F_OK) == 0) return true;
  const std::vector<std::string> all = loaded_modules();
  return std::find(all.begin(), all.end(), name) != all.end();
}

Result<std::string> module_file(const std::string& name) {
  utsname kernel{};
  if (::uname(&kernel) != 0) return Error::system(errno, "uname");
  const std::string folder = fmt::format("/lib/modules/{}", kernel.release);
  std::ifstream list(folder + "/modules.dep");
  // "kernel/drivers/net/ifb.ko.xz: kernel/other.ko.xz"
  for (std::string line; std::getline(list, line);) {
    const std::size_t colon = line.find(':');
    const std::string path = line.substr(0, colon);
    const std::string file = path.substr(path.rfind('/') + 1);
    if (!file.starts_with(name + ".ko")) continue;
    if (colon != line.npos && line.find_first_not_of(" \t", colon + 1) != line.npos) {
      return Error(Code::unsupported, fmt::format("module {} needs other modules first", name));
    }
    return path.starts_with('/') ? path : folder + "/" + path;
  }
  return Error(Code::gone, fmt::format("no module {} in {}", name, folder));
}

Result<void> load_module(const std::string& name, const std::string& options) {
  if (has_module(name)) return ok();
  const std::string by_hand = fmt::format("; by hand: modprobe {} {}", name, options);
  auto file = module_file(name);
  // Built in, or not there at all: whoever asks the kernel for it next will hear which.
  if (file.has_error() && file.error().code() == Code::gone) return ok();
  if (file.has_error()) return Error(file.error().code(), file.error().message() + by_hand);
  const int fd = ::open(file.value().c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error::system(errno, "open " + file.value());
  ScopeGuard close_it([fd] { ::close(fd); });
  const int flags = file.value().ends_with(".ko") ? 0 : kInitCompressedFile;
  if (::syscall(SYS_finit_module, fd, options.c_str(), flags) == 0 || errno == EEXIST) return ok();
  const int problem = errno;
  const Error error = Error::system(problem, "load " + file.value());
  return Error(error.code(), error.message() + by_hand, problem);
}

std::vector<std::string> loaded_modules() {
  std::vector<std::string> names;
  std::ifstream list("/proc/modules");
  for (std::string line; std::getline(list, line);) names.push_back(line.substr(0, line.find(' ')));
  return names;
}

}  // namespace ordeal::os
