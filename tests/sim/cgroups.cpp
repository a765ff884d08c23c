#include "tests/sim/host.hpp"

namespace ordeal::sim {
namespace {

bool within_cgroup(const std::string& cgroup, const std::string& of) {
  return of == cgroup || of.starts_with(cgroup == "/" ? cgroup : cgroup + "/");
}

}  // namespace

Result<std::string> SimCgroups::of_unit(const std::string& unit) const {
  if (auto problem = read_problem("find cgroup")) return *std::move(problem);
  const auto service = machine_.services.find(unit);
  if (service == machine_.services.end() || service->second.unit != unit ||
      !service->second.active) {
    return Error(Code::gone, "no cgroup of " + unit);
  }
  return "/system.slice/" + unit;
}

Result<bool> SimCgroups::populated(const std::string& cgroup) const {
  TRY(auto pids, processes(cgroup));
  return !pids.empty();
}

Result<bool> SimCgroups::frozen(const std::string& cgroup) const {
  if (auto problem = read_problem("read cgroup.events")) return *std::move(problem);
  const auto found = machine_.cgroups.find(cgroup);
  if (found == machine_.cgroups.end()) return Error(Code::gone, "no cgroup " + cgroup);
  return found->second.frozen;
}

Result<std::vector<std::int64_t>> SimCgroups::processes(const std::string& cgroup) const {
  if (auto problem = read_problem("read cgroup.procs")) return *std::move(problem);
  if (!machine_.cgroups.contains(cgroup)) return Error(Code::gone, "no cgroup " + cgroup);
  std::vector<std::int64_t> out;
  for (const auto& [pid, process] : machine_.processes) {
    if (within_cgroup(cgroup, process.info.cgroup)) out.push_back(pid);
  }
  return out;
}

Result<std::optional<Ppm>> SimCgroups::cpu_limit(const std::string& cgroup) const {
  if (auto problem = read_problem("read cpu.max")) return *std::move(problem);
  const auto found = machine_.cgroups.find(cgroup);
  if (found == machine_.cgroups.end()) return Error(Code::gone, "no cgroup " + cgroup);
  return found->second.cpu_limit;
}

Result<os::Cgroups::Memory> SimCgroups::memory(const std::string& cgroup) const {
  if (auto problem = read_problem("read memory.max")) return *std::move(problem);
  const auto found = machine_.cgroups.find(cgroup);
  if (found == machine_.cgroups.end()) return Error(Code::gone, "no cgroup " + cgroup);
  Memory out;
  for (const auto& [path, above] : machine_.cgroups) {
    if (!within_cgroup(path, cgroup) || !above.memory_limit) continue;
    if (!out.limit || *above.memory_limit < *out.limit) out.limit = above.memory_limit;
  }
  out.used = found->second.memory_used;
  return out;
}

Task<Result<void>> SimCgroups::set_frozen(std::string cgroup, bool frozen) {
  auto written = act(fmt::format("set {} frozen={}", cgroup, frozen), [&]() -> Result<void> {
    const auto found = machine_.cgroups.find(cgroup);
    if (found == machine_.cgroups.end()) return Error(Code::gone, "no cgroup " + cgroup);
    if (frozen && machine_.on_asked) machine_.on_asked(model::FreezeCgroup{cgroup});
    if (!machine_.freezer_works) return ok();
    const bool before = std::exchange(found->second.frozen, frozen);
    if (frozen && !before) {
      machine_.made(sim::Machine::Trace{"thaw_cgroup", cgroup, true});
    }
    return ok();
  });
  if (written.has_error()) co_return written;
  co_await sleep(takes(1ms));
  co_return written;
}

Result<os::HostValues> SimMachine::values() const {
  if (auto problem = read_problem("read /proc")) return *std::move(problem);
  os::HostValues values;
  const double cpus = machine_.cpus;
  values.cpus = machine_.cpus;
  values.cpu = std::min(100.0, 100.0 * machine_.cores_busy() / cpus);
  values.load1 = machine_.cores_busy();
  double used = static_cast<double>(machine_.memory_used.value);
  for (const auto& [pid, process] : machine_.processes) {
    used += static_cast<double>(process.resident.value);
  }
  values.memory_total = static_cast<double>(machine_.memory_total.value);
  values.memory_available = std::max(0.0, values.memory_total - used);
  values.cpu_pressure = std::max(0.0, machine_.cores_busy() - cpus) * 10;
  values.memory_pressure = 0;
  values.io_pressure = 0;
  return values;
}

}  // namespace ordeal::sim
