// The contract of docs/internals/writing-a-fault.md, checked for every entry of the catalogue on a
// simulated machine: a fault's author gets these tests for nothing.
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "engine/executor/executor.hpp"
#include "engine/fault/apply.hpp"
#include "engine/fault/resolve.hpp"
#include "engine/journal/journal.hpp"
#include "engine/spec/spec.hpp"
#include "engine/undo/rollback.hpp"
#include "faults/catalogue.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/wishes.hpp"

namespace ordeal {
namespace {

constexpr const char* kState = "/var/lib/ordeal";

model::Experiment experiment_of(const sim::Wish& wish) {
  const std::string yaml = sim::experiment_yaml(sim::step_yaml(wish, 5s, "  "));
  spec::Input input;
  input.file = "contract.yaml";
  input.read = [&](const std::string&) -> Result<std::string> { return yaml; };
  std::vector<model::FaultDescription> descriptions;
  for (const fault::Fault& fault : catalogue()) descriptions.push_back(fault.description);
  spec::Outcome outcome = spec::parse_experiment(input, descriptions);
  for (const spec::Problem& problem : outcome.problems) ADD_FAILURE() << spec::to_string(problem);
  return outcome.experiment.value_or(model::Experiment());
}

model::StepRequest request_of(const sim::Wish& wish) {
  const model::Experiment experiment = experiment_of(wish);
  const model::Step& step = std::get<model::Step>(experiment.method.at(0));
  model::StepRequest request;
  request.step = step.path;
  request.name = step.name;
  request.fault = step.fault;
  request.target = step.target;
  request.with = step.with;
  request.duration = step.duration;
  request.seed = 7;
  return request;
}

// A furnished machine, and the life of one step on it as the worker leads it.
class Bench {
 public:
  Bench() {
    sim::furnish(machine);
    machine.commands["/usr/local/bin/jobs-stop"] = [](sim::Machine& on, const auto&) {
      using Trace = sim::Machine::Trace;
      on.take_down("jobs", Trace{"run_undo_command", "/usr/local/bin/jobs-start", true});
      return os::CommandResult{};
    };
    machine.commands["/usr/local/bin/jobs-start"] = [](sim::Machine& on, const auto&) {
      on.start_unit("jobs");
      return os::CommandResult{};
    };
    before = machine.snapshot();
  }

  Result<model::HostStep> resolve(const sim::Wish& wish) {
    const os::Host& host = node->host();
    return fault::resolve(catalogue(), request_of(wish), host, token,
                          [](const model::ProcessInfo&) { return std::string(); });
  }

  model::HostStep planned(const sim::Wish& wish) {
    auto step = resolve(wish);
    if (step.has_error()) ADD_FAILURE() << wish.fault << ": " << step.error().message();
    return step.has_value() ? step.value() : model::HostStep();
  }

  // Journals the step and makes its first `changes` changes. False: one of them failed.
  bool inject(const model::HostStep& step, std::size_t changes) {
    return sim::run_task(*node, injection(node->host(), step, changes)).value_or(false);
  }

  std::vector<undo::StepUndos> undos_of(const model::HostStep& step) const {
    std::vector<model::Undo> undos;
    std::vector<bool> idle;
    for (const model::Change& change : step.changes) {
      for (const model::Undo& undo : change.undos) {
        undos.push_back(undo);
        idle.push_back(change.idle);
      }
    }
    return {undo::StepUndos::of(step.step, 1, undos, idle)};
  }

  bool revert(const model::HostStep& step) {
    auto steps = undos_of(step);
    undo::Listener listener;
    sim::run_task(*node, undo::rollback(node->host(), steps, listener, {}));
    sim::run_task(*node, undo::remove_leftovers(node->host(), steps, listener, true));
    return steps.front().all_done();
  }

  // Supervisors need a moment.
  void expect_as_before(const std::string& when) {
    world.run_until([&] { return machine.snapshot() == before; }, 15s);
    EXPECT_EQ(machine.snapshot(), before) << when;
    EXPECT_TRUE(machine.ours().empty()) << when;
  }

  sim::World world{11};
  sim::Machine machine{world};
  sim::Node* node = &machine.start("worker");
  Token token = Token::from_bits(0x0123456789);
  std::vector<std::string> before;

