// `ordeal schedule`: what a schedule file says, what it will do, and what it did.
#include <cstdio>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "engine/base/text.hpp"
#include "engine/cli/calendar.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/root.hpp"
#include "engine/cli/running.hpp"
#include "engine/model/verdict.hpp"
#include "engine/os/linux/caller.hpp"
#include "engine/os/linux/clock.hpp"
#include "engine/schedule/scheduler.hpp"
#include "engine/store/ledger.hpp"

namespace ordeal::cli {
namespace {

constexpr int kInvalid = static_cast<int>(model::Exit::invalid);

int fail(const std::string& text) {
  complain(text);
  return kInvalid;
}

// The records, when there are any.
std::optional<Result<store::Ledger>> open_ledger() {
  const std::string path = store::ledger_path(serve_directory());
  std::error_code problem;
  if (!std::filesystem::exists(path, problem) && !problem) return std::nullopt;
  return store::Ledger::open(path);
}

std::string utc_text(WallTime when) { return format_wall(when).substr(0, 19) + "Z"; }

// Rows of cells, each column as wide as its widest.
void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += fmt::format("{:<{}}  ", printable(row[i]), widths[i]);
    }
    fmt::print("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
  }
}

// The records are root's: how runs of this schedule ended, as "NUMBER NAME" in a line each.
std::string ends_as_root(const std::string& schedule) {
  auto ledger = open_ledger();
  if (!ledger) return "";
  if (ledger->has_error()) return "!" + ledger->error().message();
  const auto ends = ledger->value().ends(schedule);
  if (ends.has_error()) return "!" + ends.error().message();
  std::string out;
  for (const auto& [name, number] : ends.value()) out += fmt::format("{} {}\n", number, name);
  return out;
}

Result<std::map<std::string, int>> ends_of(RootSide& records, const std::string& schedule) {
  const auto answer = records.ask(schedule);
  if (answer.has_error()) return answer.error();
  const std::string& text = answer.value();
  if (text.starts_with('!')) return Error(Code::failed, text.substr(1));
  std::map<std::string, int> out;
  std::istringstream lines(text);
  std::string name;
  for (int number = 0; lines >> number >> name;) out[name] = number;
  return out;
}

// Why schedules are paused, by name.
std::map<std::string, std::string> pauses(const schedule::Calendar& calendar, RootSide& records) {
  std::map<std::string, std::string> out;
  for (const schedule::Schedule& schedule : calendar.schedules) {
    const auto ends = ends_of(records, schedule.name);
    if (ends.has_error()) {
      complain("pauses are not known: " + ends.error().message());
      return out;
    }
    out[schedule.name] = schedule::paused(schedule, ends.value());
  }
  return out;
}

int validate(const std::string& file) {
  const auto calendar = read_calendar(file);
  if (!calendar) return kInvalid;
  const WallTime now = wall_now();
  for (const schedule::Schedule& schedule : calendar->schedules) {
    const auto next = schedule::next_firing(schedule, now);
    fmt::print("{}: ok: {}, {}{}, next {}\n", file, schedule.name, schedule.file,
               schedule.leashed ? ", leashed" : "",
               next ? format_local(schedule.zone, *next) : "never");
  }
  return 0;
}

// For programs: what would fire, as one JSON object.
std::string forecast_json(const std::vector<schedule::Forecast>& rows, bool more,
                          const std::map<std::string, std::string>& paused) {
  boost::json::array firings;
  for (const schedule::Forecast& row : rows) {
    const auto pause = paused.find(row.schedule->name);
    const bool is_paused = pause != paused.end() && !pause->second.empty();
    boost::json::object one;
    one["at"] = boost::json::string(utc_text(row.when));
    one["local"] = boost::json::string(format_local(row.schedule->zone, row.when));
    one["time_zone"] = boost::json::string(row.schedule->zone.name());
    one["schedule"] = boost::json::string(row.schedule->name);
    one["experiment"] = boost::json::string(row.schedule->file);
    one["leashed"] = row.schedule->leashed;
    one["runs"] = !is_paused && !row.forbidden;
    one["note"] = boost::json::string(is_paused ? pause->second : row.note);
    firings.push_back(std::move(one));
  }
  boost::json::object out;
  out["v"] = 1;
  out["firings"] = std::move(firings);
  out["more"] = more;
  return boost::json::serialize(out);
}

