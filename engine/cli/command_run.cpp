// `ordeal run`, `ordeal plan`, `ordeal validate`: read every file first, then run them in order.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/cli/archive.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/consent.hpp"
#include "engine/cli/control.hpp"
#include "engine/cli/files.hpp"
#include "engine/cli/paths.hpp"
#include "engine/cli/report_files.hpp"
#include "engine/cli/root.hpp"
#include "engine/cli/running.hpp"
#include "engine/cli/screen.hpp"
#include "engine/cli/session.hpp"
#include "engine/cli/tool.hpp"
#include "engine/os/linux/clock.hpp"
#include "engine/os/linux/harden.hpp"
#include "engine/os/linux/random.hpp"
#include "engine/report/render.hpp"
#include "engine/spec/inventory.hpp"
#include "engine/spec/spec.hpp"
#include "engine/spec/yaml.hpp"

namespace ordeal::cli {
namespace {

using model::Exit;

}  // namespace

WallTime wall_now() {
  asio::io_context loop{1};
  return os::LinuxClock(loop.get_executor()).wall();
}

std::string new_run_id(os::Random& random) { return make_run_id(wall_now(), random.next()); }

Result<Prepared> prepare(const Options& options, const os::Caller& who, os::Random& random) {
  Prepared out;
  out.run = new_run_id(random);
  // Other hosts only; and no socket for other terminals, which only root could make.
  if (!os::is_root() && options.command != "plan") return out;
  TRY(auto path, executor_path());
  TRY(out.executor, os::start_executor(path));
  detail(fmt::format("{} is served by {}, pid {}", out.run, path, out.executor.pid));
  if (options.command == "run") {
    TRY(out.control, bind_control(control_directory(), out.run, who.uid, who.gid));
  }
  return out;
}

namespace {

struct Reading {
  model::Inventory inventory = spec::local_inventory();
  bool no_inventory = false;                                  // the one that was named is broken
  std::vector<std::optional<model::Experiment>> experiments;  // one for each file
  std::vector<report::NotRun> broken;
};

report::NotRun broken(const std::string& file, const std::vector<spec::Problem>& problems) {
  return {file, problems.front().place.line, "", Exit::invalid, problems.front().text};
}

Reading read_all_files(const Options& options) {
  Reading out;
  std::map<std::string, std::string> vars = options.vars;
  if (!options.vars_file.empty()) {
    auto more = read_vars(options.vars_file);
    if (more.has_error()) {
      complain(more.error().message());
      out.broken.push_back({options.vars_file, 0, "", Exit::invalid, more.error().message()});
      return out;
    }
    vars.merge(std::move(more.value()));
  }
  if (!options.inventory.empty()) {
    auto hosts = spec::parse_inventory({options.inventory, read_users_file});
    out.no_inventory = !print_problems(hosts.problems);
    if (out.no_inventory) out.broken.push_back(broken(options.inventory, hosts.problems));
    if (hosts.inventory) out.inventory = std::move(*hosts.inventory);
  }
  const auto known = descriptions();
  for (const std::string& file : options.words) {
    spec::Input input;
    input.file = file;
    input.vars = vars;
    input.read = read_users_file;
    spec::Outcome outcome = spec::parse_experiment(input, known);
    const bool hosts_known = options.command != "validate" || !options.inventory.empty();
    if (outcome.experiment && hosts_known && !out.no_inventory) {
      outcome.problems = spec::check_hosts(*outcome.experiment, out.inventory);
    }
    for (const auto& warning : outcome.warnings) {
      fmt::print(stderr, "{}\n", spec::to_string(warning, "warning"));
    }
    if (!print_problems(outcome.problems)) {
      out.broken.push_back(broken(file, outcome.problems));
      outcome.experiment.reset();
    }
    out.experiments.push_back(std::move(outcome.experiment));
  }
  return out;
}

}  // namespace

Result<void> agreed(const Options& options, const model::Experiment& experiment) {
  const std::string danger = without_net(experiment);
  if (danger.empty() || options.yes || options.command == "plan" || options.baseline_only) {
    return ok();
  }
  const std::string what = experiment.name + ": " + danger;
  if (::isatty(STDIN_FILENO) != 1) {
    return Error(Code::refused, what + "; without a terminal this needs --yes");
  }
  fmt::print(stderr, "{}. Run it? [y/N] ", what);
  std::string line;
  std::getline(std::cin, line);
  if (line == "y" || line == "yes") return ok();
  return Error(Code::refused, what + "; nobody agreed to that on the terminal");
}

Exit exit_of(const report::Report& report) {
  return report.verdict ? static_cast<Exit>(report.verdict->exit) : Exit::error;
}

void print_plan(const Options& options, const report::Report& report, bool root) {
  report::Style style;
  style.color = use_color(options);
  if (report.planned) fmt::print("{}", report::to_plan_text(report, style));
  if (!report.verdict || report.verdict->exit == 0) return;
  std::istringstream reasons(report.verdict->reason);
  for (std::string line; std::getline(reasons, line);) complain(printable(line, 2000));
  if (!root) {
    complain("without root not everything can be seen: sudo ordeal plan " + report.about.file);
  }
}

namespace {

// Runs the files that could be read, in order.
class Files {
 public:
  // `root`: the executors have it.
  Files(const Options& options, const os::Caller& who, const Reading& reading, bool root)
      : options_(options), who_(who), reading_(reading), root_(root) {}

