// Goal: every undo takes back exactly its change, says when there was nothing to take back, and one
// that fails stops no other. Method: the simulated machine, read directly before and after.
#include "engine/undo/undo.hpp"

#include <gtest/gtest.h>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <csignal>
#include <set>

#include "engine/undo/rollback.hpp"
#include "tests/sim/machine.hpp"

namespace ordeal::undo {
namespace {

using namespace asio::experimental::awaitable_operators;

constexpr const char* kMark = "ordeal-aaaaaaaa";
constexpr const char* kOther = "ordeal-bbbbbbbb";

class UndoTest : public ::testing::Test {
 protected:
  UndoTest() : machine_(world_), node_(machine_.start("worker")) { sim::furnish(machine_); }

  os::Host& host() { return node_.host(); }

  Outcome undo(model::Undo what) {
    auto outcome = sim::run_task(node_, run(host(), std::move(what)));
    EXPECT_TRUE(outcome) << "it did not end";
    return outcome.value_or(Outcome{});
  }

  // Once it takes something back, once more there is nothing left to do.
  void expect_idempotent(const model::Undo& what) {
    const Outcome first = undo(what);
    EXPECT_TRUE(first.ok) << first.text;
    EXPECT_FALSE(first.gone_before) << first.text;
    const Outcome second = undo(what);
    EXPECT_TRUE(second.ok) << second.text;
    EXPECT_TRUE(second.gone_before) << second.text;
  }

  bool has_table() { return machine_.tables.contains({kMark, model::NftFamily::netdev}); }

  model::ProcessId a_shop_process() { return machine_.of_service("shop.service").front()->info.id; }

  model::NftTable table_of(const std::string& name) {
    model::NftTable table;
    table.name = name;
    return table;
  }

  void roll_back(std::vector<StepUndos>& steps, Listener& listener) {
    ASSERT_TRUE(sim::run_task(node_, rollback(host(), steps, listener, Options{})));
  }

  Result<model::ProcessId> spawn(const std::string& mark, const std::string& role) {
    model::SpawnHelper helper;
    helper.mark = mark;
    helper.role = role;
    return *sim::run_task(node_, host().processes().spawn_helper(std::move(helper)));
  }

