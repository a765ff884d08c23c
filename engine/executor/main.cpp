// ordeal-executor: the only program of ordeal that runs as root on a target host.
//
//   --stdio [--own-scope]           keeper and worker; the wire on stdin and stdout
//   --recover [--print] [--json]    undo what dead runs left
//   --status [--json]               what is on this host now
//   --halt [--reason TEXT] [--json] stop everything here; --lift ends it. TEXT -: a line of stdin
//   --doctor [--json]               what this kernel and user can do
//   --protocol                      "protocol MIN MAX": which wires it can serve
//   --helper ROLE --mark M --parent PID
//   --swallow                       read descriptors 0 and 3 to their ends
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <boost/asio/io_context.hpp>

#include "engine/base/json.hpp"
#include "engine/base/text.hpp"
#include "engine/executor/doctor.hpp"
#include "engine/executor/executor.hpp"
#include "engine/executor/helper/enter.hpp"
#include "engine/executor/helper/roles.hpp"
#include "engine/os/linux/begin.hpp"
#include "engine/os/linux/forked_child.hpp"
#include "engine/os/linux/harden.hpp"
#include "engine/os/linux/linux_host.hpp"
#include "engine/os/linux/own_scope.hpp"
#include "engine/os/linux/self_kill.hpp"
#include "engine/os/linux/settings.hpp"
#include "engine/os/linux/spawn.hpp"
#include "engine/os/linux/stream.hpp"
#include "faults/catalogue.hpp"

namespace ordeal::executor {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr Duration kHaltWait = 60s;  // services that start may take long

// Tests set these.
std::string setting(const char* name, std::string standard) {
  const std::string value = os::setting(name);
  return value.starts_with('/') ? value : standard;
}
std::string state_directory() { return setting("ORDEAL_STATE", "/var/lib/ordeal"); }
std::string policy_file() { return setting("ORDEAL_POLICY", "/etc/ordeal/policy.conf"); }

int complain(const std::string& text) {
  std::fputs((text + "\n").c_str(), stderr);
  return kFailed;
}

template <class T>
T run(asio::io_context& loop, Task<T> task) {
  std::optional<T> out;
  asio::co_spawn(loop.get_executor(), std::move(task), [&](std::exception_ptr problem, T result) {
    if (problem) std::rethrow_exception(problem);
    out = std::move(result);
    loop.stop();
  });
  loop.run();
  if (!out) std::abort();  // the loop ran dry with a coroutine still waiting: a bug of ours
  return *std::move(out);
}

// ---- --stdio -----------------------------------------------------------------------------------

class Child final : public WorkerProcess {
 public:
  Child(asio::any_io_executor executor, int pid) : child_(std::move(executor), pid) {}
  Task<WorkerEnd> wait() override {
    const os::ChildEnd end = co_await child_.wait();
    WorkerEnd out;
    out.clean = end.code == 0;  // unknown is not clean: the journal is looked at
    out.text = end.text;
    co_return out;
  }
  void kill() override { child_.kill(); }
  std::string state() const override { return child_.state(); }

 private:
  os::ForkedChild child_;
};

int worker(os::Fd pipe_end, Token token) {
  os::harden_this_process();
  asio::io_context loop{1};
  os::LinuxHost host(loop.get_executor());
  os::LinuxSelfKill self_kill;
  auto wire = os::take_standard_stream(loop.get_executor());
  if (wire.has_error()) return complain(wire.error().message());
  os::FdStream keeper(loop.get_executor(), std::move(pipe_end));
  WorkerParts parts{host.host(),       self_kill,     *wire.value(), keeper, catalogue(),
                    state_directory(), policy_file(), token,         {}};
  return run(loop, run_worker(std::move(parts)));
}

// The wire belongs to the worker alone, so that the front sees its end when it dies.
bool give_up_wire() {
  const auto nothing = os::open_file("/dev/null", O_RDWR);
  return nothing.has_value() && ::dup2(nothing.value().get(), STDIN_FILENO) >= 0 &&
         ::dup2(nothing.value().get(), STDOUT_FILENO) >= 0;
}

int keeper(os::Fd pipe_end, Token token, int worker_pid) {
  os::harden_this_process();
  if (!give_up_wire()) return complain("the keeper cannot open /dev/null");
  asio::io_context loop{1};
  os::LinuxHost host(loop.get_executor());
  os::LinuxSelfKill self_kill;
  Child child(loop.get_executor(), worker_pid);
  os::FdStream pipe(loop.get_executor(), std::move(pipe_end));
  // One descriptor for both directions: nobody writes to us there.
  os::FdStream reports(loop.get_executor(), os::Fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)));
  KeeperParts parts{host.host(), self_kill, child, pipe, reports, state_directory(), token, {}};
  return run(loop, run_keeper(std::move(parts)));
}

