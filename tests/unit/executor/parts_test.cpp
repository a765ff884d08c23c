// The small parts of the executor: policy, notices, the halt latch.
#include <gtest/gtest.h>

#include "engine/base/text.hpp"
#include "engine/executor/executor.hpp"
#include "engine/executor/policy.hpp"
#include "tests/sim/machine.hpp"

namespace ordeal::executor {
namespace {

model::HostStep step_of(const std::string& fault, Duration duration = 30s) {
  model::HostStep step;
  step.fault = fault;
  step.duration = duration;
  return step;
}

// As it is planned: with the identity of what the path leads to.
model::HostStep step_that_fills(const sim::Machine& machine, const std::string& path) {
  model::HostStep step = step_of("disk.fill");
  model::SpawnHelper helper;
  helper.role = "disk";
  helper.arguments["path"] = path;
  helper.arguments["device"] = machine.file_id(path).device;
  helper.arguments["inode"] = machine.file_id(path).inode;
  model::Change change;
  change.apply = std::move(helper);
  step.changes.push_back(std::move(change));
  return step;
}

class PolicyTest : public ::testing::Test {
 protected:
  PolicyTest() : machine_(world_), node_(machine_.start("worker")) { sim::furnish(machine_); }

  std::string refusal(const std::string& text, const model::HostStep& step,
                      const std::string& state = "/var/lib/ordeal") {
    const auto policy = parse_policy(text);
    EXPECT_TRUE(policy.has_value()) << policy.error().message();
    const auto checked = check_policy(policy.value(), step, node_.host(), state);
    return checked.has_value() ? "" : checked.error().message();
  }

