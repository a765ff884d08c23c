#include "engine/os/linux/cgroups.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "engine/os/linux/machine.hpp"
#include "engine/os/linux/spawn.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

// A scratch cgroup below the root of the unified hierarchy with a busy child inside.
struct Scratch : Loop {
  Scratch() : cgroups(clock), name("/ordeal-test-" + std::to_string(::getpid())) {
    if (cgroups.mounts().unified.empty()) {
      missing = "cgroup v2 is not mounted";
      return;
    }
    directory = cgroups.mounts().unified + name;
    if (::mkdir(directory.c_str(), 0755) != 0 || !cgroups.frozen(name)) {
      missing = "no cgroup can be made under " + cgroups.mounts().unified;
      return;
    }
    SpawnPlan plan;
    plan.path = "/usr/bin/yes";
    plan.argv = {"yes"};
    plan.cgroup_files = cgroups.entrances(name).value();
    auto started = spawn(plan);
    if (started) {
      child = std::move(started.value());
    } else {
      missing = started.error().message();
    }
  }
  ~Scratch() {
    if (child.pid > 0) {
      ignore(write_file(directory + "/cgroup.freeze", "0"), "it may not be frozen");
      ::kill(child.pid, SIGKILL);
      ::waitpid(child.pid, nullptr, 0);
    }
    if (!directory.empty()) ::rmdir(directory.c_str());
  }

  LinuxCgroups cgroups;
  std::string name;
  std::string directory;
  std::string missing;
  Spawned child;
};

