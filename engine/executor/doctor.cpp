#include "engine/executor/doctor.hpp"

#include <sstream>

#include "engine/executor/paths.hpp"

namespace ordeal::executor {
namespace {

Capability tried(std::string name, const Result<void>& answer, std::string detail,
                 std::string mend) {
  Capability out;
  out.name = std::move(name);
  out.ok = answer.has_value();
  out.detail = out.ok ? std::move(detail) : answer.error().message();
  if (!out.ok) out.mend = std::move(mend);
  return out;
}

// What mends it where a right is missing: not root, or root in a container, who lacks capabilities.
std::string or_right(const os::Host& host, const Result<void>& answer, std::string mend) {
  if (answer.has_value() || answer.error().code() != Code::denied) return mend;
  if (!host.machine().is_root()) return "run as root: sudo ordeal doctor";
  return "the container needs --cap-add NET_ADMIN; or run in a user namespace with a network of "
         "its own";
}

Result<void> is_root(const os::Host& host) {
  if (host.machine().is_root()) return ok();
  return Error(Code::denied, "not root: nothing of others can be changed");
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

Result<void> can_freeze_some(const os::Host& host) {
  TRY(auto processes, host.processes().list());
  for (const model::ProcessInfo& process : processes) {
    if (process.cgroup.empty() || process.cgroup == "/") continue;
    auto may = host.cgroups().can_freeze(process.cgroup);
    if (may.has_value() || may.error().code() != Code::gone) return may;
  }
  return Error(Code::unsupported, "no process is in a group of cgroup v2");
}

// A mount at /sys/fs/cgroup would hide the controllers of v1 that are there or below. Where there
// are some, or cgroup2 is mounted but empty, only another boot mends it.
std::string mend_of_freezing(const os::Host& host) {
  const char* const kBoot = "boot with systemd.unified_cgroup_hierarchy=1 (kernel command line)";
  const auto mounts = host.files().read("/proc/self/mountinfo", 16u << 20);
  if (mounts.has_error()) return kBoot;
  std::istringstream lines(mounts.value());
  for (std::string line; std::getline(lines, line);) {
    // id parent device root MOUNT options tags... - TYPE source SUPER (proc_pid_mountinfo(5))
    std::istringstream words(line);
    std::string place;
    for (int i = 0; i < 5; ++i) words >> place;
    const bool there = (place + "/").starts_with("/sys/fs/cgroup/");
    if (there || line.find(" - cgroup2 ") != line.npos) return kBoot;
  }
  return "mount -t cgroup2 none /sys/fs/cgroup";
}

Result<void> has_systemd(const os::Host& host) {
  if (host.processes().systemd_is_pid1()) return ok();
  return Error(Code::unsupported,
               "pid 1 is not systemd: units cannot be stopped or started, and "
               "nothing recovers by itself after a power cut");
}

// A lack that something else makes good is none.
Capability or_else(Capability one, bool other_works, std::string instead) {
  if (!one.ok && other_works) one.instead = std::move(instead);
  return one;
}

void add_network(os::Host& host, std::vector<Capability>& all) {
  const auto carries = host.nftables().can_carry();
  const auto devices = host.links().can_ifb();
  const auto shapes = host.qdiscs().can_netem();
  const auto queues = host.nftables().can_queue();
  const bool by_queue = queues.has_value();
  const bool by_netem = carries.has_value() && devices.has_value() && shapes.has_value();
  const std::string queue =
      "nfqueue holds delayed packets; no correlation, no distribution, and `direction: both` on lo "
      "alone";
  all.push_back(tried("nf_tables", carries, "owner tables with egress chains",
                      or_right(host, carries,
                               "kernel 5.16 or newer with CONFIG_NETFILTER_EGRESS; modprobe "
                               "nf_tables")));
  all.push_back(or_else(tried("ifb", devices, "devices that carry delayed packets",
                              or_right(host, devices, "modprobe ifb numifbs=0")),
                        by_queue, queue));
  all.push_back(or_else(tried("netem", shapes, "delay, jitter and loss in the kernel",
                              or_right(host, shapes, "modprobe sch_netem")),
                        by_queue, queue));
  all.push_back(or_else(tried("nfqueue", queues, "delay by a process of ours",
                              or_right(host, queues, "modprobe nfnetlink_queue")),
                        by_netem, "netem delays packets"));
}

}  // namespace

DoctorReport doctor(os::Host& host, const std::string& state_directory) {
  DoctorReport report;
  auto& all = report.capabilities;
  const bool root = host.machine().is_root();
  const bool network = host.links().may_change().has_value();
  all.push_back(tried("root", is_root(host),
                      network ? "may change this host"
                              : "user 0 without CAP_NET_ADMIN: no network faults, the others work",
                      "run as root: sudo ordeal doctor"));
  all.push_back(tried("pids", host.processes().pids_are_ours(), "/proc shows this pid namespace",
                      "mount -t proc proc /proc"));
  all.push_back(state_directory_of(host, state_directory));
  add_network(host, all);
  all.push_back(or_else(
      tried("cgroup.freeze", can_freeze_some(host), "groups can be frozen", mend_of_freezing(host)),
      root, "processes are stopped with SIGSTOP, which their parents notice"));
  all.push_back(tried("systemd", has_systemd(host), "pid 1", "boot this host with systemd"));
  return report;
}

}  // namespace ordeal::executor
