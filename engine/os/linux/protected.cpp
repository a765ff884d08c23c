#include "engine/os/linux/protected.hpp"

#include <algorithm>
#include <array>

#include "engine/base/ids.hpp"

namespace ordeal::os {
namespace {

struct Rule {
  std::string_view name;  // of comm or of the executable's file
  bool prefix;
  std::string_view why;
};

// What a person needs to reach and mend the host, and what would take much else down with it.
// comm has 15 characters: "containerd-shim-runc-v2" is "containerd-shim", hence the prefixes.
constexpr std::array kRules = {
    Rule{"ordeal", false, "it is ordeal itself"},
    Rule{"ordeal-executor", false, "it is ordeal itself"},
    Rule{"sshd", false, "it is the SSH server"},
    Rule{"sshd-session", false, "it is an SSH session"},
    Rule{"sshd-auth", false, "it is an SSH session"},
    Rule{"systemd", true, "it is part of systemd"},
    Rule{"(sd-pam)", false, "it is part of systemd"},
    Rule{"dbus-daemon", false, "it is the message bus"},
    Rule{"dbus-broker", true, "it is the message bus"},
    Rule{"dockerd", false, "it is a container runtime"},
    Rule{"containerd", false, "it is a container runtime"},
    Rule{"containerd-shim", true, "it is a container runtime"},
    Rule{"runc", false, "it is a container runtime"},
    Rule{"crun", false, "it is a container runtime"},
    Rule{"crio", false, "it is a container runtime"},
    Rule{"conmon", false, "it is a container runtime"},
    Rule{"podman", false, "it is a container runtime"},
    Rule{"kubelet", false, "it is the node agent of Kubernetes"},
};

bool meets(const Rule& rule, std::string_view name) {
  return rule.prefix ? name.starts_with(rule.name) : name == rule.name;
}

}  // namespace

std::string protected_by_name(const model::ProcessInfo& process) {
  if (process.id.pid == 1) return "it is pid 1";
  const bool kernel = process.exe.empty() && process.command.empty() && process.state != 'Z';
  if (process.id.pid == 2 || process.parent == 2) {
    if (kernel) return "it is a kernel thread";
  }
  if (is_mark(process.name)) return "it is a helper of ordeal";
  const std::string_view file =
      std::string_view(process.exe).substr(process.exe.find_last_of('/') + 1);
  for (const Rule& rule : kRules) {
    if (meets(rule, process.name) || meets(rule, file)) return std::string(rule.why);
  }
  return {};
}

}  // namespace ordeal::os