TEST(LinuxCgroups, FreezesAndThaws) {
  Scratch host;
  if (!host.missing.empty()) GTEST_SKIP() << host.missing;
  EXPECT_EQ(host.cgroups.processes(host.name).value(), std::vector<std::int64_t>{host.child.pid});
  EXPECT_TRUE(host.cgroups.populated(host.name).value());
  EXPECT_FALSE(host.cgroups.frozen(host.name).value());
  const auto frozen = host.run(host.cgroups.set_frozen(host.name, true));
  ASSERT_TRUE(frozen) << frozen.error().message();
  EXPECT_TRUE(host.cgroups.frozen(host.name).value());
  // Frozen, it takes no time on any processor.
  const auto used = [&] {
    return read_file(fmt::format("/proc/{}/schedstat", host.child.pid)).value();
  };
  const std::string before = used();
  ::usleep(50'000);
  EXPECT_EQ(used(), before);
  const auto thawed = host.run(host.cgroups.set_frozen(host.name, false));
  ASSERT_TRUE(thawed) << thawed.error().message();
  EXPECT_FALSE(host.cgroups.frozen(host.name).value());
}

TEST(LinuxCgroups, TellsOfCgroupsThatAreNotThere) {
  Loop loop;
  const LinuxCgroups cgroups(loop.clock);
  if (cgroups.mounts().unified.empty()) GTEST_SKIP() << "cgroup v2 is not mounted";
  EXPECT_EQ(cgroups.populated("/ordeal-none").error().code(), Code::gone);
  EXPECT_EQ(cgroups.of_unit("ordeal-none.service").error().code(), Code::gone);
  EXPECT_EQ(cgroups.populated("/../../etc").error().code(), Code::invalid);
  EXPECT_EQ(cgroups.of_unit("../x").error().code(), Code::invalid);
}

TEST(LinuxCgroups, RefusesToFreezeUs) {
  Loop loop;
  LinuxCgroups cgroups(loop.clock);
  if (cgroups.mounts().unified.empty()) GTEST_SKIP() << "cgroup v2 is not mounted";
  EXPECT_EQ(loop.run(cgroups.set_frozen("/", true)).error().code(), Code::refused);
}

// A tree of plain files stands for the hierarchies: what is read from where, and which limit wins.
struct FakeTree : Loop {
  FakeTree() {
    char name[] = "/tmp/ordeal-cgroups-XXXXXX";
    root = ::mkdtemp(name);
    CgroupMounts mounts;
    mounts.unified = root + "/unified";
    mounts.v1 = {{"cpu", root + "/cpu"}, {"memory", root + "/memory"}};
    cgroups.emplace(clock, mounts);
  }
  ~FakeTree() { std::filesystem::remove_all(root); }
  void put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  std::string root;
  std::optional<LinuxCgroups> cgroups;
};

TEST(LinuxCgroups, FindsUnitsWithTheSystemsFirst) {
  FakeTree tree;
  const std::string deep = "/system.slice/system-shop\\x2dbackend.slice/shop-backend@8082.service";
  tree.put("unified" + deep + "/cgroup.procs", "");
  tree.put("unified/a.slice/redis.service/cgroup.procs", "");
  tree.put("unified/system.slice/redis.service/cgroup.procs", "");
  EXPECT_EQ(tree.cgroups->of_unit("shop-backend@8082.service").value(), deep);
  EXPECT_EQ(tree.cgroups->of_unit("redis.service").value(), "/system.slice/redis.service");
}

TEST(LinuxCgroups, TakesTheTightestLimitOfAllAncestors) {
  FakeTree tree;
  tree.put("unified/a/cpu.max", "50000 100000\n");
  tree.put("unified/a/b/cpu.max", "200000 100000\n");
  tree.put("unified/a/b/c/cpu.max", "max 100000\n");
  tree.put("unified/a/memory.max", "1000\n");
  tree.put("unified/a/memory.current", "900\n");
  tree.put("unified/a/b/memory.max", "4000\n");
  tree.put("unified/a/b/c/memory.max", "max\n");
  tree.put("unified/a/b/c/memory.current", "7\n");
  EXPECT_EQ(tree.cgroups->cpu_limit("/a/b/c").value(), Ppm{500'000});
  const auto memory = tree.cgroups->memory("/a/b/c").value();
  EXPECT_EQ(memory.limit, Bytes{1000});
  EXPECT_EQ(memory.used, Bytes{900});
  EXPECT_EQ(tree.cgroups->cpu_limit("/").value(), std::nullopt);
}

TEST(LinuxCgroups, ReadsTheLimitsOfV1) {
  FakeTree tree;
  tree.put("unified/a/b/cgroup.procs", "");
  tree.put("cpu/a/cpu.cfs_quota_us", "30000\n");
  tree.put("cpu/a/cpu.cfs_period_us", "100000\n");
  tree.put("cpu/a/b/cpu.cfs_quota_us", "-1\n");
  tree.put("memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
  tree.put("memory/a/b/memory.usage_in_bytes", "12\n");
  EXPECT_EQ(tree.cgroups->cpu_limit("/a/b").value(), Ppm{300'000});
  auto memory = tree.cgroups->memory("/a/b").value();
  EXPECT_EQ(memory.limit, std::nullopt);
  EXPECT_EQ(memory.used, Bytes{12});
  tree.put("memory/a/memory.limit_in_bytes", "4096\n");
  tree.put("memory/a/memory.usage_in_bytes", "99\n");
  memory = tree.cgroups->memory("/a/b").value();
  EXPECT_EQ(memory.limit, Bytes{4096});
  EXPECT_EQ(memory.used, Bytes{99});
}

TEST(LinuxMachine, ValuesArePlausible) {
  const LinuxMachine machine;
  const std::clock_t until = std::clock() + CLOCKS_PER_SEC / 20;
  while (std::clock() < until) {  // busy for some ticks of the kernel's account
  }
  const auto read = machine.values();
  ASSERT_TRUE(read) << read.error().message();
  const HostValues& values = read.value();
  EXPECT_GT(values.cpu, 0);
  EXPECT_LE(values.cpu, 100);
  EXPECT_GT(values.memory_total, 64.0 * (1 << 20));
  EXPECT_GT(values.memory_available, 0);
  EXPECT_LT(values.memory_available, values.memory_total);
  EXPECT_GE(values.swap_used, 0);
  EXPECT_GE(values.cpus, 1);
  EXPECT_LE(values.cpus, ::sysconf(_SC_NPROCESSORS_ONLN));
  EXPECT_EQ(values.cpu_pressure.has_value(), ::access("/proc/pressure/cpu", R_OK) == 0);
  EXPECT_NE(machine.kernel(), "");
}

}  // namespace
}  // namespace ordeal::os
