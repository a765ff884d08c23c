#include "engine/os/linux/launcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

using testing::HasSubstr;

struct Launching : Loop {
  static Caller somebody() {
    Caller out = caller();
    out.name = "somebody";
    out.home = "/somewhere";
    return out;
  }
  std::string everything(Stream& stream) {
    return run([](Stream& from) -> Task<std::string> {
      std::string all;
      for (;;) {
        auto some = co_await from.read_some(4096);
        if (some.has_error()) co_return all;
        all += some.value();
      }
    }(stream));
  }
  LinuxLauncher launcher{executor(), somebody()};
};

TEST(Launcher, TalksWithAProgramOnItsThreeStreams) {
  Launching bed;
  auto program = bed.launcher.start({"sh", "-c", "read word; echo got $word; echo bad >&2"});
  ASSERT_TRUE(program.has_value()) << program.error().message();
  ASSERT_TRUE(bed.run(program.value().wire->write("hello\n")).has_value());
  EXPECT_EQ(bed.everything(*program.value().wire), "got hello\n");
  EXPECT_EQ(bed.everything(*program.value().errors), "bad\n");
}

TEST(Launcher, SaysWhatIsNotThere) {
  Launching bed;
  EXPECT_THAT(bed.launcher.start({"no-such-program-here"}).error().message(),
              HasSubstr("no-such-program-here is not in PATH"));
  EXPECT_TRUE(bed.launcher.start({"/no/such/program"}).has_error());
}

TEST(Launcher, GivesTheCallersEnvironmentAndHome) {
  ::setenv("SSH_AUTH_SOCK", "/tmp/an-agent", 1);
  Launching bed;
  auto program = bed.launcher.start({"env"});
  ASSERT_TRUE(program.has_value());
  const std::string seen = bed.everything(*program.value().wire);
  ::unsetenv("SSH_AUTH_SOCK");
  EXPECT_THAT(seen, HasSubstr("SSH_AUTH_SOCK=/tmp/an-agent\n"));
  EXPECT_THAT(seen, HasSubstr("HOME=/somewhere\n"));
  EXPECT_THAT(seen, HasSubstr("LOGNAME=somebody\n"));
}

TEST(Launcher, IsInASessionOfItsOwn) {
  Launching bed;
  auto program = bed.launcher.start({"sh", "-c", "echo $$; cut -d ' ' -f 6 /proc/$$/stat"});
  ASSERT_TRUE(program.has_value());
  const std::string seen = bed.everything(*program.value().wire);
  const std::size_t end = seen.find('\n');
  EXPECT_EQ(seen.substr(0, end), seen.substr(end + 1, seen.size() - end - 2)) << seen;
}

TEST(Launcher, EndsTheProgramWithItsWire) {
  Launching bed;
  auto program = bed.launcher.start({"sh", "-c", "trap '' HUP TERM; echo $$; exec sleep 1000"});
  ASSERT_TRUE(program.has_value());
  const std::string pid = bed.run(program.value().wire->read_some(100)).value();
  program.value().wire.reset();
  EXPECT_NE(::kill(static_cast<pid_t>(std::stol(pid)), 0), 0);
  EXPECT_EQ(errno, ESRCH);
}

TEST(Launcher, GivesUpRootForTheCaller) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  Launching bed;
  Caller nobody;
  nobody.uid = 65534;
  nobody.gid = 65534;
  nobody.name = "nobody";
  nobody.home = "/nonexistent";
  LinuxLauncher launcher(bed.executor(), nobody);
  auto program = launcher.start({"sh", "-c", "id -u; id -G; grep CapEff /proc/self/status"});
  ASSERT_TRUE(program.has_value()) << program.error().message();
  EXPECT_EQ(bed.everything(*program.value().wire), "65534\n65534\nCapEff:\t0000000000000000\n");
}

}  // namespace
}  // namespace ordeal::os