int forecast(const Options& options, const std::string& file, RootSide& records) {
  constexpr std::int64_t kMostDays = 3660;
  if (options.days < 1 || options.days > kMostDays) {
    return fail(fmt::format("--days {}: expected 1 to {}", options.days, kMostDays));
  }
  WallTime from = wall_now();
  if (!options.from.empty()) {
    const auto given = schedule::parse_instant(options.from);
    if (given.has_error()) return fail("--from: " + given.error().message());
    from = given.value();
  }
  if (options.format != "text" && options.format != "json") {
    return fail(fmt::format("--format {}: expected text or json", printable(options.format)));
  }
  const auto calendar = read_calendar(file);
  if (!calendar) return kInvalid;
  const auto paused = pauses(*calendar, records);
  const WallTime until = from + options.days * 24h;
  const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(options.limit, 0));
  auto rows = schedule::forecast(*calendar, from, until, limit + 1);
  const bool more = rows.size() > limit;
  if (more) rows.pop_back();
  if (options.format == "json") {
    fmt::print("{}\n", forecast_json(rows, more, paused));
    return 0;
  }
  std::vector<std::vector<std::string>> cells = {
      {"local time", "UTC", "schedule", "experiment", "note"}};
  for (const schedule::Forecast& row : rows) {
    const auto pause = paused.find(row.schedule->name);
    const bool is_paused = pause != paused.end() && !pause->second.empty();
    cells.push_back({format_local(row.schedule->zone, row.when), utc_text(row.when),
                     row.schedule->name, row.schedule->file, is_paused ? pause->second : row.note});
  }
  print_table(cells);
  fmt::print("{} from {} to {}{}\n", counted(rows.size(), "firing"), utc_text(from),
             more ? utc_text(rows.back().when) : utc_text(until),
             more ? "; there are more, see --limit" : "");
  return 0;
}

int log(const Options& options) {
  auto ledger = open_ledger();
  if (!ledger) {
    fmt::print("nothing yet\n");
    return 0;
  }
  if (ledger->has_error()) {
    return fail(ledger->error().message() +
                (os::is_root() ? "" : "; what fired is kept for root: sudo ordeal schedule log"));
  }
  const auto firings = ledger->value().list(options.limit);
  if (firings.has_error()) return fail(firings.error().message());
  std::vector<std::vector<std::string>> cells = {
      {"due", "schedule", "state", "exit", "run", "reason"}};
  for (const store::Firing& firing : firings.value()) {
    cells.push_back({utc_text(firing.due), firing.schedule, to_string(firing.state),
                     firing.exit_name.empty() ? "-" : firing.exit_name,
                     firing.run.empty() ? "-" : firing.run, firing.reason});
  }
  print_table(cells);
  return 0;
}

int resume(const std::string& name) {
  auto ledger = open_ledger();
  if (!ledger) return fail("nothing was scheduled on this host yet");
  if (ledger->has_error()) return fail(ledger->error().message());
  if (!ledger->value().decided(name)) {
    return fail(fmt::format("no schedule '{}' was ever served here; see ordeal schedule log",
                            printable(name, 60)));
  }
  const auto done = ledger->value().resume(name, wall_now());
  if (done.has_error()) return fail(done.error().message());
  fmt::print("{}: resumed\n", name);
  return 0;
}

}  // namespace

std::optional<int> schedule_as_root(const Options& options, Rooted& rooted) {
  const std::string what = options.words.empty() ? "" : options.words.front();
  if (what == "log") return log(options);
  if (options.words.size() != 2) return std::nullopt;
  if (what == "resume") return resume(options.words[1]);
  if (what != "forecast") return std::nullopt;
  auto records = RootSide::start(ends_as_root);
  if (records.has_error()) return fail(records.error().message());
  rooted.side = std::move(records.value());
  return std::nullopt;
}

int command_schedule(const Options& options, Rooted& rooted) {
  static const std::vector<std::string> kWhat = {"validate", "forecast", "log", "resume"};
  const std::string what = options.words.empty() ? "" : options.words.front();
  if (std::find(kWhat.begin(), kWhat.end(), what) == kWhat.end()) {
    const std::string near = nearest_word(what, kWhat);
    return fail(fmt::format("schedule{}{}: expected {}{}", what.empty() ? "" : " ",
                            printable(what, 60), join_or(kWhat),
                            near.empty() ? "" : "; did you mean " + near + "?"));
  }
  if (options.words.size() != 2) {
    return fail(fmt::format("schedule {} needs {}", what,
                            what == "resume" ? "the name of a schedule" : "a schedule file"));
  }
  const std::string& subject = options.words[1];
  return what == "validate" ? validate(subject) : forecast(options, subject, *rooted.side);
}

}  // namespace ordeal::cli
