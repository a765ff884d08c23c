#include <csignal>

#include "tests/unit/faults/bench.hpp"

namespace ordeal::unit_faults {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const char* const kSupervised =
    R"({"signal": "KILL", "restore": {"how": "supervisor", "argv": []}, "restore_within": 10000000})";

std::string restored_by(const std::string& how) {
  return R"({"signal": "KILL", "restore": {"how": ")" + how +
         R"(", "argv": []}, "restore_within": 10000000})";
}

TEST(ProcessKill, SignalsEachPickedProcessAndExpectsThemBack) {
  Bench bench;
  bench.pick("shop");
  const model::HostStep step = bench.planned(process::kill(), restored_by("unit"));
  const auto shots = applies_of<model::SignalProcess>(step);
  ASSERT_THAT(shots, SizeIs(3));
  EXPECT_EQ(shots[0].signal, SIGKILL);
  EXPECT_FALSE(shots[0].kill_after);
  EXPECT_EQ(shots[2].process, bench.picked[2].id);
  ASSERT_THAT(undos_of<model::StartUnit>(step), SizeIs(1));
  EXPECT_EQ(undos_of<model::StartUnit>(step)[0].unit, "shop.service");
  ASSERT_THAT(undos_of<model::ExpectProcesses>(step), SizeIs(1));
  EXPECT_EQ(undos_of<model::ExpectProcesses>(step)[0].count, 3);
  ASSERT_THAT(effects_of<model::ProcessesGone>(step), SizeIs(1));
  EXPECT_THAT(effects_of<model::ProcessesGone>(step)[0].processes, SizeIs(3));
  EXPECT_THAT(claims_of(step), Contains("unit shop.service"));
  // All undos stand with the first change: in the journal before the first signal.
  EXPECT_THAT(step.changes[0].undos, SizeIs(2));
}

TEST(ProcessKill, ExpectsAsManyAsMatchedBeforeNotOnlyAsPicked) {
  Bench bench;
  bench.pick("shop");
  bench.picked.resize(1);  // mode: one
  bench.matched = 3;
  bench.request.target.process->count_max = 3;
  const model::HostStep step = bench.planned(process::kill(), kSupervised);
  const auto expected = undos_of<model::ExpectProcesses>(step);
  ASSERT_THAT(expected, SizeIs(1));
  EXPECT_EQ(expected[0].count, 3);
  EXPECT_FALSE(expected[0].matcher.count_max);
  EXPECT_EQ(expected[0].within, 10s);
}

TEST(ProcessKill, GracePeriodAsksWithTermFirst) {
  Bench bench;
  bench.pick("shop");
  const model::HostStep step =
      bench.planned(process::kill(), R"({"signal": "KILL", "grace_period": 5000000,
                           "restore": {"how": "none", "argv": []}, "restore_within": 10000000})");
  const auto shots = applies_of<model::SignalProcess>(step);
  ASSERT_THAT(shots, SizeIs(3));
  EXPECT_EQ(shots[0].signal, SIGTERM);
  EXPECT_EQ(shots[0].kill_after, std::optional<Duration>(5s));
}

TEST(ProcessKill, RestoreNoneIsNamedNotUndoable) {
  Bench bench;
  bench.pick("jobs");
  const model::HostStep step = bench.planned(process::kill(), restored_by("none"));
  EXPECT_THAT(undos_of<model::NotUndoable>(step), SizeIs(1));
  EXPECT_THAT(step.warnings, Contains(HasSubstr("NOT UNDOABLE")));
}

TEST(ProcessKill, RestoreByCommandRunsItAndThenLooks) {
  Bench bench;
  bench.pick("jobs");
  const model::HostStep step =
      bench.planned(process::kill(),
                    R"({"signal": "KILL", "restore": {"how": "argv", "argv": ["/srv/start", "jobs"],
          "timeout": 3000000}, "restore_within": 4000000})");
  const auto commands = undos_of<model::RunUndoCommand>(step);
  ASSERT_THAT(commands, SizeIs(1));
  EXPECT_THAT(commands[0].command.argv, ElementsAre("/srv/start", "jobs"));
  EXPECT_EQ(commands[0].command.timeout, 3s);
  ASSERT_THAT(undos_of<model::ExpectProcesses>(step), SizeIs(1));
  EXPECT_EQ(undos_of<model::ExpectProcesses>(step)[0].within, 4s);
}

TEST(ProcessKill, WarnsThatAUnitMayRespawnWhatWasKilled) {
  Bench bench;
  bench.pick("shop");
  const model::HostStep step = bench.planned(process::kill(), kSupervised);
  EXPECT_THAT(step.warnings, ElementsAre(HasSubstr("belongs to shop.service")));
}

TEST(ProcessKill, WarnsThatALivingParentMayFork) {
  Bench bench;
  bench.pick("jobs");
  bench.machine.processes[bench.picked[0].id.pid].info.parent = bench.picked[1].id.pid;
  bench.pick("jobs");
  bench.picked.resize(1);
  const model::HostStep step = bench.planned(process::kill(), kSupervised);
  EXPECT_THAT(step.warnings, Contains(HasSubstr("is a child of pid")));
}

TEST(ProcessKill, RefusesWhatItCouldNotRestore) {
  Bench bench;
  bench.pick("jobs");
  EXPECT_THAT(bench.refusal(process::kill(), restored_by("unit")),
              HasSubstr("refused: restore: unit, but pid"));
  bench.machine.systemd = false;
  EXPECT_THAT(bench.refusal(process::kill(), restored_by("unit")),
              HasSubstr("unsupported: restore: unit needs systemd as pid 1"));
  bench.picked.clear();
  EXPECT_THAT(bench.refusal(process::kill(), kSupervised), HasSubstr("refused: no process"));
}

