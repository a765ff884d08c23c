// What `ordeal doctor` says about machines that lack something, and how it would have them mended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/executor/doctor.hpp"
#include "tests/sim/machine.hpp"

namespace ordeal::executor {
namespace {

constexpr const char* kBoot = "boot with systemd.unified_cgroup_hierarchy=1 (kernel command line)";

class Doctor : public ::testing::Test {
 protected:
  Doctor() : machine_(world_), node_(machine_.start("worker")) { sim::furnish(machine_); }

  Capability row(const std::string& name) {
    const DoctorReport report = doctor(machine_.host_of(node_), "/var/lib/ordeal");
    for (const Capability& one : report.capabilities) {
      if (one.name == name) return one;
    }
    ADD_FAILURE() << "no row " << name;
    return {};
  }

  // No process is in a group of cgroup v2, and these file systems are mounted.
  Capability freezing_with(const std::string& mountinfo) {
    for (auto& [pid, process] : machine_.processes) process.info.cgroup = "/";
    machine_.disk.files["/proc/self/mountinfo"].cache =
        "22 1 0:20 / /sys rw - sysfs sysfs rw\n"
        "23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" +
        mountinfo;
    return row("cgroup.freeze");
  }

  sim::World world_{1};
  sim::Machine machine_;
  sim::Node& node_;
};

TEST_F(Doctor, AMachineWithEverythingLacksNothing) {
  for (const char* name : {"root", "state", "nf_tables", "ifb", "netem", "nfqueue", "systemd"}) {
    EXPECT_STREQ(row(name).word(), "ok") << name;
  }
  EXPECT_STREQ(row("cgroup.freeze").word(), "ok");
}

// Root in a container: nobody is told to become root, who is it already.
TEST_F(Doctor, NamesTheCapabilityThatAContainerLacks) {
  machine_.network_admin = false;
  EXPECT_STREQ(row("root").word(), "ok");
  EXPECT_THAT(row("root").detail, ::testing::HasSubstr("CAP_NET_ADMIN"));
  for (const char* name : {"nf_tables", "ifb", "netem", "nfqueue"}) {
    EXPECT_STREQ(row(name).word(), "no") << name;
    EXPECT_THAT(row(name).mend, ::testing::HasSubstr("--cap-add NET_ADMIN")) << name;
  }
}

TEST_F(Doctor, WhatHasASubstituteThatWorksIsNotLacking) {
  machine_.netem_possible = false;
  EXPECT_STREQ(row("netem").word(), "other");
  EXPECT_FALSE(row("netem").lacking());
  EXPECT_THAT(row("netem").instead.value_or(""), ::testing::HasSubstr("nfqueue"));
  machine_.queue_possible = false;
  EXPECT_STREQ(row("netem").word(), "no");
  EXPECT_STREQ(row("nfqueue").word(), "no");
  machine_.netem_possible = true;
  EXPECT_STREQ(row("nfqueue").word(), "other");
  machine_.ifb_possible = false;  // netem works through these devices alone
  EXPECT_STREQ(row("ifb").word(), "no");
  EXPECT_STREQ(row("nfqueue").word(), "no");
  machine_.systemd = false;
  EXPECT_STREQ(row("systemd").word(), "no");
}

TEST_F(Doctor, MountsCgroup2OnlyWhereNothingIsHidden) {
  const Capability bare = freezing_with("");
  EXPECT_STREQ(bare.word(), "other");
  EXPECT_THAT(bare.instead.value_or(""), ::testing::HasSubstr("SIGSTOP"));
  EXPECT_EQ(bare.mend, "mount -t cgroup2 none /sys/fs/cgroup");
  EXPECT_EQ(freezing_with("24 22 0:21 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n").mend, kBoot);
  EXPECT_EQ(freezing_with("24 22 0:21 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n").mend,
            kBoot);
  EXPECT_EQ(freezing_with("24 22 0:21 / /mnt/two rw shared:9 - cgroup2 cgroup2 rw\n").mend, kBoot);
  EXPECT_EQ(freezing_with("24 22 0:21 / /sys/fs/cgroupish rw - tmpfs tmpfs rw\n").mend,
            "mount -t cgroup2 none /sys/fs/cgroup");
}

}  // namespace
}  // namespace ordeal::executor
