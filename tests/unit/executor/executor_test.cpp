// Goal: whatever the front, the worker, the keeper or the disk does, the host is put back, and what
// is said about it is true. Method: the real coroutines on the simulated machine.
#include <csignal>

#include "tests/unit/executor/bench.hpp"

namespace ordeal::executor::test {
namespace {

std::string refusal(const wire::FactBody& body) {
  const auto* refused = std::get_if<wire::Refused>(&body);
  return refused == nullptr ? "" : refused->text;
}
bool injected(const wire::FactBody& body) { return std::holds_alternative<wire::Injected>(body); }

TEST_F(ExecutorTest, InjectsRevertsAndLeavesNothing) {
  Pair pair(machine_);
  const wire::Prepared prepared = pair.prepare_pause("method.0", "shop.service");
  EXPECT_EQ(stopped("shop.service"), 0u);
  const wire::FactBody body = pair.inject(prepared);
  ASSERT_TRUE(injected(body)) << refusal(body);
  EXPECT_EQ(std::get<wire::Injected>(body).effect.seen, model::Seen::yes);
  EXPECT_EQ(stopped("shop.service"), 3u);
  const wire::FactBody reverted = pair.ask(wire::Revert{});
  ASSERT_TRUE(std::holds_alternative<wire::AllReverted>(reverted));
  EXPECT_TRUE(std::get<wire::AllReverted>(reverted).ok);
  ASSERT_EQ(pair.of<wire::StepReverted>().size(), 1u);
  EXPECT_EQ(pair.of<wire::StepReverted>()[0].undos.size(), 3u);
  const wire::FactBody checked = pair.ask(wire::CheckHost{});
  EXPECT_TRUE(std::get<wire::HostReport>(checked).clean);
  EXPECT_TRUE(std::holds_alternative<wire::Done>(pair.ask(wire::Bye{})));
  pair.read_for(2s);
  EXPECT_EQ(pair.worker_code(), 0);
  EXPECT_EQ(pair.keeper_code(), 0);
  EXPECT_EQ(pair.reports(), "");
  EXPECT_EQ(machine_.snapshot(), before_);
  for (const auto& [path, file] : machine_.disk.files) {
    EXPECT_EQ(path.find("/journal/"), std::string::npos) << path;
  }
}

TEST_F(ExecutorTest, RefusesADigestThatIsNotTheLatest) {
  Pair pair(machine_);
  const wire::Prepared old = pair.prepare_pause("method.0", "shop.service");
  pair.prepare_pause("method.0", "db.service");
  EXPECT_NE(refusal(pair.inject(old)), "");
  EXPECT_EQ(stopped("shop.service") + stopped("db.service"), 0u);
}

TEST_F(ExecutorTest, AHandlerThatThrowsIsRefusedAndEverythingIsPutBack) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"))));
  EXPECT_EQ(stopped("shop.service"), 3u);
  wire::Prepare order;
  order.request.step = "method.1";
  order.request.fault = "test.throw";
  order.request.duration = 30s;
  order.request.target.process.emplace().unit = "db.service";
  EXPECT_EQ(refusal(pair.ask(order)), "internal error: no thread is left");
  pair.read_for(2s);
  EXPECT_EQ(stopped("shop.service"), 0u);
  EXPECT_EQ(pair.worker_code(), 0);
  EXPECT_EQ(pair.keeper_code(), 0);
  EXPECT_EQ(machine_.snapshot(), before_);
}

TEST_F(ExecutorTest, ARepeatedOrderIsAnsweredAgainAndChangesNothing) {
  Pair pair(machine_);
  const wire::Prepared prepared = pair.prepare_pause("method.0", "shop.service");
  wire::Inject order;
  order.step = "method.0";
  order.digest = prepared.digest;
  order.lease = 5s;
  const std::int64_t id = pair.send(order);
  ASSERT_TRUE(injected(pair.answer(id)));
  pair.ask(wire::Revert{});
  pair.send(order, id);
  pair.read_for(1s);
  EXPECT_EQ(pair.of<wire::Injected>().size(), 2u);
  EXPECT_EQ(stopped("shop.service"), 0u);
}

TEST_F(ExecutorTest, ARevertThatFollowsAtOnceWins) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    sim::World world(seed);
    sim::Machine machine(world);
    sim::furnish(machine);
    Pair pair(machine);
    const wire::Prepared prepared = pair.prepare_pause("method.0", "shop.service");
    wire::Inject order;
    order.step = "method.0";
    order.digest = prepared.digest;
    order.lease = 5s;
    const std::int64_t inject = pair.send(order);
    if (seed % 2 == 0) world.run_for(Duration(static_cast<std::int64_t>(seed) * 20));
    const std::int64_t revert = pair.send(wire::Revert{});
    pair.answer(inject);
    EXPECT_TRUE(std::get<wire::AllReverted>(pair.answer(revert)).ok);
    for (const sim::Process* process : machine.of_service("shop.service")) {
      EXPECT_EQ(process->info.state, 'S') << "seed " << seed;
    }
  }
}

