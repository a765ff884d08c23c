#include "engine/cli/options.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <limits>
#include <sstream>

#include "engine/base/text.hpp"

namespace ordeal::cli {
namespace {

namespace po = boost::program_options;

struct CommandHelp {
  const char* name;
  const char* usage;
  const char* summary;
  bool first_page;
  std::size_t most_words;
};

constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

constexpr CommandHelp kCommands[] = {
    {"run", "run FILE...", "check, inject, watch, put back, and give a verdict", true, kAny},
    {"plan", "plan FILE...", "show what would happen; touches nothing", true, kAny},
    {"validate", "validate FILE...", "check experiment files", true, kAny},
    {"faults", "faults [NAME]", "list what can be broken; of one, its settings and an example",
     true, 1},
    {"new", "new FAULT", "print a commented experiment file to start from", true, 1},
    {"doctor", "doctor", "what this machine can do, and what mends the rest", true, 0},
    {"status", "status", "what is going on, and what is left on this host", true, 0},
    {"recover", "recover", "put back what a crash left behind", true, 0},
    {"halt", "halt", "stop everything now, and start nothing until lifted", true, 0},
    {"abort", "abort [RUN]", "stop one run and put everything back", true, 1},
    {"schedule", "schedule WHAT FILE",
     "validate or forecast a schedule file; also: log, resume NAME", true, 2},
    {"gameday", "gameday WHAT [ARG]", "run, plan, validate; continue, note, stop, status; report",
     true, kAny},
    {"serve", "serve", "run experiments when their schedule says so; a page and an API", true, 0},
    {"runs", "runs", "runs of the past", true, 0},
    {"report", "report [RUN]", "show a run of the past", true, 1},
    {"schema", "schema [experiment|schedule|inventory|gameday]",
     "the JSON Schema of a kind of file", false, 1},
    {"version", "version", "the version", false, 0},
};

void add_gameday_options(po::options_description& out) {
  auto add = out.add_options();
  add("role", po::value<std::vector<std::string>>()->composing(),
      "run: ROLE=NAME of a person; repeatable; who is not named is asked for on a terminal");
  add("resume", "run: go on with a day of this file that was stopped or cut off");
  add("by", po::value<std::string>(), "continue, note, stop: who says so (default: you)");
  add("report", po::value<std::vector<std::string>>()->composing(),
      "run: KIND=PATH, KIND one of json junit md html, for the combined report; repeatable");
  add("format", po::value<std::string>()->default_value("text"), "report: text, html, md or json");
  add("quiet,q", "run: of each experiment what a CI log needs and no more");
  add("yes,y", "run: do not ask, where abort_if or restore is none");
}

po::options_description options_of(const std::string& command) {
  po::options_description out(fmt::format("ordeal {}", command));
  auto add = out.add_options();
  add("help,h", "this page");
  add("verbose,v", "say on stderr what ordeal does, with times");
  const bool reads = command == "run" || command == "plan" || command == "validate";
  const bool runs = command == "run" || command == "plan";
  if (reads) {
    add("var", po::value<std::vector<std::string>>()->composing(),
        "NAME=VALUE for a variable of the file; repeatable");
    add("vars", po::value<std::string>(),
        "file with a JSON object of such variables; - is stdin: what ps must not show");
  }
  const bool named = reads || command == "gameday";
  const bool hosts = named || command == "doctor" || command == "status" || command == "recover" ||
                     command == "halt";
  if (hosts) {
    add("inventory", po::value<std::string>(),
        named ? "the hosts that the file may name" : "do it on every host of this inventory file");
  }
  if (runs) add("seed", po::value<std::string>(), "repeat the random choices of an earlier run");
  if (command == "run") {
    add("report", po::value<std::vector<std::string>>()->composing(),
        "KIND=PATH, KIND one of json junit md html events; repeatable");
    add("output", po::value<std::string>()->default_value("text"),
        "text, json (events, a line each) or quiet");
    add("quiet,q", "print what a CI log needs and no more");
    add("baseline-only", "measure and judge the steady state, inject nothing");
    add("control", "the whole run with zero magnitudes: shows false alarms");
    add("fail-fast", "with several files: stop at the first that is not upheld");
    add("stop-on-violation", "put back as soon as the hypothesis is violated");
    add("yes,y", "do not ask, where abort_if or restore is none");
  }
  if (command == "plan") {
    add("output", po::value<std::string>()->default_value("text"),
        "text, or json (the events of the plan, a line each)");
    add("strict", "exit 3 when something could not be checked");
  }
  if (command == "status") add("exit-code", "0: nothing of ours on this host, 9: something is");
  if (command == "recover") {
    add("print", "print the command that a person would type for each undo");
    add("dry-run", "say what would be undone, touch nothing");
    add("quiet,q", "say nothing when there is nothing to recover");
  }
  if (command == "halt") add("lift", "allow runs again");
  if (command == "halt" || command == "abort") {
    add("reason", po::value<std::string>(), "why; goes into events and reports");
  }
  if (command == "report") {
    add("format", po::value<std::string>()->default_value("text"),
        "text, html, md, junit, json or events");
  }
  if (command == "schedule") {
    add("days", po::value<std::string>(), "forecast: how far (default 30)");
    add("from", po::value<std::string>(), "forecast: since when, such as 2026-11-21T00:00:00Z");
    add("limit", po::value<std::string>(), "forecast, log: how many lines (default 100)");
    add("format", po::value<std::string>()->default_value("text"), "forecast: text or json");
  }
  if (command == "gameday") add_gameday_options(out);
  if (command == "serve") {
    add("schedule", po::value<std::string>(), "the schedule file; SIGHUP reads it again");
    add("inventory", po::value<std::string>(),
        "the hosts that experiments of the API may name; a halt on the page is for all of them");
    add("listen", po::value<std::string>(),
        "the page and the API over HTTP, such as 127.0.0.1:8420; always at /run/ordeal/serve.sock");
    add("allow-host", po::value<std::vector<std::string>>()->composing(),
        "a further name by which browsers reach it, such as that of a reverse proxy; repeatable");
  }
  if (command == "runs") add("limit", po::value<std::string>(), "how many (default 20)");
  add("color", po::value<std::string>()->default_value("auto"), "auto, always or never");
  return out;
}

Error unknown_option(const std::string& word, const po::options_description& known) {
  std::vector<std::string> names;
  for (const auto& option : known.options()) names.push_back("--" + option->long_name());
  const std::string nearest = nearest_word(word, names);
  return Error(Code::invalid,
               fmt::format("unknown option {}{}", printable(word),
                           nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest)));
}

Result<void> pairs(const po::variables_map& map, const char* name, const char* shape,
                   const std::function<void(std::string, std::string)>& take) {
  if (!map.contains(name)) return ok();
  for (const std::string& item : map[name].as<std::vector<std::string>>()) {
    const std::size_t equals = item.find('=');
    if (equals == item.npos || equals == 0) {
      return Error(Code::invalid,
                   fmt::format("--{} {}: expected {}", name, printable(item), shape));
    }
    take(item.substr(0, equals), item.substr(equals + 1));
  }
  return ok();
}

template <class Enum>
Result<Enum> choice(const po::variables_map& map, const char* name,
                    const std::vector<std::pair<std::string, Enum>>& known) {
  const auto word = map[name].as<std::string>();
  std::vector<std::string> names;
  for (const auto& [text, value] : known) {
    if (text == word) return value;
    names.push_back(text);
  }
  return Error(Code::invalid,
               fmt::format("--{} {}: expected {}", name, printable(word), join_or(names)));
}

template <class Number>
Result<Number> whole_number(const po::variables_map& map, const char* name) {
  const auto word = map[name].as<std::string>();
  Number out = 0;
  const char* end = word.data() + word.size();
  const auto read = std::from_chars(word.data(), end, out);
  if (read.ec == std::errc() && read.ptr == end) return out;
  return Error(Code::invalid,
               fmt::format("--{} {}: expected a whole number", name, printable(word)));
}

// Words are refused rather than ignored: `ordeal recover print` is not `ordeal recover --print`.
Result<void> check_words(const CommandHelp& command, const Options& options,
                         const po::options_description& known) {
  if (options.help || options.words.size() <= command.most_words) return ok();
  const std::string& word = options.words[command.most_words];
  std::vector<std::string> names;
  for (const auto& option : known.options()) names.push_back(option->long_name());
  const std::string near = nearest_word(word, names);
  const std::string takes = command.most_words == 0   ? "no words"
                            : command.most_words == 1 ? "one word"
                                                      : fmt::format("{} words", command.most_words);
  return Error(Code::invalid,
               fmt::format("{} takes {}; found '{}'{}", command.name, takes, printable(word, 60),
                           near.empty() ? "" : "; did you mean --" + near + "?"));
}

Result<void> check_values(const Options& options) {
  if (options.limit < 1) {
    return Error(Code::invalid, fmt::format("--limit {}: expected 1 or more", options.limit));
  }
  if (options.baseline_only && options.control) {
    return Error(Code::invalid,
                 "--baseline-only injects nothing and --control injects at size zero: give one");
  }
  return ok();
}

Result<Options> fill(const std::string& command, const po::variables_map& map) {
  Options out;
  out.command = command;
  out.help = map.contains("help");
  out.verbose = map.contains("verbose");
  if (map.contains("word")) out.words = map["word"].as<std::vector<std::string>>();
  CHECK_OK(pairs(map, "var", "NAME=VALUE", [&](std::string name, std::string value) {
    out.vars[std::move(name)] = std::move(value);
  }));
  CHECK_OK(pairs(map, "role", "ROLE=NAME", [&](std::string role, std::string name) {
    out.roles[std::move(role)] = std::move(name);
  }));
  std::string bad_kind;
  const char* shape = "KIND=PATH, such as html=report.html";
  CHECK_OK(pairs(map, "report", shape, [&](std::string kind, std::string path) {
    const bool known =
        kind == "json" || kind == "junit" || kind == "md" || kind == "html" || kind == "events";
    if (!known || (command == "gameday" && kind == "events")) bad_kind = kind;
    out.reports.emplace_back(std::move(kind), std::move(path));
  }));
  if (!bad_kind.empty()) {
    return Error(Code::invalid,
                 fmt::format("--report {}: expected json, junit, md{}", printable(bad_kind),
                             command == "gameday" ? " or html" : ", html or events"));
  }
  if (map.contains("seed")) {
    TRY(out.seed, whole_number<std::uint64_t>(map, "seed"));
  }
  if (map.contains("output")) {
    TRY(out.output,
        choice<Output>(map, "output",
                       {{"text", Output::text}, {"json", Output::json}, {"quiet", Output::quiet}}));
  }
  TRY(out.color,
      choice<Color>(
          map, "color",
          {{"auto", Color::automatic}, {"always", Color::always}, {"never", Color::never}}));
  if (map.contains("quiet")) out.output = Output::quiet;
  out.baseline_only = map.contains("baseline-only");
  out.control = map.contains("control");
  out.fail_fast = map.contains("fail-fast");
  out.stop_on_violation = map.contains("stop-on-violation");
  out.yes = map.contains("yes");
  out.strict = map.contains("strict");
  out.exit_code = map.contains("exit-code");
  out.print = map.contains("print");
  out.dry_run = map.contains("dry-run");
  out.lift = map.contains("lift");
  if (map.contains("vars")) out.vars_file = map["vars"].as<std::string>();
  if (map.contains("inventory")) out.inventory = map["inventory"].as<std::string>();
  out.resume = map.contains("resume");
  if (map.contains("by")) out.by = map["by"].as<std::string>();
  if (map.contains("reason")) out.reason = map["reason"].as<std::string>();
  if (map.contains("format")) out.format = map["format"].as<std::string>();
  if (command == "schedule") out.limit = 100;
  if (map.contains("days")) {
    TRY(out.days, whole_number<std::int64_t>(map, "days"));
  }
  if (map.contains("from")) out.from = map["from"].as<std::string>();
  if (map.contains("listen")) out.listen = map["listen"].as<std::string>();
  if (map.contains("allow-host")) {
    out.allow_hosts = map["allow-host"].as<std::vector<std::string>>();
  }
  if (map.contains("schedule")) out.schedule = map["schedule"].as<std::string>();
  if (map.contains("limit")) {
    TRY(out.limit, whole_number<std::int64_t>(map, "limit"));
  }
  return out;
}

Error unknown_command(const std::string& word) {
  std::vector<std::string> names;
  for (const CommandHelp& command : kCommands) names.emplace_back(command.name);
  const std::string nearest = nearest_word(word, names);
  return Error(Code::invalid,
               fmt::format("unknown command {}{}", printable(word),
                           nearest.empty() ? "; see ordeal --help"
                                           : fmt::format("; did you mean {}?", nearest)));
}

const CommandHelp* find_command(const std::string& word) {
  const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                   [&](const auto& one) { return word == one.name; });
  return found == std::end(kCommands) ? nullptr : found;
}

