// `ordeal doctor|status|recover|halt --inventory FILE`: a row for each host, printed when that host
// has answered; the exit code is the worst.
#include "engine/cli/command_hosts.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "engine/cli/cli.hpp"
#include "engine/cli/tool.hpp"
#include "engine/executor/doctor.hpp"
#include "engine/executor/executor.hpp"
#include "engine/model/verdict.hpp"

namespace ordeal::cli {
namespace {

using model::Exit;

struct Row {
  std::string state;
  std::vector<std::string> lines;  // printable
  Exit exit = Exit::upheld;
};

using Look = std::function<Result<Row>(const model::InventoryHost&, const fleet::FarAnswer&)>;

void print_row(const std::string& name, std::size_t width, const Row& row) {
  constexpr std::size_t kState = 10;
  std::string first = fmt::format("{:<{}}  {:<{}}", name, width, row.state, kState);
  for (const std::string& line : row.lines) {
    fmt::print("{}  {}\n", first, line);
    first = std::string(first.size(), ' ');
  }
  if (row.lines.empty()) fmt::print("{}\n", first);
  std::fflush(stdout);  // the next may take its time
}

// `silent` is the exit code for a host that did not answer.
int ask_and_print(const Options& options, Rooted& rooted, const Look& look, Exit silent) {
  auto inventory = read_inventory(options.inventory);
  if (!inventory) return static_cast<int>(Exit::invalid);
  std::size_t width = 4;
  for (const auto& host : inventory->hosts) width = std::max(width, host.name.size());
  Exit worst = Exit::upheld;
  const auto answered = [&](const model::InventoryHost& host, Result<fleet::FarAnswer> answer) {
    Result<Row> row = answer.has_value() ? look(host, answer.value()) : answer.error();
    if (row.has_error()) {
      row = Row{"no answer", {printable(row.error().message(), 1000)}, silent};
    }
    worst = model::worse_of(worst, row.value().exit);
    print_row(host.name, width, row.value());
  };
  const auto asked = ask_hosts(*inventory, rooted, hosts_question(options), answered);
  if (asked.has_error()) {
    complain(asked.error().message());
    return static_cast<int>(Exit::refused);
  }
  return static_cast<int>(worst);
}

Question question(std::vector<std::string> arguments, Duration within, bool changes) {
  arguments.emplace_back("--json");
  Question out;
  out.here = arguments;
  out.far = std::move(arguments);
  out.within = within;
  out.changes = changes;
  return out;
}

std::string where_from(const model::InventoryHost& host, const fleet::FarAnswer& answer) {
  if (!host.ssh) return "this machine";
  if (answer.how == "installed") return "installed: " + answer.path;
  std::string out =
      fmt::format("{}: {}", answer.how == "copied" ? "copied now" : "copied before", answer.path);
  // The hash guards against accidents, not against that user.
  if (host.sudo) out += "; started as root because its user may do everything through sudo";
  return out;
}

Result<Row> doctor_row(const model::InventoryHost& host, const fleet::FarAnswer& answer) {
  TRY(const auto report, decode_answer<executor::DoctorReport>(answer.output, answer.errors));
  Row row{"ok", {where_from(host, answer)}, Exit::upheld};
  for (const executor::Capability& one : report.capabilities) {
    if (one.ok) continue;
    if (one.lacking()) row.state = "limited";
    if (one.lacking()) row.exit = Exit::refused;
    row.lines.push_back(fmt::format("{} {}: {}{}{}", one.word(), one.name, printable(one.detail),
                                    one.instead ? "; instead: " + printable(*one.instead) : "",
                                    one.mend.empty() ? "" : "; mend: " + printable(one.mend)));
  }
  return row;
}

Result<Row> status_row(const fleet::FarAnswer& answer, bool exit_code) {
  TRY(const auto status, decode_answer<executor::StatusReport>(answer.output, answer.errors));
  Row row{"nothing", {}, Exit::upheld};
  for (const executor::JournalStatus& journal : status.journals) {
    for (const executor::LiveStep& step : journal.steps) {
      if (step.live) row.state = "active";
      if (step.live) {
        row.lines.push_back(
            printable(fmt::format("{}  {} ({})", journal.run, step.name, step.fault)));
      }
    }
    for (const std::string& problem : journal.problems) {
      row.lines.push_back(fmt::format("journal {}: {}", journal.token, printable(problem)));
    }
  }
  if (!status.dirty.empty() || !status.orphans.empty()) row.state = "LEFT";
  for (const std::string& line : status.dirty) row.lines.push_back(printable(line));
  if (row.state != "nothing" && exit_code) row.exit = Exit::dirty;
  if (!status.halted.empty()) {
    if (row.state == "nothing") row.state = "HALTED";
    row.lines.push_back("halted: " + printable(status.halted));
  }
  return row;
}

void add_undos(const std::vector<wire::UndoResult>& undos, bool only_say, Row& row) {
  for (const wire::UndoResult& undo : undos) {
    if (only_say) {
      row.lines.push_back(printable(undo.command));
      continue;
    }
    row.lines.push_back(fmt::format("{} {}{}", undo.ok ? "undone" : "FAILED", printable(undo.what),
                                    undo.text.empty() ? "" : ": " + printable(undo.text)));
    if (!undo.ok) row.lines.push_back("by hand: " + printable(undo.command));
  }
}

Result<Row> recover_row(const fleet::FarAnswer& answer, bool only_say) {
  TRY(const auto report, decode_answer<executor::RecoverReport>(answer.output, answer.errors));
  Row row{report.clean ? "clean" : "NOT CLEAN", {}, report.clean ? Exit::upheld : Exit::dirty};
  for (const executor::RecoveredJournal& journal : report.journals) {
    add_undos(journal.undos, only_say, row);
    for (const std::string& problem : journal.problems) row.lines.push_back(printable(problem));
  }
  add_undos(report.swept, only_say, row);
  if (only_say) {
    row.state = row.lines.empty() ? "clean" : "to undo";
    row.exit = Exit::upheld;
  }
  for (const std::string& live : report.live) {
    row.lines.push_back("left alone, it goes on: " + printable(live));
  }
  for (const std::string& other : report.others) {
    row.lines.push_back("left alone, not of this ordeal: " + printable(other));
  }
  return row;
}

Result<Row> halt_row(const fleet::FarAnswer& answer) {
  TRY(const auto report, decode_answer<executor::HaltReport>(answer.output, answer.errors));
  if (report.left.empty()) return Row{"HALTED", {}, Exit::upheld};
  Row row{"NOT CLEAN", {"halted, but not everything is put back"}, Exit::dirty};
  for (const std::string& line : report.left) row.lines.push_back(printable(line));
  return row;
}

}  // namespace

Question hosts_question(const Options& options) {
  if (options.command == "doctor") return question({"--doctor"}, 60s, false);
  if (options.command == "status") return question({"--status"}, 30s, false);
  if (options.command == "recover") {
    const bool only_say = options.print || options.dry_run;
    std::vector<std::string> arguments = {"--recover"};
    if (only_say) arguments.emplace_back("--print");
    return question(std::move(arguments), 150s, !only_say);  // services may have to start
  }
  if (options.lift) return question({"--lift"}, 30s, true);
  // What a person wrote reaches a far host through stdin: no shell may see it.
  Question halt = question({"--halt"}, 90s, true);
  halt.here.insert(halt.here.end(), {"--reason", options.reason});
  halt.far.insert(halt.far.end(), {"--reason", "-"});
  std::string line = options.reason;
  std::replace(line.begin(), line.end(), '\n', ' ');
  halt.input = line + "\n";
  return halt;
}

int doctor_hosts(const Options& options, Rooted& rooted) {
  return ask_and_print(options, rooted, doctor_row, Exit::refused);
}

int status_hosts(const Options& options, Rooted& rooted) {
  return ask_and_print(
      options, rooted,
      [&options](const auto&, const fleet::FarAnswer& answer) {
        return status_row(answer, options.exit_code);
      },
      Exit::refused);
}

int recover_hosts(const Options& options, Rooted& rooted) {
  const bool only_say = options.print || options.dry_run;
  // A host that does not answer is not known to be clean.
  return ask_and_print(
      options, rooted,
      [only_say](const auto&, const fleet::FarAnswer& answer) {
        return recover_row(answer, only_say);
      },
      only_say ? Exit::refused : Exit::dirty);
}

int halt_hosts(const Options& options, Rooted& rooted) {
  if (options.lift) {
    const auto lifted = [](const auto&, const fleet::FarAnswer& answer) -> Result<Row> {
      CHECK_OK(decode_answer<executor::HaltReport>(answer.output, answer.errors));
      return Row{"lifted", {}, Exit::upheld};
    };
    return ask_and_print(options, rooted, lifted, Exit::error);
  }
  return ask_and_print(
      options, rooted, [](const auto&, const fleet::FarAnswer& answer) { return halt_row(answer); },
      Exit::dirty);
}

}  // namespace ordeal::cli