TEST_F(ExecutorTest, ALeaseThatIsNotRenewedLapses) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"), 2s)));
  pair.read_for(1500ms);
  EXPECT_EQ(stopped("shop.service"), 3u);
  pair.read_for(700ms);
  EXPECT_EQ(stopped("shop.service"), 0u);
  ASSERT_EQ(pair.of<wire::StepReverted>().size(), 1u);
  EXPECT_EQ(pair.of<wire::StepReverted>()[0].why, "lease lapsed");
  EXPECT_TRUE(pair.worker().alive());
}

TEST_F(ExecutorTest, RenewalsKeepAStepButNotBeyondItsDuration) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service", 4s), 2s)));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(refusal(pair.ask(wire::Renew{2s, i})), "");
    pair.read_for(1s);
    EXPECT_EQ(stopped("shop.service"), 3u) << i;
  }
  for (int i = 5; i < 8; ++i) {
    pair.ask(wire::Renew{2s, i});
    pair.read_for(1s);
  }
  EXPECT_EQ(stopped("shop.service"), 0u);
  EXPECT_EQ(pair.of<wire::StepReverted>().at(0).why, "deadline");
}

TEST_F(ExecutorTest, AnOlderSampleRenewsNothing) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"), 2s)));
  EXPECT_EQ(refusal(pair.ask(wire::Renew{2s, 7})), "");
  EXPECT_NE(refusal(pair.ask(wire::Renew{2s, 6})), "");
}

TEST_F(ExecutorTest, AClosedWireRevertsEverything) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"))));
  pair.close_wire();
  pair.read_for(100ms);
  EXPECT_EQ(stopped("shop.service"), 0u);
  pair.read_for(2s);
  EXPECT_EQ(pair.worker_code(), 0);
  EXPECT_EQ(pair.keeper_code(), 0);
}

TEST_F(ExecutorTest, TheKeeperUndoesWhatADeadWorkerLeft) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"))));
  machine_.signal(pair.worker().pid(), SIGKILL);
  pair.read_for(200ms);
  EXPECT_EQ(stopped("shop.service"), 0u);
  pair.read_for(1s);
  const auto report = wire::decode_keeper(pair.reports());
  ASSERT_TRUE(report.has_value()) << pair.reports();
  EXPECT_EQ(report.value().keeper, "worker died (signal 9)");
  EXPECT_TRUE(report.value().clean);
  EXPECT_EQ(report.value().undos.size(), 3u);
  EXPECT_EQ(machine_.snapshot(), before_);
}

TEST_F(ExecutorTest, TheWorkerUndoesEverythingWhenTheKeeperDies) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"))));
  machine_.signal(pair.keeper().pid(), SIGKILL);
  pair.read_for(100ms);
  EXPECT_EQ(stopped("shop.service"), 0u);
  pair.read_for(2s);
  EXPECT_FALSE(pair.worker().alive());
  EXPECT_EQ(pair.of<wire::StepReverted>().at(0).why, "keeper died");
}

TEST_F(ExecutorTest, AStoppedWorkerIsReplacedByItsKeeper) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"), 2s)));
  pair.worker().stop();
  pair.read_for(4200ms);  // the lease and two seconds, which its own timer takes
  EXPECT_EQ(stopped("shop.service"), 0u);
  EXPECT_FALSE(pair.worker().alive());
}

TEST_F(ExecutorTest, AStoppedKeeperDiesTwoSecondsAfterTheLastLeaseItHeardOf) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"), 2s)));
  pair.keeper().stop();
  for (int i = 0; i < 6 && pair.worker().alive(); ++i) {
    pair.send(wire::Renew{2s, i});
    pair.read_for(1s);
  }
  EXPECT_FALSE(pair.keeper().alive());
  EXPECT_EQ(stopped("shop.service"), 0u);
}

