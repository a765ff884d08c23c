// process.pause: processes stand still, keep their memory, sockets and locks, and go on later.
//
// Mechanism: cgroup.freeze where the picked processes are all that live in their cgroup v2 (no
// SIGCHLD to the parent; children born meanwhile stand still too), SIGSTOP through a pidfd
// elsewhere. What somebody else had stopped before is left alone, so that the undo never starts
// what did not run. Source: kernel Documentation/admin-guide/cgroup-v2.rst (cgroup.freeze),
// signal(7).
#include <csignal>
#include <set>

#include "engine/fault/parameters.hpp"
#include "faults/process/claims.hpp"

namespace ordeal::process {
namespace {

struct Parameters {
  std::string method;
};
BOOST_DESCRIBE_STRUCT(Parameters, (), (method))

model::FaultDescription describe() {
  using enum model::ParameterKind;
  model::FaultDescription out;
  out.name = "process.pause";
  out.summary = "Processes stand still, as if hung, and go on where they were.";
  out.parameters = {
      {.name = "method",
       .kind = choice,
       .summary = "auto: freeze the cgroup where nothing else lives in it, SIGSTOP elsewhere; "
                  "or insist on one of both.",
       .default_text = "auto",
       .choices = {"auto", "freeze", "signal"}},
  };
  out.target = model::TargetKind::process;
  out.needs = {"root"};
  out.example =
      "- fault: process.pause\n"
      "  target: { process: { local_port: 6379 } }\n"
      "  duration: 20s\n";
  return out;
}

bool is_below(const std::string& path, const std::string& ancestor) {
  return path == ancestor || path.starts_with(ancestor + "/");
}

// Cgroups that hold picked processes and nothing else in their whole subtree, outermost first. A
// parent that would freeze a stranger is never taken.
std::vector<std::string> freezable(const fault::PlanContext& context,
                                   const std::vector<model::ProcessInfo>& all) {
  std::set<std::int64_t> picked;
  std::set<std::string> candidates;
  for (const model::ProcessInfo& process : context.processes) {
    picked.insert(process.id.pid);
    if (process.cgroup.size() > 1) candidates.insert(process.cgroup);
  }
  // The unit's own cgroup, even when all of its processes live in cgroups below it.
  const model::ProcessMatcher& matcher = *context.request.target.process;
  if (matcher.unit) {
    const auto unit = context.host.cgroups().of_unit(*matcher.unit);
    if (unit.has_value() && unit.value().size() > 1) candidates.insert(unit.value());
  }
  std::vector<std::string> out;
  for (const std::string& cgroup : candidates) {
    const bool covered = std::any_of(
        out.begin(), out.end(), [&](const std::string& taken) { return is_below(cgroup, taken); });
    const bool strangers = std::any_of(all.begin(), all.end(), [&](const auto& process) {
      return process.state != 'Z' && is_below(process.cgroup, cgroup) &&
             !picked.contains(process.id.pid);
    });
    // frozen() fails where this kernel has no cgroup.freeze, or the path is not on a v2 mount.
    const auto frozen = context.host.cgroups().frozen(cgroup);
    const bool runs = frozen.has_value() && !frozen.value();
    const bool may = context.host.cgroups().can_freeze(cgroup).has_value();
    if (!covered && !strangers && runs && may) out.push_back(cgroup);
  }
  return out;
}

void freeze(model::HostStep& step, const std::string& cgroup) {
  model::Change change;
  change.summary = "freeze cgroup " + printable(cgroup, 120);
  change.apply = model::FreezeCgroup{cgroup};
  change.undos.push_back(model::ThawCgroup{cgroup});
  step.summary.push_back(change.summary + ": processes born in it meanwhile stand still too");
  step.changes.push_back(std::move(change));
  step.claims.push_back({"cgroup", cgroup});
  step.effects.push_back(model::CgroupFrozen{cgroup});
}

void stop(model::HostStep& step, const model::ProcessInfo& process) {
  model::Change change;
  change.summary = "send STOP to " + name_of(process);
  change.apply = model::SignalProcess{process.id, SIGSTOP, std::nullopt};
  change.undos.push_back(model::ResumeProcess{process.id});
  step.summary.push_back(change.summary);
  step.changes.push_back(std::move(change));
}

// Empty: it runs. Otherwise why stopping it would change nothing, and resuming it too much.
std::string stands_because(const os::Cgroups& cgroups, const model::ProcessInfo& process) {
  const auto frozen = cgroups.frozen(process.cgroup);
  if (process.cgroup.size() > 1 && frozen.has_value() && frozen.value()) {
    return "is already frozen with its cgroup by somebody else";
  }
  if (process.state == 'T') return "is already stopped by somebody else";
  if (process.state == 't') return "is stopped by a debugger";
  return "";
}

Result<model::HostStep> plan(const fault::PlanContext& context) {
  TRY(const auto parameters, fault::parameters<Parameters>(context.request));
  if (context.processes.empty() || !context.request.target.process) {
    return Error(Code::refused, "no process matches target.process");
  }
  std::vector<std::string> cgroups;
  if (parameters.method != "signal") {
    TRY(const auto all, within("list processes", context.host.processes().list()));
    cgroups = freezable(context, all);
  }

  model::HostStep out;
  model::ProcessesStopped stopped;
  std::set<std::string> units;  // frozen: stopping or starting one now would hang
  for (const std::string& cgroup : cgroups) freeze(out, cgroup);
  for (const model::ProcessInfo& process : context.processes) {
    out.claims.push_back(claim_of(process.id));
    const bool frozen = std::any_of(cgroups.begin(), cgroups.end(), [&](const auto& cgroup) {
      return is_below(process.cgroup, cgroup);
    });
    if (frozen) {
      if (!process.unit.empty()) units.insert(process.unit);
      continue;
    }
    const auto may = context.host.cgroups().can_freeze(process.cgroup);
    if (parameters.method == "freeze" && may.has_error() && process.cgroup.size() > 1) {
      return Error(Code::refused,
                   fmt::format("method: freeze, but {} ({} is in it); use method: auto",
                               may.error().message(), name_of(process)));
    }
    if (parameters.method == "freeze") {
      return Error(Code::refused,
                   fmt::format("method: freeze, but {} does not have a cgroup v2 of its own that "
                               "can be frozen (it is in {}); use method: auto",
                               name_of(process), printable(process.cgroup, 120)));
    }
    const std::string stands = stands_because(context.host.cgroups(), process);
    if (!stands.empty()) {
      out.warnings.push_back(fmt::format("{} {}: left as it is", name_of(process), stands));
      continue;
    }
    stop(out, process);
    stopped.processes.push_back(process.id);
  }
  for (const std::string& unit : units) out.claims.push_back({"unit", unit});
  if (out.changes.empty()) {
    return Error(Code::refused, fmt::format("nothing to pause: {}", join(out.warnings, "; ")));
  }
  if (!stopped.processes.empty()) out.effects.push_back(stopped);
  out.backend = cgroups.empty()             ? "SIGSTOP"
                : stopped.processes.empty() ? "cgroup.freeze"
                                            : "cgroup.freeze and SIGSTOP";
  if (context.request.zero_magnitude) {
    out.changes.clear();
    out.effects.clear();
    out.summary = {
        fmt::format("control: {} processes would be paused; none is", context.processes.size())};
  }
  return out;
}

}  // namespace

fault::Fault pause() { return {describe(), plan}; }

}  // namespace ordeal::process
