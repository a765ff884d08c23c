// Goal: every exit code of a run is what happened on the machine. Method: whole runs, front to
// keeper, on the simulated machine, whose campaign's judges watch as well.
#include "tests/unit/run/bench.hpp"

namespace ordeal::run::test {
namespace {

using namespace model;
using sim::Config;
using sim::Lab;
using sim::Machine;
using sim::Strike;
using testing::ElementsAre;
using testing::HasSubstr;

// The strike falls as soon as the front says that the phase has begun.
Config struck_in(const Script& script, Phase phase, Strike strike) {
  Config config = config_of(script);
  config.hooks.on_event = [phase, strike](const Event& event, Lab& lab) {
    const auto* started = std::get_if<PhaseStarted>(&event.data);
    if (started && started->phase == phase) lab.strike(strike);
  };
  return config;
}

Strike blow(sim::Blow what) {
  Strike out;
  out.blow = what;
  return out;
}

// Packets that are handed to a link which is not there any more vanish: no delay, but a partition.
TEST(Exit, ErrorWhenSomebodyDeletesTheLinkOfADelay) {
  const Told told(struck_in(Script().step({kSlowDatabase[0], kSlowDatabase[1], "duration: 20s"}),
                            Phase::fault, blow(sim::Blow::meddle)));
  EXPECT_EQ(told.exit(), "error") << told.verdict().reason;
  EXPECT_THAT(told.verdict().reason, HasSubstr("somebody deleted its ifb"));
  EXPECT_LT(told.when_phase(Phase::revert) - told.when_phase(Phase::fault), 3s);
}

// ---- 0 and 1: the hypothesis --------------------------------------------------------------------

TEST(Exit, UpheldWhenEverythingHolds) {
  const Told told(config_of(Script().step(kSlowDatabase)));
  EXPECT_EQ(told.exit(), "upheld") << told.verdict().reason;
  EXPECT_THAT(told.phases(), ElementsAre(Phase::plan, Phase::baseline, Phase::inject, Phase::fault,
                                         Phase::revert, Phase::recovery, Phase::judge));
  EXPECT_EQ(told.verdict().service, ServiceState::recovered);
  EXPECT_TRUE(told.of<HostChecked>().at(0).clean);
}

TEST(Exit, ViolatedWhenAConditionBreaksUnderTheFault) {
  const Told told(config_of(Script().step(kCutDatabase)));
  EXPECT_EQ(told.exit(), "violated");
  EXPECT_THAT(told.verdict().reason, HasSubstr("db.success"));
  EXPECT_EQ(told.verdict().service, ServiceState::recovered);
}

TEST(Exit, ViolatedAtOnceWhenAskedToStop) {
  Config config = config_of(Script()
                                .with("during", "[ \"db.success >= 50% over 2s\" ]")
                                .step({kCutDatabase[0], kCutDatabase[1], "duration: 20s"}));
  config.stop_on_violation = true;
  const Told told(config);
  EXPECT_EQ(told.exit(), "violated");
  ASSERT_EQ(told.of<AbortDecided>().size(), 1u);
  EXPECT_EQ(told.of<AbortDecided>()[0].cause, AbortCause::violation);
  EXPECT_LT(told.when_phase(Phase::revert) - told.when_phase(Phase::fault), 5s);
}

TEST(Exit, ViolatedWhenAnExpectationIsNotMet) {
  const Script script =
      Script().with("expect", "[ \"shop.failures >= 5 within 2s\" ]").step(kSlowDatabase);
  EXPECT_EQ(Told(config_of(script)).exit(), "violated");
}

TEST(Exit, ViolatedWhenAWaitIsInVain) {
  const Script script = Script()
                            .step(kSlowDatabase)
                            .step({"wait: { until: shop.success < 50% over 3s, within: 4s }"})
                            .step(kSlowDatabase);
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "violated") << told.verdict().reason;
  EXPECT_TRUE(told.noted("the method stops"));
  EXPECT_FALSE(told.ever("method.2", StepState::injecting));
}

TEST(Exit, ViolatedWhenTheFirstWaitIsInVain) {
  const Script script = Script()
                            .step({"wait: { until: shop.success < 50% over 3s, within: 4s }"})
                            .step(kSlowDatabase);
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "violated") << told.verdict().reason;
  EXPECT_FALSE(told.ever("method.1", StepState::injecting));
}

