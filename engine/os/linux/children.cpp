// What starts programs: helpers of ours and the user's commands.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <csignal>

#include "engine/base/text.hpp"
#include "engine/os/linux/proc.hpp"
#include "engine/os/linux/processes.hpp"
#include "engine/os/linux/spawn.hpp"
#include "engine/os/linux/suspend.hpp"

namespace ordeal::os {
namespace {

using Descriptor = asio::posix::stream_descriptor;

constexpr Duration kReadyWithin = 2s;
// SIGKILL acts at once unless the process sleeps in the kernel; nobody waits longer for that.
constexpr Duration kKilledWithin = 1s;
constexpr std::size_t kOutputLimit = 64 * 1024;
constexpr std::size_t kErrorsLimit = 4 * 1024;
constexpr std::size_t kPipeCapacity = 64 * 1024;

std::vector<std::string> plain_environment(const std::map<std::string, std::string>& more) {
  std::map<std::string, std::string> all = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"},
                                            {"LANG", "C"}};
  for (const auto& [name, value] : more) all[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

// A pipe for what a child says. The child gets its end for both directions, and so is a reader of
// its own: whatever dies, no daemon that it leaves behind is killed by SIGPIPE.
Result<Pipe> make_output_pipe() {
  TRY(Pipe pipe, make_pipe());
  auto both = open_file(fmt::format("/proc/self/fd/{}", pipe.write.get()), O_RDWR);
  if (both.has_value()) pipe.write = std::move(both.value());
  return pipe;
}

void append_up_to(std::string& text, std::string_view more, std::size_t limit) {
  text += more.substr(0, limit - std::min(limit, text.size()));
}

// Keeps the first `limit` bytes and reads the rest away, so that the child never blocks on us.
// Returns when the child has ended: at end of file alone it may still run.
Task<void> collect(Descriptor& pipe, Descriptor& pidfd, std::string& text, std::size_t limit) {
  std::array<char, 4096> buffer;
  for (;;) {
    boost::system::error_code problem;
    const std::size_t count = co_await pipe.async_read_some(
        asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, problem));
    append_up_to(text, std::string_view(buffer.data(), count), limit);
    if (problem) break;
  }
  co_await wait_readable(pidfd);
}

// What the child wrote before it ended is in the pipe. A daemon that it left behind may hold the
// other end for ever, so this takes what is there and no more.
void drain(Descriptor& pipe, std::string& text, std::size_t limit) {
  std::array<char, 4096> buffer;
  for (std::size_t taken = 0; taken < kPipeCapacity;) {
    const ssize_t count = ::read(pipe.native_handle(), buffer.data(), buffer.size());
    if (count <= 0) return;
    taken += static_cast<std::size_t>(count);
    append_up_to(text, std::string_view(buffer.data(), static_cast<std::size_t>(count)), limit);
  }
}

// Whether nobody holds the other end any more.
bool is_closed(Descriptor& pipe) {
  pollfd wanted{pipe.native_handle(), POLLIN, 0};
  return ::poll(&wanted, 1, 0) == 1 && (wanted.revents & POLLHUP) != 0;
}

// False at end of file before a whole line.
Task<bool> read_line(Descriptor& pipe, std::string& line) {
  std::array<char, 512> buffer;
  while (line.find('\n') == std::string::npos) {
    boost::system::error_code problem;
    const std::size_t count = co_await pipe.async_read_some(
        asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, problem));
    line.append(buffer.data(), count);
    if (problem || line.size() > 4096) co_return false;
  }
  co_return true;
}

}  // namespace

// A command of ours that runs. Its process group dies with this object, also when the coroutine
// that awaits it is cancelled.
class LinuxProcesses::RunningCommand {
 public:
  RunningCommand(std::list<Child>& leftovers, asio::any_io_executor executor, Spawned child)
      : leftovers_(leftovers), pid_(child.pid), pidfd_(std::move(executor), child.pidfd.release()) {
  }
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;
  ~RunningCommand() {
    if (ended()) return;
    kill();
    Child left;
    left.id.pid = pid_;
    left.pidfd = Fd(pidfd_.release());
    leftovers_.push_back(std::move(left));
  }

