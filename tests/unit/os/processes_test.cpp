#include "engine/os/linux/processes.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "engine/os/linux/proc.hpp"
#include "engine/os/linux/spawn.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

using namespace asio::experimental::awaitable_operators;

struct Fixture : Loop {
  LinuxCgroups cgroups{clock};
  LinuxProcesses processes{executor(), clock, cgroups, "/proc/self/exe"};
};

model::Command command(std::vector<std::string> argv, Duration timeout = 20s) {
  model::Command out;
  out.argv = std::move(argv);
  out.timeout = timeout;
  return out;
}

// A child that sleeps; it is killed and reaped at the end.
struct Sleeper {
  Sleeper() {
    SpawnPlan plan;
    plan.path = "/bin/sleep";
    plan.argv = {"sleep", "60"};
    auto started = spawn(plan);
    if (started) child = std::move(started.value());
  }
  ~Sleeper() {
    ::kill(child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
  }
  model::ProcessId id() const { return proc::read_stat(child.pid).value().id; }

  Spawned child;
};

model::ProcessId own_id() { return proc::read_stat(::getpid()).value().id; }

TEST(LinuxProcesses, DescribesThisProcess) {
  Fixture host;
  const auto self = host.processes.find(own_id());
  ASSERT_TRUE(self) << self.error().message();
  EXPECT_EQ(self.value().parent, ::getppid());
  EXPECT_EQ(self.value().uid, ::geteuid());
  EXPECT_EQ(self.value().state, 'R');
  EXPECT_TRUE(self.value().exe.ends_with("/unit_os")) << self.value().exe;
  EXPECT_NE(self.value().command.find("unit_os"), std::string::npos);
  EXPECT_TRUE(self.value().cgroup.starts_with('/'));
  const auto all = host.processes.list();
  ASSERT_TRUE(all);
  const auto here = std::count_if(all.value().begin(), all.value().end(),
                                  [](const auto& process) { return process.id == own_id(); });
  EXPECT_EQ(here, 1);
}

TEST(LinuxProcesses, KnowsTheHost) {
  Fixture host;
  EXPECT_EQ(host.processes.boot_id().value().size(), 36u);
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  EXPECT_EQ(host.processes.host_name(), name);
  if (host.processes.systemd_is_pid1()) {
    EXPECT_EQ(proc::read_stat(1).value().name, "systemd");
  }
}

// The pid is the same, the start time is not: what a reused pid looks like.
TEST(LinuxProcesses, RefusesAPidThatBelongsToAnother) {
  Fixture host;
  const Sleeper sleeper;
  model::ProcessId other = sleeper.id();
  other.start_ticks -= 1;
  const auto sent = host.processes.signal(other, SIGKILL);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code(), Code::gone);
  EXPECT_EQ(host.processes.find(other).error().code(), Code::gone);
  EXPECT_EQ(host.processes.usage(other).error().code(), Code::gone);
  EXPECT_TRUE(host.processes.find(sleeper.id()));  // it lives
  EXPECT_TRUE(host.run(host.processes.wait_gone(other, host.clock.now() + 10s)));
}

TEST(LinuxProcesses, WaitGoneEndsWithTheProcessEvenAsAZombie) {
  Fixture host;
  const Sleeper sleeper;
  const auto id = sleeper.id();
  const auto early = host.run(host.processes.wait_gone(id, host.clock.now() + 20ms));
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code(), Code::timeout);
  const BootTime start = host.clock.now();
  const auto kill_later = [](Fixture& at, model::ProcessId process) -> Task<void> {
    co_await at.clock.sleep(20ms);
    EXPECT_TRUE(at.processes.signal(process, SIGKILL));
  };
  const auto both = [&](Fixture& at) -> Task<void> {
    Task<Result<void>> gone = at.processes.wait_gone(id, at.clock.now() + 10s);
    Task<void> killed = kill_later(at, id);
    const Result<void> result = co_await (std::move(gone) && std::move(killed));
    EXPECT_TRUE(result);
  };
  host.run(both(host));
  EXPECT_LT(host.since(start), 5s);
  // Nobody has reaped it: a zombie, and gone all the same.
  EXPECT_EQ(proc::read_stat(id.pid).value().state, 'Z');
  EXPECT_EQ(host.processes.find(id).error().code(), Code::gone);
  EXPECT_EQ(host.processes.signal(id, SIGCONT).error().code(), Code::gone);
}

