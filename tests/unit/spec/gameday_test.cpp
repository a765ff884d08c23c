// Game day files: those that are read, tests/broken/gamedays: what each is told, exactly, and what a
// day brings to its experiments. ORDEAL_WRITE_EXPECTED=1 writes the expected files anew, to be read
// before a commit.
#include "engine/spec/gameday.hpp"

#include <gtest/gtest.h>

#include "tests/unit/spec/files.hpp"

namespace ordeal::spec {
namespace {

GamedayOutcome parse_day(const std::string& text) {
  const auto read = [&](const std::string&) -> Result<std::string> { return text; };
  return parse_gameday({"folder/day.yaml", read});
}

constexpr const char* kBroken = "tests/broken/gamedays";

class BrokenGameday : public testing::TestWithParam<std::string> {};

TEST_P(BrokenGameday, IsToldExactly) {
  const GamedayOutcome outcome = parse_gameday({GetParam() + ".yaml", read_source});
  EXPECT_FALSE(outcome.gameday.has_value());
  expect_told_exactly(GetParam(), outcome.problems);
}

INSTANTIATE_TEST_SUITE_P(Files, BrokenGameday, testing::ValuesIn(broken_files(kBroken)), test_name);

TEST(BrokenGamedays, AreAtLeastTen) { EXPECT_GE(broken_files(kBroken).size(), 10u); }

// The example of the specification.
TEST(GamedayFile, ExampleIsReadInWhole) {
  const GamedayOutcome outcome =
      parse_gameday({"tests/examples/experiments/gameday-black-friday.yaml", read_source});
  EXPECT_EQ(lines(outcome.problems), "");
  ASSERT_TRUE(outcome.gameday);
  const model::Gameday& day = *outcome.gameday;
  EXPECT_EQ(day.name, "black-friday-rehearsal");
  EXPECT_EQ(day.title, "Black Friday rehearsal, payments and edge");
  EXPECT_EQ(day.roles, (std::vector<std::string>{"lead", "operator", "scribe", "on_call"}));
  EXPECT_EQ(day.inventory, "tests/examples/experiments/inventory/staging.yaml");
  EXPECT_EQ(day.service, "tests/examples/services/shop.yaml");
  ASSERT_EQ(day.abort_if.size(), 1u);
  EXPECT_EQ(day.abort_if[0].text, "shop.success < 50% over 10s");
  ASSERT_EQ(day.agenda.size(), 7u);
  const auto& asked = std::get<model::Checkpoint>(day.agenda[2]);
  EXPECT_EQ(asked.answers, (std::vector<std::string>{"yes", "no"}));
  EXPECT_EQ(asked.timeout, 15min);
  EXPECT_EQ(asked.on_timeout, model::After::stop);
  const auto& second = std::get<model::AgendaRun>(day.agenda[3]);
  EXPECT_EQ(second.file, "tests/examples/experiments/02-redis-sentinel-failover.yaml");
  EXPECT_EQ(second.after.at("violated"), model::After::go_on);
  EXPECT_EQ(second.after.at("aborted"), model::After::ask);
  EXPECT_EQ(std::get<model::Break>(day.agenda[4]).length, 10min);
}

TEST(GamedayFile, HasATitleOfItsOwnOrItsName) {
  const auto outcome = parse_day("version: 1\ngameday: x\nagenda: [ { run: ../a.yaml } ]\n");
  ASSERT_TRUE(outcome.gameday);
  EXPECT_EQ(outcome.gameday->title, "x");
  EXPECT_EQ(std::get<model::AgendaRun>(outcome.gameday->agenda[0]).file, "a.yaml");
}

// ---- What it brings to an experiment

constexpr const char* kExperiment = R"(version: 1
name: one
hypothesis: It holds.
slis: { own: { process: { unit: a.service } } }
steady_state: [ own.up ]
abort_if: none
baseline: 5s
method:
  - { name: pause, fault: process.pause, target: { process: { unit: a.service } }, duration: 5s }
recovery: 10s
)";
constexpr const char* kService = R"(version: 1
service: shop
owner: team-shop
slis:
  own: { process: { unit: theirs.service } }
  shop: { process: { unit: shop.service } }
steady_state: [ shop.up ]
)";

