// The far side's script for real, in a home of its own; only ssh is left out.
#include "engine/fleet/connect.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "engine/base/digest.hpp"
#include "engine/os/linux/launcher.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::fleet {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Says which protocol it speaks, and then back what it reads.
constexpr const char* kExecutor =
    "#!/bin/sh\n"
    "case $1 in --protocol) echo protocol 1 1 ;; --fail) echo no >&2; exit 1 ;;\n"
    "--args) echo $#; for word; do echo \"<$word>\"; done ;; --env) env ;; *) exec cat ;; esac\n";

// Does what sshd does with the command: gives it to the login shell.
class NoSsh final : public os::Launcher {
 public:
  NoSsh(os::Launcher& real, std::string shell) : real_(real), shell_(std::move(shell)) {}
  Result<os::Program> start(const std::vector<std::string>& argv) override {
    ++started;
    return real_.start({shell_, "-c", before + argv.back()});
  }
  std::string before;
  int started = 0;

 private:
  os::Launcher& real_;
  std::string shell_;
};

fs::path new_home() {
  std::string name = testing::TempDir() + "ordeal-far-XXXXXX";
  return ::mkdtemp(name.data());
}

os::Caller somebody_at(const fs::path& home) {
  os::Caller out;
  out.name = "somebody";
  out.home = home;
  return out;
}

class Far : public testing::Test {
 protected:
  Far() {
    std::signal(SIGPIPE, SIG_IGN);
    host.name = "db-1";
    host.ssh = model::SshAddress{"", "db-1", std::nullopt};
    utsname names{};
    ::uname(&names);
    file.bytes = kExecutor;
    file.sha256 = sha256_hex(file.bytes);
    file.machine = names.machine;
  }
  ~Far() override { fs::remove_all(home); }

  Route route() { return Route{loop.clock, ssh, file, ""}; }
  Result<FarAnswer> ask(std::vector<std::string> arguments, std::string input = "",
                        Duration within = 20s) {
    return loop.run(ask_far(route(), host, std::move(arguments), std::move(input), within));
  }
  Result<Reached> reach_it() { return loop.run(reach(route(), host, {"--stdio"})); }
  fs::path copy() const { return home / ".cache/ordeal" / ("ordeal-executor-" + file.sha256); }

  fs::path home = new_home();
  os::Caller who = somebody_at(home);
  model::InventoryHost host;
  ExecutorFile file;
  os::Loop loop;
  os::LinuxLauncher real{loop.executor(), who};
  NoSsh ssh{real, "sh"};
};