// ---- 3 and 4: nothing is touched ----------------------------------------------------------------

void expect_untouched(const Told& told, const std::string& exit, const std::string& why) {
  EXPECT_EQ(told.exit(), exit) << told.verdict().reason;
  EXPECT_THAT(told.verdict().reason, HasSubstr(why));
  EXPECT_EQ(told.verdict().host, HostState::untouched);
  EXPECT_TRUE(told.of<StepChanged>().empty());
  EXPECT_TRUE(told.of<HostChecked>().empty());
}

TEST(Exit, RefusedBeyondTheBlastRadius) {
  const auto refused = [](const std::string& radius, const std::string& why) {
    const Script script = Script().with("blast_radius", radius).step(kFrozenShop);
    const Told told(config_of(script));
    expect_untouched(told, "refused", why);
    EXPECT_THAT(told.phases(), ElementsAre(Phase::plan));
  };
  refused("{ processes: 2 }", "processes 2 (3 picked)");
  refused("{ process_share: 90% }", "process_share 90% (3 of 3 is 100%");
}

TEST(Exit, TheBlastRadiusAllowsWhatIsExactlyInside) {
  const Script script = Script()
                            .with("blast_radius",
                                  "{ processes: 3, process_share: 100%, "
                                  "duration: 2s, hosts: 1 }")
                            .with("during", "none")
                            .with("expect", "[ \"shop.failures >= 1 within 2s\" ]")
                            .step({kFrozenShop[0], kFrozenShop[1], "duration: 2s"});
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "upheld") << told.verdict().reason;
}

TEST(Exit, RefusedForStepsThatWantTheSameAtTheSameTime) {
  const Script script = Script().step(
      {"parallel:", "  - fault: process.pause", "    target: { process: { unit: shop.service } }",
       "    duration: 2s", "  - fault: process.kill",
       "    target: { process: { unit: shop.service }, mode: one }",
       "    with: { signal: KILL, restore: supervisor }", "    duration: 2s"});
  expect_untouched(Told(config_of(script)), "refused", "is taken by step method.0.parallel.0");
}

TEST(Exit, RefusedOnAHaltedHost) {
  Config config = config_of(Script().step(kSlowDatabase));
  config.strikes.push_back(blow(sim::Blow::halt));
  config.strikes[0].after = 1ms;
  expect_untouched(Told(config), "refused", "halted: simulated; lift it with");
}

TEST(Exit, RefusedOnAHostThatIsNotClean) {
  Config config = config_of(Script().step(kSlowDatabase));
  config.machine_obeys = false;
  config.hooks.on_event = [](const Event& event, Lab& lab) {
    if (!std::holds_alternative<RunStarted>(event.data)) return;
    os::LinkInfo left;
    left.name = "ordeal-aaaaaaaa";
    left.kind = "ifb";
    lab.machine().add_link(left);
  };
  expect_untouched(Told(config), "refused", "mend it with: sudo ordeal recover");
}

TEST(Exit, UnsteadyWhenTheServiceIsNotWellBefore) {
  Config config = config_of(Script().step(kSlowDatabase));
  config.hooks.furnish = [](Machine& machine) {
    for (auto& [pid, process] : machine.processes) {
      if (process.service == "db.service") process.ports.clear();
    }
  };
  const Told told(config);
  expect_untouched(told, "unsteady", "not steady: ");
  EXPECT_THAT(told.phases(), ElementsAre(Phase::plan, Phase::baseline));
}

TEST(Exit, UnsteadyWhenAnAbortConditionIsCrossedBefore) {
  Config config = config_of(Script().step(kSlowDatabase));
  config.hooks.furnish = [](Machine& machine) { machine.cgroups.at("/system.slice/shop.service"); };
  config.hooks.on_event = [](const Event& event, Lab& lab) {
    const auto* started = std::get_if<PhaseStarted>(&event.data);
    if (!started || started->phase != Phase::baseline) return;
    for (auto& [pid, process] : lab.machine().processes) {
      if (process.service == "shop.service") process.ports.clear();
    }
  };
  expect_untouched(Told(config), "unsteady", "shop.success");
}