  int run(std::vector<Prepared> prepared) {
    for (std::size_t i = 0; i < reading_.experiments.size(); ++i) {
      const model::Experiment& experiment = *reading_.experiments[i];
      const auto yes = stop_.empty() ? agreed(options_, experiment) : ok();
      if (!stop_.empty()) {
        leave_out(experiment, "not started: " + stop_);
      } else if (yes.has_error()) {
        complain(yes.error().message());
        leave_out(experiment, yes.error().message());
        ended(experiment, Exit::refused);
      } else {
        run_one(experiment, std::move(prepared[i]));
      }
    }
    write_reports(options_, outcomes_);
    return static_cast<int>(worst_);
  }

  int refuse(const std::string& why) {
    complain(why);
    for (const auto& experiment : reading_.experiments) leave_out(*experiment, why);
    write_reports(options_, outcomes_);
    return static_cast<int>(Exit::refused);
  }

 private:
  void leave_out(const model::Experiment& experiment, const std::string& why) {
    report::NotRun one{experiment.file, 0, experiment.name, Exit::refused, why};
    outcomes_.push_back(left_out(options_, who_.name, std::move(one)));
  }

  void run_one(const model::Experiment& experiment, Prepared prepared) {
    Session session{options_,
                    experiment,
                    reading_.inventory,
                    prepared.run,
                    options_.seed.value_or(random_.next() >> 32),
                    std::move(prepared.executor),
                    std::move(prepared.control),
                    history_directory(who_),
                    who_.name,
                    root_,
                    {}};
    FileOutcome& one = outcomes_.emplace_back();
    one.events_path = Archive(session.history, session.run).events_path();
    one.report = run_session(std::move(session));
    if (options_.command == "plan" && options_.output == Output::text) {
      print_plan(options_, one.report, root_);
    }
    if (options_.strict && !one.report.plan.unchecked.empty()) {
      worst_ = model::worse_of(worst_, Exit::refused);
    }
    ended(experiment, exit_of(one.report));
  }

  void ended(const model::Experiment& experiment, Exit exit) {
    worst_ = model::worse_of(worst_, exit);
    const bool stop = exit == Exit::interrupted || exit == Exit::error || exit == Exit::dirty ||
                      exit == Exit::not_recovered || (options_.fail_fast && exit != Exit::upheld);
    if (!stop) return;
    stop_ = fmt::format("{} ended with exit {} ({})", experiment.name, static_cast<int>(exit),
                        model::to_string(exit));
  }

  const Options& options_;
  const os::Caller& who_;
  const Reading& reading_;
  bool root_;
  os::LinuxRandom random_;
  std::vector<FileOutcome> outcomes_;
  Exit worst_ = Exit::upheld;
  std::string stop_;  // why the rest is not started
};

}  // namespace

// An executor for each file, before any of them is opened.
std::optional<int> run_as_root(const Options& options, Rooted& rooted) {
  const bool plan = options.command == "plan";
  // Hosts that are reached over ssh need no root here.
  const bool elsewhere = !options.inventory.empty();
  if (rooted.root || plan || elsewhere) {
    os::LinuxRandom random;
    for (std::size_t i = 0; i < options.words.size() && rooted.why_not.empty(); ++i) {
      auto one = prepare(options, rooted.who, random);
      if (one.has_error()) rooted.why_not = one.error().message();
      if (one.has_error() && one.error().system_errno() == EROFS) {
        rooted.why_not +=
            ": mount something writable there (in a container: --tmpfs), or name another "
            "folder in ORDEAL_STATE";
      }
      if (one.has_value()) rooted.prepared.push_back(std::move(one.value()));
    }
  } else {
    rooted.why_not = fmt::format(
        "run changes this host and needs root (it drops it before it reads the "
        "file): sudo ordeal run {}",
        fmt::join(options.words, " "));
  }
  // Executors of other hosts know nothing of our own latch.
  if (const auto reason = halted_here(); elsewhere && !plan && reason) {
    rooted.why_not =
        "this machine is halted: " + *reason + "; lift it with: sudo ordeal halt --lift";
  }
  if (!plan) os::go_before_others();  // after the executors: what they start is not to go first
  return std::nullopt;
}

int command_run(const Options& options, Rooted& rooted) {
  if (options.words.empty()) {
    complain(fmt::format("{} needs an experiment file; make one with: ordeal new process.kill",
                         options.command));
    return static_cast<int>(Exit::invalid);
  }
  const os::Caller& who = rooted.who;
  const Reading reading = read_all_files(options);
  if (!reading.broken.empty()) {
    std::vector<FileOutcome> outcomes;
    for (const auto& one : reading.broken) outcomes.push_back(left_out(options, who.name, one));
    write_reports(options, outcomes);
    return static_cast<int>(Exit::invalid);
  }
  const auto& hosts = reading.inventory.hosts;
  const bool here = std::any_of(hosts.begin(), hosts.end(),
                                [](const auto& host) { return !host.ssh.has_value(); });
  Files files(options, who, reading, rooted.root || !here);
  return rooted.why_not.empty() ? files.run(std::move(rooted.prepared))
                                : files.refuse(rooted.why_not);
}

int command_validate(const Options& options, Rooted&) {
  if (options.words.empty()) {
    complain("validate needs an experiment file");
    return static_cast<int>(Exit::invalid);
  }
  const Reading reading = read_all_files(options);
  for (std::size_t i = 0; i < options.words.size(); ++i) {
    const auto& experiment = reading.experiments[i];
    if (experiment) {
      fmt::print("{}: ok: {}, {}, method {}, earliest end after {}\n", options.words[i],
                 experiment->name, counted(model::steps_of(*experiment).size(), "step"),
                 format_duration(model::method_duration(*experiment)),
                 format_duration(model::shortest_run(*experiment)));
    }
  }
  return reading.broken.empty() ? 0 : static_cast<int>(Exit::invalid);
}

}  // namespace ordeal::cli
