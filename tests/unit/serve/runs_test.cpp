#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/base/json.hpp"
#include "engine/report/render.hpp"
#include "engine/serve/runs.hpp"

namespace ordeal::serve {
namespace {

namespace fs = std::filesystem;

// A history of its own, filled with the golden streams.
class RunsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    history_ = fs::temp_directory_path() / (std::string("ordeal-runs-") + test->name());
    fs::remove_all(history_);
    fs::create_directories(history_);
  }
  void TearDown() override { fs::remove_all(history_); }

  std::vector<std::string> golden(const std::string& name) {
    std::ifstream file(std::string(ORDEAL_SOURCE_DIR) + "/tests/golden/" + name + ".jsonl");
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) out.push_back(line + "\n");
    EXPECT_GT(out.size(), 20u);
    return out;
  }
  void append(const std::string& run, const std::string& text) {
    fs::create_directories(history_ / "runs" / run);
    std::ofstream(history_ / "runs" / run / "events.jsonl", std::ios::app) << text;
  }
  Runs runs() {
    return Runs(history_.string(), [this](const std::string& run) { return alive_ == run; });
  }

  fs::path history_;
  std::string alive_;
};

constexpr const char* kRun = "r-1121-0140-7f3a";

TEST_F(RunsTest, NoHistoryIsNoRun) {
  Runs all = runs();
  EXPECT_TRUE(all.list(10).value().empty());
  EXPECT_TRUE(all.resolve("last").has_error());
  EXPECT_TRUE(all.resolve(kRun).has_error());
  EXPECT_TRUE(all.resolve("../..").has_error());
}

TEST_F(RunsTest, ARunIsFollowedToItsVerdict) {
  const auto lines = golden("upheld");
  alive_ = kRun;
  Runs all = runs();
  std::string last;
  std::size_t written = 0;
  for (const std::string& line : lines) {
    append(kRun, line.substr(0, 20));  // torn: the writer is in the middle of it
    if (written > 0) {
      const auto row = all.find(kRun);
      ASSERT_TRUE(row.has_value());
      EXPECT_EQ(row.value().state, RunState::running);
      EXPECT_FALSE(row.value().phase.empty());
      EXPECT_EQ(all.running(), 1u);
    }
    append(kRun, line.substr(20));
    ++written;
  }
  const auto row = all.find(kRun);
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row.value().state, RunState::ended);
  EXPECT_EQ(row.value().record.exit_name, "upheld");
  EXPECT_EQ(all.running(), 0u);
  // The very report that a replay gives.
  const auto replayed = store::replay((history_ / "runs" / kRun / "events.jsonl").string());
  ASSERT_TRUE(replayed.has_value());
  EXPECT_EQ(all.report_json(kRun).value(), report::to_json(replayed.value()));
  EXPECT_EQ(all.resolve("last").value(), kRun);
}

TEST_F(RunsTest, ARunWhoseProcessDiedIsUnfinished) {
  const auto lines = golden("aborted");
  for (std::size_t i = 0; i < lines.size() / 2; ++i) append(kRun, lines[i]);
  append(kRun, lines[lines.size() / 2].substr(0, 30));
  alive_ = kRun;
  Runs all = runs();
  EXPECT_EQ(all.find(kRun).value().state, RunState::running);
  alive_.clear();
  const auto row = all.find(kRun);
  EXPECT_EQ(row.value().state, RunState::unfinished);
  EXPECT_EQ(row.value().record.exit, -1);
  EXPECT_EQ(row.value().record.exit_name, "unfinished");
  const auto report = json::parse(all.report_json(kRun).value());
  EXPECT_EQ(report.value().at("exit").at("name").get_string(), "unfinished");
  const auto listed = all.list(10);
  ASSERT_EQ(listed.value().size(), 1u);
  EXPECT_EQ(listed.value().front().state, RunState::unfinished);
}

TEST_F(RunsTest, ARunThatDiedBeforeItSaidAnythingIsNoRun) {
  append(kRun, "{\"v\":1,\"se");
  EXPECT_TRUE(runs().list(10).value().empty());
}

TEST_F(RunsTest, ListsThoseThatGoOnFirstAndEachOnce) {
  const auto lines = golden("violated");
  const std::string other = "r-1121-0141-7f3b";
  for (const std::string& line : lines) append(kRun, line);
  append(other, lines[0]);
  append(other, lines[1]);
  const auto replayed = store::replay((history_ / "runs" / kRun / "events.jsonl").string());
  auto database = store::Store::open(store::database_path(history_.string()));
  auto report = replayed.value();
  report.about.run = kRun;
  ASSERT_TRUE(database.value().add(report, "").has_value());
  std::ofstream(history_ / "runs" / kRun / "report.json") << "{}";
  // `ordeal runs` was asked while it went on.
  auto half = store::replay((history_ / "runs" / other / "events.jsonl").string()).value();
  half.about.run = other;
  ASSERT_TRUE(database.value().add(half, "").has_value());
  alive_ = other;
  Runs all = runs();
  const auto rows = all.list(10).value();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].record.run, other);
  EXPECT_EQ(rows[0].state, RunState::running);
  EXPECT_EQ(rows[1].record.run, kRun);
  EXPECT_EQ(rows[1].record.exit_name, "violated");
  EXPECT_EQ(all.list(1).value().size(), 1u);
}

TEST_F(RunsTest, ARunIsListedBeforeItsLineIsInTheDatabaseAndWithoutIt) {
  alive_ = kRun;
  Runs all = runs();
  const auto lines = golden("upheld");
  append(kRun, lines[0]);
  EXPECT_EQ(all.list(10).value().front().state, RunState::running);
  for (std::size_t i = 1; i < lines.size(); ++i) append(kRun, lines[i]);
  std::ofstream(history_ / "runs" / kRun / "report.json") << "{}";
  alive_.clear();
  for (Runs other = runs(); Runs * each : {&all, &other}) {
    const auto rows = each->list(10).value();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].state, RunState::ended);
    EXPECT_EQ(rows[0].record.exit_name, "upheld");
    EXPECT_EQ(each->find(kRun).value().state, RunState::ended);
    EXPECT_EQ(each->running(), 0u);
  }
  auto report = store::replay((history_ / "runs" / kRun / "events.jsonl").string()).value();
  report.about.run = kRun;
  auto database = store::Store::open(store::database_path(history_.string()));
  ASSERT_TRUE(database.value().add(report, "its folder").has_value());
  const auto rows = all.list(10).value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].record.folder, "its folder");
}

}  // namespace
}  // namespace ordeal::serve