// ---- 5: aborted ---------------------------------------------------------------------------------

TEST(Exit, AbortedByAThresholdAndPutBackAtOnce) {
  const Told told(config_of(Script().step(kFrozenShop)));
  EXPECT_EQ(told.exit(), "aborted");
  EXPECT_EQ(told.verdict().hypothesis, Hypothesis::violated);
  const auto aborts = told.of<AbortDecided>();
  ASSERT_EQ(aborts.size(), 1u);
  EXPECT_EQ(aborts[0].condition, "abort_if.0");
  EXPECT_GT(aborts[0].sample, 0);
  ASSERT_EQ(told.of<AbortDone>().size(), 1u);
  EXPECT_LT(told.of<AbortDone>()[0].latency, 200ms);
  EXPECT_EQ(told.verdict().service, ServiceState::recovered);  // recovery follows an abort
}

// A gauge that works until the fault, and gives no number from then on.
Script with_gauge(const std::string& more) {
  return Script()
      .with("slis", "\n  lag: { exec: { argv: [/usr/local/bin/lag], every: 200ms }" + more + " }")
      .with("steady_state", "[ lag.max <= 10 ]")
      .with("during", "[ lag.max <= 10 ]")
      .with("abort_if", "[ lag.value > 100 for 2s ]")
      .step({kSlowDatabase[0], kSlowDatabase[1], "duration: 8s"});
}

Config silent_under_fault(const Script& script) {
  Config config = config_of(script);
  const auto silent = std::make_shared<bool>(false);
  config.hooks.furnish = [silent](Machine& machine) {
    machine.commands["/usr/local/bin/lag"] = [silent](Machine&, const auto&) {
      os::CommandResult result;
      result.output = *silent ? "" : "5\n";
      return result;
    };
  };
  config.hooks.on_event = [silent](const Event& event, Lab&) {
    const auto* started = std::get_if<PhaseStarted>(&event.data);
    if (started) *silent = started->phase == Phase::fault;
  };
  return config;
}

TEST(Exit, AbortedByAnSliThatFallsSilent) {
  const Told told(silent_under_fault(with_gauge("")));
  EXPECT_EQ(told.exit(), "aborted") << told.verdict().reason;
  EXPECT_EQ(told.of<AbortDecided>().at(0).cause, AbortCause::no_data);
  EXPECT_EQ(told.verdict().hypothesis, Hypothesis::inconclusive);
}

// ---- 6: inconclusive ----------------------------------------------------------------------------

TEST(Exit, InconclusiveWithoutSamples) {
  const Told told(silent_under_fault(with_gauge(", on_no_data: inconclusive")));
  EXPECT_EQ(told.exit(), "inconclusive");
  EXPECT_THAT(told.verdict().reason, HasSubstr("could not be judged"));
  EXPECT_TRUE(told.of<AbortDecided>().empty());
}

TEST(Exit, InconclusiveWhenTheFilterMatchesNothing) {
  const Script script = Script().step(
      {"fault: network.delay", "with: { latency: 30ms, remote_port: 9 }", "duration: 3s"});
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "inconclusive");
  EXPECT_THAT(told.verdict().reason, HasSubstr("no effect of 1-network.delay was seen"));
}

TEST(Exit, InconclusiveWhenTheFaultSilentlyDoesNothing) {
  Config config = config_of(Script().step(kFrozenShop));
  config.hooks.furnish = [](Machine& machine) { machine.freezer_works = false; };
  const Told told(config);
  EXPECT_EQ(told.exit(), "inconclusive");
  EXPECT_THAT(told.verdict().reason, HasSubstr("no effect of 1-process.pause was seen"));
  EXPECT_FALSE(told.ever("method.0", StepState::verified));
}

// ---- 7: interrupted -----------------------------------------------------------------------------

