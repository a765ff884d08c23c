#include "engine/fleet/ssh.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ordeal::fleet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

model::InventoryHost host_at(std::string host) {
  model::InventoryHost out;
  out.name = "db-1";
  out.ssh = model::SshAddress{"", std::move(host), std::nullopt};
  return out;
}

std::vector<std::string> argv_of(const model::InventoryHost& host, const std::string& config = "") {
  auto argv = ssh_argv(host, config, "COMMAND");
  EXPECT_TRUE(argv.has_value());
  return argv.has_value() ? argv.value() : std::vector<std::string>();
}

ExecutorFile some_file() { return {"12345", std::string(64, 'a'), "x86_64"}; }

TEST(SshCommandLine, EndsWithHostAndCommand) {
  auto host = host_at("10.0.0.1");
  host.ssh->user = "ops";
  host.ssh->port = 2222;
  const auto argv = argv_of(host, "/etc/team/ssh_config");
  const std::vector<std::string> last(argv.end() - 9, argv.end());
  EXPECT_THAT(last, ElementsAre("-F", "/etc/team/ssh_config", "-p", "2222", "-l", "ops", "--",
                                "10.0.0.1", "COMMAND"));
}

TEST(SshCommandLine, LeavesUserPortAndConfigurationToOpenSsh) {
  const auto argv = argv_of(host_at("db-1"));
  for (const char* option : {"-F", "-p", "-l", "-i"}) {
    EXPECT_THAT(argv, Not(testing::Contains(option)));
  }
  EXPECT_THAT(argv, Not(testing::Contains(HasSubstr("StrictHostKeyChecking"))));
  EXPECT_THAT(argv, testing::Contains("BatchMode=yes"));
  EXPECT_THAT(argv, testing::Contains("ServerAliveInterval=3"));
}

TEST(SshCommandLine, HasNoRoomForOptions) {
  for (const char* name : {"-oProxyCommand=touch /tmp/x", "", "a b", "a;b", "a$(b)", "a`b`", "a@b",
                           "ssh://a", "a\nb", "a'b", "[::1]"}) {
    EXPECT_TRUE(ssh_argv(host_at(name), "", "x").has_error()) << name;
  }
  for (const char* user : {"-lroot", "a b", "a|b", "a\"b", "a;b", "$(b)"}) {
    auto host = host_at("db-1");
    host.ssh->user = user;
    EXPECT_TRUE(ssh_argv(host, "", "x").has_error()) << user;
  }
}

TEST(SshCommandLine, TakesEveryKindOfName) {
  for (const char* name : {"db-1", "db_1.example.org", "10.0.0.1", "fe80::1%eth0", "::1"}) {
    EXPECT_TRUE(ssh_argv(host_at(name), "", "x").has_value()) << name;
  }
  auto host = host_at("db-1");
  host.ssh->user = "svc-chaos.ops@corp";
  EXPECT_TRUE(ssh_argv(host, "", "x").has_value());
}

TEST(SshCommandLine, IsNotForThisMachine) {
  model::InventoryHost local;
  local.name = "here";
  EXPECT_TRUE(ssh_argv(local, "", "x").has_error());
}

// sshd gives it to the login shell, of whatever kind, which must find one quoted word in it.
TEST(FarCommand, IsReadTheSameByEveryLoginShell) {
  const std::string command = far_command(some_file(), true, {"--status", "--json"});
  const std::size_t begin = command.find('\'');
  const std::size_t end = command.rfind('\'');
  const std::string script = command.substr(begin + 1, end - begin - 1);
  EXPECT_EQ(command.substr(0, begin), "exec sh -c ");
  EXPECT_EQ(script.find_first_of("'\\!\n\r"), script.npos);
  EXPECT_EQ(command.substr(end + 1),
            " ordeal " + std::string(64, 'a') + " 5 x86_64 1 1 sudo --status --json");
}

TEST(FarWord, SaysWhatTheFarSideDoes) {
  EXPECT_EQ(far_word("Welcome to db-1").kind, FarWord::Kind::other);
  EXPECT_EQ(far_word("ordeal-ssh something").kind, FarWord::Kind::other);
  EXPECT_EQ(far_word("ordeal-ssh need").kind, FarWord::Kind::need);
  const FarWord ready = far_word("ordeal-ssh ready copied /home/a b/x");
  EXPECT_EQ(ready.kind, FarWord::Kind::ready);
  EXPECT_EQ(ready.what, "copied");
  EXPECT_EQ(ready.text, "/home/a b/x");
  const FarWord refused = far_word("ordeal-ssh refused machine Linux aarch64");
  EXPECT_EQ(refused.kind, FarWord::Kind::refused);
  EXPECT_THAT(refusal_text(refused), HasSubstr("Linux aarch64"));
  EXPECT_THAT(refusal_text(refused), HasSubstr("install the package"));
}

TEST(SshFailure, RepeatsSshAndSaysWhatToTry) {
  auto host = host_at("10.0.0.1");
  host.ssh->port = 2222;
  const auto text = ssh_failure(host, "", "ops@10.0.0.1: Permission denied (publickey).\r\n");
  EXPECT_THAT(text, HasSubstr("Permission denied (publickey)."));
  EXPECT_THAT(text, HasSubstr("no key that ssh offered"));
  EXPECT_THAT(text, HasSubstr("ssh -p 2222 10.0.0.1"));
  EXPECT_THAT(ssh_failure(host, "", "Host key verification failed.\n"),
              HasSubstr("its host key is not known"));
  EXPECT_THAT(ssh_failure(host, "", ""), HasSubstr("without a word"));
  EXPECT_THAT(ssh_failure(host, "", "ssh: connect to host 10.0.0.1 port 2222: No route to host\n"),
              StartsWith("ssh: connect to host"));
}

TEST(SshFailure, CannotMoveTheCursor) {
  EXPECT_EQ(ssh_failure(host_at("a"), "", "\x1b[2Jbanner\n").find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace ordeal::fleet
