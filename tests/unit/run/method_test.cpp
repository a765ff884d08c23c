// Goal: a run goes through its method as it is written, and holds what it injects only while it
// looks. Method: whole runs on the simulated machine; the orders on the wire are read too.
#include "tests/unit/run/bench.hpp"

namespace ordeal::run::test {
namespace {

using namespace model;
using sim::Config;
using sim::Lab;
using testing::ElementsAre;

TEST(Method, StepsRunOneAfterAnother) {
  const Script script = Script().step(kSlowDatabase).step({"wait: 2s"}).step(kSlowDatabase);
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "upheld") << told.verdict().reason;
  EXPECT_THAT(told.steps(StepState::verified), ElementsAre("method.0", "method.2"));
  const Duration first_end = told.when("method.0", StepState::reverted);
  EXPECT_GE(first_end - told.when("method.0", StepState::injected), 3s);
  const Duration second = told.when("method.2", StepState::injecting);
  EXPECT_GE(second - first_end, 2s);
  EXPECT_LT(second - first_end, 2100ms);
}

TEST(Method, PartsRunBesideEachOther) {
  const Script script = Script().step(
      {"parallel:", "  - fault: network.delay", "    with: { latency: 30ms, remote_port: 5432 }",
       "    duration: 4s", "  - fault: cpu.load", "    with: { load: 20%, of: host }",
       "    start_delay: 1s", "    duration: 1s"});
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "upheld") << told.verdict().reason;
  const std::string outer = "method.0.parallel.0";
  const std::string inner = "method.0.parallel.1";
  const Duration begun = told.when(outer, StepState::injecting);
  EXPECT_GE(told.when(inner, StepState::injecting) - begun, 1s);
  EXPECT_LT(told.when(inner, StepState::injecting) - begun, 1100ms);
  EXPECT_LT(told.when(inner, StepState::reverted), told.when(outer, StepState::reverting));
}

TEST(Method, APartThatEndsTheRunEndsAllParts) {
  const Script script = Script().step(
      {"parallel:", "  - fault: process.pause", "    target: { process: { unit: shop.service } }",
       "    duration: 20s", "  - fault: cpu.load", "    with: { load: 20%, of: host }",
       "    duration: 20s", "  - fault: memory.load", "    with: { size: 1GiB }",
       "    start_delay: 15s", "    duration: 2s"});
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "aborted");
  EXPECT_THAT(told.steps(StepState::reverted),
              testing::UnorderedElementsAre("method.0.parallel.0", "method.0.parallel.1"));
  EXPECT_FALSE(told.ever("method.0.parallel.2", StepState::injecting));
  EXPECT_LT(told.when_phase(Phase::revert) - told.when_phase(Phase::fault), 6s);
}

// db.service takes seconds to stop and to start; beside it a core is busy.
Config with_slow_service() {
  Config config = config_of(
      Script().step({"parallel:", "  - fault: service.stop", "    target: { unit: db.service }",
                     "    duration: 2s", "  - fault: cpu.load", "    with: { load: 20%, of: host }",
                     "    duration: 60s"}));
  config.machine_obeys = false;  // it does, but late
  config.hooks.furnish = [](sim::Machine& machine) {
    machine.services.at("db.service").start_takes = 8s;
  };
  return config;
}

// Neither an injection nor a revert that takes its time keeps another fault alive.
TEST(Method, NothingSlowHoldsUpTheRevertOfTheRest) {
  for (const StepState slow : {StepState::injecting, StepState::reverting}) {
    Config config = with_slow_service();
    std::optional<Duration> pressed;
    config.hooks.on_event = [&](const Event& event, Lab& lab) {
      const auto* step = std::get_if<StepChanged>(&event.data);
      const bool other = step && step->step == "method.0.parallel.1";
      const bool busy = other && step->state == StepState::verified;
      const bool late = step && !other && step->state == slow;
      // The first moment at which the core is busy and the service on its way.
      const bool now = slow == StepState::injecting ? busy : late;
      if (!now || pressed) return;
      pressed = event.t;
      sim::Strike strike;
      strike.blow = sim::Blow::interrupt;
      lab.strike(strike);
    };
    const Told told(config);
    EXPECT_EQ(told.exit(), "interrupted") << told.verdict().reason;
    ASSERT_TRUE(pressed);
    EXPECT_LT(told.when("method.0.parallel.1", StepState::reverted) - *pressed, 200ms);
    EXPECT_EQ(told.verdict().host, HostState::clean);
  }
}

const std::vector<std::string> kRepeatedKill = {
    "fault: process.kill", "target: { process: { name: jobs }, mode: one }",
    "with: { signal: KILL, restore: supervisor }", "interval: 1s", "duration: 4500ms"};