TEST(Exit, InterruptedInEveryPhase) {
  for (const Phase phase : {Phase::plan, Phase::baseline, Phase::inject, Phase::fault,
                            Phase::revert, Phase::recovery}) {
    const std::string name = boost::describe::enum_to_string(phase, "?");
    const Told told(struck_in(Script().step(kSlowDatabase), phase, blow(sim::Blow::interrupt)));
    EXPECT_EQ(told.exit(), "interrupted") << name;
    EXPECT_EQ(told.verdict().run, RunEnd::interrupted) << name;
    EXPECT_EQ(told.verdict().hypothesis, Hypothesis::not_judged) << name;
    ASSERT_EQ(told.of<AbortDecided>().size(), 1u) << name;
    EXPECT_EQ(told.of<AbortDecided>()[0].cause, AbortCause::person) << name;
    const bool before = phase == Phase::plan || phase == Phase::baseline;
    EXPECT_EQ(told.verdict().host, before ? HostState::untouched : HostState::clean) << name;
    EXPECT_EQ(told.of<StepChanged>().empty(), before) << name;
    // Whoever presses it wants to go: nobody waits for the service.
    EXPECT_LT(told.events().back().t - told.when_phase(phase), 1s) << name;
  }
}

TEST(Exit, InterruptedByAHalt) {
  const Told told(struck_in(Script().step(kFrozenShop), Phase::fault, blow(sim::Blow::halt)));
  EXPECT_EQ(told.exit(), "interrupted");
  EXPECT_EQ(told.of<AbortDecided>().at(0).cause, AbortCause::halt);
  EXPECT_EQ(told.verdict().host, HostState::clean);
}

TEST(Exit, InterruptedByALongSleep) {
  Strike sleep = blow(sim::Blow::stop);
  sleep.front = true;
  sleep.resume_after = 10s;
  const Told told(struck_in(Script().step(kSlowDatabase), Phase::fault, sleep));
  EXPECT_EQ(told.exit(), "interrupted");
  EXPECT_EQ(told.of<AbortDecided>().at(0).cause, AbortCause::suspended);
}

// ---- 8: error -----------------------------------------------------------------------------------

TEST(Exit, ErrorWhenTheWorkerDiesAndTheKeeperPutsBack) {
  Strike kill = blow(sim::Blow::kill);
  kill.worker = true;
  const Told told(struck_in(Script().step(kFrozenShop), Phase::fault, kill));
  EXPECT_EQ(told.exit(), "error");
  EXPECT_EQ(told.verdict().host, HostState::clean);
  EXPECT_THAT(told.verdict().reason, HasSubstr("the executor was lost"));
  EXPECT_THAT(told.of<HostChecked>().at(0).lost, HasSubstr("everything was put back"));
}

// The worker sees it, undoes everything and says so: nobody else could.
TEST(Exit, ErrorWhenTheKeeperDiesAndTheWorkerPutsBack) {
  Strike kill = blow(sim::Blow::kill);
  kill.keeper = true;
  const Told told(struck_in(Script().step(kFrozenShop), Phase::fault, kill));
  EXPECT_EQ(told.exit(), "error");
  EXPECT_EQ(told.verdict().host, HostState::clean);
  EXPECT_THAT(told.verdict().reason,
              HasSubstr("1-process.pause was reverted by the executor: keeper died"));
  const HostChecked checked = told.of<HostChecked>().at(0);
  EXPECT_TRUE(checked.residue.empty());
  EXPECT_THAT(checked.lost, HasSubstr("its worker left in order, everything was put back"));
  EXPECT_EQ(told.of<AbortDone>().size(), 1u);
}

TEST(Exit, DirtyWhenTheKeeperDiesAndTheWorkerCannotPutBack) {
  Strike kill = blow(sim::Blow::kill);
  kill.keeper = true;
  Config config = struck_in(
      Script().step({"fault: service.stop", "target: { unit: db.service }", "duration: 8s"}),
      Phase::fault, kill);
  config.machine_obeys = false;
  config.hooks.furnish = [](Machine& machine) {
    machine.services.at("db.service").start_fails = true;
  };
  config.hooks.mend = [](Machine& machine) {
    machine.services.at("db.service").start_fails = false;
  };
  const Told told(config);
  EXPECT_EQ(told.exit(), "dirty");
  EXPECT_EQ(told.of<HostChecked>().at(0).residue.at(0).command, "systemctl start -- db.service");
}