TEST(LinuxProcesses, SignalStopsAndContinues) {
  Fixture host;
  const Sleeper sleeper;
  ASSERT_TRUE(host.processes.signal(sleeper.id(), SIGSTOP));
  for (int i = 0; i < 500 && host.processes.find(sleeper.id()).value().state != 'T'; ++i) {
    ::usleep(10'000);
  }
  EXPECT_EQ(host.processes.find(sleeper.id()).value().state, 'T');
  ASSERT_TRUE(host.processes.signal(sleeper.id(), SIGCONT));
}

TEST(LinuxProcesses, UsageCountsCpuAndMemory) {
  Fixture host;
  const auto before = host.processes.usage(own_id());
  ASSERT_TRUE(before);
  std::vector<char> held(64 << 20, 'x');
  volatile std::uint64_t sum = 0;
  for (int i = 0; i < 30'000'000; ++i) sum = sum + static_cast<std::uint64_t>(i);
  const auto after = host.processes.usage(own_id());
  ASSERT_TRUE(after);
  EXPECT_GT(after.value().cpu, before.value().cpu + 5ms);
  EXPECT_GT(after.value().resident.value, before.value().resident.value + (48 << 20));
  EXPECT_EQ(held[1], 'x');
}

TEST(LinuxProcesses, FindsHoldersOfPorts) {
  Fixture host;
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    const Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
    if (type == SOCK_STREAM) {
      ASSERT_EQ(::listen(socket.get(), 1), 0);
    }
    const auto holders = host.processes.holders_of_port(ntohs(address.sin_port));
    ASSERT_TRUE(holders);
    EXPECT_EQ(holders.value(), std::vector<std::int64_t>{::getpid()});
  }
}

TEST(LinuxProcesses, ProtectsItselfAndItsAncestors) {
  Fixture host;
  EXPECT_NE(host.processes.protected_because(host.processes.find(own_id()).value()), "");
  const auto above = proc::ancestors();
  ASSERT_TRUE(above);
  for (const std::int64_t pid : above.value()) {
    model::ProcessInfo process;
    process.id.pid = pid;
    process.exe = "/opt/some-shell";
    EXPECT_NE(host.processes.protected_because(process), "") << pid;
  }
  const Sleeper sleeper;
  EXPECT_EQ(host.processes.protected_because(host.processes.find(sleeper.id()).value()), "");
}

TEST(LinuxProcessesRun, GivesOutputErrorsAndExitCode) {
  Fixture host;
  const auto listed = host.run(host.processes.run(command({"/bin/ls", "/nowhere"}), {}));
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed.value().exit_code, 2);
  EXPECT_NE(listed.value().errors.find("/nowhere"), std::string::npos);
  EXPECT_EQ(listed.value().output, "");
  EXPECT_FALSE(listed.value().timed_out);
  const auto environment = host.run(host.processes.run(command({"/usr/bin/env"}), {{"A", "b"}}));
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment.value().output, "A=b\nLANG=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n");
}

// Where SIGCHLD is ignored the kernel reaps: the command has ended, and that is all that is known.
TEST(LinuxProcessesRun, AnExitCodeThatSomebodyElseTookIsUnknown) {
  Fixture host;
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  const auto ended = host.run(host.processes.run(command({"/bin/true"}), {}));
  std::signal(SIGCHLD, before);
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_FALSE(ended.value().exit_code.has_value());
  EXPECT_FALSE(ended.value().timed_out);
}

