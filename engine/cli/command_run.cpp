// `ordeal run`, `ordeal plan`, `ordeal validate`: read every file first, then run them in order.
#include <unistd.h>

#include <algorithm>
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
#include "engine/cli/hosts.hpp"
#include "engine/cli/paths.hpp"
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

std::string new_run_id(os::Random& random) {
  asio::io_context loop{1};
  const os::LinuxClock clock(loop.get_executor());
  return make_run_id(clock.wall(), random.next());
}

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

Reading read_all_files(const Options& options) {
  Reading out;
  if (!options.inventory.empty()) {
    auto inventory = read_inventory(options.inventory);
    out.no_inventory = !inventory;
    if (!inventory) out.broken.push_back({options.inventory, 0, "", Exit::invalid, "see above"});
    if (inventory) out.inventory = std::move(*inventory);
  }
  const auto known = descriptions();
  for (const std::string& file : options.words) {
    spec::Input input;
    input.file = file;
    input.vars = options.vars;
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
      const auto& first = outcome.problems.front();
      out.broken.push_back({file, first.place.line, "", Exit::invalid, first.text});
      outcome.experiment.reset();
    }
    out.experiments.push_back(std::move(outcome.experiment));
  }
  return out;
}

}  // namespace

bool agreed(const Options& options, const model::Experiment& experiment) {
  const std::string danger = without_net(experiment);
  if (danger.empty() || options.yes || options.command == "plan" || options.baseline_only) {
    return true;
  }
  if (::isatty(STDIN_FILENO) != 1) {
    complain(fmt::format("{}: {}; without a terminal this needs --yes", experiment.name, danger));
    return false;
  }
  fmt::print(stderr, "{}: {}. Run it? [y/N] ", experiment.name, danger);
  std::string line;
  std::getline(std::cin, line);
  return line == "y" || line == "yes";
}

namespace {

std::string markdown_of(const std::vector<report::Report>& reports) {
  std::string out;
  for (const report::Report& one : reports) out += report::to_markdown(one) + "\n";
  return out;
}

void write_report(const std::string& kind, const std::string& path,
                  const std::vector<report::Report>& reports,
                  const std::vector<report::NotRun>& not_run, const std::string& events) {
  Result<void> written = ok();
  if (kind == "junit") {
    written = os::replace_file(path, report::to_junit(reports, not_run));
  } else if (!reports.empty()) {
    const report::Report& last = reports.back();
    if (kind == "json") written = os::replace_file(path, report::to_json(last));
    if (kind == "md") written = os::replace_file(path, markdown_of(reports));
    if (kind == "html") written = os::replace_file(path, report::to_html(last));
    if (kind == "events") {
      auto stored = os::read_file(events, 1u << 30);
      written = stored.has_value() ? os::replace_file(path, stored.value())
                                   : Result<void>(stored.error());
    }
  } else if (kind == "json") {
    boost::json::object exit{{"code", 2}, {"name", "invalid"}};
    exit["reason"] = not_run.empty() ? "" : not_run.front().message;
    boost::json::object object;
    object["exit"] = std::move(exit);
    written = os::replace_file(path, boost::json::serialize(object) + "\n");
  }
  if (written.has_error()) complain("report not written: " + written.error().message());
}

void write_reports(const Options& options, const std::vector<report::Report>& reports,
                   const std::vector<report::NotRun>& not_run, const std::string& events) {
  for (const auto& [kind, path] : options.reports) {
    write_report(kind, path, reports, not_run, events);
  }
  if (environment("GITHUB_ACTIONS") != "true") return;
  const std::string summary = environment("GITHUB_STEP_SUMMARY");
  const std::string markdown = markdown_of(reports);
  for (const report::Report& report : reports) {
    for (const std::string& line : report::to_annotations(report)) fmt::print("{}\n", line);
  }
  for (const report::NotRun& one : not_run) {
    for (const std::string& line : report::to_annotations(one)) fmt::print("{}\n", line);
  }
  if (summary.empty()) return;
  if (std::FILE* file = std::fopen(summary.c_str(), "a")) {
    std::fwrite(markdown.data(), 1, markdown.size(), file);
    std::fclose(file);
  }
}

}  // namespace

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