TEST(ProcessKill, RefusesSignalsThatEndNothing) {
  Bench bench;
  bench.pick("jobs");
  EXPECT_THAT(bench.refusal(process::kill(), R"({"signal": "STOP",
                 "restore": {"how": "none", "argv": []}, "restore_within": 1})"),
              HasSubstr("use process.pause"));
  EXPECT_THAT(bench.refusal(process::kill(), R"({"signal": "CHLD",
                 "restore": {"how": "none", "argv": []}, "restore_within": 1})"),
              HasSubstr("CHLD does not end a process"));
}

TEST(ProcessKill, ControlSendsNothing) {
  Bench bench;
  bench.pick("shop");
  bench.request.zero_magnitude = true;
  const model::HostStep step = bench.planned(process::kill(), restored_by("unit"));
  EXPECT_THAT(step.changes, IsEmpty());
  EXPECT_THAT(step.effects, IsEmpty());
  EXPECT_THAT(step.summary, ElementsAre("control: 3 processes would be killed; none is"));
}

TEST(ProcessPause, FreezesAUnitThatIsPickedAsAWhole) {
  Bench bench;
  bench.pick("shop");
  const model::HostStep step = bench.planned(process::pause(), R"({"method": "auto"})");
  ASSERT_THAT(applies_of<model::FreezeCgroup>(step), SizeIs(1));
  EXPECT_EQ(applies_of<model::FreezeCgroup>(step)[0].cgroup, "/system.slice/shop.service");
  EXPECT_THAT(undos_of<model::ThawCgroup>(step), SizeIs(1));
  EXPECT_THAT(effects_of<model::CgroupFrozen>(step), SizeIs(1));
  EXPECT_THAT(applies_of<model::SignalProcess>(step), IsEmpty());
  EXPECT_EQ(step.backend, "cgroup.freeze");
  EXPECT_THAT(claims_of(step), Contains("unit shop.service"));
  EXPECT_THAT(claims_of(step), Contains("cgroup /system.slice/shop.service"));
}

TEST(ProcessPause, NeverFreezesAStrangerInTheSameCgroup) {
  Bench bench;
  bench.pick("shop");
  bench.picked.pop_back();
  const model::HostStep step = bench.planned(process::pause(), R"({"method": "auto"})");
  EXPECT_THAT(applies_of<model::FreezeCgroup>(step), IsEmpty());
  const auto signals = applies_of<model::SignalProcess>(step);
  ASSERT_THAT(signals, SizeIs(2));
  EXPECT_EQ(signals[0].signal, SIGSTOP);
  EXPECT_THAT(undos_of<model::ResumeProcess>(step), SizeIs(2));
  ASSERT_THAT(effects_of<model::ProcessesStopped>(step), SizeIs(1));
  EXPECT_THAT(effects_of<model::ProcessesStopped>(step)[0].processes, SizeIs(2));
  EXPECT_EQ(step.backend, "SIGSTOP");
}

TEST(ProcessPause, NeverFreezesAStrangerBelowTheCgroup) {
  Bench bench;
  bench.pick("shop");
  sim::Process stranger;
  stranger.info.name = "other";
  stranger.info.cgroup = "/system.slice/shop.service/inner";
  bench.machine.add_process(std::move(stranger));
  const model::HostStep step = bench.planned(process::pause(), R"({"method": "auto"})");
  EXPECT_EQ(step.backend, "SIGSTOP");
}

TEST(ProcessPause, NeverFreezesTheRootCgroup) {
  Bench bench;
  bench.pick("jobs");
  for (model::ProcessInfo& process : bench.picked) process.cgroup = "/";
  const model::HostStep step = bench.planned(process::pause(), R"({"method": "auto"})");
  EXPECT_EQ(step.backend, "SIGSTOP");
}

TEST(ProcessPause, LeavesAloneWhatStandsAlready) {
  Bench bench;
  bench.pick("jobs");
  bench.picked[0].state = 'T';
  const model::HostStep step = bench.planned(process::pause(), R"({"method": "signal"})");
  EXPECT_THAT(applies_of<model::SignalProcess>(step), SizeIs(1));
  EXPECT_THAT(step.warnings, ElementsAre(HasSubstr("already stopped by somebody else")));
  bench.picked[1].state = 't';
  EXPECT_THAT(bench.refusal(process::pause(), R"({"method": "signal"})"),
              HasSubstr("refused: nothing to pause"));
}

TEST(ProcessPause, LeavesAloneWhatIsFrozenAlready) {
  Bench bench;
  bench.pick("shop");
  bench.machine.cgroups["/system.slice/shop.service"].frozen = true;
  EXPECT_THAT(bench.refusal(process::pause(), R"({"method": "auto"})"),
              HasSubstr("already frozen with its cgroup"));
}

TEST(ProcessPause, InsistsOnTheMethodThatWasAsked) {
  Bench bench;
  bench.pick("shop");
  EXPECT_EQ(bench.planned(process::pause(), R"({"method": "signal"})").backend, "SIGSTOP");
  bench.picked.pop_back();
  EXPECT_THAT(bench.refusal(process::pause(), R"({"method": "freeze"})"),
              HasSubstr("refused: method: freeze, but pid"));
}

TEST(ProcessPause, ControlStopsNothing) {
  Bench bench;
  bench.pick("shop");
  bench.request.zero_magnitude = true;
  const model::HostStep step = bench.planned(process::pause(), R"({"method": "auto"})");
  EXPECT_THAT(step.changes, IsEmpty());
  EXPECT_THAT(step.effects, IsEmpty());
}

}  // namespace
}  // namespace ordeal::unit_faults