TEST(Method, AnIntervalPicksAgainInEachRound) {
  const Script script = Script().with("blast_radius", "{ processes: 9 }").step(kRepeatedKill);
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "upheld") << told.verdict().reason;
  EXPECT_THAT(told.steps(StepState::reverted),
              ElementsAre("method.0", "method.0#2", "method.0#3", "method.0#4", "method.0#5"));
}

TEST(Method, TheLastRoundIsRevertedAtTheEndOfItsStep) {
  const Script script =
      Script().with("blast_radius", "{ processes: 9 }").step(kRepeatedKill).step({"wait: 12s"});
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "upheld") << told.verdict().reason;
  EXPECT_GE(told.when_phase(Phase::revert) - told.when("method.0#5", StepState::reverted), 11s);
}

// What shoppers meet while a service takes its time to start belongs to the revert.
TEST(Method, TheFaultEndsWhenTheLastPartsBeginTheirRevert) {
  Config config = config_of(
      Script().step({"parallel:", "  - fault: service.stop", "    target: { unit: db.service }",
                     "    duration: 4s", "  - fault: cpu.load", "    with: { load: 20%, of: host }",
                     "    duration: 4s"}));
  config.hooks.furnish = [](sim::Machine& machine) {
    machine.services.at("db.service").start_takes = 8s;
  };
  const Told told(config);
  double attempts = 0;
  for (const SliSummary& one : told.of<SliSummary>()) {
    if (one.sli == "shop" && one.phase == Phase::fault) attempts = one.values.at("count");
  }
  const Duration acted = told.when("method.0.parallel.0", StepState::reverting) -
                         told.when("method.0.parallel.1", StepState::verified);
  EXPECT_NEAR(attempts, 10 * static_cast<double>(acted.count()) / 1e6, 5);
}

TEST(Method, AllRoundsTogetherKeepToTheBlastRadius) {
  const Script script = Script().with("blast_radius", "{ processes: 2 }").step(kRepeatedKill);
  const Told told(config_of(script));
  EXPECT_THAT(told.steps(StepState::injected), ElementsAre("method.0", "method.0#2"));
  EXPECT_TRUE(told.noted("blast radius of 2 processes"));
  EXPECT_GE(told.when_phase(Phase::revert) - told.when_phase(Phase::fault), 4500ms);
}

TEST(Method, AWaitEndsAsSoonAsItsConditionHolds) {
  const Script script = Script()
                            .step(kSlowDatabase)
                            .step({"wait: { until: shop.success >= 50% over 3s, within: 1m }"})
                            .step(kSlowDatabase);
  const Told told(config_of(script));
  EXPECT_EQ(told.exit(), "upheld") << told.verdict().reason;
  const Duration gap =
      told.when("method.2", StepState::injecting) - told.when("method.0", StepState::reverted);
  EXPECT_GE(gap, 3s);  // its window begins with the wait
  EXPECT_LT(gap, 5s);
}

TEST(Method, ArmsTheGuardBeforeTheFirstChange) {
  const Told told(config_of(Script().step(kSlowDatabase)));
  std::vector<std::string> order;
  for (const Event& event : told.events()) {
    if (std::holds_alternative<Armed>(event.data)) order.emplace_back("armed");
    const auto* step = std::get_if<StepChanged>(&event.data);
    if (step) order.emplace_back(boost::describe::enum_to_string(step->state, "?"));
  }
  ASSERT_GE(order.size(), 3u);
  order.resize(3);
  EXPECT_THAT(order, ElementsAre("armed", "injecting", "injected"));
}

// ---- leases -------------------------------------------------------------------------------------

struct Renewal {
  BootTime at;
  std::int64_t sample;
};

TEST(Lease, IsRenewedOnlyUnderAFaultAndWithTheLatestSample) {
  Config config = config_of(Script().step(kSlowDatabase).step({"wait: 3s"}));
  config.lease = 2s;
  config.renew = 500ms;
  std::vector<Renewal> renewals;
  std::vector<BootTime> injected;
  std::vector<BootTime> reverted;
  config.hooks.on_order = [&](const wire::Order& order, BootTime at) {
    if (const auto* renew = std::get_if<wire::Renew>(&order.body)) {
      EXPECT_EQ(renew->lease, 2s);
      renewals.push_back({at, renew->sample});
    }
    if (std::holds_alternative<wire::Inject>(order.body)) injected.push_back(at);
    if (std::holds_alternative<wire::Revert>(order.body)) reverted.push_back(at);
  };
  EXPECT_EQ(Told(config).exit(), "upheld");
  ASSERT_EQ(injected.size(), 1u);
  ASSERT_EQ(renewals.size(), 5u);  // 3 s in steps of 500 ms, on a tick of 100 ms
  BootTime last = injected[0];
  std::int64_t sample = 0;
  for (const Renewal& renewal : renewals) {
    EXPECT_GE(renewal.at - last, 500ms);
    EXPECT_LE(renewal.at - last, 700ms);
    EXPECT_LT(renewal.at, reverted[0]);
    EXPECT_GT(renewal.sample, sample);  // each had looked at something new
    last = renewal.at;
    sample = renewal.sample;
  }
}