  sim::World world_{1};
  sim::Machine machine_;
  sim::Node& node_;
};

TEST_F(PolicyTest, AllowsEverythingWhenEmpty) {
  EXPECT_EQ(refusal("# nothing\n\n", step_of("process.kill")), "");
}

TEST_F(PolicyTest, AllowsOnlyWhatIsListed) {
  const std::string text = "allow = process.*, network.delay\n";
  EXPECT_EQ(refusal(text, step_of("process.kill")), "");
  EXPECT_EQ(refusal(text, step_of("network.delay")), "");
  EXPECT_EQ(refusal(text, step_of("network.loss")),
            "the policy of this host does not allow network.loss");
}

TEST_F(PolicyTest, DenyIsStrongerThanAllow) {
  EXPECT_NE(refusal("allow = *\ndeny = disk.*", step_of("disk.fill")), "");
}

TEST_F(PolicyTest, LimitsTheDuration) {
  EXPECT_EQ(refusal("max_duration = 30s", step_of("process.kill", 30s)), "");
  EXPECT_EQ(refusal("max_duration = 30s", step_of("process.kill", 31s)),
            "the policy of this host allows 30s at most, the step has 31s");
}

TEST_F(PolicyTest, ProtectsFileSystemsByPath) {
  const model::HostStep step = step_that_fills(machine_, "/data/db/fill");
  EXPECT_EQ(refusal("protect_path = /data/web", step), "");
  EXPECT_EQ(refusal("protect_path = /data/db", step), "the policy of this host protects /data/db");
  EXPECT_EQ(refusal("protect_path = /data/d", step), "");
}

// By the state directory that is in use, and for a control too, which has no effects.
TEST_F(PolicyTest, TheFileSystemOfTheJournalIsNeverFilled) {
  const auto told = [](const std::string& path, const std::string& state,
                       const std::string& kind = "ext4, device 254:0") {
    return path + " is on the file system of " + state + " (" + kind +
           "): a full journal could not promise to put anything back. Use a file system of its own";
  };
  EXPECT_EQ(refusal("allow = *", step_that_fills(machine_, "/srv")),
            told("/srv", "/var/lib/ordeal"));
  EXPECT_EQ(refusal("allow = *", step_that_fills(machine_, "/data")), "");
  EXPECT_EQ(refusal("", step_that_fills(machine_, "/data"), "/data/state"),
            told("/data", "/data/state", "ext4, device 254:16"));
  EXPECT_EQ(refusal("", step_that_fills(machine_, "/srv"), "/data/state"), "");
  // Two subvolumes share the space of one btrfs.
  machine_.disk.filesystem = machine_.mounts.at("/data").filesystem = "btrfs";
  EXPECT_NE(refusal("", step_that_fills(machine_, "/data")), "");
  machine_.mounts.at("/data").used.value += 4096;
  EXPECT_EQ(refusal("", step_that_fills(machine_, "/data")), "");
}

// cpu.load and memory.load inside a unit take what the unit would have.
TEST_F(PolicyTest, ProtectsUnitsFromHelpersInTheirCgroup) {
  model::HostStep step = step_of("memory.load", 5s);
  model::Change change;
  model::SpawnHelper helper;
  helper.role = "memory";
  helper.cgroup = "/system.slice/db.service";
  change.apply = helper;
  step.changes.push_back(change);
  EXPECT_EQ(refusal("protect_unit = d*.service", step),
            "the policy of this host protects db.service");
  EXPECT_EQ(refusal("protect_unit = web.service", step), "");
}

TEST_F(PolicyTest, ProtectsProcessesByNameUnitAndPath) {
  const Policy policy =
      parse_policy("protect_name = postgres*\nprotect_unit = db.service\nprotect_path = /opt/x")
          .value();
  model::ProcessInfo process;
  process.name = "nginx";
  process.exe = "/usr/sbin/nginx";
  EXPECT_EQ(protected_by(policy, process, node_.host()), "");
  process.name = "postgres-main";
  EXPECT_NE(protected_by(policy, process, node_.host()), "");
  process.name = "nginx";
  process.unit = "db.service";
  EXPECT_NE(protected_by(policy, process, node_.host()), "");
  process.unit = "";
  process.exe = "/opt/x/bin/y";
  EXPECT_NE(protected_by(policy, process, node_.host()), "");
}

// Without a file any program may look; with one, those that it names.
TEST_F(PolicyTest, NamesTheProgramsOfWhere) {
  const auto told = [](const Policy& policy, const std::string& program) {
    const auto checked = check_where(policy, {{program, "ROLE"}, "x"});
    return checked.has_value() ? "" : checked.error().message();
  };
  EXPECT_EQ(told(Policy{}, "/usr/bin/redis-cli"), "");
  const Policy strict = parse_policy("allow = *").value();
  EXPECT_EQ(
      told(strict, "/usr/bin/redis-cli"),
      "where: the policy of this host does not allow to run /usr/bin/redis-cli ROLE; it would "
      "be named under `where`");
  const Policy some = parse_policy("where = /usr/bin/redis-cli, /opt/checks/*").value();
  EXPECT_EQ(told(some, "/usr/bin/redis-cli"), "");
  EXPECT_EQ(told(some, "/opt/checks/role"), "");
  EXPECT_NE(told(some, "/usr/bin/redis-cli2"), "");
  for (const std::string path : {"/opt/checks/../../bin/x", "/opt/checks//x", "redis-cli", "",
                                 "/opt/checks/..", "/opt/checks/./x"}) {
    EXPECT_NE(told(some, path), "") << path;
    EXPECT_NE(told(Policy{}, path), "") << path;
  }
  EXPECT_TRUE(check_where(Policy{}, {}).has_error());
}

model::HostStep step_that(model::Apply apply, std::vector<model::Undo> undos = {}) {
  model::HostStep step = step_of("test.any");
  model::Change change;
  change.apply = std::move(apply);
  change.undos = std::move(undos);
  step.changes.push_back(std::move(change));
  return step;
}

model::HostStep step_that_runs(std::vector<std::string> argv) {
  model::Command command;
  command.argv = std::move(argv);
  return step_that(model::RunCommand{std::move(command)});
}

// `restore.argv`, `stop` and `start` ran any program as root, whatever the policy said.
TEST_F(PolicyTest, NamesEveryProgramThatIsRun) {
  const model::HostStep stop = step_that_runs({"/opt/shop/stop", "now"});
  model::Command restore;
  restore.argv = {"/opt/shop/start"};
  const model::HostStep start =
      step_that(model::SignalProcess{{4711, 1}, 9, {}}, {model::RunUndoCommand{restore}});
  for (const std::string closed : {"allow = *", "where = /opt/shop/*", "run = /opt/other/*"}) {
    EXPECT_NE(refusal(closed, stop), "") << closed;
    EXPECT_NE(refusal(closed, start), "") << closed;
  }
  EXPECT_EQ(refusal("allow = *", stop),
            "the policy of this host does not allow to run /opt/shop/stop now; it would be named "
            "under `run`");
  EXPECT_EQ(refusal("run = /opt/shop/*", stop), "");
  EXPECT_EQ(refusal("run = /opt/shop/*", start), "");
  EXPECT_TRUE(check_policy(Policy{}, stop, node_.host(), "/var/lib/ordeal").has_value());
  // What may be run for any purpose may look, too.
  const Policy looks = parse_policy("run = /opt/shop/role").value();
  EXPECT_TRUE(check_where(looks, {{"/opt/shop/role", "-v"}, "x"}).has_value());
}

TEST_F(PolicyTest, ArgumentsThatAreNamedMustBeThese) {
  const std::string policy = "run = /usr/bin/systemctl start shop*.service, /opt/x";
  EXPECT_EQ(refusal(policy, step_that_runs({"/usr/bin/systemctl", "start", "shop-a.service"})), "");
  for (const auto& argv : std::vector<std::vector<std::string>>{
           {"/usr/bin/systemctl", "stop", "shop-a.service"},
           {"/usr/bin/systemctl", "start"},
           {"/usr/bin/systemctl"},
           {"/usr/bin/systemctl", "start", "shop.service", "ssh.service"},
           {"/usr/bin/systemctl start shop.service"},
           {"/opt/../opt/x"},
           {"/opt/x/"},
           {std::string("/opt/x\0y", 8)},
           {"/opt/x", std::string("a\0b", 3)},
           {}}) {
    EXPECT_NE(refusal(policy, step_that_runs(argv)), "") << join(argv, " ");
  }
  EXPECT_EQ(refusal(policy, step_that_runs({"/opt/x", "any", "thing"})), "");
}

// By the directory itself, whatever it is called.
TEST_F(PolicyTest, NoOtherNameLeadsToAProtectedFolder) {
  machine_.path_links = {
      {"/proc/self/root", "/"}, {"/data/link", "/data/db"}, {"/srv/db", "/data"}};
  for (const std::string path :
       {"//data/db", "/data//db", "/data/x/../db", "/data/./db", "/data/db/",
        "/proc/self/root/data/db", "/data/link", "/data/link/deep"}) {
    EXPECT_NE(refusal("protect_path = /data/db", step_that_fills(machine_, path)), "") << path;
  }
  EXPECT_EQ(refusal("protect_path = /srv/db", step_that_fills(machine_, "/data/x")),
            "the policy of this host protects /srv/db");
  EXPECT_EQ(refusal("protect_path = /data/db", step_that_fills(machine_, "/data/x")), "");
  model::HostStep turned = step_that_fills(machine_, "/data/x");
  auto& arguments = std::get<model::SpawnHelper>(turned.changes[0].apply).arguments;
  arguments["inode"] = machine_.file_id("/data/y").inode;
  EXPECT_EQ(refusal("", turned), "/data/x is another directory than when it was planned");
}

TEST_F(PolicyTest, AnOverlayHasTheSpaceOfWhatItWritesTo) {
  machine_.mounts.at("/data").filesystem = "overlay";
  EXPECT_NE(refusal("", step_that_fills(machine_, "/data")), "");
  machine_.mounts.at("/data").used.value += 4096;
  EXPECT_EQ(refusal("", step_that_fills(machine_, "/data")), "");
}

// What service.stop never stops is neither loaded nor started, nor is a process of it signalled.
TEST_F(PolicyTest, SomeUnitsAreProtectedWithoutAnyPolicy) {
  sim::Service docker;
  docker.name = "worker";
  docker.unit = "docker.service";
  machine_.add_service(docker);
  const model::ProcessInfo inside = machine_.of_service("docker.service").at(0)->info;
  model::SpawnHelper helper;
  helper.role = "cpu";
  for (const std::string cgroup :
       {"/system.slice/docker.service", "/system.slice/docker.service/x", "/system.slice"}) {
    helper.cgroup = cgroup;
    EXPECT_NE(refusal("", step_that(helper)), "") << cgroup;
  }
  helper.cgroup = "/system.slice/shop.service";
  EXPECT_EQ(refusal("", step_that(helper)), "");
  EXPECT_NE(refusal("", step_that(model::StopUnit{"ssh.service"})), "");
  EXPECT_NE(refusal("", step_that(model::FreezeCgroup{"/system.slice/docker.service"})), "");
  EXPECT_NE(refusal("", step_that(model::SignalProcess{inside.id, 9, {}})), "");
  helper.role = "miner";
  EXPECT_NE(refusal("", step_that(helper)), "");
}

TEST_F(PolicyTest, AProtectedUnitIsProtectedInAllItsCgroups) {
  const Policy policy = parse_policy("protect_unit = db.service").value();
  model::ProcessInfo process;
  process.name = "inner";
  process.cgroup = "/system.slice/db.service/inner.scope";
  process.unit = "inner.scope";
  EXPECT_NE(protected_by(policy, process, node_.host()), "");
  process.cgroup = "/system.slice/shop.service/inner.scope";
  EXPECT_EQ(protected_by(policy, process, node_.host()), "");
}

TEST_F(PolicyTest, LimitsHowManyProcessesAStepPicks) {
  model::HostStep step = step_of("process.kill");
  step.matched = 4;
  step.targets = {{"a", "a"}, {"b", "b"}};
  EXPECT_EQ(refusal("max_processes = 2", step), "");
  EXPECT_NE(refusal("max_processes = 1", step), "");
  EXPECT_EQ(refusal("max_share = 50%", step), "");
  EXPECT_NE(refusal("max_share = 49%", step), "");
  EXPECT_TRUE(parse_policy("max_processes = -1").has_error());
  EXPECT_TRUE(parse_policy("max_share = half").has_error());
}

TEST_F(PolicyTest, NamesTheLineThatIsWrong) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"allow = *\nallow", "2: expected key = value"},
           {"alow = *", "1: unknown key 'alow'"},
           {"allow =", "1: allow has no value"},
           {"deny = ,", "1: deny has no value"},
           {"state_device = allow", "1: unknown key 'state_device'"}}) {
    const auto policy = parse_policy(text);
    ASSERT_TRUE(policy.has_error()) << text;
    EXPECT_EQ(policy.error().message(), message);
  }
  EXPECT_TRUE(parse_policy("max_duration = 10").has_error());
}