 private:
  Task<bool> injection(os::Host& host, model::HostStep step, std::size_t changes) {
    journal::Header header;
    header.token = token.text();
    header.boot_id = host.processes().boot_id().value();
    header.machine_id = host.processes().machine_id().value();
    std::string path = std::string(kState) + "/journal/" + token.text();
    auto made = co_await journal::Journal::create(host.clock(), host.files(), path, header);
    if (made.has_error()) co_return false;
    journal_ = std::move(made.value());
    journal::Intent intent;
    intent.step = step.step;
    intent.fault = step.fault;
    intent.mark = step.token.mark();
    intent.claims = step.claims;
    auto undos = undos_of(step);
    intent.undos = undos.front().undos;
    intent.idle = undos.front().idle;
    const auto written = co_await journal_->append(std::move(intent));
    if (written.has_error()) co_return false;
    for (std::size_t i = 0; i < changes && i < step.changes.size(); ++i) {
      model::Apply apply = step.changes[i].apply;
      const auto applied = co_await fault::apply(host, std::move(apply), 60s);
      if (applied.has_error()) co_return false;
    }
    co_return true;
  }

  std::unique_ptr<journal::Journal> journal_;
};

class EveryFault : public testing::TestWithParam<sim::Wish> {};

TEST(Catalogue, IsAskedForByTheWishesAsAWhole) {
  for (const fault::Fault& fault : catalogue()) {
    const bool found = std::any_of(sim::wishes().begin(), sim::wishes().end(), [&](const auto& w) {
      return fault.description.name == w.fault;
    });
    EXPECT_TRUE(found) << fault.description.name << ": add a step to tests/sim/wishes.cpp";
  }
}

TEST_P(EveryFault, PlansWithoutTouchingTheMachine) {
  Bench bench;
  bool touched = false;
  bench.world.on_point = [&](sim::Node&, std::string_view, std::string_view) { touched = true; };
  const model::HostStep step = bench.planned(GetParam());
  EXPECT_FALSE(touched);
  EXPECT_EQ(bench.machine.snapshot(), bench.before);
  EXPECT_FALSE(step.changes.empty());
  EXPECT_FALSE(step.effects.empty()) << "nothing would show that it took hold";
  EXPECT_FALSE(step.summary.empty());
  EXPECT_FALSE(step.claims.empty());
}

TEST_P(EveryFault, KeepsTheContractInItsPlan) {
  Bench bench;
  const model::HostStep step = bench.planned(GetParam());
  const auto checked = fault::check_plan(step);
  EXPECT_TRUE(checked.has_value()) << checked.error().message();
  std::size_t undos = 0;
  for (const model::Change& change : step.changes) {
    undos += change.undos.size();
    const auto* table = std::get_if<model::CreateTable>(&change.apply);
    const auto* link = std::get_if<model::CreateIfb>(&change.apply);
    const auto* hole = std::get_if<model::CreateHole>(&change.apply);
    const auto* helper = std::get_if<model::SpawnHelper>(&change.apply);
    if (hole) {
      EXPECT_EQ(hole->link, bench.token.mark());
    }
    if (table) {
      EXPECT_EQ(table->table.name, bench.token.mark());
    }
    if (link) {
      EXPECT_EQ(link->link, bench.token.mark());
    }
    if (helper) {
      EXPECT_EQ(helper->mark, bench.token.mark());
    }
  }
  EXPECT_GT(undos, 0u);
  EXPECT_EQ(model::digest_of(step), model::digest_of(bench.planned(GetParam())));
}

TEST_P(EveryFault, LeavesNothingAfterInjectAndRevert) {
  Bench bench;
  const model::HostStep step = bench.planned(GetParam());
  ASSERT_TRUE(bench.inject(step, step.changes.size()));
  EXPECT_FALSE(bench.machine.ever.empty()) << "the kernel saw nothing";
  EXPECT_TRUE(bench.revert(step));
  bench.expect_as_before("after revert");
}

TEST_P(EveryFault, MayBeRevertedTwice) {
  Bench bench;
  const model::HostStep step = bench.planned(GetParam());
  ASSERT_TRUE(bench.inject(step, step.changes.size()));
  EXPECT_TRUE(bench.revert(step));
  EXPECT_TRUE(bench.revert(step));
  bench.expect_as_before("after the second revert");
}

TEST_P(EveryFault, IsRecoveredAfterACrashBehindEachChange) {
  const std::size_t changes = Bench().planned(GetParam()).changes.size();
  for (std::size_t made = 0; made <= changes; ++made) {
    Bench bench;
    const model::HostStep step = bench.planned(GetParam());
    ASSERT_TRUE(bench.inject(step, made));
    bench.node->kill("crash");
    sim::Node& other = bench.machine.start("recover");
    const auto report = sim::run_task(other, executor::recover(other.host(), kState, {}));
    ASSERT_TRUE(report.has_value());
    EXPECT_TRUE(report->clean) << "after change " << made;
    bench.expect_as_before(fmt::format("after a crash behind change {}", made));
  }
}

// A table that outlives its owner cannot be: the kernel takes it away with the process.
TEST_P(EveryFault, LosesItsNetworkRulesWithItsOwner) {
  Bench bench;
  const model::HostStep step = bench.planned(GetParam());
  ASSERT_TRUE(bench.inject(step, step.changes.size()));
  bench.node->kill("crash");
  for (const auto& trace : bench.machine.ours()) {
    EXPECT_NE(trace.kind, "delete_table");
    EXPECT_NE(trace.kind, "kill_helper");
  }
}

std::string name_of(const testing::TestParamInfo<sim::Wish>& info) {
  std::string out = info.param.fault;
  std::replace(out.begin(), out.end(), '.', '_');
  return fmt::format("{}_{}", out, info.index);
}

INSTANTIATE_TEST_SUITE_P(Contract, EveryFault,
                         testing::ValuesIn(sim::wishes().begin(), sim::wishes().end()), name_of);

// ---- Descriptions and pages ---------------------------------------------------------------------

class EveryDescription : public testing::TestWithParam<std::size_t> {
 protected:
  const model::FaultDescription& description() const { return catalogue()[GetParam()].description; }
};

TEST_P(EveryDescription, ExplainsEveryParameterInItsPage) {
  const std::string path =
      fmt::format("{}/docs/reference/faults/{}.md", ORDEAL_SOURCE_DIR, description().name);
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << "there is no " << path;
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  for (const model::Parameter& parameter : description().parameters) {
    EXPECT_NE(page.find("`" + parameter.name + "`"), std::string::npos)
        << path << " does not name `" << parameter.name << "`";
    for (const std::string& choice : parameter.choices) {
      EXPECT_NE(page.find(choice), std::string::npos) << path << " lacks " << choice;
    }
  }
  EXPECT_NE(page.find(description().name), std::string::npos);
}

TEST_P(EveryDescription, HasAnExampleThatTheSpecAccepts) {
  std::string yaml = sim::experiment_yaml("");
  std::istringstream lines(description().example);
  for (std::string line; std::getline(lines, line);) yaml += "  " + line + "\n";
  spec::Input input;
  input.file = "example.yaml";
  input.read = [&](const std::string&) -> Result<std::string> { return yaml; };
  std::vector<model::FaultDescription> descriptions;
  for (const fault::Fault& fault : catalogue()) descriptions.push_back(fault.description);
  const spec::Outcome outcome = spec::parse_experiment(input, descriptions);
  for (const spec::Problem& problem : outcome.problems) {
    ADD_FAILURE() << spec::to_string(problem) << "\n" << yaml;
  }
}

TEST_P(EveryDescription, SaysWhatItIsInOneSentence) {
  EXPECT_TRUE(description().summary.ends_with('.')) << description().summary;
  for (const model::Parameter& parameter : description().parameters) {
    EXPECT_TRUE(parameter.summary.ends_with('.')) << description().name << " " << parameter.name;
    EXPECT_FALSE(parameter.required && parameter.default_text) << parameter.name;
  }
  EXPECT_FALSE(description().needs.empty());
}

std::string description_name(const testing::TestParamInfo<std::size_t>& info) {
  std::string out = catalogue()[info.param].description.name;
  std::replace(out.begin(), out.end(), '.', '_');
  return out;
}

INSTANTIATE_TEST_SUITE_P(Contract, EveryDescription,
                         testing::Range<std::size_t>(0, catalogue().size()), description_name);

}  // namespace
}  // namespace ordeal