TEST_F(Far, CopiesTheExecutorTheFirstTimeOnly) {
  auto first = reach_it();
  ASSERT_TRUE(first.has_value()) << first.error().message();
  EXPECT_EQ(first.value().how, "copied");
  EXPECT_EQ(first.value().path, copy().string());
  auto second = reach_it();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second.value().how, "found");
  struct stat status {};
  ASSERT_EQ(::stat(copy().parent_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat(copy().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(Far, HandsTheWireOverAtTheFirstByte) {
  auto reached = reach_it();
  ASSERT_TRUE(reached.has_value()) << reached.error().message();
  os::Stream& wire = *reached.value().program.wire;
  ASSERT_TRUE(loop.run(wire.write("hello")).has_value());
  EXPECT_EQ(loop.run(wire.read_some(100)).value(), "hello");
}

TEST_F(Far, MendsACopyThatIsDamaged) {
  ASSERT_TRUE(reach_it().has_value());
  std::ofstream(copy(), std::ios::app) << "damage";
  auto mended = reach_it();
  ASSERT_TRUE(mended.has_value()) << mended.error().message();
  EXPECT_EQ(mended.value().how, "copied");
  EXPECT_EQ(fs::file_size(copy()), file.bytes.size());
}

TEST_F(Far, RemovesCopiesThatNobodyUsedForAWeek) {
  ASSERT_TRUE(reach_it().has_value());
  const fs::path old = copy().parent_path() / "ordeal-executor-0000";
  const fs::path recent = copy().parent_path() / "ordeal-executor-1111";
  std::ofstream(old) << "x";
  std::ofstream(recent) << "x";
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(24 * 8));
  fs::last_write_time(copy(), fs::file_time_type::clock::now() - std::chrono::hours(24 * 8));
  ASSERT_TRUE(reach_it().has_value());
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(recent));
  EXPECT_TRUE(fs::exists(copy()));  // it was used just now
}

// It is not made fit either: behind a link may be anything.
TEST_F(Far, RefusesAFolderThatOthersMayUse) {
  fs::create_directories(home / ".cache/ordeal");
  fs::permissions(home / ".cache/ordeal", fs::perms(0755));
  auto reached = reach_it();
  ASSERT_TRUE(reached.has_error());
  EXPECT_THAT(reached.error().message(), HasSubstr("there is no place"));
  EXPECT_THAT(reached.error().message(), HasSubstr("is not a folder of yours alone"));
}

TEST_F(Far, RefusesALinkAndLeavesWhatItPointsToAsItIs) {
  fs::create_directories(home / ".cache");
  fs::create_directory(home / "elsewhere");
  fs::permissions(home / "elsewhere", fs::perms(0755));
  fs::create_directory_symlink(home / "elsewhere", home / ".cache/ordeal");
  auto reached = reach_it();
  ASSERT_TRUE(reached.has_error());
  EXPECT_THAT(reached.error().message(), HasSubstr("is not a folder of yours alone"));
  EXPECT_EQ(fs::status(home / "elsewhere").permissions(), fs::perms(0755));
  EXPECT_TRUE(fs::is_empty(home / "elsewhere"));
}

TEST_F(Far, RefusesAnotherMachine) {
  file.machine = "sparc";
  auto reached = reach_it();
  ASSERT_TRUE(reached.has_error());
  EXPECT_EQ(reached.error().code(), Code::refused);
  EXPECT_THAT(reached.error().message(), HasSubstr("it is Linux "));
}

TEST_F(Far, RefusesWhatDidNotArriveWhole) {
  file.sha256 = std::string(64, '0');
  auto reached = reach_it();
  ASSERT_TRUE(reached.has_error());
  EXPECT_THAT(reached.error().message(), HasSubstr("did not arrive"));
  EXPECT_TRUE(fs::is_empty(home / ".cache/ordeal"));
}

TEST_F(Far, RefusesAnExecutorOfAnotherProtocol) {
  file.bytes = "#!/bin/sh\necho protocol 7 8\n";
  file.sha256 = sha256_hex(file.bytes);
  auto reached = reach_it();
  ASSERT_TRUE(reached.has_error());
  EXPECT_THAT(reached.error().message(), HasSubstr("does not run there"));
}

TEST_F(Far, IsNotConfusedByLoginScriptsThatPrint) {
  ssh.before = "echo Welcome to db-1; echo last login; ";
  auto reached = reach_it();
  ASSERT_TRUE(reached.has_value()) << reached.error().message();
}

TEST_F(Far, TellsWhatCameInsteadOfAnAnswer) {
  ssh.before = "echo This account is closed.; echo bye >&2; exit 1; ";
  auto reached = reach_it();
  ASSERT_TRUE(reached.has_error());
  EXPECT_THAT(reached.error().message(), HasSubstr("ssh: bye"));
  EXPECT_THAT(reached.error().message(), HasSubstr("This account is closed."));
}

TEST_F(Far, GivesTheExecutorAPlainEnvironment) {
  const auto answer = ask({"--env"});
  ASSERT_TRUE(answer.has_value()) << answer.error().message();
  EXPECT_THAT(answer.value().output, HasSubstr("LANG=C\n"));
  EXPECT_EQ(answer.value().output.find("HOME="), std::string::npos);
}

TEST_F(Far, LosesNothingOfWhatIsSaidAtOnce) {
  for (int i = 0; i < 20; ++i) {
    const auto answer = ask({"--args", "--json"});
    ASSERT_TRUE(answer.has_value()) << answer.error().message();
    EXPECT_EQ(answer.value().output, "2\n<--args>\n<--json>\n");
  }
}

TEST_F(Far, AsksWhatEndsByItself) {
  const auto answer = ask({"--fail"});
  ASSERT_TRUE(answer.has_value()) << answer.error().message();
  EXPECT_EQ(answer.value().output, "");
  EXPECT_EQ(answer.value().errors, "no\n");
}

TEST_F(Far, DoesNotWaitForEver) {
  const auto answer = ask({"--hang"}, "", 300ms);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code(), Code::timeout);
}

class FarShell : public Far, public testing::WithParamInterface<const char*> {};

TEST_P(FarShell, ReadsTheCommand) {
  const std::string path = std::string("/bin/") + GetParam();
  if (!fs::exists(path)) GTEST_SKIP() << path << " is not here";
  NoSsh other(real, path);
  auto reached = loop.run(reach(Route{loop.clock, other, file, ""}, host, {"--stdio"}));
  ASSERT_TRUE(reached.has_value()) << reached.error().message();
  EXPECT_EQ(reached.value().how, "copied");
}
INSTANTIATE_TEST_SUITE_P(Login, FarShell, testing::Values("sh", "dash", "bash"));

}  // namespace
}  // namespace ordeal::fleet