// `root`: the executors have it.
int run_files(const Options& options, const os::Caller& who, std::vector<Prepared> prepared,
              const Reading& reading, bool root) {
  os::LinuxRandom random;
  std::vector<report::Report> reports;
  std::vector<report::NotRun> skipped;
  Exit worst = Exit::upheld;
  bool stop = false;
  std::string events;
  for (std::size_t i = 0; i < reading.experiments.size(); ++i) {
    const model::Experiment& experiment = *reading.experiments[i];
    if (stop) {
      skipped.push_back(
          {experiment.file, 0, experiment.name, worst, "not started after an earlier experiment"});
      continue;
    }
    if (!agreed(options, experiment)) {
      worst = model::worse_of(worst, Exit::refused);
      continue;
    }
    const std::uint64_t seed = options.seed.value_or(random.next() >> 32);
    Session session{options,
                    experiment,
                    reading.inventory,
                    prepared[i].run,
                    seed,
                    std::move(prepared[i].executor),
                    std::move(prepared[i].control),
                    history_directory(who),
                    who.name,
                    root};
    events = Archive(session.history, session.run).events_path();
    reports.push_back(run_session(std::move(session)));
    const Exit exit = exit_of(reports.back());
    if (options.command == "plan" && options.output == Output::text) {
      print_plan(options, reports.back(), root);
    }
    if (options.strict && !reports.back().plan.unchecked.empty()) {
      worst = model::worse_of(worst, Exit::refused);
    }
    worst = model::worse_of(worst, exit);
    stop = exit == Exit::interrupted || exit == Exit::error || exit == Exit::dirty ||
           exit == Exit::not_recovered || (options.fail_fast && exit != Exit::upheld);
  }
  write_reports(options, reports, skipped, events);
  return static_cast<int>(worst);
}

}  // namespace

int command_run(const Options& options) {
  if (options.words.empty()) {
    complain(fmt::format("{} needs an experiment file; make one with: ordeal new process.kill",
                         options.command));
    return static_cast<int>(Exit::invalid);
  }
  const bool plan = options.command == "plan";
  const bool root = os::is_root();
  // Hosts that are reached over ssh need no root here.
  const bool elsewhere = !options.inventory.empty();
  const os::Caller who = os::caller();
  std::vector<Prepared> prepared;
  std::string why_not;
  if (root || plan || elsewhere) {
    os::LinuxRandom random;
    for (std::size_t i = 0; i < options.words.size() && why_not.empty(); ++i) {
      auto one = prepare(options, who, random);
      if (one.has_error()) why_not = one.error().message();
      if (one.has_value()) prepared.push_back(std::move(one.value()));
    }
  } else {
    why_not = fmt::format(
        "run changes this host and needs root (it drops it before it reads the "
        "file): sudo ordeal run {}",
        fmt::join(options.words, " "));
  }
  // Executors of other hosts know nothing of our own latch.
  if (const auto reason = halted_here(); elsewhere && !plan && reason) {
    why_not = "this machine is halted: " + *reason + "; lift it with: sudo ordeal halt --lift";
  }
  if (!plan) os::go_before_others();  // after the executors: what they start is not to go first
  if (auto dropped = os::become_caller(who); dropped.has_error()) {
    complain(dropped.error().message());
    return static_cast<int>(Exit::refused);
  }
  const Reading reading = read_all_files(options);
  if (!reading.broken.empty()) {
    write_reports(options, {}, reading.broken, "");
    return static_cast<int>(Exit::invalid);
  }
  if (!why_not.empty()) {
    complain(why_not);
    return static_cast<int>(Exit::refused);
  }
  const auto& hosts = reading.inventory.hosts;
  const bool here = std::any_of(hosts.begin(), hosts.end(),
                                [](const auto& host) { return !host.ssh.has_value(); });
  return run_files(options, who, std::move(prepared), reading, root || !here);
}

int command_validate(const Options& options) {
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
