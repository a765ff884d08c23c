// service.stop: a service is stopped in its own orderly way and started again.
//
// Mechanism: the host's systemd stops the unit (an explicit stop is not undone by Restart=), or a
// given command stops it where there is no systemd. Units that systemd stops with it are found in
// the unit files, claimed, and started again too. Source: systemctl(1), systemd.unit(5).
#include "engine/base/text.hpp"
#include "engine/fault/parameters.hpp"
#include "engine/fault/protected.hpp"
#include "faults/service/dependents.hpp"

namespace ordeal::service {
namespace {

struct Parameters {
  std::optional<std::vector<std::string>> stop;
  std::optional<std::vector<std::string>> start;
  Duration timeout = 30s;
  Duration restore_within = 10s;
};
BOOST_DESCRIBE_STRUCT(Parameters, (), (stop, start, timeout, restore_within))

model::FaultDescription describe() {
  using enum model::ParameterKind;
  model::FaultDescription out;
  out.name = "service.stop";
  out.summary = "A service is stopped in an orderly way, and started again at the end.";
  out.parameters = {
      {.name = "stop",
       .kind = argv,
       .summary = "Without systemd: the command that stops the service; with target.process."},
      {.name = "start",
       .kind = argv,
       .summary = "Without systemd: the command that starts the service again; with `stop`."},
      {.name = "timeout",
       .kind = duration,
       .summary = "How long the `stop` and the `start` command may each take.",
       .default_text = "30s",
       .minimum = 100'000,
       .maximum = 600'000'000},
      {.name = "restore_within",
       .kind = duration,
       .summary = "How long after `start` as many processes may take to match again; later the "
                  "host is called dirty.",
       .default_text = "10s",
       .minimum = 100'000,
       .maximum = 600'000'000},
  };
  out.target = model::TargetKind::unit_or_process;
  out.needs = {"root"};
  out.example =
      "- fault: service.stop\n"
      "  target: { unit: redis-server.service }\n"
      "  duration: 30s\n";
  return out;
}

Result<void> check_unit(const os::Host& host, const std::string& unit) {
  if (!host.processes().systemd_is_pid1()) {
    return Error(Code::unsupported,
                 "target.unit needs systemd as pid 1, which this host does not have; use "
                 "target.process with `stop: [...]` and `start: [...]`");
  }
  if (!unit.ends_with(".service")) {
    return Error(Code::invalid, fmt::format("target.unit: expected the full name of a service, "
                                            "such as {}.service",
                                            printable(unit, 80)));
  }
  const std::string reason = fault::unit_protected_because(unit);
  if (!reason.empty()) {
    return Error(Code::refused, fmt::format("{} is not stopped: {}", unit, reason));
  }
  return ok();
}

// A unit that stops must not take a protected process with it, such as ourselves.
Result<void> check_processes(const os::Host& host, const std::string& unit) {
  TRY(const auto processes, within("list processes", host.processes().list()));
  for (const model::ProcessInfo& process : processes) {
    if (process.unit != unit) continue;
    const std::string reason = host.processes().protected_because(process);
    if (reason.empty()) continue;
    return Error(Code::refused, fmt::format("{} is not stopped: pid {} in it is protected ({})",
                                            unit, process.id.pid, reason));
  }
  return ok();
}

Result<model::HostStep> plan_unit(const fault::PlanContext& context, const std::string& unit) {
  const os::Host& host = context.host;
  CHECK_OK(check_unit(host, unit));
  const auto cgroup = host.cgroups().of_unit(unit);
  const auto populated =
      cgroup.has_value() ? host.cgroups().populated(cgroup.value()) : Result<bool>(false);
  if (populated.has_error() || !populated.value()) {
    return Error(Code::refused, fmt::format("{} runs no process: there is nothing to stop", unit));
  }
  const std::vector<std::string> dependents = stopped_together_with(host, unit);
  CHECK_OK(check_processes(host, unit));
  for (const std::string& dependent : dependents) {
    CHECK_OK(within("systemd stops " + dependent + " with it", check_unit(host, dependent)));
    CHECK_OK(within("systemd stops " + dependent + " with it", check_processes(host, dependent)));
  }

  model::HostStep out;
  model::Change change;
  change.summary = "stop " + unit;
  change.apply = model::StopUnit{unit};
  // Rollback goes newest first: the unit itself is started before those that need it.
  for (const std::string& dependent : dependents) {
    change.undos.push_back(model::StartUnit{dependent});
    out.claims.push_back({"unit", dependent});
    out.warnings.push_back(
        fmt::format("systemd stops {} with it; it is started again too", dependent));
  }
  change.undos.push_back(model::StartUnit{unit});
  out.claims.push_back({"unit", unit});
  const std::string socket = socket_of(host, unit);
  if (!socket.empty()) {
    out.warnings.push_back(
        fmt::format("{} may start it again at the next connection; then the "
                    "effect is not seen",
                    socket));
  }
  out.backend = "systemd";
  out.summary = {change.summary, "afterwards: start " + unit};
  out.changes.push_back(std::move(change));
  out.effects.push_back(model::UnitInactive{unit});
  return out;
}

Result<void> check_command(const std::vector<std::string>& argv, std::string_view name) {
  if (!argv.empty() && argv.front().starts_with('/')) return ok();
  return Error(Code::invalid, fmt::format("with.{}: expected an absolute path of a program", name));
}

Result<model::HostStep> plan_commands(const fault::PlanContext& context,
                                      const Parameters& parameters) {
  if (!parameters.stop || !parameters.start) {
    return Error(Code::invalid, "target.process needs both `stop: [...]` and `start: [...]`");
  }
  CHECK_OK(check_command(*parameters.stop, "stop"));
  CHECK_OK(check_command(*parameters.start, "start"));
  if (context.request.target.mode != model::Mode::all) {
    return Error(Code::invalid, "target.mode: a service is stopped as a whole; leave `mode` out");
  }
  const auto picked = static_cast<std::int64_t>(context.processes.size());
  if (picked == 0) return Error(Code::refused, "no process matches target.process");
  if (context.matched > picked) {
    return Error(Code::refused,
                 fmt::format("target.process matches {} processes of which {} are protected; name "
                             "the service more exactly",
                             context.matched, context.matched - picked));
  }
  model::ProcessMatcher matcher = *context.request.target.process;
  matcher.count_min.reset();
  matcher.count_max.reset();

  model::HostStep out;
  model::Change change;
  change.summary = "run " + printable(join(*parameters.stop, " "));
  change.apply = model::RunCommand{{*parameters.stop, parameters.timeout}};
  model::ExpectProcesses expected{matcher, picked, parameters.restore_within, {}};
  for (const model::ProcessInfo& process : context.processes) {
    expected.killed.push_back(process.id);
  }
  change.undos.push_back(std::move(expected));
  change.undos.push_back(model::RunUndoCommand{{*parameters.start, parameters.timeout}});
  out.backend = "commands";
  out.summary = {change.summary, "afterwards: run " + printable(join(*parameters.start, " ")),
                 fmt::format("afterwards: {} must match again within {}", picked,
                             format_duration(parameters.restore_within))};
  out.changes.push_back(std::move(change));
  out.effects.push_back(model::NoProcessMatches{matcher});
  for (const model::ProcessInfo& process : context.processes) {
    out.claims.push_back({"process", fmt::format("{}:{}", process.id.pid, process.id.start_ticks)});
    if (process.unit.ends_with(".service") && context.host.processes().systemd_is_pid1()) {
      out.warnings.push_back(
          fmt::format("pid {} belongs to {}: target.unit would stop it without "
                      "a race with Restart=",
                      process.id.pid, process.unit));
    }
  }
  return out;
}

Result<model::HostStep> plan(const fault::PlanContext& context) {
  TRY(const auto parameters, fault::parameters<Parameters>(context.request));
  const model::Target& target = context.request.target;
  if (target.unit.has_value() == target.process.has_value()) {
    return Error(Code::invalid, "target: exactly one of `unit` and `process`");
  }
  if (target.unit && (parameters.stop || parameters.start)) {
    return Error(Code::invalid,
                 "with: systemd stops and starts target.unit; `stop` and `start` "
                 "belong to target.process");
  }
  TRY(auto out,
      target.unit ? plan_unit(context, *target.unit) : plan_commands(context, parameters));
  if (context.request.zero_magnitude) {
    out.summary = {"control: would " + out.changes.front().summary + "; nothing is stopped"};
    out.changes.clear();
    out.effects.clear();
    out.warnings.clear();
  }
  return out;
}

}  // namespace

fault::Fault stop() { return {describe(), plan}; }

}  // namespace ordeal::service