// Stopped while nothing is injected, its own timer reaches 45 s: were something injected now, and
// the worker died, nobody would notice.
TEST_F(ExecutorTest, NothingIsInjectedWhenTheKeeperDoesNotAnswer) {
  Pair pair(machine_);
  const wire::Prepared prepared = pair.prepare_pause("method.0", "shop.service");
  pair.keeper().stop();
  EXPECT_NE(refusal(pair.inject(prepared)).find("the keeper does not answer"), std::string::npos);
  EXPECT_EQ(machine_.snapshot(), before_);
  pair.keeper().resume();
  EXPECT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"))));
}

// A revert that arrives while the last change is made finds the step neither active nor undone; the
// injection, which ends in that moment, must not leave it to the revert.
TEST_F(ExecutorTest, AKeeperThatDiesBehindTheLastChangeLeavesNothingInjected) {
  int changes = 0;
  Pair pair(machine_);
  world_.on_point = [&](sim::Node&, std::string_view what, std::string_view side) {
    if (!what.starts_with("signal 19") || side != "after" || ++changes != 3) return;
    machine_.signal(pair.keeper().pid(), SIGKILL);
  };
  pair.inject(pair.prepare_pause("method.0", "shop.service"));
  pair.read_for(2s);
  EXPECT_EQ(changes, 3);
  EXPECT_FALSE(pair.worker().alive());
  EXPECT_EQ(machine_.snapshot(), before_);
}

TEST_F(ExecutorTest, AnIdleWorkerThatIsStoppedDoesNotStayForEver) {
  Pair pair(machine_);
  pair.read_for(200s);
  EXPECT_TRUE(pair.worker().alive());
  EXPECT_TRUE(pair.keeper().alive());
  pair.worker().stop();
  pair.close_wire();
  pair.read_for(70s);
  EXPECT_FALSE(pair.worker().alive());
  EXPECT_FALSE(pair.keeper().alive());
}

TEST_F(ExecutorTest, RecoverUndoesWhatNobodyElseCan) {
  {
    Pair pair(machine_);
    ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"))));
    machine_.signal(pair.keeper().pid(), SIGKILL);
    machine_.signal(pair.worker().pid(), SIGKILL);
    pair.read_for(1s);
    EXPECT_EQ(stopped("shop.service"), 3u);
    // A new run must not start on this host.
    Pair next(machine_, "r-next");
    EXPECT_EQ(next.of<wire::HelloFact>().at(0).dirty.size(), 1u);
    const std::string why = refusal(next.inject(next.prepare_pause("method.0", "db.service")));
    EXPECT_NE(why.find("not clean"), std::string::npos) << why;
    next.ask(wire::Bye{});
    next.read_for(2s);
  }
  sim::Node& person = machine_.start("recover");
  const auto said = sim::run_task(person, recover(person.host(), kState, RecoverOptions{true}));
  ASSERT_TRUE(said);
  ASSERT_EQ(said->journals.size(), 1u);
  EXPECT_EQ(said->journals[0].undos.size(), 3u);
  EXPECT_EQ(stopped("shop.service"), 3u);
  const auto report = sim::run_task(person, recover(person.host(), kState, RecoverOptions{}));
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->clean);
  EXPECT_EQ(report->journals.at(0).run, "r-test");
  EXPECT_EQ(stopped("shop.service"), 0u);
  const auto again = sim::run_task(person, recover(person.host(), kState, RecoverOptions{}));
  EXPECT_TRUE(again->clean);
  EXPECT_TRUE(again->journals.empty());
}

TEST_F(ExecutorTest, RecoverLeavesALiveRunAlone) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"))));
  sim::Node& person = machine_.start("recover");
  const auto report = sim::run_task(person, recover(person.host(), kState, RecoverOptions{}));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->live.size(), 1u);
  EXPECT_EQ(stopped("shop.service"), 3u);
}

// Whatever cannot be read, listed or asked: a live run is never taken for a dead one.
TEST_F(ExecutorTest, RecoverThatCanReadNothingTouchesNothingAndSaysSo) {
  Pair pair(machine_);
  const auto prepared = pair.prepare_pause("method.0", "shop.service");
  pair.inject(prepared);
  const std::size_t paused = stopped("shop.service");
  ASSERT_GT(paused, 0u);
  machine_.misfortunes.read_fails = 1'000'000;
  sim::Node& node = machine_.start("recover");
  const auto report = sim::run_task(node, recover(node.host(), kState, {}), 2s);
  machine_.misfortunes.read_fails = 0;
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->clean);
  EXPECT_TRUE(report->swept.empty());
  EXPECT_EQ(stopped("shop.service"), paused);
}

