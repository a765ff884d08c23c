// Which processes a matcher means, on this machine's own processes.
#include "engine/os/select.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/os/linux/files.hpp"
#include "engine/os/linux/processes.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

class Select : public ::testing::Test {
 protected:
  Result<std::vector<model::ProcessInfo>> with_pid_file(const std::string& text) {
    std::ofstream(path_) << text;
    model::ProcessMatcher matcher;
    matcher.pid_file = path_;
    return select(processes_, files_, matcher);
  }
  ~Select() override { std::filesystem::remove(path_); }

  Loop loop_;
  LinuxCgroups cgroups_{loop_.clock};
  LinuxProcesses processes_{loop_.executor(), loop_.clock, cgroups_};
  LinuxFiles files_{loop_.executor(), loop_.clock};
  std::string path_ = ::testing::TempDir() + "ordeal-" + std::to_string(::getpid()) + ".pid";
};

// PostgreSQL writes its data directory, times, ports and addresses behind the pid.
TEST_F(Select, ReadsThePidOfALongPidFile) {
  const auto found = with_pid_file(std::to_string(::getpid()) + "\n" + std::string(200, 'x'));
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found.value().size(), 1U);
  EXPECT_EQ(found.value()[0].id.pid, ::getpid());
}

TEST_F(Select, FindsNobodyByAStalePidFile) {
  const auto found = with_pid_file("4194304\n");  // above the largest pid that Linux gives
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_TRUE(found.value().empty());
}

TEST_F(Select, RefusesAPidFileWithoutAPid) {
  EXPECT_EQ(with_pid_file("running\n").error().code(), Code::invalid);
  EXPECT_EQ(with_pid_file("").error().code(), Code::invalid);
}

TEST_F(Select, AllCriteriaMustFit) {
  model::ProcessMatcher matcher;
  matcher.exe = std::filesystem::read_symlink("/proc/self/exe").string();
  matcher.argv = "*";
  const auto found = select(processes_, files_, matcher);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_GE(found.value().size(), 1U);
  matcher.argv = "no such command line*";
  EXPECT_TRUE(select(processes_, files_, matcher).value().empty());
}

TEST_F(Select, RefusesAMatcherWithoutACriterion) {
  EXPECT_TRUE(select(processes_, files_, model::ProcessMatcher{}).has_error());
}

}  // namespace
}  // namespace ordeal::os