TEST(Lease, IsNotRenewedOnceTheRunHasDecidedToStop) {
  Config config = config_of(Script().step(kFrozenShop));
  config.lease = 2s;
  config.renew = 200ms;
  BootTime decided = BootTime::max();
  BootTime last{};
  BootTime now{};
  config.hooks.on_order = [&](const wire::Order& order, BootTime at) {
    now = at;
    if (std::holds_alternative<wire::Revert>(order.body)) decided = std::min(decided, at);
    if (std::holds_alternative<wire::Renew>(order.body)) last = at;
  };
  EXPECT_EQ(Told(config).exit(), "aborted");
  EXPECT_LE(last, decided);
  EXPECT_GT(now, decided);
}

// A front that is stopped evaluates nothing, so it renews nothing, and the step ends by its lease.
TEST(Lease, LapsesWhenNobodyLooks) {
  Config config = config_of(Script().step({kFrozenShop[0], kFrozenShop[1], "duration: 30s"}));
  config.lease = 2s;
  config.renew = 500ms;
  sim::Strike stop;
  stop.blow = sim::Blow::stop;
  stop.front = true;
  stop.resume_after = 8s;
  std::shared_ptr<bool> struck = std::make_shared<bool>(false);
  config.hooks.on_event = [=](const Event& event, Lab& lab) {
    const auto* started = std::get_if<PhaseStarted>(&event.data);
    if (started && started->phase == Phase::fault) lab.strike(stop);
  };
  const Told told(config);  // its judges: gone within the lease and two seconds
  EXPECT_EQ(told.exit(), "interrupted");
  ASSERT_FALSE(told.of<AbortDecided>().empty());
  EXPECT_EQ(told.of<AbortDecided>()[0].cause, AbortCause::suspended);
}

// ---- modes --------------------------------------------------------------------------------------

TEST(Mode, ABaselineOnlyMeasuresAndTouchesNothing) {
  Config config = config_of(Script().step(kFrozenShop));
  config.mode = Mode::baseline_only;
  const Told told(config);
  EXPECT_EQ(told.exit(), "upheld");
  EXPECT_EQ(told.verdict().hypothesis, Hypothesis::not_judged);
  EXPECT_THAT(told.phases(), ElementsAre(Phase::plan, Phase::baseline));
  EXPECT_TRUE(told.of<StepChanged>().empty());
}

TEST(Mode, APlanMeasuresNothing) {
  Config config = config_of(Script().step(kFrozenShop));
  config.mode = Mode::plan_only;
  const Told told(config);
  EXPECT_EQ(told.exit(), "upheld");
  EXPECT_THAT(told.phases(), ElementsAre(Phase::plan));
  ASSERT_EQ(told.of<PlanMade>().size(), 1u);
  EXPECT_EQ(told.of<PlanMade>()[0].steps.at(0).targets.size(), 3u);
  EXPECT_TRUE(told.of<Samples>().empty());
}

TEST(Mode, AControlRunDoesEverythingButTheFault) {
  Config config = config_of(Script().step(kFrozenShop));
  config.mode = Mode::control;
  const Told told(config);
  EXPECT_EQ(told.exit(), "upheld") << told.verdict().reason;
  EXPECT_THAT(told.phases(), ElementsAre(Phase::plan, Phase::baseline, Phase::inject, Phase::fault,
                                         Phase::revert, Phase::recovery, Phase::judge));
  EXPECT_GE(told.when_phase(Phase::revert) - told.when_phase(Phase::fault), 8s);
}

// ---- the campaign under sanitizers --------------------------------------------------------------

// The release build runs many more (ordeal-sim); these ones show what only a sanitizer sees.
TEST(Campaign, AHundredSeedsUnderSanitizers) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const sim::Outcome outcome = sim::run_seed(sim::make_config(seed), false);
    EXPECT_EQ(outcome.violation, "") << "ordeal-sim --seed " << seed << " --trace";
  }
}

}  // namespace
}  // namespace ordeal::run::test