// Each look of recover fails in turn, beside a run that lives.
TEST_F(ExecutorTest, RecoverBesideALiveRunTouchesNothingWhicheverLookFails) {
  Pair pair(machine_);
  const auto prepared = pair.prepare_pause("method.0", "shop.service", 600s);
  pair.inject(prepared, 60s);
  const std::size_t paused = stopped("shop.service");
  ASSERT_GT(paused, 0u);
  for (int rate : {50'000, 200'000, 500'000, 900'000}) {
    for (int i = 0; i < 25; ++i) {
      machine_.misfortunes.read_fails = rate;
      sim::Node& node = machine_.start("recover");
      const auto report = sim::run_task(node, recover(node.host(), kState, {}), 2s);
      machine_.misfortunes.read_fails = 0;
      ASSERT_TRUE(report);
      node.exit();
      ASSERT_EQ(stopped("shop.service"), paused);
      ASSERT_FALSE(report->live.empty() && report->clean);
    }
  }
}

TEST_F(ExecutorTest, RecoverWaitsForAKeeperThatIsAtIt) {
  Pair pair(machine_);
  pair.inject(pair.prepare_pause("method.0", "shop.service"));
  machine_.signal(pair.worker().pid(), SIGKILL);
  machine_.signal(pair.keeper().pid(), SIGKILL);
  std::string path;
  for (const auto& [name, file] : machine_.disk.files) {
    if (name.find("/journal/") != name.npos) path = name;
  }
  sim::Node& keeper = machine_.start("keeper");
  auto held = keeper.host().files().open_durable(path);
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(keeper.host().files().holder(path).value(), os::Holder::recoverer);
  world_.at(world_.now() + 3s, [&] { keeper.exit(); });
  sim::Node& node = machine_.start("recover");
  const auto report = sim::run_task(node, recover(node.host(), kState, {}));
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->clean);
  EXPECT_TRUE(report->live.empty());
  EXPECT_EQ(stopped("shop.service"), 0u);
}

TEST_F(ExecutorTest, TwoRunsCannotClaimTheSame) {
  Pair first(machine_, "r-first");
  Pair second(machine_, "r-second");
  const wire::Prepared wanted = second.prepare_pause("method.7", "shop.service");
  ASSERT_TRUE(injected(first.inject(first.prepare_pause("method.0", "shop.service"))));
  const std::string why = refusal(second.inject(wanted));
  EXPECT_NE(why.find("taken by step method.0 (test.pause) of run r-first"), std::string::npos)
      << why;
  EXPECT_TRUE(injected(second.inject(second.prepare_pause("method.8", "db.service"))));
}

TEST_F(ExecutorTest, APlanIsRefusedForAnotherRunsClaimAndForAStepBesideIt) {
  Pair first(machine_, "r-first");
  Pair second(machine_, "r-second");
  ASSERT_TRUE(injected(first.inject(first.prepare_pause("method.0", "shop.service"))));
  wire::Prepare order;
  order.request.step = "method.1";
  order.request.fault = "test.pause";
  order.request.target.process.emplace();
  order.request.target.process->unit = "shop.service";
  EXPECT_NE(refusal(second.ask(order)).find("of run r-first"), std::string::npos);
  order.request.target.process->unit = "db.service";
  EXPECT_TRUE(std::holds_alternative<wire::Prepared>(second.ask(order)));
  order.request.step = "method.2";
  EXPECT_TRUE(std::holds_alternative<wire::Prepared>(second.ask(order)));  // one after the other
  order.request.beside = {"method.1"};
  EXPECT_NE(refusal(second.ask(order)).find("taken by step method.1"), std::string::npos);
}

TEST_F(ExecutorTest, TwoStepsOfOneRunCannotClaimTheSame) {
  Pair pair(machine_);
  const wire::Prepared a = pair.prepare_pause("method.0", "shop.service");
  const wire::Prepared b = pair.prepare_pause("method.1", "shop.service");
  ASSERT_TRUE(injected(pair.inject(a)));
  EXPECT_NE(refusal(pair.inject(b)).find("taken by step method.0"), std::string::npos);
}

TEST_F(ExecutorTest, AVanishedTargetIsRefusedBeforeAnythingIsChanged) {
  Pair pair(machine_);
  const wire::Prepared prepared = pair.prepare_pause("method.0", "shop.service");
  machine_.process_dies(machine_.of_service("shop.service").front()->info.id.pid);
  const std::string why = refusal(pair.inject(prepared));
  EXPECT_NE(why.find("target gone"), std::string::npos) << why;
  EXPECT_EQ(stopped("shop.service"), 0u);
}