bool asks_for_help(const std::string& word) {
  return word == "--help" || word == "-h" || word == "help";
}

}  // namespace

Result<Options> read_options(int argc, const char* const* argv) {
  if (argc < 2) return Options{};
  const std::string command = argv[1];
  if (asks_for_help(command)) {
    Options out;
    out.help = true;
    if (argc > 2 && !asks_for_help(argv[2])) out.command = argv[2];
    if (!out.command.empty() && find_command(out.command) == nullptr) {
      return unknown_command(out.command);
    }
    return out;
  }
  if (command == "--version") {
    Options out;
    out.command = "version";
    return out;
  }
  const CommandHelp* known = find_command(command);
  if (known == nullptr) return unknown_command(command);

  const po::options_description visible = options_of(command);
  po::options_description all;
  all.add(visible).add_options()("word", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("word", -1);
  try {
    po::variables_map map;
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(argc - 1, argv + 1)
                  .options(all)
                  .positional(positional)
                  .style(style)
                  .run(),
              map);
    po::notify(map);
    TRY(auto options, fill(command, map));
    CHECK_OK(check_words(*known, options, visible));
    CHECK_OK(check_values(options));
    return options;
  } catch (const po::unknown_option& problem) {
    return unknown_option(problem.get_option_name(), visible);
  } catch (const po::error& problem) {
    return Error(Code::invalid, printable(problem.what()));
  }
}

std::string help_text(const std::string& command) {
  if (const CommandHelp* one = find_command(command)) {
    std::ostringstream out;
    out << "usage: ordeal " << one->usage << "\n\n"
        << one->summary << "\n\n"
        << options_of(command);
    return out.str();
  }
  std::string out =
      "ordeal: break your service on purpose, on plain Linux hosts, and get the machine back\n\n";
  for (const CommandHelp& one : kCommands) {
    if (one.first_page) out += fmt::format("  ordeal {:<18} {}\n", one.usage, one.summary);
  }
  out +=
      "\nordeal COMMAND --help shows its options. Start with: ordeal new process.kill\n"
      "Also: ordeal schema (for your editor), ordeal version\n";
  return out;
}

}  // namespace ordeal::cli
