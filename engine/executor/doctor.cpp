#include "engine/executor/doctor.hpp"

#include "engine/executor/paths.hpp"

namespace ordeal::executor {
namespace {

Capability tried(std::string name, const Result<void>& answer, std::string detail,
                 std::string mend) {
  Capability out;
  out.name = std::move(name);
  out.ok = answer.has_value();
  out.detail = out.ok ? std::move(detail) : answer.error().message();
  if (!out.ok && answer.error().code() == Code::denied) mend = "run as root: sudo ordeal doctor";
  if (!out.ok) out.mend = std::move(mend);
  return out;
}

Result<void> can_root(os::Host& host) {
  // Whoever may list nf_tables has CAP_NET_ADMIN, which no ordinary user has.
  auto tables = host.nftables().list_marked();
  if (tables.has_error()) return std::move(tables.error());
  return ok();
}

Capability state_directory_of(os::Host& host, const std::string& state) {
  const auto made = host.files().make_directory(journal_directory(state));
  Capability out = tried("state", made, state, "make " + state + " writable for root alone");
  const auto space = host.files().space(state);
  if (!out.ok || space.has_error()) return out;
  const std::string& kind = space.value().filesystem;
  out.detail = fmt::format("{} on {}, {} free", state, kind, format_bytes(space.value().available));
  if (kind == "tmpfs" || kind == "ramfs" || kind == "overlay") {
    out.detail += ": what is injected is not remembered over a reboot";
  }
  return out;
}

Result<void> can_freeze(os::Host& host) {
  TRY(auto processes, host.processes().list());
  for (const model::ProcessInfo& process : processes) {
    if (process.cgroup.empty() || process.cgroup == "/") continue;
    auto frozen = host.cgroups().frozen(process.cgroup);
    if (frozen.has_value()) return ok();
    if (frozen.error().code() != Code::gone) return std::move(frozen.error());
  }
  return Error(Code::unsupported,
               "no process is in a group of cgroup v2; processes are stopped "
               "with SIGSTOP instead");
}

Result<void> has_systemd(const os::Host& host) {
  if (host.processes().systemd_is_pid1()) return ok();
  return Error(Code::unsupported,
               "pid 1 is not systemd: units cannot be stopped or started, and "
               "nothing recovers by itself after a power cut");
}

}  // namespace

DoctorReport doctor(os::Host& host, const std::string& state_directory) {
  DoctorReport report;
  auto& all = report.capabilities;
  all.push_back(tried("root", can_root(host), "may change this host", "sudo ordeal doctor"));
  all.push_back(state_directory_of(host, state_directory));
  all.push_back(tried("nf_tables", host.nftables().can_carry(), "owner tables with egress chains",
                      "kernel 5.16 or newer with CONFIG_NETFILTER_EGRESS; modprobe nf_tables"));
  all.push_back(tried("ifb", host.links().can_ifb(), "devices that carry delayed packets",
                      "modprobe ifb numifbs=0"));
  all.push_back(tried("netem", host.qdiscs().can_netem(), "delay, jitter and loss in the kernel",
                      "modprobe sch_netem; without it nfqueue is used"));
  all.push_back(tried("nfqueue", host.nftables().can_queue(), "delay by a process of ours",
                      "modprobe nfnetlink_queue; not needed where netem is"));
  all.push_back(tried("cgroup.freeze", can_freeze(host), "groups can be frozen",
                      "mount -t cgroup2 none /sys/fs/cgroup"));
  all.push_back(tried("systemd", has_systemd(host), "pid 1", "boot this host with systemd"));
  return report;
}

}  // namespace ordeal::executor
