// process.kill: processes are ended by a signal.
//
// Mechanism: pidfd_open, comparison of the start time, pidfd_send_signal; so a recycled pid is
// never hit. A process that is gone cannot be put back: what is put back is the service, by
// whoever `restore` names, and the step is clean only when as many processes match again.
// Source: pidfd_send_signal(2), signal(7).
#include <algorithm>
#include <csignal>
#include <set>

#include "engine/fault/parameters.hpp"
#include "faults/process/claims.hpp"

namespace ordeal::process {
namespace {

struct Parameters {
  std::string signal;
  std::optional<Duration> grace_period;
  fault::Restore restore;
  Duration restore_within = 10s;
};
BOOST_DESCRIBE_STRUCT(Parameters, (), (signal, grace_period, restore, restore_within))

model::FaultDescription describe() {
  using enum model::ParameterKind;
  model::FaultDescription out;
  out.name = "process.kill";
  out.summary = "Ends processes by a signal; whoever `restore` names brings them back.";
  out.parameters = {
      {.name = "signal",
       .kind = signal,
       .summary = "The signal that each picked process gets, such as KILL, TERM or QUIT.",
       .default_text = "KILL"},
      {.name = "grace_period",
       .kind = duration,
       .summary = "Ask first: TERM (or `signal`, if that is not KILL), and KILL for what is still "
                  "there after this time.",
       .minimum = 1'000,
       .maximum = 50'000'000},  // an injection has 60 s
      {.name = "restore",
       .kind = restore,
       .summary = "Who brings the processes back: unit (systemd starts their unit), supervisor "
                  "(somebody else does), {argv: [...], timeout: 30s} (this command does), or none.",
       .required = true},
      {.name = "restore_within",
       .kind = duration,
       .summary = "How long, after the undo has begun, as many processes may take to match again; "
                  "later the host is called dirty.",
       .default_text = "10s",
       .minimum = 100'000,
       .maximum = 600'000'000},
  };
  out.target = model::TargetKind::process;
  out.reversibility = model::Reversibility::restorable;
  out.needs = {"root"};
  out.repeatable = true;
  out.example =
      "- fault: process.kill\n"
      "  target: { process: { unit: \"shop-backend@8082.service\" } }\n"
      "  with: { signal: KILL, restore: unit }\n"
      "  duration: 30s\n";
  return out;
}

Result<int> signal_number(const std::string& name) {
  static const std::map<std::string, int> kEnding = {
      {"KILL", SIGKILL}, {"TERM", SIGTERM}, {"INT", SIGINT},   {"QUIT", SIGQUIT},
      {"HUP", SIGHUP},   {"ABRT", SIGABRT}, {"SEGV", SIGSEGV}, {"BUS", SIGBUS},
      {"FPE", SIGFPE},   {"ILL", SIGILL},   {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},
      {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TRAP", SIGTRAP}, {"SYS", SIGSYS},
      {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"IO", SIGIO},     {"VTALRM", SIGVTALRM}};
  const auto found = kEnding.find(name);
  if (found != kEnding.end()) return found->second;
  if (name == "STOP" || name == "TSTP" || name == "CONT") {
    return Error(Code::invalid,
                 fmt::format("with.signal: {} does not end a process; to halt one and let it go on "
                             "later use process.pause",
                             name));
  }
  return Error(Code::invalid,
               fmt::format("with.signal: {} does not end a process; use KILL, TERM, INT, QUIT, HUP "
                           "or another signal that does",
                           name));
}

struct Shot {
  int signal = 0;
  std::optional<Duration> kill_after;
  std::string text;  // "KILL", "TERM, after 5s KILL,"
};

Result<Shot> shot_of(const Parameters& parameters) {
  const bool ask_first = parameters.grace_period && parameters.signal == "KILL";
  const std::string name = ask_first ? "TERM" : parameters.signal;
  TRY(const int number, signal_number(name));
  Shot out{number, parameters.grace_period, name};
  if (out.kill_after) {
    out.text += fmt::format(", after {} KILL,", format_duration(*out.kill_after));
  }
  return out;
}

bool is_service(const std::string& unit) { return unit.ends_with(".service"); }

// Somebody else than the undo may start the process again, possibly before the effect is seen.
std::vector<std::string> respawn_warnings(const fault::PlanContext& context,
                                          const fault::Restore& restore,
                                          const std::vector<model::ProcessInfo>& all) {
  std::set<std::int64_t> picked;
  for (const model::ProcessInfo& process : context.processes) picked.insert(process.id.pid);
  std::set<std::string> units;
  std::set<std::int64_t> parents;
  std::vector<std::string> out;
  for (const model::ProcessInfo& process : context.processes) {
    if (is_service(process.unit) && restore.how != "unit" && units.insert(process.unit).second) {
      out.push_back(
          fmt::format("{} belongs to {}: if the unit has Restart=, systemd starts it "
                      "again at once; service.stop holds it down",
                      name_of(process), process.unit));
    }
    if (process.parent <= 1 || picked.contains(process.parent)) continue;
    const auto parent = std::find_if(all.begin(), all.end(), [&](const auto& candidate) {
      return candidate.id.pid == process.parent;
    });
    if (parent == all.end() || !parents.insert(process.parent).second) continue;
    out.push_back(
        fmt::format("{} is a child of {}, which is not killed and may start another at "
                    "once",
                    name_of(process), name_of(*parent)));
  }
  return out;
}

Result<std::vector<std::string>> units_to_start(const fault::PlanContext& context) {
  if (!context.host.processes().systemd_is_pid1()) {
    return Error(Code::unsupported,
                 "restore: unit needs systemd as pid 1, which this host does not have; use "
                 "restore: {argv: [/path/of/start-command]} or restore: supervisor");
  }
  std::vector<std::string> units;
  for (const model::ProcessInfo& process : context.processes) {
    if (!is_service(process.unit)) {
      return Error(Code::refused,
                   fmt::format("restore: unit, but {} belongs to {}; use restore: {{argv: [...]}} "
                               "or restore: supervisor",
                               name_of(process),
                               process.unit.empty() ? "no unit" : process.unit + ", no service"));
    }
    if (std::find(units.begin(), units.end(), process.unit) == units.end()) {
      units.push_back(process.unit);
    }
  }
  return units;
}

// As many as matched before, not only as many as were picked: with `mode: one` the others match
// all the time and would prove nothing.
model::ExpectProcesses expectation(const fault::PlanContext& context, Duration within) {
  model::ExpectProcesses out;
  out.matcher = *context.request.target.process;
  out.matcher.count_min.reset();
  out.matcher.count_max.reset();
  out.count = std::max(context.matched, static_cast<std::int64_t>(context.processes.size()));
  out.within = within;
  for (const model::ProcessInfo& process : context.processes) out.killed.push_back(process.id);
  return out;
}

Result<std::vector<model::Undo>> undos_of(const fault::PlanContext& context,
                                          const Parameters& parameters, model::HostStep& step) {
  const fault::Restore& restore = parameters.restore;
  std::vector<model::Undo> out;
  if (restore.how == "none") {
    out.push_back(model::NotUndoable{"restore: none: nobody starts the killed processes again"});
    step.warnings.push_back("NOT UNDOABLE: the killed processes stay gone (restore: none)");
    return out;
  }
  if (restore.how == "unit") {
    TRY(const auto units, units_to_start(context));
    for (const std::string& unit : units) {
      out.push_back(model::StartUnit{unit});
      step.claims.push_back({"unit", unit});
      step.summary.push_back("afterwards: start " + unit);
    }
  } else if (restore.how == "argv") {
    if (restore.argv.empty() || !restore.argv.front().starts_with('/')) {
      return Error(Code::invalid, "with.restore.argv: expected an absolute path of a program");
    }
    out.push_back(model::RunUndoCommand{{restore.argv, restore.timeout.value_or(30s)}});
    step.summary.push_back("afterwards: run " + printable(join(restore.argv, " ")));
  } else if (restore.how != "supervisor") {
    return Error(Code::invalid, "with.restore: expected unit, supervisor, {argv: [...]} or none");
  }
  const model::ExpectProcesses expected = expectation(context, parameters.restore_within);
  step.summary.push_back(fmt::format("afterwards: {} must match again within {}", expected.count,
                                     format_duration(expected.within)));
  out.push_back(expected);
  return out;
}

// A parent is older than its children, and must not be there to start others in their place.
std::vector<model::ProcessInfo> eldest_first(std::vector<model::ProcessInfo> processes) {
  std::sort(processes.begin(), processes.end(), [](const auto& a, const auto& b) {
    return std::pair(a.id.start_ticks, a.id.pid) < std::pair(b.id.start_ticks, b.id.pid);
  });
  return processes;
}

Result<model::HostStep> plan(const fault::PlanContext& context) {
  TRY(const auto parameters, fault::parameters<Parameters>(context.request));
  TRY(const Shot shot, shot_of(parameters));
  if (context.processes.empty() || !context.request.target.process) {
    return Error(Code::refused, "no process matches target.process");
  }
  TRY(const auto all, within("list processes", context.host.processes().list()));

  model::HostStep out;
  out.warnings = respawn_warnings(context, parameters.restore, all);
  TRY(auto undos, undos_of(context, parameters, out));
  model::ProcessesGone gone;
  for (const model::ProcessInfo& process : eldest_first(context.processes)) {
    out.claims.push_back(claim_of(process.id));
    gone.processes.push_back(process.id);
    model::Change change;
    change.summary = fmt::format("send {} to {}", shot.text, name_of(process));
    change.apply = model::SignalProcess{process.id, shot.signal, shot.kill_after};
    out.changes.push_back(std::move(change));
  }
  if (context.request.zero_magnitude) {
    out.changes.clear();
    out.warnings.clear();
    out.summary = {
        fmt::format("control: {} processes would be killed; none is", context.processes.size())};
    return out;
  }
  // The processes come back all at once, so the undo belongs to the step: it stands with the first
  // change, and is in the journal before any signal is sent.
  out.changes.front().undos = std::move(undos);
  out.effects.push_back(std::move(gone));
  for (std::size_t i = out.changes.size(); i-- > 0;) {
    out.summary.insert(out.summary.begin(), out.changes[i].summary);
  }
  return out;
}

}  // namespace

fault::Fault kill() { return {describe(), plan}; }

}  // namespace ordeal::process
