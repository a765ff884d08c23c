#include "engine/fault/protected.hpp"

#include <algorithm>
#include <array>

namespace ordeal::fault {

// Without these the ways to the host are gone, or what runs on it with them, or ordeal itself.
std::string unit_protected_because(std::string_view unit) {
  constexpr std::array<std::string_view, 4> kPrefixes = {"systemd-", "user@", "getty@", "ordeal"};
  constexpr std::array<std::string_view, 22> kNames = {"ssh",
                                                       "sshd",
                                                       "dbus",
                                                       "dbus-broker",
                                                       "NetworkManager",
                                                       "networking",
                                                       "network",
                                                       "networkd-dispatcher",
                                                       "wpa_supplicant",
                                                       "ifup",
                                                       "nftables",
                                                       "iptables",
                                                       "firewalld",
                                                       "docker",
                                                       "containerd",
                                                       "podman",
                                                       "crio",
                                                       "kubelet",
                                                       "qemu-guest-agent",
                                                       "cloud-init",
                                                       "multipathd",
                                                       "polkit"};
  const std::string_view name = unit.substr(0, std::min(unit.find('@'), unit.rfind('.')));
  const bool named = std::find(kNames.begin(), kNames.end(), name) != kNames.end();
  const bool prefixed = std::any_of(kPrefixes.begin(), kPrefixes.end(),
                                    [&](std::string_view p) { return unit.starts_with(p); });
  return named || prefixed ? "it is protected" : "";
}

std::string unit_of_cgroup(std::string_view cgroup) {
  while (!cgroup.empty()) {
    const std::size_t slash = std::min(cgroup.rfind('/'), cgroup.size());
    const std::string_view name = cgroup.substr(slash == cgroup.size() ? 0 : slash + 1);
    if (name.ends_with(".service") || name.ends_with(".scope")) return std::string(name);
    if (slash == cgroup.size()) break;
    cgroup = cgroup.substr(0, slash);
  }
  return "";
}

}  // namespace ordeal::fault
