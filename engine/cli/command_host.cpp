// Commands about this host: doctor, status, recover, halt, abort.
#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/text.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/command_hosts.hpp"
#include "engine/cli/control.hpp"
#include "engine/cli/paths.hpp"
#include "engine/cli/tool.hpp"
#include "engine/executor/doctor.hpp"
#include "engine/executor/executor.hpp"
#include "engine/model/verdict.hpp"

namespace ordeal::cli {
namespace {

using model::Exit;

template <class Answer>
Result<Answer> ask_for(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  TRY(auto answer, ask_executor(std::move(arguments)));
  return decode_answer<Answer>(answer.output, answer.errors);
}

int refuse(const Error& error) {
  complain(error.message());
  return static_cast<int>(Exit::refused);
}

bool need_root(std::string_view command) {
  if (os::is_root()) return true;
  complain(fmt::format("{0} changes this host and needs root: sudo ordeal {0}", command));
  return false;
}

void print_undos(const std::vector<wire::UndoResult>& undos, const Options& options) {
  for (const wire::UndoResult& undo : undos) {
    if (options.print) {
      fmt::print("{}\n", printable(undo.command));
      continue;
    }
    if (options.dry_run) {
      fmt::print("  would undo  {}\n", printable(undo.what));
      continue;
    }
    fmt::print("  {:<8} {}{}{}\n", undo.ok ? (undo.gone_before ? "gone" : "undone") : "FAILED",
               printable(undo.what), undo.text.empty() ? "" : ": ", printable(undo.text));
    if (!undo.ok) fmt::print("           by hand: {}\n", printable(undo.command));
  }
}

int doctor_here(const Options&) {
  auto answer = ask_for<executor::DoctorReport>({"--doctor"});
  if (answer.has_error()) return refuse(answer.error());
  bool all = true;
  for (const executor::Capability& one : answer.value().capabilities) {
    fmt::print("{:<5} {:<16} {}\n", one.word(), one.name, printable(one.detail));
    if (one.instead) fmt::print("{:<22} instead: {}\n", "", printable(*one.instead));
    if (!one.ok && !one.mend.empty()) fmt::print("{:<22} mend: {}\n", "", one.mend);
    all = all && !one.lacking();
  }
  return all ? 0 : static_cast<int>(Exit::refused);
}

int status_here(const Options& options) {
  auto answer = ask_for<executor::StatusReport>({"--status"});
  if (answer.has_error()) return refuse(answer.error());
  const executor::StatusReport& status = answer.value();
  bool anything = false;
  if (!status.halted.empty()) {
    fmt::print("HALTED: {}; lift it with: sudo ordeal halt --lift\n", printable(status.halted));
  }
  const std::string directory = control_directory();
  for (const std::string& run : runs_under_control(directory)) {
    auto reply = ask_run(directory, run, boost::json::object{{"ask", "status"}});
    if (reply.has_error()) continue;
    const auto text = [&reply](const char* name) {
      const auto* found = reply.value().if_contains(name);
      return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
    };
    anything = true;
    fmt::print("running  {}  {}  phase {}\n", run, printable(text("name")), text("phase"));
  }
  for (const std::string& day : days_under_control(directory)) {
    auto reply = ask_run(directory, day + "/day", boost::json::object{{"ask", "status"}});
    if (reply.has_error()) continue;
    const auto* text = reply.value().if_contains("text");
    anything = true;
    fmt::print("game day {}  {}\n", day,
               text != nullptr && text->is_string() ? printable(text->get_string()) : "");
  }
  for (const executor::JournalStatus& journal : status.journals) {
    for (const executor::LiveStep& step : journal.steps) {
      anything = true;  // what is not live stands among `dirty`
      if (step.live) fmt::print("active   {}  {} ({})\n", journal.run, step.name, step.fault);
    }
    for (const std::string& problem : journal.problems) {
      fmt::print("journal {}: {}\n", journal.token, printable(problem));
    }
  }
  for (const std::string& line : status.dirty) fmt::print("LEFT     {}\n", printable(line));
  anything = anything || !status.dirty.empty() || !status.orphans.empty();
  if (!status.dirty.empty()) fmt::print("mend it with: sudo ordeal recover\n");
  if (!anything && !os::is_root()) {
    complain("without root not everything can be seen: sudo ordeal status");
    return options.exit_code ? static_cast<int>(Exit::refused) : 0;
  }
  if (!anything) fmt::print("nothing of ordeal's is on this host\n");
  return options.exit_code && anything ? static_cast<int>(Exit::dirty) : 0;
}

int recover_here(const Options& options) {
  const bool only_say = options.print || options.dry_run;
  const char* mode = options.print ? "recover --print" : "recover --dry-run";
  if (only_say && !os::is_root()) {
    complain(fmt::format("what is left can be seen only by root: sudo ordeal {}", mode));
    return static_cast<int>(Exit::refused);
  }
  if (!only_say && !need_root("recover")) return static_cast<int>(Exit::refused);
  std::vector<std::string> arguments = {"--recover"};
  if (only_say) arguments.push_back("--print");
  auto answer = ask_for<executor::RecoverReport>(std::move(arguments));
  if (answer.has_error()) return refuse(answer.error());
  const executor::RecoverReport& report = answer.value();
  bool nothing = report.swept.empty();
  for (const executor::RecoveredJournal& journal : report.journals) {
    nothing = nothing && journal.undos.empty() && journal.problems.empty();
    if (!options.print && !(journal.undos.empty() && journal.problems.empty())) {
      fmt::print("run {} ({})\n", journal.run, fmt::join(journal.steps, ", "));
    }
    print_undos(journal.undos, options);
    for (const std::string& problem : journal.problems) fmt::print("  {}\n", printable(problem));
  }
  if (!report.swept.empty() && !options.print) fmt::print("found by mark, in no journal\n");
  print_undos(report.swept, options);
  for (const std::string& live : report.live) {
    if (!options.print) fmt::print("left alone, it goes on: {}\n", printable(live));
  }
  for (const std::string& other : report.others) {
    if (!options.print) fmt::print("left alone, not of this ordeal: {}\n", printable(other));
  }
  if (only_say) {
    // stdout of --print is for a shell: nothing else stands there.
    if (nothing) fmt::print(options.print ? stderr : stdout, "nothing to recover\n");
    return 0;
  }
  if (nothing && report.clean && options.output == Output::quiet) return 0;
  fmt::print("{}\n", !report.clean ? "HOST NOT CLEAN: see what failed above"
                     : !report.live.empty()
                         ? "nothing else is left; ask `ordeal status` when it has ended"
                     : nothing ? "nothing to recover: host clean"
                               : "host clean");
  return report.clean ? 0 : static_cast<int>(Exit::dirty);
}

int halt_here(const Options& options) {
  const std::string command = options.lift ? "halt --lift" : "halt";
  if (!need_root(command)) return static_cast<int>(Exit::refused);
  if (options.lift) {
    auto answer = ask_executor({"--lift"});
    if (answer.has_error()) return refuse(answer.error());
    if (answer.value().exit_code != 0) {
      complain("NOT LIFTED: " + printable(answer.value().errors));
      return static_cast<int>(Exit::error);
    }
    fmt::print("lifted: runs may start again\n");
    return 0;
  }
  std::vector<std::string> arguments = {"--halt"};
  if (!options.reason.empty()) {
    arguments.push_back("--reason");
    arguments.push_back(options.reason);
  }
  auto answer = ask_executor(std::move(arguments));
  if (answer.has_error()) return refuse(answer.error());
  fmt::print("{}", answer.value().output);
  if (!answer.value().errors.empty()) {  // the latch itself could not be set
    complain(fmt::format("NOT HALTED: {}; stop a run with: sudo ordeal abort",
                         printable(answer.value().errors)));
    return static_cast<int>(Exit::dirty);
  }
  if (answer.value().exit_code == 0) {
    fmt::print(
        "HALTED: nothing is injected on {}, and nothing starts until: "
        "sudo ordeal halt --lift\n",
        os::node_name());
    return 0;
  }
  fmt::print("HALTED, BUT NOT CLEAN: sudo ordeal status\n");
  return static_cast<int>(Exit::dirty);
}

int abort_here(const Options& options) {
  const std::string directory = control_directory();
  std::vector<std::string> runs = runs_under_control(directory);
  const boost::json::object question{{"ask", "abort"}, {"reason", options.reason}};
  const std::string wanted = options.words.empty() ? "last" : options.words.front();
  const bool last = wanted == "last";
  const auto told = ask_newest(directory, last ? runs : std::vector{wanted}, question);
  if (told.has_value()) {
    fmt::print("{} is being put back\n", told.value().name);
    return 0;
  }
  std::string problem = told.error().message();
  if (told.error().code() == Code::gone) {
    problem =
        last ? "no run goes on here" : "run " + printable(wanted, 60) + " does not go on any more";
  }
  std::erase(runs, wanted);
  const std::string nearest = last ? "" : nearest_word(wanted, runs);
  complain(problem + (nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest)));
  return static_cast<int>(Exit::invalid);
}

// This host needs nothing that the caller names. Of the hosts of a file we do not know yet whether
// this one is among them.
std::optional<int> here_or_kept(const Options& options, Rooted& rooted,
                                int (*here)(const Options&)) {
  if (options.inventory.empty()) return here(options);
  const Question question = hosts_question(options);
  auto side = keep_executor_question(question.here, question.within);
  if (side.has_error()) return refuse(side.error());
  rooted.side = std::move(side.value());
  return std::nullopt;
}

}  // namespace

std::optional<int> doctor_as_root(const Options& options, Rooted& rooted) {
  return here_or_kept(options, rooted, doctor_here);
}

std::optional<int> status_as_root(const Options& options, Rooted& rooted) {
  return here_or_kept(options, rooted, status_here);
}

std::optional<int> recover_as_root(const Options& options, Rooted& rooted) {
  return here_or_kept(options, rooted, recover_here);
}

std::optional<int> halt_as_root(const Options& options, Rooted& rooted) {
  return here_or_kept(options, rooted, halt_here);
}

std::optional<int> abort_as_root(const Options& options, Rooted&) { return abort_here(options); }

}  // namespace ordeal::cli
