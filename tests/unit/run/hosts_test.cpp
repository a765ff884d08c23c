// Goal: a run over several hosts does on each what its file says, and puts each back, whatever
// becomes of the others. Method: three simulated machines, real workers and keepers on them.
#include "tests/unit/run/fleet_bench.hpp"

namespace ordeal::run::test {
namespace {

using namespace model;
using testing::ElementsAre;
using testing::HasSubstr;

HostSelector zone(std::string value) {
  HostSelector out;
  out.labels.push_back({"zone", LabelRule::How::in, {std::move(value)}});
  return out;
}

Step& step_of(Experiment& experiment, std::size_t index) {
  return std::get<Step>(experiment.method.at(index));
}

void widen(Experiment& experiment) {
  experiment.blast_radius.hosts = 3;
  experiment.blast_radius.host_share = Ppm{1'000'000};
}

// The database is slow in zone a, then the shop is frozen in zone b.
FleetRun& two_zones(FleetRun& fleet) {
  step_of(fleet.experiment, 0).hosts = zone("a");
  step_of(fleet.experiment, 1).hosts = zone("b");
  widen(fleet.experiment);
  return fleet;
}

const std::vector<std::string> kFrozenShortly = {
    "fault: process.pause", "target: { process: { unit: shop.service } }", "duration: 3s"};
// Long enough that something may happen in the middle of it.
const std::vector<std::string> kSlowForLong = {
    "fault: network.delay", "with: { latency: 30ms, remote_port: 5432 }", "duration: 60s"};

void expect_all_clean(FleetRun& fleet) {
  for (const InventoryHost& host : fleet.inventory.hosts) {
    EXPECT_TRUE(fleet.at(host.name).clean()) << host.name;
  }
}

TEST(Hosts, EachStepActsOnItsOwn) {
  FleetRun fleet(Script().step(kSlowDatabase).step(kFrozenShortly));
  two_zones(fleet).run();
  EXPECT_EQ(fleet.verdict().exit_name, "upheld") << fleet.verdict().reason;
  EXPECT_EQ(fleet.verdict().host, HostState::clean);
  for (const char* host : {"a1", "a2"}) {
    EXPECT_TRUE(fleet.when("method.0", host, StepState::verified)) << host;
    EXPECT_FALSE(fleet.when("method.1", host, StepState::injecting)) << host;
  }
  EXPECT_FALSE(fleet.when("method.0", "b1", StepState::injecting));
  EXPECT_TRUE(fleet.when("method.1", "b1", StepState::verified));
  EXPECT_EQ(fleet.of<HostChecked>().size(), 3u);
  expect_all_clean(fleet);
}

TEST(Hosts, PlanNamesEachHostAndWhy) {
  FleetRun fleet(Script().step(kSlowDatabase).step(kFrozenShortly));
  two_zones(fleet).mode = Mode::plan_only;
  fleet.run();
  ASSERT_EQ(fleet.of<PlanMade>().size(), 1u) << fleet.verdict().reason;
  const PlanMade plan = fleet.of<PlanMade>().front();
  ASSERT_EQ(plan.steps.size(), 3u);
  EXPECT_EQ(plan.steps[0].host, "a1");
  EXPECT_THAT(plan.steps[0].why, HasSubstr("zone"));
  EXPECT_EQ(plan.steps[2].host, "b1");
  EXPECT_EQ(plan.hosts.size(), 3u);
  EXPECT_TRUE(fleet.of<StepChanged>().empty());
}

TEST(Hosts, ACrossedThresholdRevertsThemAllAtOnce) {
  FleetRun fleet(Script().step(kSlowForLong));
  step_of(fleet.experiment, 0).hosts = HostSelector{};
  widen(fleet.experiment);
  fleet.on_event = [](const Event& event, FleetRun& run) {
    const auto* changed = std::get_if<StepChanged>(&event.data);
    if (changed == nullptr || changed->state != StepState::verified) return;
    run.controller().stop_unit("shop.service");  // of the service that is watched
  };
  fleet.run();
  EXPECT_EQ(fleet.verdict().run, RunEnd::aborted) << fleet.verdict().reason;
  ASSERT_EQ(fleet.of<AbortDone>().size(), 1u);
  EXPECT_LT(fleet.of<AbortDone>().front().latency, 100ms);
  expect_all_clean(fleet);
}

TEST(Hosts, ADeadHostRefusesTheRunAndDelaysNobody) {
  FleetRun fleet(Script().step(kSlowDatabase));
  step_of(fleet.experiment, 0).hosts = HostSelector{};
  widen(fleet.experiment);
  fleet.unreachable = {{"a2", 5s}, {"b1", 5s}};
  fleet.run();
  EXPECT_EQ(fleet.verdict().exit_name, "refused");
  EXPECT_THAT(fleet.verdict().reason, HasSubstr("a2: no executor: no route to host"));
  EXPECT_THAT(fleet.verdict().reason, HasSubstr("b1: no executor"));
  EXPECT_TRUE(fleet.of<StepChanged>().empty());
  expect_all_clean(fleet);
}

TEST(Hosts, WithoutABlastRadiusOnlyOneHost) {
  FleetRun fleet(Script().step(kSlowDatabase));
  step_of(fleet.experiment, 0).hosts = zone("a");
  fleet.run();
  EXPECT_EQ(fleet.verdict().exit_name, "refused");
  EXPECT_THAT(fleet.verdict().reason, HasSubstr("hosts 1 (2 picked), default"));
}

TEST(Hosts, AShareOfThemIsALimitToo) {
  FleetRun fleet(Script().step(kSlowDatabase));
  step_of(fleet.experiment, 0).hosts = zone("a");
  fleet.experiment.blast_radius.hosts = 2;
  fleet.run();
  EXPECT_EQ(fleet.verdict().exit_name, "refused");
  EXPECT_THAT(fleet.verdict().reason, HasSubstr("host_share 50% (2 of 2 is 100%"));
}

TEST(Hosts, WithAnInventoryATargetSaysWhich) {
  FleetRun fleet(Script().step(kSlowDatabase));
  fleet.run();
  EXPECT_EQ(fleet.verdict().exit_name, "refused");
  EXPECT_THAT(fleet.verdict().reason, HasSubstr("must say which hosts"));
}

TEST(Hosts, ADeadExecutorEndsTheRunAndTheOthersArePutBack) {
  FleetRun fleet(Script().step(kSlowForLong));
  step_of(fleet.experiment, 0).hosts = HostSelector{};
  widen(fleet.experiment);
  bool struck = false;
  fleet.on_event = [&struck](const Event& event, FleetRun& run) {
    const auto* phase = std::get_if<PhaseStarted>(&event.data);
    if (phase == nullptr || phase->phase != Phase::fault || struck) return;
    struck = true;
    run.at("a2").worker->kill("by the test");
  };
  fleet.run();
  EXPECT_EQ(fleet.verdict().run, RunEnd::error);
  EXPECT_THAT(fleet.verdict().reason, HasSubstr("a2: the executor was lost"));
  EXPECT_EQ(fleet.verdict().host, HostState::clean) << "its keeper reported";
  expect_all_clean(fleet);
}

TEST(Hosts, ACutLinkIsToldAndItsHostRevertsByItself) {
  FleetRun fleet(Script().step(kSlowForLong));
  step_of(fleet.experiment, 0).hosts = HostSelector{};
  widen(fleet.experiment);
  bool cut = false;
  std::optional<BootTime> cut_at;
  std::optional<BootTime> free_at;
  fleet.on_event = [&](const Event& event, FleetRun& run) {
    const auto* phase = std::get_if<PhaseStarted>(&event.data);
    if (phase == nullptr || phase->phase != Phase::fault || cut) return;
    cut = true;
    cut_at = run.world().now();
    run.cut("b1");
  };
  fleet.world().after_step = [&] {
    if (!cut_at || free_at) return;
    for (const auto& trace : fleet.at("b1").machine->ours()) {
      if (trace.effective) return;
    }
    free_at = fleet.world().now();
  };
  fleet.run();
  EXPECT_NE(fleet.verdict().exit_name, "upheld");
  EXPECT_EQ(fleet.verdict().host, HostState::dirty) << "nobody knows how it is there";
  ASSERT_TRUE(free_at);
  EXPECT_LE(*free_at - *cut_at, 15s + 5s);
  EXPECT_TRUE(fleet.at("a1").clean());
  EXPECT_TRUE(fleet.at("a2").clean());
}

// The fault itself cuts the way to the host: nothing comes back after the injection.
TEST(Hosts, ANetworkFaultThatCutsItsOwnHostOffLivesThreeSeconds) {
  FleetRun fleet(Script().step(kSlowForLong));
  step_of(fleet.experiment, 0).hosts = zone("b");
  widen(fleet.experiment);
  std::optional<BootTime> begun;
  std::optional<BootTime> ended;
  fleet.world().after_step = [&] {
    bool acts = false;
    for (const auto& trace : fleet.at("b1").machine->ours()) acts = acts || trace.effective;
    if (acts && !begun) {
      begun = fleet.world().now();
      fleet.cut("b1");
    }
    if (begun && !acts && !ended) ended = fleet.world().now();
  };
  fleet.run();
  ASSERT_TRUE(begun);
  ASSERT_TRUE(ended);
  EXPECT_LE(*ended - *begun, 3s + 500ms);
  EXPECT_EQ(fleet.verdict().run, RunEnd::error) << fleet.verdict().reason;
}

TEST(Hosts, ARollGoesOnOnlyWhileTheServiceIsWell) {
  FleetRun fleet(Script().step(kSlowDatabase));
  Step& step = step_of(fleet.experiment, 0);
  step.hosts = HostSelector{};
  step.roll = Roll{};
  step.roll->until = fleet.experiment.steady_state.front();
  step.roll->until->parts.front().over = 2s;
  step.roll->within = 10s;
  widen(fleet.experiment);
  fleet.run();
  EXPECT_EQ(fleet.verdict().exit_name, "upheld") << fleet.verdict().reason;
  const auto second = fleet.when("method.0", "a2", StepState::injecting);
  const auto third = fleet.when("method.0", "b1", StepState::injecting);
  ASSERT_TRUE(second && third);
  EXPECT_GE(*second - *fleet.when("method.0", "a1", StepState::reverted), 2s);
  EXPECT_GE(*third - *fleet.when("method.0", "a2", StepState::reverted), 2s);
  expect_all_clean(fleet);
}

TEST(Hosts, ARollIsPlannedWithEachOfItsRounds) {
  struct Case {
    int at_once;
    Duration most;
    bool fits;
  };
  for (const auto& [at_once, most, fits] :
       {Case{1, 79s, false}, Case{1, 80s, true}, Case{2, 50s, true}, Case{3, 20s, true}}) {
    FleetRun fleet(Script().step(kSlowDatabase));
    Step& step = step_of(fleet.experiment, 0);
    step.duration = 20s;
    step.hosts = HostSelector{};
    step.roll = Roll{};
    step.roll->at_once = at_once;
    step.roll->within = 10s;
    widen(fleet.experiment);
    fleet.experiment.blast_radius.duration = most;
    fleet.run();
    EXPECT_EQ(fleet.verdict().exit_name == "refused", !fits) << fleet.verdict().reason;
    const auto told = HasSubstr("duration 1m19s (1m20s planned)");
    EXPECT_EQ(testing::Matches(told)(fleet.verdict().reason), !fits) << fleet.verdict().reason;
  }
}

TEST(Hosts, ARollStopsWhereTheServiceDoesNotComeBack) {
  FleetRun fleet(
      Script().with("abort_if", "[ shop.success < 20% over 3s for 30s ]").step(kSlowDatabase));
  Step& step = step_of(fleet.experiment, 0);
  step.hosts = HostSelector{};
  step.roll = Roll{};
  step.roll->until = fleet.experiment.steady_state.front();
  step.roll->until->parts.front().over = 2s;
  step.roll->within = 5s;
  widen(fleet.experiment);
  fleet.on_event = [](const Event& event, FleetRun& run) {
    const auto* changed = std::get_if<StepChanged>(&event.data);
    if (changed == nullptr || changed->state != StepState::reverted) return;
    run.controller().stop_unit("shop.service");
  };
  fleet.run();
  EXPECT_NE(fleet.verdict().exit_name, "upheld");
  EXPECT_FALSE(fleet.when("method.0", "a2", StepState::injecting));
  expect_all_clean(fleet);
}

TEST(Hosts, BetweenCutsBothSidesFromEachOther) {
  FleetRun fleet(
      Script().step({"fault: network.partition",
                     "with: { remote_ip: [192.0.2.1], direction: both }", "duration: 3s"}));
  Step& step = step_of(fleet.experiment, 0);
  step.between = {zone("a"), zone("b")};
  widen(fleet.experiment);
  fleet.mode = Mode::plan_only;
  fleet.run();
  ASSERT_EQ(fleet.of<PlanMade>().size(), 1u) << fleet.verdict().reason;
  const PlanMade plan = fleet.of<PlanMade>().front();
  ASSERT_EQ(plan.steps.size(), 3u);
  const auto told = [&plan](std::size_t i) {
    std::string out;
    for (const std::string& line : plan.steps[i].summary) out += line + "\n";
    return out;
  };
  EXPECT_THAT(told(0), HasSubstr("10.0.0.3"));
  EXPECT_THAT(told(1), HasSubstr("10.0.0.3"));
  EXPECT_THAT(told(2), HasSubstr("10.0.0.1"));
  EXPECT_THAT(told(2), HasSubstr("10.0.0.2"));
}

TEST(Hosts, BetweenNeedsTheirAddresses) {
  FleetRun fleet(
      Script().step({"fault: network.partition",
                     "with: { remote_ip: [192.0.2.1], direction: both }", "duration: 3s"}));
  step_of(fleet.experiment, 0).between = {zone("a"), zone("b")};
  fleet.inventory.hosts[1].ip.clear();
  widen(fleet.experiment);
  fleet.run();
  EXPECT_EQ(fleet.verdict().exit_name, "refused");
  EXPECT_THAT(fleet.verdict().reason, HasSubstr("`ip: [10.0.0.1]` in hosts.yaml for a2"));
}

}  // namespace
}  // namespace ordeal::run::test