  Descriptor& pidfd() { return pidfd_; }

  bool ended() {
    if (ended_) return true;
    auto code = try_reap(pidfd_.native_handle());
    // An error: somebody else has reaped it. It has ended, and nobody knows how.
    ended_ = !code || code.value().has_value();
    if (code) exit_code_ = code.value();
    return ended_;
  }
  std::optional<int> exit_code() const { return exit_code_; }

  // The whole group; it is ours as long as its leader is not reaped.
  void kill() { ::kill(-pid_, SIGKILL); }

 private:
  std::list<Child>& leftovers_;
  pid_t pid_;
  Descriptor pidfd_;
  bool ended_ = false;
  std::optional<int> exit_code_;
};

LinuxProcesses::LinuxProcesses(asio::any_io_executor executor, Clock& clock,
                               const LinuxCgroups& cgroups, std::string executor_path)
    : executor_(std::move(executor)), clock_(clock), cgroups_(cgroups),
      executor_path_(std::move(executor_path)) {}

LinuxProcesses::~LinuxProcesses() { reap(); }

void LinuxProcesses::reap() const {
  children_.remove_if([](const Child& child) {
    const auto code = try_reap(child.pidfd.get());
    return !code || code.value().has_value();
  });
}

Task<Result<CommandResult>> LinuxProcesses::run(model::Command command,
                                                std::map<std::string, std::string> environment) {
  using namespace asio::experimental::awaitable_operators;
  if (command.argv.empty() || !command.argv[0].starts_with('/')) {
    co_return Error(Code::invalid, "a command starts with an absolute path");
  }
  reap();
  CO_TRY(Pipe output, make_output_pipe());
  CO_TRY(Pipe errors, make_output_pipe());
  SpawnPlan plan;
  plan.path = command.argv[0];
  plan.argv = command.argv;
  plan.environment = plain_environment(environment);
  plan.descriptors = {-1, output.write.get(), errors.write.get()};
  plan.own_session = true;
  plan.dies_with_parent = true;  // what a dead process ordered must not come after its undo
  CO_TRY(Spawned child, spawn(plan));
  RunningCommand running(children_, executor_, std::move(child));
  output.write.reset();
  errors.write.reset();
  Descriptor output_end(executor_, output.read.release());
  Descriptor errors_end(executor_, errors.read.release());
  output_end.native_non_blocking(true);
  errors_end.native_non_blocking(true);

  CommandResult result;
  Task<void> out = collect(output_end, running.pidfd(), result.output, kOutputLimit);
  Task<void> err = collect(errors_end, running.pidfd(), result.errors, kErrorsLimit);
  Task<void> ended = wait_readable(running.pidfd());
  Task<void> alarm = clock_.sleep_until(clock_.now() + command.timeout);
  co_await (std::move(out) || std::move(err) || std::move(ended) || std::move(alarm));
  if (!running.ended()) {
    result.timed_out = true;
    running.kill();
    Task<void> killed = wait_readable(running.pidfd());
    Task<void> late = clock_.sleep_until(clock_.now() + kKilledWithin);
    co_await (std::move(killed) || std::move(late));
  }
  drain(output_end, result.output, kOutputLimit);
  drain(errors_end, result.errors, kErrorsLimit);
  result.exit_code = running.ended() ? running.exit_code() : 128 + SIGKILL;
  if (!is_closed(output_end) || !is_closed(errors_end)) swallow(output_end, errors_end);
  co_return result;
}