  sim::World world_{1};
  sim::Machine machine_;
  sim::Node& node_;
};

struct Recorder : Listener {
  void ended(const StepUndos& step, std::size_t index, const Outcome& outcome) override {
    order.push_back(step.step + " " + std::string(outcome.ok ? "" : "FAILED ") +
                    name_of(step.undos[index]));
  }
  void reverted(const StepUndos& step, const std::vector<Outcome>& outcomes, Duration) override {
    bool ok = true;
    for (const Outcome& outcome : outcomes) ok = ok && outcome.ok;
    order.push_back(step.step + (ok ? " reverted" : " not reverted"));
  }
  std::vector<std::string> order;
};

TEST_F(UndoTest, DeletesALink) {
  ASSERT_TRUE(host().links().add_ifb(kMark).has_value());
  expect_idempotent(model::DeleteLink{kMark});
  EXPECT_FALSE(machine_.links.contains(kMark));
}

TEST_F(UndoTest, NeverDeletesAForeignLink) {
  const Outcome outcome = undo(model::DeleteLink{"eth0"});
  EXPECT_FALSE(outcome.ok);
  EXPECT_TRUE(machine_.links.contains("eth0"));
}

TEST_F(UndoTest, DeletesATable) {
  ASSERT_TRUE(host().nftables().create(table_of(kMark), 5s).has_value());
  expect_idempotent(model::DeleteTable{kMark, model::NftFamily::netdev});
  EXPECT_FALSE(has_table());
}

TEST_F(UndoTest, ResumesAProcess) {
  const model::ProcessId id = a_shop_process();
  ASSERT_TRUE(host().processes().signal(id, SIGSTOP).has_value());
  expect_idempotent(model::ResumeProcess{id});
  EXPECT_EQ(machine_.find(id.pid)->info.state, 'S');
}

TEST_F(UndoTest, NeverResumesAYoungerProcessOfTheSamePid) {
  const model::ProcessId id = a_shop_process();
  ASSERT_TRUE(host().processes().signal(id, SIGSTOP).has_value());
  const Outcome outcome = undo(model::ResumeProcess{{id.pid, id.start_ticks - 1}});
  EXPECT_TRUE(outcome.gone_before);
  EXPECT_EQ(machine_.find(id.pid)->info.state, 'T');
}

TEST_F(UndoTest, ThawsACgroup) {
  auto frozen =
      sim::run_task(node_, host().cgroups().set_frozen("/system.slice/shop.service", true));
  ASSERT_TRUE(frozen && frozen->has_value());
  expect_idempotent(model::ThawCgroup{"/system.slice/shop.service"});
  EXPECT_FALSE(machine_.cgroups.at("/system.slice/shop.service").frozen);
}

TEST_F(UndoTest, EndsAHelper) {
  ASSERT_TRUE(spawn(kMark, "cpu").has_value());
  expect_idempotent(model::KillHelper{kMark, {}, false});
}

TEST_F(UndoTest, KillsAHelperThatIgnoresTerm) {
  const auto id = spawn(kMark, "shaper");
  ASSERT_TRUE(id.has_value());
  machine_.find(id.value().pid)->ignores_term = true;
  const Outcome outcome = undo(model::KillHelper{kMark, 500ms, true});
  EXPECT_TRUE(outcome.ok) << outcome.text;
  EXPECT_GE(outcome.took, 500ms);
  EXPECT_EQ(machine_.find(id.value().pid), nullptr);
}

TEST_F(UndoTest, StartsAUnit) {
  machine_.stop_unit("shop.service");
  world_.run_for(1s);
  ASSERT_TRUE(machine_.of_service("shop.service").empty());
  expect_idempotent(model::StartUnit{"shop.service"});
  EXPECT_FALSE(machine_.of_service("shop.service").empty());
}

TEST_F(UndoTest, SaysWhyAUnitDoesNotStart) {
  machine_.stop_unit("shop.service");
  machine_.services.at("shop.service").start_fails = true;
  world_.run_for(1s);
  const Outcome outcome = undo(model::StartUnit{"shop.service"});
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.command, "systemctl start -- shop.service");
}

TEST_F(UndoTest, WaitsForProcessesThatMustComeBack) {
  model::ExpectProcesses expected;
  expected.matcher.unit = "shop.service";
  expected.count = static_cast<std::int64_t>(machine_.of_service("shop.service").size());
  const Outcome all = undo(expected);
  EXPECT_TRUE(all.ok) << all.text;
  machine_.services.at("shop.service").restart_after.reset();
  machine_.process_dies(a_shop_process().pid);
  expected.within = 2s;
  const Outcome fewer = undo(expected);
  EXPECT_FALSE(fewer.ok);
  EXPECT_NE(fewer.text.find("2 of 3 are back"), std::string::npos) << fewer.text;
}

// A process that has its SIGTERM and still runs is not back: it is not yet gone.
TEST_F(UndoTest, DoesNotTakeTheDyingForThoseWhoAreBack) {
  model::ExpectProcesses expected;
  expected.matcher.unit = "shop.service";
  expected.count = 3;
  expected.killed.push_back(a_shop_process());
  ASSERT_TRUE(host().processes().signal(expected.killed.front(), SIGTERM).has_value());
  const Outcome outcome = undo(expected);
  EXPECT_TRUE(outcome.ok) << outcome.text;
  EXPECT_EQ(machine_.of_service("shop.service").size(), 3u);
  for (const sim::Process* process : machine_.of_service("shop.service")) {
    EXPECT_NE(process->info.id, expected.killed.front());
  }
}

TEST_F(UndoTest, AProcessThatSurvivesItsSignalIsThere) {
  model::ExpectProcesses expected;
  expected.matcher.unit = "shop.service";
  expected.count = 3;
  expected.killed.push_back(a_shop_process());
  const BootTime begun = world_.now();
  const Outcome outcome = undo(expected);
  EXPECT_TRUE(outcome.ok);
  EXPECT_NE(outcome.text.find("3 of 3 are back, 1 of them never ended"), std::string::npos)
      << outcome.text;
  EXPECT_GE(world_.now() - begun, 1s);
  EXPECT_LT(world_.now() - begun, 2s);
}

TEST_F(UndoTest, TriesAgainWhatMayPass) {
  ASSERT_TRUE(host().links().add_ifb(kMark).has_value());
  machine_.misfortunes.call_fails = 500'000;
  EXPECT_TRUE(undo(model::DeleteLink{kMark}).ok);
}

// ---- rollback ----------------------------------------------------------------------------------

TEST_F(UndoTest, RollsBackRankByRankAndNewestFirst) {
  const model::ProcessId id = a_shop_process();
  ASSERT_TRUE(host().processes().signal(id, SIGSTOP).has_value());
  ASSERT_TRUE(host().nftables().create(table_of(kMark), 5s).has_value());
  ASSERT_TRUE(spawn(kOther, "cpu").has_value());
  std::vector<StepUndos> steps;
  steps.push_back(StepUndos::of("a", 1,
                                {model::ResumeProcess{id}, model::KillHelper{kOther, {}, false},
                                 model::DeleteTable{kMark, model::NftFamily::netdev}},
                                {false, false, false}));
  steps.push_back(StepUndos::of("b", 2, {model::NotUndoable{"no"}, model::NotUndoable{"none"}},
                                {false, false}));
  Recorder recorder;
  roll_back(steps, recorder);
  EXPECT_EQ(recorder.order, (std::vector<std::string>{
                                "a delete_table ordeal-aaaaaaaa", "a kill_helper ordeal-bbbbbbbb",
                                fmt::format("a resume_process {}", id.pid), "a reverted",
                                "b not_undoable", "b not_undoable", "b reverted"}));
  EXPECT_TRUE(steps[0].all_done());
}

// Stopped while it drains: a restore that finds it running would start nothing.
TEST_F(UndoTest, StartsNothingBeforeTheDyingHaveEnded) {
  model::ExpectProcesses expected;
  expected.matcher.unit = "shop.service";
  for (const sim::Process* process : machine_.of_service("shop.service")) {
    expected.killed.push_back(process->info.id);
  }
  expected.count = static_cast<std::int64_t>(expected.killed.size());
  world_.at(world_.now() + 4s, [this] { machine_.stop_unit("shop.service"); });
  std::vector<StepUndos> steps;
  steps.push_back(
      StepUndos::of("a", 1, {model::StartUnit{"shop.service"}, expected}, {false, false}));
  Recorder recorder;
  roll_back(steps, recorder);
  world_.run_for(10s);
  EXPECT_TRUE(steps[0].all_done());
  ASSERT_EQ(machine_.of_service("shop.service").size(), expected.killed.size());
  for (const sim::Process* process : machine_.of_service("shop.service")) {
    EXPECT_EQ(std::count(expected.killed.begin(), expected.killed.end(), process->info.id), 0);
  }
}

TEST_F(UndoTest, OneFailureStopsNothing) {
  machine_.stop_unit("shop.service");
  machine_.services.at("shop.service").start_fails = true;
  world_.run_for(1s);
  const model::ProcessId db = machine_.of_service("db.service").front()->info.id;
  ASSERT_TRUE(host().processes().signal(db, SIGSTOP).has_value());
  std::vector<StepUndos> steps;
  steps.push_back(StepUndos::of(
      "a", 1, {model::NotUndoable{"x"}, model::ResumeProcess{db}, model::DeleteLink{"eth0"}},
      {false, false, false}));
  steps.push_back(StepUndos::of("b", 2, {model::StartUnit{"shop.service"}}, {false}));
  Recorder recorder;
  roll_back(steps, recorder);
  EXPECT_EQ(machine_.find(db.pid)->info.state, 'S');
  EXPECT_EQ(steps[0].done, (std::vector<bool>{true, true, false}));
  EXPECT_FALSE(steps[1].all_done());
  EXPECT_EQ(std::count(recorder.order.begin(), recorder.order.end(), "a not reverted"), 1);
  EXPECT_EQ(std::count(recorder.order.begin(), recorder.order.end(), "b not reverted"), 1);
}

TEST_F(UndoTest, LeavesIdleLinksForTheEnd) {
  ASSERT_TRUE(host().links().add_ifb(kMark).has_value());
  ASSERT_TRUE(host().nftables().create(table_of(kMark), 5s).has_value());
  std::vector<StepUndos> steps;
  steps.push_back(StepUndos::of(
      "a", 1, {model::DeleteLink{kMark}, model::DeleteTable{kMark, model::NftFamily::netdev}},
      {true, false}));
  Recorder recorder;
  roll_back(steps, recorder);
  EXPECT_TRUE(machine_.links.contains(kMark));
  EXPECT_FALSE(has_table());
  EXPECT_EQ(recorder.order.back(), "a reverted");
  ASSERT_TRUE(sim::run_task(node_, remove_leftovers(host(), steps, recorder, true)));
  EXPECT_FALSE(machine_.links.contains(kMark));
  EXPECT_TRUE(steps[0].all_done());
}

TEST_F(UndoTest, KeepsHookedChainsWhileAShaperHoldsPackets) {
  ASSERT_TRUE(host().nftables().create(table_of(kMark), 5s).has_value());
  ASSERT_TRUE(spawn(kMark, "shaper").has_value());
  std::vector<StepUndos> steps;
  steps.push_back(StepUndos::of(
      "a", 1,
      {model::KillHelper{kMark, 500ms, true}, model::DeleteTable{kMark, model::NftFamily::netdev}},
      {false, false}));
  Recorder recorder;
  roll_back(steps, recorder);
  EXPECT_EQ(recorder.order,
            (std::vector<std::string>{"a delete_table ordeal-aaaaaaaa",
                                      "a kill_helper ordeal-aaaaaaaa", "a reverted"}));
  ASSERT_TRUE(has_table());
  EXPECT_FALSE(steps[0].all_done());
  ASSERT_TRUE(sim::run_task(node_, remove_leftovers(host(), steps, recorder, true)));
  EXPECT_FALSE(has_table());
  EXPECT_TRUE(steps[0].all_done());
}

Task<bool> race_rollback(os::Host& host, std::vector<StepUndos>& steps, Listener& listener) {
  const auto first =
      co_await (rollback(host, steps, listener, Options{}) || host.clock().sleep(1ms));
  co_return first.index() == 1;
}

TEST_F(UndoTest, CannotBeCancelled) {
  machine_.stop_unit("shop.service");
  world_.run_for(1s);
  std::vector<StepUndos> steps;
  steps.push_back(StepUndos::of("a", 1, {model::StartUnit{"shop.service"}}, {false}));
  Recorder recorder;
  const auto cancelled = sim::run_task(node_, race_rollback(host(), steps, recorder));
  ASSERT_TRUE(cancelled);
  EXPECT_TRUE(*cancelled);
  EXPECT_TRUE(steps[0].all_done());
}

// ---- sweep -------------------------------------------------------------------------------------

Result<std::set<std::string>> uses_other() { return std::set<std::string>{kOther}; }
Result<std::set<std::string>> cannot_say() { return Error::system(EMFILE, "open"); }

TEST_F(UndoTest, SweepsWhatBearsOurMarkAndIsNotInUse) {
  sim::Node& dead = machine_.start("dead");
  ASSERT_TRUE(dead.host().links().add_ifb(kMark).has_value());
  ASSERT_TRUE(host().links().add_ifb(kOther).has_value());
  dead.exit();
  const auto before = machine_.links.size();
  const auto swept = sim::run_task(node_, sweep(host(), "/var/lib/ordeal", uses_other));
  ASSERT_TRUE(swept);
  EXPECT_EQ(swept->undone.size(), 1u);
  EXPECT_TRUE(machine_.links.contains(kOther));
  EXPECT_EQ(machine_.links.size(), before - 1);
}

TEST_F(UndoTest, SweepsNothingWhenNobodyKnowsWhatIsInUse) {
  ASSERT_TRUE(host().links().add_ifb(kMark).has_value());
  const auto before = machine_.links.size();
  const auto swept = sim::run_task(node_, sweep(host(), "/var/lib/ordeal", cannot_say));
  ASSERT_TRUE(swept);
  ASSERT_EQ(swept->undone.size(), 1u);
  EXPECT_FALSE(swept->undone[0].ok);
  EXPECT_EQ(machine_.links.size(), before);
}

// The kernel refuses the table only: without a rule the delay would become loss.
TEST_F(UndoTest, SweepLeavesAMarkWholeWhoseOwnerLives) {
  sim::Node& owner = machine_.start("owner");
  ASSERT_TRUE(owner.host().links().add_ifb(kMark).has_value());
  ASSERT_TRUE(owner.host().nftables().create(table_of(kMark), 5s).has_value());
  const auto before = machine_.links.size();
  const auto swept = sim::run_task(node_, sweep(host(), "/var/lib/ordeal", uses_other));
  ASSERT_TRUE(swept);
  EXPECT_TRUE(swept->undone.empty());
  ASSERT_EQ(swept->others.size(), 1u);
  EXPECT_NE(swept->others[0].find("lives"), std::string::npos);
  EXPECT_EQ(machine_.links.size(), before);
  EXPECT_TRUE(has_table());
}

TEST_F(UndoTest, SweepNamesAndLeavesWhatBelongsToAnotherStateDirectory) {
  machine_.disk.directories.insert("/var/lib/other");
  host().links().belong_to(alias_of(host(), "/var/lib/other").value());
  ASSERT_TRUE(host().links().add_ifb(kMark).has_value());
  const auto before = machine_.links.size();
  const auto swept = sim::run_task(node_, sweep(host(), "/var/lib/ordeal", uses_other));
  ASSERT_TRUE(swept);
  EXPECT_TRUE(swept->undone.empty());
  ASSERT_EQ(swept->others.size(), 1u);
  EXPECT_NE(swept->others[0].find("/var/lib/other"), std::string::npos);
  EXPECT_EQ(machine_.links.size(), before);
}

// Without the right to make a table there is none of ours to look for; helpers and links are.
TEST_F(UndoTest, LooksForNoTableWhereNoneCouldBeMade) {
  ASSERT_TRUE(spawn(kOther, "cpu"));
  machine_.network_admin = false;
  const auto marks = marks_on(host(), "ordeal");
  ASSERT_TRUE(marks) << marks.error().message();
  ASSERT_EQ(marks.value().size(), 1u);
  EXPECT_EQ(marks.value()[0].name, kOther);
}

// A more capable process made it and journaled it: that it cannot be looked at is no "gone".
TEST_F(UndoTest, ATableThatCannotBeLookedAtIsNotGone) {
  machine_.network_admin = false;
  const Outcome outcome = undo(model::DeleteTable{kMark, model::NftFamily::netdev});
  EXPECT_FALSE(outcome.ok);
  EXPECT_FALSE(outcome.gone_before);
}

}  // namespace
}  // namespace ordeal::undo