Outcome with_day(const std::string& experiment, const DayRules& day) {
  const auto faults = descriptions();
  const auto read = [&](const std::string& path) -> Result<std::string> {
    if (path == "test.yaml") return experiment;
    if (path == "day/shop.yaml") return std::string(kService);
    return Error(Code::gone, path + ": no such file");
  };
  Input input;
  input.file = "test.yaml";
  input.read = read;
  input.day = &day;
  return parse_experiment(input, faults);
}

TEST(GamedayRules, AddAbortConditionsAlsoWhereThereAreNone) {
  DayRules day;
  day.abort_if = {{"host.memory_available < 5%", {"day.yaml", 7, 13}, 13}};
  const Outcome outcome = with_day(kExperiment, day);
  EXPECT_EQ(lines(outcome.problems), "");
  ASSERT_TRUE(outcome.experiment);
  EXPECT_FALSE(outcome.experiment->abort_if_none);
  ASSERT_EQ(outcome.experiment->abort_if.size(), 1u);
  EXPECT_EQ(outcome.experiment->abort_if[0].place.file, "day.yaml");
  EXPECT_EQ(outcome.experiment->abort_if[0].place.line, 7);
  EXPECT_NE(outcome.experiment->effective.find("host.memory_available < 5%"), std::string::npos);
}

TEST(GamedayRules, BringAServiceWhoseKeysTheExperimentsOwnOutrank) {
  DayRules day;
  day.service = "day/shop.yaml";
  day.abort_if = {{"not shop.up for 10s", {"day.yaml", 7, 13}, 13}};
  const Outcome outcome = with_day(kExperiment, day);
  EXPECT_EQ(lines(outcome.problems), "");
  ASSERT_TRUE(outcome.experiment);
  ASSERT_EQ(outcome.experiment->slis.size(), 2u);
  const auto& own = std::get<model::ProcessProbe>(outcome.experiment->slis[0].probe);
  EXPECT_EQ(own.matcher.unit, "a.service");
  EXPECT_EQ(outcome.experiment->steady_state.size(), 1u);
  EXPECT_EQ(outcome.experiment->owner, "team-shop");
}

TEST(GamedayRules, AreToldAtTheirOwnPlace) {
  DayRules day;
  day.abort_if = {{"shop.success < 50% over 10s", {"day.yaml", 7, 13}, 13}};
  const Outcome outcome = with_day(kExperiment, day);
  ASSERT_FALSE(outcome.problems.empty());
  EXPECT_EQ(outcome.problems[0].place.file, "day.yaml");
  EXPECT_EQ(outcome.problems[0].place.line, 7);
  day.service = "missing.yaml";
  EXPECT_NE(lines(with_day(kExperiment, day).problems).find("missing.yaml: no such file"),
            std::string::npos);
}

// The page names every key, and its example is read.
TEST(GamedayFile, PageIsRight) {
  const std::string page = read_source("docs/reference/gameday-file.md").value();
  for (const Table& keys : gameday_tables()) {
    for (const Key& key : keys.keys) {
      const bool named = page.find("`" + std::string(key.name)) != page.npos ||
                         page.find(std::string(key.name) + ",") != page.npos ||
                         page.find(std::string(key.name) + " }") != page.npos;
      EXPECT_TRUE(named) << key.name;
    }
  }
  const std::size_t start = page.find("```yaml\n") + 8;
  const auto outcome = parse_day(page.substr(start, page.find("```", start) - start));
  EXPECT_EQ(lines(outcome.problems), "");
}

}  // namespace
}  // namespace ordeal::spec
