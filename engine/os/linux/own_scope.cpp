#include "engine/os/linux/own_scope.hpp"

#include <unistd.h>

#include <array>

#include "engine/os/linux/begin.hpp"

namespace ordeal::os {
namespace {

constexpr const char* kSystemdRun = "/usr/bin/systemd-run";

// The name of our file: /proc/self/exe itself will be systemd-run's.
std::string own_path() {
  std::array<char, 4096> name{};
  const ssize_t size = ::readlink("/proc/self/exe", name.data(), name.size());
  return size <= 0 ? "" : std::string(name.data(), static_cast<std::size_t>(size));
}

}  // namespace

void enter_own_scope(const std::vector<std::string>& arguments) {
  if (::geteuid() != 0 || ::access("/run/systemd/system", F_OK) != 0) return;
  if (::access(kSystemdRun, X_OK) != 0) return;
  std::vector<std::string> words = {kSystemdRun,
                                    "--scope",
                                    "--quiet",
                                    "--collect",
                                    "--slice=ordeal.slice",
                                    "--description=ordeal executor",
                                    "--",
                                    own_path()};
  if (::access(words.back().c_str(), X_OK) != 0) return;
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  restore_limits();  // what comes back here begins anew
  ::execv(kSystemdRun, pointers.data());
}

}  // namespace ordeal::os