int serve() {
  os::LinuxRandom random;
  const Token token = Token::from_bits(random.next());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return complain(Error::system(errno, "socketpair").message());
  }
  os::Fd keeper_end(ends[0]);
  os::Fd worker_end(ends[1]);
  // Before any thread and any other descriptor.
  const int pid = ::fork();
  if (pid < 0) return complain(Error::system(errno, "fork").message());
  if (pid == 0) {
    keeper_end.reset();
    return worker(std::move(worker_end), token);
  }
  worker_end.reset();
  return keeper(std::move(keeper_end), token, pid);
}

// ---- what ends by itself -----------------------------------------------------------------------

struct Call {
  bool print = false;
  bool json = false;
  bool own_scope = false;
  std::string reason;
};

void print_undo(const wire::UndoResult& undo, bool commands) {
  if (commands) return static_cast<void>(std::printf("%s\n", printable(undo.command).c_str()));
  std::printf("%s %s: %s\n", undo.ok ? "undone " : "FAILED ", printable(undo.what).c_str(),
              printable(undo.text).c_str());
  if (!undo.ok) std::printf("        by hand: %s\n", printable(undo.command).c_str());
}

template <class T>
void print_json(const T& value) {
  std::printf("%s\n", json::dump(json::encode(value)).c_str());
}

int recover_here(const Call& call) {
  if (!call.print) os::harden_this_process();
  asio::io_context loop{1};
  os::LinuxHost host(loop.get_executor());
  // A paused process would be looked for among others, and be taken for gone.
  const auto pids = host.host().processes().pids_are_ours();
  if (pids.has_error()) return complain(pids.error().message());
  RecoverOptions options;
  options.print_only = call.print;
  const RecoverReport report = run(loop, recover(host.host(), state_directory(), options));
  if (call.json) {
    print_json(report);
  } else {
    for (const RecoveredJournal& journal : report.journals) {
      for (const wire::UndoResult& undo : journal.undos) print_undo(undo, call.print);
      for (const std::string& problem : journal.problems) {
        std::printf("# journal %s: %s\n", journal.token.c_str(), printable(problem).c_str());
      }
    }
    for (const wire::UndoResult& undo : report.swept) print_undo(undo, call.print);
    for (const std::string& live : report.live) std::printf("# live: %s\n", live.c_str());
    for (const std::string& other : report.others) {
      std::printf("# left alone: %s\n", printable(other).c_str());
    }
    if (!call.print) std::printf("%s\n", report.clean ? "host clean" : "HOST NOT CLEAN");
  }
  return report.clean || call.print ? 0 : kFailed;
}

int status_here(const Call& call) {
  asio::io_context loop{1};
  os::LinuxHost host(loop.get_executor());
  const auto pids = host.host().processes().pids_are_ours();
  if (pids.has_error()) return complain(pids.error().message());
  const StatusReport report = status(host.host(), state_directory());
  if (call.json) {
    print_json(report);
    return 0;
  }
  if (!report.halted.empty()) std::printf("HALTED: %s\n", report.halted.c_str());
  for (const JournalStatus& journal : report.journals) {
    for (const LiveStep& step : journal.steps) {
      if (!step.live) continue;  // these are among the lines below
      std::printf("active %s %s %s\n", journal.run.c_str(), step.step.c_str(), step.fault.c_str());
    }
  }
  for (const std::string& line : report.dirty) std::printf("LEFT   %s\n", printable(line).c_str());
  return 0;
}

// Until no run holds anything on this host, or the time is up; what is left then.
Task<std::vector<std::string>> wait_for_nothing(os::Host& host, std::string state) {
  const BootTime end = host.clock().now() + kHaltWait;
  std::vector<std::string> left;
  do {
    left.clear();
    const StatusReport now = status(host, state);
    for (const JournalStatus& journal : now.journals) {
      for (const LiveStep& step : journal.steps) {
        left.push_back(fmt::format("{} of run {}", step.step, journal.run));
      }
    }
    if (left.empty()) left = now.dirty;
    const bool waits =
        std::any_of(now.journals.begin(), now.journals.end(),
                    [](const auto& journal) { return journal.live && !journal.steps.empty(); });
    if (!waits) break;
    co_await host.clock().sleep(20ms);
  } while (host.clock().now() < end);
  co_return left;
}