TEST(Notices, SurviveAnyCutOfTheStream) {
  const Notice active{Notice::Kind::active, BootTime(123456789s)};
  const Notice idle{Notice::Kind::idle, BootTime{}};
  const std::string bytes = encode(active) + encode(idle) + encode(active);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    NoticeReader reader;
    std::vector<Notice> found;
    for (const std::string& piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
      reader.feed(piece);
      while (const auto notice = reader.next()) found.push_back(*notice);
    }
    ASSERT_EQ(found.size(), 3u) << cut;
    EXPECT_EQ(found[0].deadline, active.deadline);
    EXPECT_EQ(found[1].kind, Notice::Kind::idle);
  }
}

TEST_F(PolicyTest, TheHaltLatchKeepsItsReasonAndIsLiftedTwice) {
  os::Host& host = node_.host();
  EXPECT_FALSE(halt_reason(host, "/var/lib/ordeal"));
  ASSERT_TRUE(set_halt(host, "/var/lib/ordeal", "two\nlines").has_value());
  EXPECT_EQ(halt_reason(host, "/var/lib/ordeal"), "two\\x0alines");
  ASSERT_TRUE(set_halt(host, "/var/lib/ordeal", "").has_value());
  EXPECT_EQ(halt_reason(host, "/var/lib/ordeal"), "no reason given");
  EXPECT_TRUE(lift_halt(host, "/var/lib/ordeal").has_value());
  EXPECT_TRUE(lift_halt(host, "/var/lib/ordeal").has_value());
  EXPECT_FALSE(halt_reason(host, "/var/lib/ordeal"));
}

}  // namespace
}  // namespace ordeal::executor