TEST_F(ExecutorTest, HaltRevertsAndRefusesEvenWithAHungFront) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"))));
  sim::Node& person = machine_.start("halt");
  ASSERT_TRUE(set_halt(person.host(), kState, "enough").has_value());
  pair.read_for(200ms);
  EXPECT_EQ(stopped("shop.service"), 0u);
  EXPECT_EQ(pair.of<wire::Halted>().at(0).reason, "enough");
  EXPECT_NE(refusal(pair.inject(pair.prepare_pause("method.1", "db.service"))), "");
}

TEST_F(ExecutorTest, AStoppedWorkerIsKilledAtAHalt) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"), 30s)));
  pair.worker().stop();
  sim::Node& person = machine_.start("halt");
  ASSERT_TRUE(set_halt(person.host(), kState, "enough").has_value());
  pair.read_for(1500ms);
  EXPECT_EQ(stopped("shop.service"), 0u);
  EXPECT_NE(pair.reports().find("halt: worker died"), std::string::npos) << pair.reports();
}

TEST_F(ExecutorTest, AHungDiskStopsInjectionsButNoRevert) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "shop.service"), 30s)));
  const wire::Prepared next = pair.prepare_pause("method.1", "db.service");
  machine_.disk.hangs_until = world_.now() + 60s;
  const BootTime begun = world_.now();
  EXPECT_NE(refusal(pair.inject(next)), "");
  EXPECT_LE(world_.now() - begun, 3s);
  EXPECT_EQ(stopped("db.service"), 0u);
  const BootTime asked = world_.now();
  EXPECT_TRUE(std::get<wire::AllReverted>(pair.ask(wire::Revert{})).ok);
  EXPECT_LE(world_.now() - asked, 100ms);
  EXPECT_EQ(stopped("shop.service"), 0u);
  EXPECT_NE(refusal(pair.inject(next)), "") << "a journal that failed once is not trusted again";
}

TEST_F(ExecutorTest, PushesHostValuesAtTheAskedRate) {
  Pair pair(machine_);
  pair.ask(wire::ObserveHost{100ms});
  pair.read_for(1s);
  EXPECT_NEAR(static_cast<double>(pair.of<wire::HostFact>().size()), 10, 1);
  EXPECT_GT(pair.of<wire::HostFact>().at(0).values.at("memory_total"), 0);
  pair.ask(wire::ObserveHost{0s});
  const auto count = pair.of<wire::HostFact>().size();
  pair.read_for(1s);
  EXPECT_EQ(pair.of<wire::HostFact>().size(), count);
}

TEST_F(ExecutorTest, SaysWhatIsNotUndone) {
  Pair pair(machine_);
  ASSERT_TRUE(injected(pair.inject(pair.prepare_pause("method.0", "db.service"))));
  machine_.misfortunes.call_fails = 1'000'000;  // from now on every call of the kernel fails
  const wire::FactBody reverted = pair.ask(wire::Revert{});
  EXPECT_FALSE(std::get<wire::AllReverted>(reverted).ok);
  ASSERT_FALSE(pair.of<wire::StepReverted>().empty());
  EXPECT_FALSE(pair.of<wire::StepReverted>()[0].ok);
  EXPECT_FALSE(pair.of<wire::StepReverted>()[0].undos.at(0).command.empty());
  const wire::FactBody checked = pair.ask(wire::CheckHost{});
  EXPECT_FALSE(std::get<wire::HostReport>(checked).clean);
  EXPECT_NE(std::get<wire::HostReport>(checked).residue.at(0).command.find("kill -CONT"),
            std::string::npos);
  machine_.misfortunes.call_fails = 0;
  pair.read_for(30s);  // it is tried again by itself
  EXPECT_EQ(stopped("db.service"), 0u);
}

TEST_F(ExecutorTest, OrdersThatAreNoneAreRefused) {
  Pair pair(machine_);
  EXPECT_NE(refusal(pair.inject(wire::Prepared{})), "");
  EXPECT_NE(refusal(pair.ask(wire::ReadEffect{"method.9"})), "");
  EXPECT_NE(refusal(pair.ask(wire::Hello{})), "");
  const wire::Prepared prepared = pair.prepare_pause("method.0", "shop.service");
  EXPECT_NE(refusal(pair.inject(prepared, 0s)), "");
  EXPECT_NE(refusal(pair.inject(prepared, std::chrono::hours(1))), "");
  EXPECT_EQ(stopped("shop.service"), 0u);
}

}  // namespace
}  // namespace ordeal::executor::test
