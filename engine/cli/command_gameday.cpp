// `ordeal gameday`: lead a day, look at its file, speak to one that goes on, and report.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/control.hpp"
#include "engine/cli/files.hpp"
#include "engine/cli/gameday.hpp"
#include "engine/cli/hosts.hpp"
#include "engine/cli/paths.hpp"
#include "engine/cli/root.hpp"
#include "engine/os/linux/harden.hpp"
#include "engine/os/linux/random.hpp"
#include "engine/spec/gameday.hpp"
#include "engine/spec/inventory.hpp"

namespace ordeal::cli {
namespace {

namespace fs = std::filesystem;
using model::Exit;

constexpr int kInvalid = static_cast<int>(Exit::invalid);
constexpr int kUnreadable = 255;  // of the process that only reads; else the number of runs

int fail(const std::string& text, Exit exit = Exit::invalid) {
  complain(text);
  return static_cast<int>(exit);
}

}  // namespace

std::optional<DayFiles> read_gameday(const std::string& file, const std::string& inventory) {
  spec::GamedayOutcome outcome = spec::parse_gameday({file, read_users_file});
  if (!print_problems(outcome.problems)) return std::nullopt;
  DayFiles out;
  out.day = std::move(*outcome.gameday);
  if (!inventory.empty()) out.day.inventory = inventory;
  out.inventory = spec::local_inventory();
  if (!out.day.inventory.empty()) {
    auto hosts = read_inventory(out.day.inventory);
    if (!hosts) return std::nullopt;
    out.inventory = std::move(*hosts);
  }
  const spec::DayRules rules{out.day.service, out.day.abort_if};
  const auto known = descriptions();
  std::vector<spec::Problem> all;
  for (std::size_t i = 0; i < out.day.agenda.size(); ++i) {
    const auto* run = std::get_if<model::AgendaRun>(&out.day.agenda[i]);
    if (run == nullptr) continue;
    spec::Input input;
    input.file = run->file;
    input.vars = run->vars;
    input.read = read_users_file;
    input.day = &rules;
    spec::Outcome one = spec::parse_experiment(input, known);
    if (one.experiment) one.problems = spec::check_hosts(*one.experiment, out.inventory);
    if (one.experiment) out.experiments.emplace(i, std::move(*one.experiment));
    if (one.problems.empty()) continue;
    one.problems.push_back({run->place, "this experiment cannot be run"});
    all.insert(all.end(), one.problems.begin(), one.problems.end());
  }
  if (!print_problems(all)) return std::nullopt;
  return out;
}

namespace {

// The agenda is read in a process that cannot be root any more, so that root opens no file that a
// caller names; it says how many runs there are, for which executors are then started.
int count_runs(const Options& options, const std::string& file, const os::Caller& who) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return kUnreadable;
  if (child == 0) {
    int count = kUnreadable;
    if (os::become_caller(who).has_value()) {
      const auto files = read_gameday(file, options.inventory);
      if (files) count = static_cast<int>(files->experiments.size());
    }
    std::fflush(nullptr);
    ::_exit(count);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kUnreadable;
}

// Folders of days that are over. Root made them, so only root can remove them.
void remove_old_controls(const std::string& directory) {
  for (const std::string& day : days_under_control(directory)) {
    const auto reply = ask_run(directory, day + "/day", {{"ask", "status"}});
    std::error_code ignored;
    const bool gone = reply.has_error() && reply.error().code() == Code::gone;
    if (gone) fs::remove_all(directory + "/" + day, ignored);
  }
}

// Where people reach a day: beside the sockets of runs, which only root can make. Who leads a day
// of other hosts without root is reached in his own history.
std::string day_directory(const os::Caller& who) {
  return os::is_root() ? control_directory() : history_directory(who) + "/run";
}

// ---- What becomes ready before root is given up
Result<void> make_ready(const Options& options, int count, bool leads, Rooted& out) {
  os::LinuxRandom random;
  out.day_id = "g" + new_run_id(random).substr(1);
  for (int i = 0; i < count; ++i) {
    TRY(auto one, prepare(options, out.who, random));
    out.prepared.push_back(std::move(one));
  }
  if (!leads) return ok();
  const std::string directory = day_directory(out.who);
  remove_old_controls(directory);
  out.day_folder = directory + "/" + out.day_id;
  TRY(out.day_control, bind_control(out.day_folder, "day", out.who.uid, out.who.gid));
  // Last: in a folder of others a name may become a link to any file before root uses it.
  return os::give_to(out.day_folder, out.who);
}

// Of the past, oldest first.
std::vector<std::string> day_ids(const std::string& history) {
  std::vector<std::string> out;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(gamedays_folder(history), problem)) {
    out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The newest day of this file that has something left to do.
Result<gameday::Day> day_to_resume(const model::Gameday& wanted, const std::string& history) {
  std::vector<std::string> ids = day_ids(history);
  for (; !ids.empty(); ids.pop_back()) {
    auto day = load_day(gamedays_folder(history) + "/" + ids.back());
    if (day.has_error() || day.value().about.name != wanted.name) continue;
    day.value().reopen();
    if (day.value().next() == day.value().items.size()) {
      return Error(Code::invalid, day.value().about.id + " is done; leave --resume out");
    }
    if (day.value().about.sha256 != wanted.sha256) {
      return Error(Code::invalid, fmt::format("{} has changed since {} began; begin a new day",
                                              wanted.file, day.value().about.id));
    }
    return day;
  }
  return Error(Code::gone, "no game day '" + wanted.name + "' was begun here; leave --resume out");
}

std::map<std::string, std::string> fill_roles(const Options& options, const model::Gameday& day) {
  std::map<std::string, std::string> out;
  const bool asks = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  for (const std::string& role : day.roles) {
    const auto given = options.roles.find(role);
    std::string name = given == options.roles.end() ? "" : given->second;
    if (name.empty() && asks) {
      fmt::print("{}: ", printable(role));
      std::fflush(stdout);
      std::getline(std::cin, name);
    }
    out[role] = std::move(name);
  }
  return out;
}

Result<void> check_roles(const Options& options, const model::Gameday& day) {
  for (const auto& [role, name] : options.roles) {
    if (std::find(day.roles.begin(), day.roles.end(), role) != day.roles.end()) continue;
    const std::string near = nearest_word(role, day.roles);
    return Error(Code::invalid,
                 fmt::format("--role {}: the file has no such role{}", printable(role),
                             near.empty() ? "" : "; did you mean " + near + "?"));
  }
  return ok();
}

void print_agenda(const DayFiles& files) {
  fmt::print("{}  {}\n", printable(files.day.title), printable(files.day.file));
  std::istringstream briefing(files.day.briefing);
  for (std::string line; std::getline(briefing, line);) fmt::print("{}\n", printable(line, 1000));
  for (std::size_t i = 0; i < files.day.agenda.size(); ++i) {
    std::string more;
    const auto experiment = files.experiments.find(i);
    if (experiment != files.experiments.end()) {
      const model::Experiment& one = experiment->second;
      more = fmt::format("  {}, {}, at least {}", one.name,
                         counted(model::steps_of(one).size(), "step"),
                         format_duration(model::shortest_run(one)));
    }
    fmt::print("  {:>2}  {}{}\n", i + 1, printable(gameday::text_of(files.day.agenda[i])), more);
  }
}

int validate(const Options& options, const std::string& file) {
  const auto files = read_gameday(file, options.inventory);
  if (!files) return kInvalid;
  Duration least{};
  for (const auto& [item, one] : files->experiments) least += model::shortest_run(one);
  fmt::print("{}: ok: {}, {}, {} of at least {}\n", file, files->day.name,
             counted(files->day.agenda.size(), "item"),
             counted(files->experiments.size(), "experiment"), format_duration(least));
  return 0;
}

int plan_all(const Options& options, const DayFiles& files, Rooted& rooted) {
  print_agenda(files);
  Exit worst = Exit::upheld;
  std::size_t next = 0;
  os::LinuxRandom random;
  for (const auto& [item, experiment] : files.experiments) {
    Prepared& one = rooted.prepared[next++];
    fmt::print("\n== {} of {}: {}\n", item + 1, files.day.agenda.size(),
               printable(experiment.file));
    Session session{options,
                    experiment,
                    files.inventory,
                    one.run,
                    random.next() >> 32,
                    std::move(one.executor),
                    os::Fd(),
                    history_directory(rooted.who),
                    rooted.who.name,
                    rooted.root,
                    {}};
    const report::Report report = run_session(std::move(session));
    print_plan(options, report, rooted.root);
    worst = model::worse_of(worst, exit_of(report));
  }
  return static_cast<int>(worst);
}

gameday::Opened opening(const Options& options, const DayFiles& files, const os::Caller& who,
                        const std::string& id) {
  gameday::Opened out;
  out.id = id;
  out.version = ORDEAL_VERSION;
  out.name = files.day.name;
  out.title = files.day.title;
  out.briefing = files.day.briefing;
  out.roles = fill_roles(options, files.day);
  out.file = files.day.file;
  out.sha256 = files.day.sha256;
  out.by = who.name;
  out.host = os::node_name();
  out.agenda = files.day.agenda;
  return out;
}

int lead(const Options& options, Options of_runs, DayFiles files, Rooted& rooted) {
  const os::Caller& who = rooted.who;
  if (const auto good = check_roles(options, files.day); good.has_error()) {
    return fail(good.error().message());
  }
  for (const auto& [item, experiment] : files.experiments) {
    if (const auto yes = agreed(of_runs, experiment); yes.has_error()) {
      return fail(yes.error().message(), Exit::refused);
    }
  }
  DayParts parts;
  if (options.resume) {
    auto day = day_to_resume(files.day, history_directory(who));
    if (day.has_error()) return fail(day.error().message());
    parts.earlier = std::move(day.value());
  } else {
    print_agenda(files);
    parts.opened = opening(options, files, who, rooted.day_id);
  }
  std::size_t next = 0;
  for (const auto& [item, experiment] : files.experiments) {
    Prepared& one = rooted.prepared[next++];
    const bool done = parts.earlier && parts.earlier->items[item].state == gameday::ItemState::done;
    if (!done) parts.prepared.emplace(item, std::move(one));
  }
  parts.options = std::move(of_runs);
  parts.files = std::move(files);
  parts.control = std::move(rooted.day_control);
  parts.control_folder = rooted.day_folder;
  parts.who = who;
  rooted.prepared.clear();  // executors that nobody needs end here
  DayRunner runner(std::move(parts));
  return runner.run();
}

// Why this day may not be led, or empty.
std::string refusal(const DayFiles& files, const std::string& file, bool root) {
  const auto& hosts = files.inventory.hosts;
  const bool here = std::any_of(hosts.begin(), hosts.end(),
                                [](const auto& host) { return !host.ssh.has_value(); });
  if (here && !root) {
    return "a game day changes this host and needs root (it drops it before it reads the file): "
           "sudo ordeal gameday run " +
           file;
  }
  return {};
}

// What is run, and what is planned, as its runs see it.
Options options_of_runs(const Options& options, bool leads) {
  Options out = options;
  out.command = leads ? "gameday" : "plan";
  return out;
}

std::optional<int> ready_as_root(const Options& options, const std::string& file, bool leads,
                                 Rooted& rooted) {
  const int count = count_runs(options, file, rooted.who);
  if (count == kUnreadable) return kInvalid;
  const auto ready = make_ready(options_of_runs(options, leads), count, leads, rooted);
  if (ready.has_error()) rooted.why_not = ready.error().message();
  rooted.prepared.resize(static_cast<std::size_t>(count));
  if (leads) os::go_before_others();
  return std::nullopt;
}

int run_or_plan(const Options& options, const std::string& what, const std::string& file,
                Rooted& rooted) {
  const bool leads = what == "run";
  auto files = read_gameday(file, options.inventory);
  if (!files) return kInvalid;
  const std::string refused = leads ? refusal(*files, file, rooted.root) : "";
  const std::string& why_not = refused.empty() ? rooted.why_not : refused;
  if (!why_not.empty()) return fail(why_not, Exit::refused);
  if (files->experiments.size() != rooted.prepared.size()) {
    return fail(file + " was changed while it was read; try again");
  }
  Options of_runs = options_of_runs(options, leads);
  if (!leads) return plan_all(of_runs, *files, rooted);
  return lead(options, std::move(of_runs), std::move(*files), rooted);
}

// ---- From a second terminal
// Says it to the newest day of this folder that goes on. Nothing: there is none.
std::optional<int> speak_in(const std::string& directory, const boost::json::object& question) {
  std::vector<std::string> sockets;
  for (const std::string& day : days_under_control(directory)) sockets.push_back(day + "/day");
  const auto told = ask_newest(directory, sockets, question);
  if (told.has_error() && told.error().code() == Code::gone) return std::nullopt;
  if (told.has_error()) return fail(told.error().message());
  const auto* error = told.value().reply.if_contains("error");
  if (error != nullptr) return fail(std::string(error->as_string()));
  const auto* now = told.value().reply.if_contains("text");
  fmt::print("{}  {}\n", fs::path(told.value().name).parent_path().string(),
             now == nullptr ? "" : printable(now->as_string(), 2000));
  return 0;
}

bool speaks(const std::string& what) {
  return what == "continue" || what == "note" || what == "stop" || what == "status";
}

// What is said to a day, and by whom.
boost::json::object question_of(const Options& options, const os::Caller& who) {
  const std::vector<std::string> words(options.words.begin() + 1, options.words.end());
  boost::json::object question;
  question["ask"] = boost::json::string(options.words.front());
  question["text"] = boost::json::string(join(words, " "));
  question["by"] = boost::json::string(options.by.empty() ? who.name : options.by);
  return question;
}

// Beside the sockets of runs none was found, but perhaps in the caller's own history.
int speak(const Options& options, const os::Caller& who) {
  const std::string& what = options.words.front();
  if (what == "note" && options.words.size() == 1) {
    return fail("note needs its text: ordeal gameday note TEXT");
  }
  const auto said = speak_in(history_directory(who) + "/run", question_of(options, who));
  if (said) return *said;
  if (what != "status") return fail("no game day goes on here");
  fmt::print("no game day goes on here\n");
  return 0;
}

// ---- Of the past
int show(const Options& options, const std::string& wanted) {
  static const std::vector<std::string> kFormats = {"text", "html", "md", "json"};
  if (std::find(kFormats.begin(), kFormats.end(), options.format) == kFormats.end()) {
    return fail(
        fmt::format("--format {}: expected {}", printable(options.format), join_or(kFormats)));
  }
  const std::string history = history_directory(os::caller());
  const std::vector<std::string> ids = day_ids(history);
  if (ids.empty()) return fail("no game days yet");
  std::string id = wanted.empty() || wanted == "last" ? ids.back() : wanted;
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
    return fail(fmt::format("no game day {}; there are {}", printable(id), join_or(ids)));
  }
  const auto day = load_day(gamedays_folder(history) + "/" + id);
  if (day.has_error()) return fail(day.error().message());
  const gameday::Runs runs = load_runs(day.value(), history);
  const std::string text = render_day(options.format, day.value(), runs);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace

std::optional<int> gameday_as_root(const Options& options, Rooted& rooted) {
  const std::string what = options.words.empty() ? "" : options.words.front();
  const bool note_without_text = what == "note" && options.words.size() == 1;
  if (speaks(what) && !note_without_text) {
    return speak_in(control_directory(), question_of(options, rooted.who));
  }
  const bool leads = what == "run";
  if ((!leads && what != "plan") || options.words.size() != 2) return std::nullopt;
  return ready_as_root(options, options.words[1], leads, rooted);
}

int command_gameday(const Options& options, Rooted& rooted) {
  static const std::vector<std::string> kWhat = {"run",  "plan", "validate", "continue",
                                                 "note", "stop", "status",   "report"};
  const std::string what = options.words.empty() ? "" : options.words.front();
  if (std::find(kWhat.begin(), kWhat.end(), what) == kWhat.end()) {
    const std::string near = nearest_word(what, kWhat);
    return fail(fmt::format("gameday{}{}: expected {}{}", what.empty() ? "" : " ",
                            printable(what, 60), join_or(kWhat),
                            near.empty() ? "" : "; did you mean " + near + "?"));
  }
  const std::vector<std::string> rest(options.words.begin() + 1, options.words.end());
  if (what == "report") return show(options, rest.empty() ? "" : rest.front());
  if (speaks(what)) return speak(options, rooted.who);
  if (rest.size() != 1) return fail("gameday " + what + " needs a game day file");
  return what == "validate" ? validate(options, rest.front())
                            : run_or_plan(options, what, rest.front(), rooted);
}

}  // namespace ordeal::cli