// What a command starts outlives us. A daemon that still writes to our pipes would wait for a
// reader as soon as they are full; so somebody reads them to their end, and outlives us as well.
void LinuxProcesses::swallow(Descriptor& output, Descriptor& errors) {
  if (executor_path_.empty()) return;
  SpawnPlan plan;
  plan.path = executor_path_;
  plan.argv = {"ordeal-executor", "--swallow"};
  plan.environment = plain_environment({});
  plan.descriptors = {output.native_handle(), -1, -1, errors.native_handle()};
  plan.own_session = true;
  auto spawned = spawn(plan);
  if (!spawned) return;  // the daemon lives, until it has written 64 KiB
  Child child;
  child.id.pid = spawned.value().pid;
  child.pidfd = std::move(spawned.value().pidfd);
  children_.push_back(std::move(child));
}

Result<SpawnPlan> LinuxProcesses::helper_plan(const model::SpawnHelper& helper) const {
  SpawnPlan plan;
  plan.path = executor_path_;
  plan.argv = {
      "ordeal-executor",         "--helper", helper.role, "--mark", helper.mark, "--parent",
      std::to_string(::getpid())};
  plan.environment = plain_environment({});
  plan.own_session = true;  // no signal of a terminal reaches it
  plan.dies_with_parent = true;
  if (helper.cgroup) {
    TRY(plan.cgroup_files, cgroups_.entrances(*helper.cgroup));
  }
  return plan;
}

Task<Result<model::ProcessId>> LinuxProcesses::spawn_helper(model::SpawnHelper helper) {
  reap();
  const std::string what = fmt::format("start helper {} ({})", helper.mark, helper.role);
  CO_TRY(SpawnPlan plan, within(what, helper_plan(helper)));
  CO_TRY(Pipe orders, make_pipe());
  CO_TRY(Pipe answer, make_pipe());
  // Written before anybody reads: it must fit into the pipe.
  const std::string text = boost::json::serialize(helper.arguments);
  if (text.size() >= kPipeCapacity) co_return Error(Code::invalid, what + ": too many arguments");
  if (::write(orders.write.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    co_return Error::system(errno, what + ": write its orders");
  }
  orders.write.reset();
  plan.descriptors = {orders.read.get(), answer.write.get(), -1};
  CO_TRY(Spawned spawned, within(what, spawn(plan)));
  answer.write.reset();
  // It cannot be reaped before we ask, so this is its own entry.
  const auto stat = proc::read_stat(spawned.pid);
  Child child;
  child.id = stat ? stat.value().id : model::ProcessId{spawned.pid, 0};
  child.pidfd = std::move(spawned.pidfd);
  child.mark = helper.mark;
  const model::ProcessId id = child.id;
  children_.push_back(std::move(child));
  if (!stat) {
    ::kill(spawned.pid, SIGKILL);  // one that nobody could name later
    co_return Error(stat.error()).within(what);
  }
  Result<void> ready = co_await await_ready(answer.read.release());
  if (ready) co_return id;
  ignore(signal(id, SIGKILL), "it may have ended by itself");
  co_return std::move(ready.error()).within(what);
}

// Takes `output` over.
Task<Result<void>> LinuxProcesses::await_ready(int output) {
  using namespace asio::experimental::awaitable_operators;
  Descriptor pipe(executor_, output);
  std::string line;
  Task<bool> read = read_line(pipe, line);
  Task<void> alarm = clock_.sleep_until(clock_.now() + kReadyWithin);
  const auto first = co_await (std::move(read) || std::move(alarm));
  if (first.index() == 1) co_return Error(Code::timeout, "it was not ready within 2 s");
  if (!std::get<0>(first)) co_return Error(Code::failed, "it ended before it was ready");
  const std::string_view word = proc::trimmed(line);
  if (word == "ready") co_return ok();
  constexpr std::string_view kError = "error: ";
  if (word.starts_with(kError)) {
    co_return Error(Code::failed, printable(word.substr(kError.size())));
  }
  co_return Error(Code::failed, "its answer is \"" + printable(word) + "\"");
}

}  // namespace ordeal::os
