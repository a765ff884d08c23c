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
    if (theirs && machine_.on_asked) {
      machine_.on_asked(model::SignalProcess{id, number, std::nullopt});
    }
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

// As the helper does it: what was planned, or nothing.
Result<void> SimProcesses::check_planned(const boost::json::object& arguments) const {
  const auto id = machine_.file_id(std::string(arguments.at("path").as_string()));
  if (std::string_view(arguments.at("device").as_string()) == id.device &&
      arguments.at("inode").to_number<std::uint64_t>() == id.inode) {
    return ok();
  }
  return Error(Code::failed, "another directory than was planned");
}

Result<model::ProcessId> SimProcesses::fork_helper(const model::SpawnHelper& helper) {
  return act("spawn helper " + helper.mark, [&]() -> Result<model::ProcessId> {
    if (helper.role == "disk") {
      CHECK_OK(check_planned(helper.arguments));
    }
    if (machine_.on_asked) machine_.on_asked(helper);
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
      const auto workers =
          static_cast<double>(std::max<std::int64_t>(1, argument(arguments, "workers")));
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

Result<std::vector<os::Helper>> SimProcesses::helpers() const {
  if (auto problem = read_problem("list marked processes")) return *std::move(problem);
  std::vector<os::Helper> out;
  for (const auto& [pid, process] : machine_.processes) {
    if (!is_mark(process.info.name) || process.info.state == 'Z') continue;
    const bool owned = process.parent_node != nullptr && process.parent_node->alive();
    out.push_back(os::Helper{process.info.name, process.info.id, owned});
  }
  return out;
}

Result<std::string> SimProcesses::boot_id() const {
  if (auto problem = read_problem("read the boot id")) return *std::move(problem);
  return machine_.boot_id;
}

Result<std::string> SimProcesses::machine_id() const {
  if (auto problem = read_problem("read the machine id")) return *std::move(problem);
  return machine_.machine_id;
}

// ---- Commands -----------------------------------------------------------------------------------

// The child dies with its parent; what it had ordered of systemd by then goes on without it.
Task<Result<os::CommandResult>> SimProcesses::run(model::Command command,
                                                  std::map<std::string, std::string>) {
  if (!alive()) co_return dead();
  if (command.argv.empty() || !command.argv.front().starts_with('/')) {
    world_.violation("a command without an absolute path");
  }
  const std::string program = command.argv.empty() ? "" : command.argv.front();
  world_.point(node_, program, "before");
  if (!alive()) co_return dead();
  if (world_.prng().chance(machine_.misfortunes.call_fails)) {
    ++machine_.injected_failures;
    co_return injected(world_.prng(), "start " + program);
  }
  if (machine_.on_asked) machine_.on_asked(model::RunCommand{command});
  const BootTime deadline = world_.now() + command.timeout;
  co_await sleep(takes(machine_.command_takes));
  if (!alive()) co_return dead();
  const bool is_systemctl = program.ends_with("/systemctl") && machine_.systemd;
  const auto out = std::make_shared<os::CommandResult>();
  if (is_systemctl) {
    const WaitId wait = world_.next_wait();
    world_.wake_at(deadline, wait);
    out->timed_out = true;  // until it is done
    systemctl(command.argv, out, wait);
    co_await world_.suspend(node_, wait);
    if (!alive()) co_return dead();
    if (out->timed_out) out->exit_code = 128 + SIGKILL;
  } else {
    const auto found = machine_.commands.find(program);
    if (found == machine_.commands.end()) co_return Error::system(ENOENT, "start " + program);
    *out = found->second(machine_, command.argv);
  }
  world_.point(node_, program, "after");
  if (!alive()) co_return dead();
  co_return *out;
}

// Gives the order; its end is written to `out` and wakes `wait`.
void SimProcesses::systemctl(const std::vector<std::string>& argv,
                             const std::shared_ptr<os::CommandResult>& out, WaitId wait) {
  std::string verb;
  for (std::size_t i = 1; i < argv.size() && verb.empty(); ++i) {
    if (!argv[i].starts_with('-')) verb = argv[i];
  }
  const std::string unit = argv.back();
  const auto found = machine_.services.find(unit);
  BootTime done = world_.now() + 1us;
  std::uint64_t job = 0;
  if (found != machine_.services.end() && (verb == "stop" || verb == "start")) {
    job = ++found->second.job;
    if (found->second.active != (verb == "start")) done += takes(found->second.start_takes);
  }
  world_.at(done, [&machine = machine_, &world = world_, verb, unit, job, out, wait] {
    out->timed_out = false;
    const auto service = machine.services.find(unit);
    if (service == machine.services.end()) {
      out->exit_code = verb == "is-active" ? 4 : 5;
      out->errors = "Unit " + unit + " not loaded.";
    } else if (job != service->second.job && job != 0) {
      out->exit_code = 1;
      out->errors = "Job for " + unit + " canceled.";
    } else if (verb == "stop") {
      machine.take_down(unit, sim::Machine::Trace{"start_unit", unit, true});
    } else if (verb == "start" && !machine.start_unit(unit)) {
      out->exit_code = 1;
      out->errors = "Job for " + unit + " failed.";
    } else if (verb == "is-active") {
      out->exit_code = service->second.active ? 0 : 3;
    }
    world.wake(wait);
  });
}

}  // namespace ordeal::sim
