#include "engine/store/store.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace ordeal::store {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "ordeal-store-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string database() const { return database_path(folder_); }

  std::string folder_;
};

report::Report run(const std::string& id, std::int64_t start_s, int exit = 0) {
  report::Report report;
  report.about.run = id;
  report.about.name = "shop";
  report.about.file = "shop's \"file\".yaml";
  report.about.wall = WallTime(Duration(start_s * 1'000'000));
  report.about.mode = "run";
  report.now = 35s;
  model::Verdict verdict;
  verdict.exit = exit;
  verdict.exit_name = model::to_string(static_cast<model::Exit>(exit));
  verdict.hypothesis = exit == 0 ? model::Hypothesis::upheld : model::Hypothesis::violated;
  verdict.host = model::HostState::clean;
  verdict.reason = "because'); DROP TABLE run; --";
  report.verdict = verdict;
  return report;
}

TEST_F(StoreTest, KeepsRunsAndListsTheNewestFirst) {
  {
    auto store = Store::open(database());
    ASSERT_TRUE(store.has_value()) << store.error().message();
    ASSERT_TRUE(store.value().add(run("r-1", 100), "/x/r-1").has_value());
    ASSERT_TRUE(store.value().add(run("r-3", 300, 1), "/x/r-3").has_value());
    ASSERT_TRUE(store.value().add(run("r-2", 200), "/x/r-2").has_value());
  }
  auto store = Store::open(database());
  ASSERT_TRUE(store.has_value());
  const auto all = store.value().list(10);
  ASSERT_TRUE(all.has_value());
  ASSERT_EQ(all.value().size(), 3u);
  const RunRecord& newest = all.value().front();
  EXPECT_EQ(newest.run, "r-3");
  EXPECT_EQ(newest.file, "shop's \"file\".yaml");
  EXPECT_EQ(newest.started, WallTime(300s));
  EXPECT_EQ(newest.length, 35s);
  EXPECT_EQ(newest.exit, 1);
  EXPECT_EQ(newest.exit_name, "violated");
  EXPECT_EQ(newest.hypothesis, "violated");
  EXPECT_EQ(newest.host, "clean");
  EXPECT_EQ(newest.reason, "because'); DROP TABLE run; --");
  EXPECT_EQ(newest.folder, "/x/r-3");
  EXPECT_EQ(store.value().list(2).value().size(), 2u);
}

TEST_F(StoreTest, FindsLastWholeIdsAndPrefixes) {
  auto store = Store::open(database());
  ASSERT_TRUE(store.has_value());
  EXPECT_EQ(store.value().find("last").error().code(), Code::gone);
  for (const char* id : {"r-1121-0140-7f3a", "r-1121-0140-7f3ab", "r-1122-0900-0001"}) {
    ASSERT_TRUE(store.value().add(run(id, id[5]), "/x").has_value());
  }
  EXPECT_EQ(store.value().find("last").value().run, "r-1122-0900-0001");
  EXPECT_EQ(store.value().find("r-1122").value().run, "r-1122-0900-0001");
  EXPECT_EQ(store.value().find("r-1121-0140-7f3a").value().run, "r-1121-0140-7f3a");
  EXPECT_EQ(store.value().find("r-1121").error().code(), Code::invalid);
  EXPECT_EQ(store.value().find("r-9").error().code(), Code::gone);
  EXPECT_EQ(store.value().find("%").error().code(), Code::gone);  // no pattern
  EXPECT_EQ(store.value().find("").error().code(), Code::invalid);
}

TEST_F(StoreTest, ReplacesTheSameRunAndKeepsUnfinishedOnes) {
  auto store = Store::open(database());
  ASSERT_TRUE(store.has_value());
  report::Report unfinished = run("r-1", 100);
  unfinished.verdict.reset();
  ASSERT_TRUE(store.value().add(unfinished, "/x").has_value());
  EXPECT_EQ(store.value().find("r-1").value().exit, -1);
  EXPECT_EQ(store.value().find("r-1").value().exit_name, "unfinished");
  ASSERT_TRUE(store.value().add(run("r-1", 100, 5), "/x").has_value());
  EXPECT_EQ(store.value().list(10).value().size(), 1u);
  EXPECT_EQ(store.value().find("r-1").value().exit, 5);
}

