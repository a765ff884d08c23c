// Processes of the simulated machine, helpers of ours among them, and commands.
#include <cerrno>
#include <csignal>

#include "engine/base/ids.hpp"
#include "tests/sim/host.hpp"

namespace ordeal::sim {
namespace {

bool same(const Process& process, model::ProcessId id) {
  return process.info.id == id && process.info.state != 'Z';
}

std::int64_t argument(const boost::json::object& arguments, const char* name) {
  const auto* found = arguments.if_contains(name);
  return found != nullptr && found->is_number() ? found->to_number<std::int64_t>() : 0;
}

}  // namespace

Result<std::vector<model::ProcessInfo>> SimProcesses::list() const {
  if (auto problem = read_problem("list processes")) return *std::move(problem);
  std::vector<model::ProcessInfo> out;
  for (const auto& [pid, process] : machine_.processes) out.push_back(process.info);
  return out;
}

Result<model::ProcessInfo> SimProcesses::find(model::ProcessId id) const {
  if (auto problem = read_problem("read a process")) return *std::move(problem);
  const Process* process = machine_.find(id.pid);
  if (process == nullptr || !same(*process, id)) {
    return Error(Code::gone, fmt::format("no process {}", id.pid));
  }
  return process->info;
}

Result<os::ProcessUsage> SimProcesses::usage(model::ProcessId id) const {
  if (auto problem = read_problem("read usage")) return *std::move(problem);
  const Process* process = machine_.find(id.pid);
  if (process == nullptr || !same(*process, id)) {
    return Error(Code::gone, fmt::format("no process {}", id.pid));
  }
  const auto lived = static_cast<double>((world_.now() - process->started).count());
  os::ProcessUsage usage;
  usage.cpu = Duration(static_cast<std::int64_t>(lived * process->cores));
  usage.resident = process->resident;
  return usage;
}

Result<std::vector<std::int64_t>> SimProcesses::holders_of_port(std::uint16_t port) const {
  if (auto problem = read_problem("read sockets")) return *std::move(problem);
  std::vector<std::int64_t> out;
  for (const auto& [pid, process] : machine_.processes) {
    if (std::find(process.ports.begin(), process.ports.end(), port) != process.ports.end()) {
      out.push_back(pid);
    }
  }
  return out;
}

std::string SimProcesses::protected_because(const model::ProcessInfo& info) const {
  const Process* process = machine_.find(info.id.pid);
  return process != nullptr && process->info.id == info.id ? process->protected_because : "";
}

Result<void> SimProcesses::signal(model::ProcessId id, int number) {
  return act(fmt::format("signal {} to {}", number, id.pid), [&]() -> Result<void> {
    Process* process = machine_.find(id.pid);
    if (process == nullptr || !same(*process, id)) {
      return Error(Code::gone, fmt::format("no process {}", id.pid));
    }
    const bool theirs = process->node == nullptr && !process->helper;
    if (theirs && process->protected_because.empty() == false) {
      world_.violation(fmt::format("a signal to a protected process: {}", process->info.name));
    }
    if (theirs && number == SIGSTOP && process->info.state != 'T') {
      machine_.stopped_by_us.insert({id.pid, id.start_ticks});
      machine_.signal(id.pid, number);
      machine_.made(sim::Machine::Trace{"resume_process", std::to_string(id.pid), true});
      return ok();
    }
    if (theirs && number != SIGCONT && number != SIGSTOP && number != 0) {
      machine_.made(sim::Machine::Trace{"kill", std::to_string(id.pid), true});
    }
    machine_.signal(id.pid, number);
    return ok();
  });
}

Task<Result<void>> SimProcesses::wait_gone(model::ProcessId id, BootTime deadline) {
  while (alive()) {
    const Process* process = machine_.find(id.pid);
    if (process == nullptr || !same(*process, id)) co_return ok();
    if (world_.now() >= deadline) {
      co_return Error(Code::timeout, fmt::format("process {} is still there", id.pid));
    }
    const WaitId wait = world_.next_wait();
    machine_.death_waits.emplace(id.pid, wait);
    world_.wake_at(deadline, wait);
    co_await world_.suspend(node_, wait);
  }
  co_return dead();
}

Task<Result<model::ProcessId>> SimProcesses::spawn_helper(model::SpawnHelper helper) {
  auto forked = fork_helper(helper);
  if (forked.has_error()) co_return forked;
  co_await sleep(takes(2ms));
  if (!alive()) co_return dead();
  const Process* process = machine_.find(forked.value().pid);
  if (process == nullptr || !same(*process, forked.value())) {
    co_return Error(Code::failed, "the helper died at once");
  }
  co_return forked;
}

Result<model::ProcessId> SimProcesses::fork_helper(const model::SpawnHelper& helper) {
  return act("spawn helper " + helper.mark, [&]() -> Result<model::ProcessId> {
    Process process;
    process.info.name = helper.mark;
    process.info.exe = "/usr/lib/ordeal/ordeal-executor";
    process.info.command = "ordeal-executor --helper " + helper.role;
    process.info.parent = node_.pid();
    process.info.cgroup = helper.cgroup.value_or("/");
    process.protected_because = "it is ordeal itself";
    process.helper = helper;
    process.parent_node = &node_;
    const auto& arguments = helper.arguments;
    if (helper.role == "cpu") {
      const auto workers = static_cast<double>(std::max<std::int64_t>(
          1, argument(arguments, "workers")));
      const std::int64_t load = argument(arguments, "load");
      const double free = std::max(0.1, machine_.cpus - machine_.cores_busy());
      process.cores = std::min(free, workers * static_cast<double>(load) / 1e6);
    } else if (helper.role == "memory") {
      process.resident = Bytes{argument(arguments, "bytes")};
    } else if (helper.role == "disk") {
      const auto* path = arguments.if_contains("path");
      const std::string where = path != nullptr ? std::string(path->as_string()) : "/";
      const std::int64_t room = machine_.available_bytes(where) - argument(arguments, "floor");
      const std::int64_t wanted = argument(arguments, "bytes");
      process.disk = Bytes{std::clamp<std::int64_t>(wanted, 0, std::max<std::int64_t>(room, 0))};
      process.disk_mount = machine_.mount_of(where);
    }
    const model::ProcessId id = machine_.add_process(std::move(process)).info.id;
    machine_.made(sim::Machine::Trace{"kill_helper", helper.mark, true});
    return id;
  });
}

Result<std::vector<model::ProcessId>> SimProcesses::find_marked(const std::string& mark) const {
  if (auto problem = read_problem("find marked processes")) return *std::move(problem);
  std::vector<model::ProcessId> out;
  for (const auto& [pid, process] : machine_.processes) {
    if (process.info.name == mark && process.info.state != 'Z') out.push_back(process.info.id);
  }
  return out;
}

Result<std::vector<std::string>> SimProcesses::marks() const {
  if (auto problem = read_problem("list marked processes")) return *std::move(problem);
  std::set<std::string> out;
  for (const auto& [pid, process] : machine_.processes) {
    if (is_mark(process.info.name) && process.info.state != 'Z') out.insert(process.info.name);
  }
  return std::vector<std::string>(out.begin(), out.end());
}

// ---- Commands -----------------------------------------------------------------------------------

Task<Result<os::CommandResult>> SimProcesses::run(
    model::Command command, std::map<std::string, std::string>) {
  if (!alive()) co_return dead();
  if (command.argv.empty() || !command.argv.front().starts_with('/')) {
    world_.violation("a command without an absolute path");
  }
  const std::string program = command.argv.empty() ? "" : command.argv.front();
  Duration time = takes(machine_.command_takes);
  const bool is_systemctl = program.ends_with("/systemctl");
  if (is_systemctl) {
    const auto service = machine_.services.find(command.argv.back());
    if (service != machine_.services.end()) time += service->second.start_takes;
  }
  // The child lives on when its parent dies: what it does, it does.
  const auto out = std::make_shared<std::optional<Result<os::CommandResult>>>();
  const WaitId wait = world_.next_wait();
  world_.point(node_, program, "before");
  if (!alive()) co_return dead();
  if (world_.prng().chance(machine_.misfortunes.call_fails)) {
    ++machine_.injected_failures;
    co_return injected(world_.prng(), "start " + program);
  }
  const std::vector<std::string> argv = command.argv;
  world_.at(world_.now() + std::min(time, command.timeout), [this, argv, out, wait, time, command] {
    if (time > command.timeout) {
      os::CommandResult late;
      late.timed_out = true;
      late.exit_code = 128 + SIGKILL;
      *out = late;
    } else {
      *out = carry_out(argv);
    }
    world_.wake(wait);
  });
  co_await world_.suspend(node_, wait);
  if (!alive()) co_return dead();
  world_.point(node_, program, "after");
  if (!alive()) co_return dead();
  if (!*out) co_return Error(Code::failed, "woken early");
  co_return std::move(**out);
}

// Runs in the child, at the moment of its end.
Result<os::CommandResult> SimProcesses::carry_out(const std::vector<std::string>& argv) {
  if (argv.front().ends_with("/systemctl")) return systemctl(argv);
  const auto found = machine_.commands.find(argv.front());
  if (found == machine_.commands.end()) return Error::system(ENOENT, "start " + argv.front());
  return found->second(machine_, argv);
}

Result<os::CommandResult> SimProcesses::systemctl(const std::vector<std::string>& argv) {
  if (!machine_.systemd) return Error::system(ENOENT, "start systemctl");
  std::string verb;
  for (std::size_t i = 1; i < argv.size() && verb.empty(); ++i) {
    if (!argv[i].starts_with('-')) verb = argv[i];
  }
  const std::string& unit = argv.back();
  os::CommandResult result;
  const auto service = machine_.services.find(unit);
  if (service == machine_.services.end()) {
    result.exit_code = verb == "show" || verb == "is-active" ? 4 : 5;
    result.errors = "Unit " + unit + " not loaded.";
    return result;
  }
  if (verb == "stop") {
    machine_.take_down(unit, sim::Machine::Trace{"start_unit", unit, true});
  } else if (verb == "start") {
    if (!machine_.start_unit(unit)) {
      result.exit_code = 1;
      result.errors = "Job for " + unit + " failed.";
    }
  } else if (verb == "is-active") {
    result.exit_code = service->second.active ? 0 : 3;
    result.output = service->second.active ? "active\n" : "inactive\n";
  } else if (verb == "show") {
    result.output = service->second.active ? "ActiveState=active\n" : "ActiveState=inactive\n";
  }
  return result;
}

}  // namespace ordeal::sim