TEST(LinuxProcessesRun, RefusesWhatCannotStart) {
  Fixture host;
  const auto missing = host.run(host.processes.run(command({"/nowhere/x"}), {}));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::gone);
  const auto relative = host.run(host.processes.run(command({"ls"}), {}));
  ASSERT_FALSE(relative);
  EXPECT_EQ(relative.error().code(), Code::invalid);
}

// A background child in the same group holds the pipe: neither it nor its parent survives, and the
// output up to then is kept.
TEST(LinuxProcessesRun, KillsTheGroupAtTheTimeout) {
  Fixture host;
  const BootTime start = host.clock.now();
  const auto result =
      host.run(host.processes.run(command({"/usr/bin/python3", "-c",
                                           "import subprocess,time\n"
                                           "child = subprocess.Popen(['/bin/sleep', '60'])\n"
                                           "print(child.pid, flush=True)\n"
                                           "time.sleep(60)\n"},
                                          3s),
                                  {}));
  ASSERT_TRUE(result);
  EXPECT_TRUE(result.value().timed_out);
  EXPECT_EQ(result.value().exit_code, 128 + SIGKILL);
  EXPECT_LT(host.since(start), 15s);
  const auto child = proc::parse_number<int>(proc::trimmed(result.value().output));
  ASSERT_TRUE(child) << result.value().output;
  const auto lives = [&] {
    const auto stat = proc::read_stat(*child);
    return stat && !stat.value().gone() && stat.value().name == "sleep";
  };
  // The leader's death does not wait for that of the others.
  for (int i = 0; i < 500 && lives(); ++i) ::usleep(10'000);
  EXPECT_FALSE(lives());
}

TEST(LinuxProcessesRun, CutsOutputButLetsTheProgramEnd) {
  Fixture host;
  const auto result = host.run(host.processes.run(
      command({"/usr/bin/python3", "-c",
               "import sys\nsys.stdout.write('o' * 300000)\nsys.stderr.write('e' * 300000)\n"}),
      {}));
  ASSERT_TRUE(result);
  EXPECT_EQ(result.value().exit_code, 0);
  EXPECT_EQ(result.value().output, std::string(64 * 1024, 'o'));
  EXPECT_EQ(result.value().errors, std::string(4 * 1024, 'e'));
}

// A daemon that keeps stdout open must not keep us.
TEST(LinuxProcessesRun, EndsWithTheProgramAndNotWithItsDaemon) {
  Fixture host;
  const BootTime start = host.clock.now();
  const auto result =
      host.run(host.processes.run(command({"/usr/bin/python3", "-c",
                                           "import subprocess\n"
                                           "child = subprocess.Popen(['/bin/sleep', '30'])\n"
                                           "print(child.pid)\n"}),
                                  {}));
  ASSERT_TRUE(result);
  EXPECT_LT(host.since(start), 20s);
  const auto child = proc::parse_number<int>(proc::trimmed(result.value().output));
  ASSERT_TRUE(child) << result.value().output;
  EXPECT_EQ(::kill(*child, SIGKILL), 0);
}

// What a `restore` brings back is a service like any other: it may write more than a pipe holds,
// and it is there long after us.
TEST(LinuxProcessesRun, ADaemonMayWriteToItsPipesForEver) {
  int pid = 0;
  {
    Fixture host;
    const auto result =
        host.run(host.processes.run(command({"/usr/bin/python3", "-c",
                                             "import os, sys, time\n"
                                             "pid = os.fork()\n"
                                             "if pid: print(pid); sys.exit()\n"
                                             "os.setsid()\n"
                                             "time.sleep(0.3)\n"
                                             "for stream in (sys.stdout, sys.stderr):\n"
                                             "    stream.write('x' * 1000000); stream.flush()\n"
                                             "os.close(0); os.close(1); os.close(2)\n"
                                             "time.sleep(60)\n"}),
                                    {}));
    ASSERT_TRUE(result);
    const auto child = proc::parse_number<int>(proc::trimmed(result.value().output));
    ASSERT_TRUE(child) << result.value().output;
    pid = *child;
  }  // and everything of ours is gone, but for the one that reads
  const auto closed = [&] {
    return ::access(fmt::format("/proc/{}/fd/1", pid).c_str(), F_OK) != 0;
  };
  for (int i = 0; i < 1000 && !closed(); ++i) ::usleep(10'000);
  const auto stat = proc::read_stat(pid);
  EXPECT_TRUE(stat && !stat.value().gone()) << "it died of SIGPIPE";
  EXPECT_TRUE(closed()) << "nobody reads";
  EXPECT_EQ(::kill(pid, SIGKILL), 0);
}

TEST(LinuxProcessesRun, KillsTheProgramWhenCancelled) {
  Fixture host;
  const auto race = [](Fixture& at) -> Task<void> {
    Task<Result<CommandResult>> sleeps = at.processes.run(command({"/bin/sleep", "4711"}), {});
    Task<void> moment = at.clock.sleep(50ms);
    co_await (std::move(sleeps) || std::move(moment));
  };
  host.run(race(host));
  for (int i = 0; i < 500; ++i) {
    const auto all = host.processes.list();
    ASSERT_TRUE(all);
    const auto left = std::count_if(
        all.value().begin(), all.value().end(), [](const model::ProcessInfo& process) {
          return process.parent == ::getpid() && process.command == "/bin/sleep 4711";
        });
    if (left == 0) return;
    ::usleep(10'000);
  }
  FAIL() << "it lives";
}

// Descriptors without close-on-exec, as a careless library leaves them.
TEST(LinuxProcessesRun, LeaksNoDescriptor) {
  Fixture host;
  const Fd careless(::open("/dev/null", O_RDONLY));
  const Fd high(::fcntl(careless.get(), F_DUPFD, 200));
  ASSERT_TRUE(high);
  const auto result = host.run(host.processes.run(command({"/bin/ls", "-1", "/proc/self/fd"}), {}));
  ASSERT_TRUE(result);
  EXPECT_EQ(result.value().output, "0\n1\n2\n3\n");  // 3 is the directory that ls reads
}

TEST(LinuxProcessesRun, ResetsSignals) {
  Fixture host;
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto result =
      host.run(host.processes.run(command({"/bin/grep", "Sig", "/proc/self/status"}), {}));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(result);
  // SIGPIPE is ignored by this test's main.
  EXPECT_NE(result.value().output.find("SigBlk:\t0000000000000000"), std::string::npos);
  EXPECT_NE(result.value().output.find("SigIgn:\t0000000000000000"), std::string::npos);
}

model::SpawnHelper helper(std::string mark, std::string role) {
  model::SpawnHelper out;
  out.mark = std::move(mark);
  out.role = std::move(role);
  return out;
}

TEST(LinuxProcessesHelper, BearsItsMarkAndIsFound) {
  Fixture host;
  const std::string mark = "ordeal-testaaaa";
  const auto id = host.run(host.processes.spawn_helper(helper(mark, "stays")));
  ASSERT_TRUE(id) << id.error().message();
  EXPECT_EQ(proc::read_stat(id.value().pid).value().name, mark);
  EXPECT_EQ(read_file(fmt::format("/proc/{}/oom_score_adj", id.value().pid)).value(), "500\n");
  EXPECT_EQ(host.processes.find_marked(mark).value(), std::vector{id.value()});
  // Another executor, which did not start it, finds it by its name.
  LinuxProcesses stranger(host.executor(), host.clock, host.cgroups);
  EXPECT_EQ(stranger.find_marked(mark).value(), std::vector{id.value()});
  const auto helpers = stranger.helpers().value();
  const auto ours = std::find_if(helpers.begin(), helpers.end(),
                                 [&](const Helper& one) { return one.mark == mark; });
  ASSERT_NE(ours, helpers.end());
  EXPECT_TRUE(ours->owned) << "its executor, this process, lives";
  ASSERT_TRUE(host.processes.signal(id.value(), SIGKILL));
  EXPECT_TRUE(host.run(host.processes.wait_gone(id.value(), host.clock.now() + 10s)));
  EXPECT_TRUE(host.processes.find_marked(mark).value().empty());
  EXPECT_FALSE(proc::read_stat(id.value().pid)) << "a zombie was left";
}

// Without a descriptor to look with, nobody says that there is nothing.
TEST(LinuxProcesses, AnErrorIsNeverNothing) {
  Fixture host;
  const Sleeper sleeper;
  const model::ProcessId id = sleeper.id();
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 0;  // every open fails with EMFILE
  ::setrlimit(RLIMIT_NOFILE, &none);
  const auto listed = host.processes.list();
  const auto helpers = host.processes.helpers();
  const auto marked = host.processes.find_marked("ordeal-testcccc");
  const auto found = host.processes.find(id);
  const auto sent = host.processes.signal(id, 0);
  const auto boot = host.processes.boot_id();
  const auto machine = host.processes.machine_id();
  const auto unit = host.cgroups.of_unit("no-such.service");
  const std::string why = host.processes.protected_because(model::ProcessInfo{});
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(listed.error().system_errno(), EMFILE);
  EXPECT_EQ(helpers.error().system_errno(), EMFILE);
  EXPECT_EQ(marked.error().system_errno(), EMFILE);
  EXPECT_EQ(found.error().system_errno(), EMFILE);
  EXPECT_EQ(sent.error().system_errno(), EMFILE);
  EXPECT_EQ(boot.error().system_errno(), EMFILE);
  EXPECT_EQ(machine.error().system_errno(), EMFILE);
  EXPECT_NE(unit.error().code(), Code::gone);
  EXPECT_NE(why, "") << "what may be above us is protected";
}

TEST(LinuxProcessesHelper, ReportsWhyItDidNotStart) {
  Fixture host;
  auto refuses = helper("ordeal-testbbbb", "refuses");
  refuses.arguments["why"] = "not enough memory";
  const auto refused = host.run(host.processes.spawn_helper(refuses));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("not enough memory"), std::string::npos);
  const auto ended = host.run(host.processes.spawn_helper(helper("ordeal-testbbbb", "ends")));
  ASSERT_FALSE(ended);
  EXPECT_NE(ended.error().message().find("ended"), std::string::npos);
}

TEST(LinuxProcessesHelper, IsKilledWhenItDoesNotGetReady) {
  Fixture host;
  const std::string mark = "ordeal-testcccc";
  const auto hangs = host.run(host.processes.spawn_helper(helper(mark, "hangs")));
  ASSERT_FALSE(hangs);
  EXPECT_EQ(hangs.error().code(), Code::timeout);
  for (int i = 0; i < 500 && !host.processes.find_marked(mark).value().empty(); ++i) {
    ::usleep(10'000);
  }
  EXPECT_TRUE(host.processes.find_marked(mark).value().empty());
}

TEST(LinuxProcessesHelper, DiesWithItsParent) {
  const std::string mark = "ordeal-testdddd";
  const pid_t parent = ::fork();
  if (parent == 0) {
    Fixture host;
    const auto id = host.run(host.processes.spawn_helper(helper(mark, "stays")));
    ::kill(::getpid(), id ? SIGKILL : SIGTERM);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(parent, &status, 0), parent);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(WTERMSIG(status), SIGKILL) << "the helper did not start";
  Fixture host;
  for (int i = 0; i < 500 && !host.processes.find_marked(mark).value().empty(); ++i) {
    ::usleep(10'000);
  }
  EXPECT_TRUE(host.processes.find_marked(mark).value().empty());
}

}  // namespace
}  // namespace ordeal::os