TEST(Exit, ErrorWhenAnInjectionFails) {
  Config config = config_of(Script().step(
      {"fault: service.stop", "target: { process: { name: jobs } }",
       "with: { stop: [/usr/local/bin/no-such-program], start: [/usr/local/bin/jobs-start] }",
       "duration: 3s"}));
  config.machine_obeys = false;  // the judges take an error in a quiet world for a lie
  const Told told(config);
  EXPECT_EQ(told.exit(), "error");
  EXPECT_EQ(told.verdict().hypothesis, Hypothesis::inconclusive);
  EXPECT_EQ(told.verdict().host, HostState::clean);
  EXPECT_TRUE(told.ever("method.0", StepState::failed));
}

// ---- 9: dirty -----------------------------------------------------------------------------------

Config service_that_stays_down(const std::string& unit) {
  Config config = config_of(
      Script().step({"fault: service.stop", "target: { unit: " + unit + " }", "duration: 2s"}));
  config.machine_obeys = false;
  config.hooks.furnish = [unit](Machine& machine) { machine.services.at(unit).start_fails = true; };
  config.hooks.mend = [unit](Machine& machine) { machine.services.at(unit).start_fails = false; };
  return config;
}

TEST(Exit, DirtyWhenAnUndoFails) {
  const Told told(service_that_stays_down("db.service"));
  EXPECT_EQ(told.exit(), "dirty");
  const auto residue = told.of<HostChecked>().at(0).residue;
  ASSERT_FALSE(residue.empty());
  EXPECT_EQ(residue[0].command, "systemctl start -- db.service");
  EXPECT_TRUE(told.ever("method.0", StepState::revert_failed));
}

TEST(Exit, DirtyWhenBothExecutorsAreGone) {
  Strike kill = blow(sim::Blow::kill);
  kill.worker = kill.keeper = true;
  Config config = struck_in(Script().step(kFrozenShop), Phase::fault, kill);
  config.systemd_recovers = false;
  const Told told(config);
  EXPECT_EQ(told.exit(), "dirty");
  EXPECT_EQ(told.of<HostChecked>().at(0).residue.at(0).command, "sudo ordeal recover");
}

// ---- 10: not recovered --------------------------------------------------------------------------

// The shop refuses connections from the recovery on.
Config unwell_after(const Script& script, std::optional<Strike> strike = std::nullopt) {
  Config config = config_of(script);
  config.hooks.on_event = [strike](const Event& event, Lab& lab) {
    const auto* started = std::get_if<PhaseStarted>(&event.data);
    if (started && started->phase == Phase::fault && strike) lab.strike(*strike);
    if (!started || started->phase != Phase::recovery) return;
    for (auto& [pid, process] : lab.machine().processes) {
      if (process.service == "shop.service") process.ports.clear();
    }
  };
  return config;
}

TEST(Exit, NotRecoveredWhenTheServiceStaysUnwell) {
  const Told told(unwell_after(Script().step(kSlowDatabase)));
  EXPECT_EQ(told.exit(), "not_recovered");
  EXPECT_EQ(told.verdict().host, HostState::clean);
  EXPECT_EQ(told.verdict().service, ServiceState::not_recovered);
  EXPECT_GE(told.when_phase(Phase::judge) - told.when_phase(Phase::recovery), 10s);
}

TEST(Exit, NotRecoveredBeatsAbortedAndError) {
  EXPECT_EQ(Told(unwell_after(Script().step(kFrozenShop))).exit(), "not_recovered");
  Strike kill = blow(sim::Blow::kill);
  kill.worker = true;
  const Told told(unwell_after(Script().step(kSlowDatabase), kill));
  EXPECT_EQ(told.exit(), "not_recovered");
  EXPECT_EQ(told.verdict().run, RunEnd::error);
}

TEST(Exit, DirtyBeatsNotRecovered) {
  const Told told(service_that_stays_down("shop.service"));
  EXPECT_EQ(told.verdict().service, ServiceState::not_recovered);
  EXPECT_EQ(told.exit(), "dirty");
}

}  // namespace
}  // namespace ordeal::run::test
