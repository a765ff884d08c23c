#include "tests/unit/faults/bench.hpp"

namespace ordeal::unit_faults {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const char* const kPlain = R"({"timeout": 30000000, "restore_within": 10000000})";
const char* const kCommands = R"({"stop": ["/srv/stop"], "start": ["/srv/start", "jobs"],
                                  "timeout": 5000000, "restore_within": 7000000})";

TEST(ServiceStop, StopsAUnitAndStartsItAgain) {
  Bench bench;
  bench.request.target.unit = "db.service";
  const auto step = bench.planned(service::stop(), kPlain);
  ASSERT_THAT(applies_of<model::StopUnit>(step), SizeIs(1));
  EXPECT_EQ(applies_of<model::StopUnit>(step)[0].unit, "db.service");
  ASSERT_THAT(undos_of<model::StartUnit>(step), SizeIs(1));
  EXPECT_EQ(undos_of<model::StartUnit>(step)[0].unit, "db.service");
  ASSERT_THAT(effects_of<model::UnitInactive>(step), SizeIs(1));
  EXPECT_THAT(claims_of(step), ElementsAre("unit db.service"));
  EXPECT_THAT(step.warnings, IsEmpty());
}

// systemd stops what says Requires=, BindsTo= or PartOf= of the unit; the undo must know.
TEST(ServiceStop, StartsAgainWhatSystemdStopsWithIt) {
  Bench bench;
  bench.request.target.unit = "db.service";
  bench.write("/etc/systemd/system/shop.service",
              "[Unit]\nAfter=db.service\nRequires = cache.service db.service\n");
  const auto step = bench.planned(service::stop(), kPlain);
  const auto starts = undos_of<model::StartUnit>(step);
  ASSERT_THAT(starts, SizeIs(2));
  EXPECT_EQ(starts[0].unit, "shop.service");
  EXPECT_EQ(starts[1].unit, "db.service");
  EXPECT_THAT(claims_of(step), ElementsAre("unit shop.service", "unit db.service"));
  EXPECT_THAT(step.warnings, ElementsAre(HasSubstr("systemd stops shop.service with it")));
}

TEST(ServiceStop, AWishIsNoNeed) {
  Bench bench;
  bench.request.target.unit = "db.service";
  bench.write("/etc/systemd/system/shop.service", "[Unit]\nAfter=db.service\nWants=db.service\n");
  EXPECT_THAT(undos_of<model::StartUnit>(bench.planned(service::stop(), kPlain)), SizeIs(1));
}

TEST(ServiceStop, FollowsTemplatesDropInsAndChains) {
  Bench bench;
  sim::Service instance;
  instance.name = "backend";
  instance.unit = "backend@8082.service";
  bench.machine.add_service(instance);
  bench.request.target.unit = "db.service";
  // backend@8082 is part of shop by its template, shop is bound to db by a drop-in.
  bench.write("/usr/lib/systemd/system/backend@.service", "[Unit]\nPartOf=shop.service\n");
  bench.write("/usr/lib/systemd/system/shop.service", "[Unit]\nDescription=x\n");
  bench.write("/etc/systemd/system/shop.service.d/db.conf", "[Unit]\nBindsTo=db.service\n");
  bench.machine.disk.directories.insert("/etc/systemd/system/shop.service.d");
  const auto starts = undos_of<model::StartUnit>(bench.planned(service::stop(), kPlain));
  ASSERT_THAT(starts, SizeIs(3));
  EXPECT_EQ(starts[0].unit, "shop.service");
  EXPECT_EQ(starts[1].unit, "backend@8082.service");
}

TEST(ServiceStop, WarnsOfASocketThatStartsItAgain) {
  Bench bench;
  bench.request.target.unit = "db.service";
  bench.write("/usr/lib/systemd/system/db.socket", "[Socket]\n");
  EXPECT_THAT(bench.planned(service::stop(), kPlain).warnings,
              ElementsAre(HasSubstr("db.socket may start it again")));
}

TEST(ServiceStop, RefusesWhatKeepsTheHostReachable) {
  Bench bench;
  for (const char* unit :
       {"ssh.service", "sshd@7-10.0.0.1:22.service", "dbus.service", "systemd-journald.service",
        "NetworkManager.service", "docker.service", "containerd.service", "user@1000.service"}) {
    bench.request.target.unit = unit;
    EXPECT_THAT(bench.refusal(service::stop(), kPlain), HasSubstr("it is protected")) << unit;
  }
}

