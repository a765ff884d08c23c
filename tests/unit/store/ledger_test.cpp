// The memory of `ordeal serve`: a firing has one record, and its way is one way.
#include "engine/store/ledger.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace ordeal::store {
namespace {

WallTime minute(int number) { return WallTime(std::chrono::minutes(number)); }

Firing firing(int due, FiringState state, const std::string& reason = {}) {
  Firing out;
  out.schedule = "nightly";
  out.due = minute(due);
  out.state = state;
  out.experiment = "a.yaml";
  out.reason = reason;
  out.decided = minute(due);
  return out;
}

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("ordeal-ledger-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Ledger open() { return Ledger::open(ledger_path(folder_.string())).value(); }

  std::filesystem::path folder_;
};

TEST_F(LedgerTest, TakesAFiringOnce) {
  Ledger ledger = open();
  EXPECT_EQ(ledger.decided("nightly"), std::nullopt);
  const std::vector<Firing> two = {firing(1, FiringState::missed),
                                   firing(2, FiringState::starting)};
  EXPECT_EQ(ledger.decide(two, {{"nightly", minute(2)}}).value(), (std::vector{true, true}));
  EXPECT_EQ(ledger.decided("nightly"), minute(2));
  EXPECT_EQ(ledger.decide(two, {}).value(), (std::vector{false, false}));
  Ledger again = open();
  EXPECT_EQ(again.decide({firing(2, FiringState::skipped)}, {}).value(), std::vector{false});
  const auto all = again.list(10).value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].state, FiringState::starting);
  EXPECT_EQ(all[1].state, FiringState::missed);
}

TEST_F(LedgerTest, WhatWaitedGoesOnOnce) {
  Ledger ledger = open();
  EXPECT_EQ(ledger.decide({firing(1, FiringState::waiting, "for the end")}, {}).value(),
            std::vector{true});
  EXPECT_EQ(ledger.unfinished().value().size(), 1u);
  EXPECT_EQ(ledger.decide({firing(1, FiringState::starting)}, {}).value(), std::vector{true});
  EXPECT_EQ(ledger.decide({firing(1, FiringState::starting)}, {}).value(), std::vector{false});
  EXPECT_EQ(ledger.unfinished().value()[0].state, FiringState::starting);
  EXPECT_EQ(ledger.unfinished().value()[0].reason, "");
}

TEST_F(LedgerTest, CountsEndsSinceTheLastResume) {
  Ledger ledger = open();
  for (const int due : {1, 2, 3}) {
    Firing one = firing(due, FiringState::ended);
    one.exit = 1;
    one.exit_name = due == 3 ? "upheld" : "violated";
    one.ended = minute(due);
    one.run = "r-1";
    ASSERT_TRUE(ledger.update(one));
  }
  using Ends = std::map<std::string, int>;
  EXPECT_EQ(ledger.ends("nightly").value(), (Ends{{"violated", 2}, {"upheld", 1}}));
  const auto before = ledger.resumes();
  ASSERT_TRUE(ledger.resume("nightly", minute(2)));
  EXPECT_GT(ledger.resumes(), before);
  EXPECT_EQ(ledger.ends("nightly").value(), (Ends{{"upheld", 1}}));
  EXPECT_EQ(ledger.ends("other").value(), Ends{});
  EXPECT_TRUE(ledger.unfinished().value().empty());
}

TEST_F(LedgerTest, SaysWhenItCannotBeWritten) {
  Ledger ledger = open();
  Ledger other = open();
  ASSERT_TRUE(ledger.decide({}, {{"nightly", minute(1)}}));
  EXPECT_TRUE(Ledger::open((folder_ / "none/schedule.db").string()).has_error());
}

}  // namespace
}  // namespace ordeal::store
