#include "engine/os/linux/proc.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/os/linux/cgroups.hpp"
#include "engine/os/linux/protected.hpp"

namespace ordeal::os {
namespace {

constexpr std::string_view kTail =
    " S 7 4711 4711 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 3 0 987654 1000 200 18446744073709551615";

TEST(ProcStat, ReadsTheFieldsBehindTheName) {
  const auto stat = proc::parse_stat("4711 (nginx)" + std::string(kTail));
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat.value().id, (model::ProcessId{4711, 987654}));
  EXPECT_EQ(stat.value().name, "nginx");
  EXPECT_EQ(stat.value().state, 'S');
  EXPECT_EQ(stat.value().parent, 7);
  EXPECT_EQ(stat.value().cpu_ticks, 42);
  EXPECT_EQ(stat.value().threads, 3);
}

TEST(ProcStat, NameMayHoldParenthesesAndBlanks) {
  const auto stat = proc::parse_stat("4711 (a) R 1 (b c)" + std::string(kTail));
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat.value().name, "a) R 1 (b c");
  EXPECT_EQ(stat.value().parent, 7);
  EXPECT_EQ(stat.value().id.start_ticks, 987654);
}

TEST(ProcStat, RefusesDamagedText) {
  EXPECT_FALSE(proc::parse_stat(""));
  EXPECT_FALSE(proc::parse_stat("1 (x) S 0"));
  EXPECT_FALSE(proc::parse_stat("x) ("));
}

TEST(ProcStat, ALeaderWhoseThreadsLiveIsNotGone) {
  proc::Stat stat;
  stat.state = 'Z';
  stat.threads = 2;
  EXPECT_FALSE(stat.gone());
  stat.threads = 1;
  EXPECT_TRUE(stat.gone());
}

TEST(ProcCgroup, ReadsUnified) {
  const auto paths = proc::parse_cgroup(
      "0::/system.slice/system-shop\\x2dbackend.slice/shop-backend@8082.service\n");
  EXPECT_EQ(paths.unit, "shop-backend@8082.service");
  EXPECT_TRUE(paths.unified.starts_with("/system.slice/"));
}

TEST(ProcCgroup, ReadsHybridWithUnlikePaths) {
  const auto paths = proc::parse_cgroup(
      "9:name=systemd:/\n4:memory:/box/7\n2:cpu,cpuacct:/\n0::/user.slice/session-1.scope\n");
  EXPECT_EQ(paths.unified, "/user.slice/session-1.scope");
  EXPECT_EQ(paths.unit, "session-1.scope");
  EXPECT_EQ(paths.v1.at("memory"), "/box/7");
  EXPECT_EQ(paths.v1.at("cpuacct"), "/");
}

TEST(ProcCgroup, ReadsTheUnitFromSystemdsOwnHierarchyOnV1) {
  const auto paths = proc::parse_cgroup("3:cpu:/\n1:name=systemd:/system.slice/redis.service\n");
  EXPECT_EQ(paths.unified, "/");
  EXPECT_EQ(paths.unit, "redis.service");
}

TEST(ProcCgroup, TakesTheInnermostUnit) {
  const auto paths = proc::parse_cgroup(
      "0::/user.slice/user@1000.service/app.slice/shop.service/worker (deleted)\n");
  EXPECT_EQ(paths.unit, "shop.service");
  EXPECT_TRUE(paths.unified.ends_with("/worker"));
}

TEST(ProcSockets, ReadsBothFamiliesAndMappedAddresses) {
  const auto sockets = proc::parse_sockets(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 1234 1\n"
      "   1: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000200007F:D431 01 "
      "00000000:00000000 02:00000000 00000000  0 0 77 2\n"
      "   2: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 "
      "00000000:00000000 00:00000000 00000000  0 0 78 2\n");
  ASSERT_EQ(sockets.size(), 3u);
  EXPECT_EQ(sockets[0].local_address, "127.0.0.1");
  EXPECT_EQ(sockets[0].local_port, 8080);
  EXPECT_EQ(sockets[0].state, proc::kListening);
  EXPECT_EQ(sockets[0].inode, 1234u);
  EXPECT_EQ(sockets[1].local_address, "127.0.0.1");
  EXPECT_EQ(sockets[1].remote_address, "127.0.0.2");
  EXPECT_EQ(sockets[1].remote_port, 0xd431);
  EXPECT_EQ(sockets[2].local_address, "::1");
}

TEST(ProcText, FindsValuesByKey) {
  EXPECT_EQ(proc::value_of("populated 1\nfrozen 0\n", "frozen"), "0");
  EXPECT_EQ(proc::value_of("MemTotal:  12 kB\n", "MemTotal:"), "12");
  EXPECT_EQ(proc::value_of("frozenness 1\n", "frozen"), "");
}

TEST(ProcAncestors, LeadFromTheParentToTheTop) {
  const auto above = proc::ancestors().value();
  ASSERT_FALSE(above.empty());
  EXPECT_EQ(above.front(), ::getppid());
}

TEST(CgroupMounts, TellHybridFromUnified) {
  const auto hybrid = parse_cgroup_mounts(
      "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
  EXPECT_EQ(hybrid.unified, "/sys/fs/cgroup/unified");
  EXPECT_EQ(hybrid.v1.at("cpuacct"), "/sys/fs/cgroup/cpu");
  const auto unified = parse_cgroup_mounts(
      "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  EXPECT_EQ(unified.unified, "/sys/fs/cgroup");
  EXPECT_TRUE(unified.v1.empty());
}

model::ProcessInfo named(std::string name, std::string exe = "/opt/service") {
  model::ProcessInfo process;
  process.id = model::ProcessId{4711, 1};
  process.parent = 1;
  process.name = std::move(name);
  process.exe = std::move(exe);
  process.command = "x";
  return process;
}

TEST(ProtectedNames, HoldWhatAPersonNeedsToMendTheHost) {
  for (const char* name :
       {"sshd", "sshd-session", "systemd", "systemd-journal", "systemd-logind", "systemd-udevd",
        "dbus-daemon", "dbus-broker-lau", "dockerd", "containerd", "containerd-shim", "runc",
        "crio", "conmon", "podman", "ordeal", "ordeal-executor", "ordeal-abcdefgh"}) {
    EXPECT_NE(protected_by_name(named(name)), "") << name;
  }
  EXPECT_NE(protected_by_name(named("renamed", "/usr/lib/ordeal/ordeal-executor")), "");
  EXPECT_NE(protected_by_name(named("renamed", "/usr/sbin/sshd")), "");
}

TEST(ProtectedNames, LeaveServicesAlone) {
  for (const char* name : {"nginx", "redis-server", "postgres", "sshd2", "ordeal-x", "java"}) {
    EXPECT_EQ(protected_by_name(named(name)), "") << name;
  }
}

TEST(ProtectedNames, HoldPidOneAndKernelThreads) {
  auto init = named("tini");
  init.id.pid = 1;
  EXPECT_EQ(protected_by_name(init), "it is pid 1");
  auto thread = named("kworker/0:1", "");
  thread.parent = 2;
  thread.command = "";
  EXPECT_EQ(protected_by_name(thread), "it is a kernel thread");
}

}  // namespace
}  // namespace ordeal::os