TEST_F(StoreTest, RefusesTheFileOfANewerVersion) {
  ASSERT_TRUE(Store::open(database()).has_value());
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(database().c_str(), &raw), SQLITE_OK);
  sqlite3_exec(raw, "PRAGMA user_version = 99", nullptr, nullptr, nullptr);
  sqlite3_close(raw);
  EXPECT_EQ(Store::open(database()).error().code(), Code::unsupported);
}

TEST_F(StoreTest, IsPrivateToItsOwner) {
  auto store = Store::open(database());
  ASSERT_TRUE(store.has_value());
  ASSERT_TRUE(store.value().add(run("r-1", 100), "/x").has_value());
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    using std::filesystem::perms;
    const perms mode = file.status().permissions() & perms::mask;
    EXPECT_EQ(mode, perms::owner_read | perms::owner_write) << file.path();
    ++files;
  }
  EXPECT_GE(files, 2u);  // the database and its WAL
}

TEST_F(StoreTest, SaysWhyItCannotOpen) {
  EXPECT_TRUE(Store::open(folder_ + "/no/such/folder/x.db").has_error());
  std::ofstream(database()) << "this is no database, and long enough to be looked at as one....";
  const auto foreign = Store::open(database());
  ASSERT_TRUE(foreign.has_error());
  EXPECT_NE(foreign.error().message().find(database()), std::string::npos);
}

TEST_F(StoreTest, TwoWritersWaitForEachOther) {
  const auto write = [&](const char* who) {
    for (int i = 0; i < 20; ++i) {
      auto store = Store::open(database());
      ASSERT_TRUE(store.has_value()) << store.error().message();
      const auto added = store.value().add(run(fmt::format("r-{}-{}", who, i), i), "/x");
      ASSERT_TRUE(added.has_value()) << added.error().message();
    }
  };
  std::thread other(write, "a");
  write("b");
  other.join();
  EXPECT_EQ(Store::open(database()).value().list(100).value().size(), 40u);
}

// ---- replay -------------------------------------------------------------------------------------

std::string golden(const std::string& story) {
  return std::string(ORDEAL_SOURCE_DIR) + "/tests/golden/" + story + ".jsonl";
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(StoreTest, ReplaysAStoredRunToTheSameVerdict) {
  const auto report = replay(golden("violated"));
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_EQ(report.value().verdict->exit_name, "violated");
  EXPECT_EQ(report.value().about.name, "checkout-survives-a-slow-database");
  EXPECT_FALSE(report.value().events_lost);
}

TEST_F(StoreTest, ReplayLeavesOutALineThatWasCutShort) {
  const std::string whole = read_all(golden("violated"));
  const std::string path = folder_ + "/events.jsonl";
  std::ofstream(path, std::ios::binary) << whole.substr(0, whole.size() / 2);
  const auto report = replay(path);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_FALSE(report.value().verdict.has_value());
}

TEST_F(StoreTest, ReplayNamesTheBrokenLineAndNoticesLostOnes) {
  const std::string whole = read_all(golden("violated"));
  const std::size_t second = whole.find('\n') + 1;
  const std::size_t third = whole.find('\n', second) + 1;
  const std::string path = folder_ + "/events.jsonl";
  std::ofstream(path, std::ios::binary) << whole.substr(0, second) << "{\"v\":1}\n"
                                        << whole.substr(third);
  EXPECT_NE(replay(path).error().message().find("events.jsonl:2"), std::string::npos);
  std::ofstream(path, std::ios::binary) << whole.substr(0, second) << whole.substr(third);
  EXPECT_TRUE(replay(path).value().events_lost);
  EXPECT_TRUE(replay(folder_ + "/none").has_error());
  std::ofstream(path, std::ios::binary) << "";
  EXPECT_TRUE(replay(path).has_error());
}

}  // namespace
}  // namespace ordeal::store