// A reason comes from a person and stands on no command line that a shell reads.
std::string line_of_stdin() {
  std::string out;
  constexpr std::size_t kLongest = 4096;
  for (int letter; out.size() < kLongest && (letter = std::getchar()) != EOF && letter != '\n';) {
    out += static_cast<char>(letter);
  }
  return out;
}

int halt_here(const Call& call) {
  asio::io_context loop{1};
  os::LinuxHost host(loop.get_executor());
  const std::string reason = call.reason == "-" ? line_of_stdin() : call.reason;
  const auto set = set_halt(host.host(), state_directory(), reason);
  if (set.has_error()) return complain(set.error().message());
  const auto left = run(loop, wait_for_nothing(host.host(), state_directory()));
  if (call.json) print_json(HaltReport{left});
  if (call.json) return left.empty() ? 0 : kFailed;
  for (const std::string& line : left) std::printf("LEFT %s\n", printable(line).c_str());
  return left.empty() ? 0 : kFailed;
}

int lift_here(const Call& call) {
  asio::io_context loop{1};
  os::LinuxHost host(loop.get_executor());
  const auto lifted = lift_halt(host.host(), state_directory());
  if (lifted.has_error()) return complain(lifted.error().message());
  if (call.json) print_json(HaltReport{});
  return 0;
}

int doctor_here(const Call& call) {
  asio::io_context loop{1};
  os::LinuxHost host(loop.get_executor());
  const DoctorReport report = doctor(host.host(), state_directory());
  if (call.json) {
    print_json(report);
    return 0;
  }
  for (const Capability& one : report.capabilities) {
    std::printf("%-5s %-14s %s\n", one.word(), one.name.c_str(), printable(one.detail).c_str());
  }
  return 0;
}

// ---- --helper ----------------------------------------------------------------------------------

int help(int count, char** arguments) {
  const auto call = helper::helper_call(count, arguments);
  if (call.has_error()) return complain(call.error().message());
  // The first to go when memory is short. run_memory is told by its orders; what was raised before
  // could not be lowered again without CAP_SYS_RESOURCE.
  std::optional<int> oom_score_adj = 1000;
  if (call.value().role == "memory") oom_score_adj.reset();
  auto orders = helper::helper_enter(call.value(), oom_score_adj);
  if (orders.has_error()) {
    helper::helper_error(orders.error().message());
    return kFailed;
  }
  const std::string& role = call.value().role;
  if (role == "cpu") return helper::run_cpu(orders.value());
  if (role == "memory") return helper::run_memory(orders.value());
  if (role == "disk") return helper::run_disk(orders.value());
  if (role == "shaper") return helper::run_shaper(orders.value());
  helper::helper_error("there is no role " + role);
  return kUsage;
}

int usage() {
  complain("ordeal-executor " ORDEAL_VERSION
           ": started by `ordeal`.\n"
           "  --stdio [--own-scope] | --protocol\n"
           "  --recover [--print] [--json] | --status [--json] | --doctor [--json]\n"
           "  --halt [--reason TEXT|-] [--json] | --lift [--json]");
  return kUsage;
}

}  // namespace

int dispatch(int count, char** arguments) {
  if (auto begun = os::begin_process(); begun.has_error()) return complain(begun.error().message());
  ::umask(077);  // for root alone: journals, the latch
  if (count < 2) return usage();
  const std::string what = arguments[1];
  if (what == "--helper") return help(count, arguments);
  if (what == "--swallow") return helper::run_swallow();
  os::start_children_like_services();
  Call call;
  for (int i = 2; i < count; ++i) {
    const std::string word = arguments[i];
    if (word == "--print") {
      call.print = true;
    } else if (word == "--json") {
      call.json = true;
    } else if (word == "--own-scope") {
      call.own_scope = true;
    } else if (word == "--reason" && i + 1 < count) {
      call.reason = arguments[++i];
    } else {
      return usage();
    }
  }
  if (what == "--stdio") {
    if (call.own_scope) os::enter_own_scope({"--stdio"});
    return serve();
  }
  if (what == "--protocol") {
    std::printf("protocol %d %d\n", wire::kProtocolMin, wire::kProtocolMax);
    return 0;
  }
  if (what == "--recover") return recover_here(call);
  if (what == "--status") return status_here(call);
  if (what == "--halt") return halt_here(call);
  if (what == "--lift") return lift_here(call);
  if (what == "--doctor") return doctor_here(call);
  return usage();
}

}  // namespace ordeal::executor

int main(int count, char** arguments) { return ordeal::executor::dispatch(count, arguments); }