TEST(ServiceStop, RefusesAUnitWithAProtectedProcessInIt) {
  Bench bench;
  bench.request.target.unit = "shop.service";
  for (auto& [pid, process] : bench.machine.processes) {
    if (process.info.name == "shop") process.protected_because = "it is our ancestor";
  }
  EXPECT_THAT(bench.refusal(service::stop(), kPlain), HasSubstr("it is our ancestor"));
}

TEST(ServiceStop, RefusesADependentThatIsProtected) {
  Bench bench;
  sim::Service docker;
  docker.name = "dockerd";
  docker.unit = "docker.service";
  bench.machine.add_service(docker);
  bench.write("/etc/systemd/system/docker.service", "Requires=db.service\n");
  bench.request.target.unit = "db.service";
  EXPECT_THAT(bench.refusal(service::stop(), kPlain),
              HasSubstr("systemd stops docker.service with it"));
}

TEST(ServiceStop, RefusesUnitsItCannotStop) {
  Bench bench;
  bench.request.target.unit = "nowhere.service";
  EXPECT_THAT(bench.refusal(service::stop(), kPlain), HasSubstr("there is nothing to stop"));
  bench.request.target.unit = "db";
  EXPECT_THAT(bench.refusal(service::stop(), kPlain), HasSubstr("such as db.service"));
  bench.machine.systemd = false;
  EXPECT_THAT(bench.refusal(service::stop(), kPlain), HasSubstr("unsupported: target.unit"));
}

TEST(ServiceStop, RunsTheGivenPairOfCommands) {
  Bench bench;
  bench.pick("jobs");
  const auto step = bench.planned(service::stop(), kCommands);
  ASSERT_THAT(applies_of<model::RunCommand>(step), SizeIs(1));
  EXPECT_THAT(applies_of<model::RunCommand>(step)[0].command.argv, ElementsAre("/srv/stop"));
  EXPECT_EQ(applies_of<model::RunCommand>(step)[0].command.timeout, 5s);
  ASSERT_THAT(undos_of<model::RunUndoCommand>(step), SizeIs(1));
  EXPECT_THAT(undos_of<model::RunUndoCommand>(step)[0].command.argv,
              ElementsAre("/srv/start", "jobs"));
  const auto expected = undos_of<model::ExpectProcesses>(step);
  ASSERT_THAT(expected, SizeIs(1));
  EXPECT_EQ(expected[0].count, 2);
  EXPECT_EQ(expected[0].within, 7s);
  // Looking for the processes ranks after the command that starts them.
  EXPECT_GT(model::rank_of(model::Undo(expected[0])),
            model::rank_of(model::Undo(undos_of<model::RunUndoCommand>(step)[0])));
  ASSERT_THAT(effects_of<model::NoProcessMatches>(step), SizeIs(1));
}

TEST(ServiceStop, RefusesHalfAPairAndHalfAService) {
  Bench bench;
  bench.pick("jobs");
  EXPECT_THAT(bench.refusal(service::stop(), R"({"stop": ["/srv/stop"], "timeout": 1,
                                                 "restore_within": 1})"),
              HasSubstr("needs both"));
  EXPECT_THAT(bench.refusal(service::stop(), R"({"stop": ["stop"], "start": ["/s"], "timeout": 1,
                                                 "restore_within": 1})"),
              HasSubstr("with.stop: expected an absolute path"));
  bench.request.target.mode = model::Mode::one;
  EXPECT_THAT(bench.refusal(service::stop(), kCommands), HasSubstr("stopped as a whole"));
  bench.request.target.mode = model::Mode::all;
  bench.matched = 3;
  EXPECT_THAT(bench.refusal(service::stop(), kCommands), HasSubstr("of which 1 are protected"));
  bench.request.target.unit = "db.service";
  EXPECT_THAT(bench.refusal(service::stop(), kCommands), HasSubstr("exactly one of `unit`"));
}

TEST(ServiceStop, ControlStopsNothing) {
  Bench bench;
  bench.request.target.unit = "db.service";
  bench.request.zero_magnitude = true;
  const auto step = bench.planned(service::stop(), kPlain);
  EXPECT_THAT(step.changes, IsEmpty());
  EXPECT_THAT(step.effects, IsEmpty());
  EXPECT_THAT(step.summary, Contains("control: would stop db.service; nothing is stopped"));
}

}  // namespace
}  // namespace ordeal::unit_faults
