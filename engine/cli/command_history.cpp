// `ordeal runs`, `ordeal report`: runs of the past, from their stored events.
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/control.hpp"
#include "engine/cli/paths.hpp"
#include "engine/cli/screen.hpp"
#include "engine/model/verdict.hpp"
#include "engine/os/linux/fd.hpp"
#include "engine/report/render.hpp"
#include "engine/store/store.hpp"

namespace ordeal::cli {
namespace {

int fail(const Error& error) {
  complain(error.message());
  return static_cast<int>(model::Exit::invalid);
}

// Runs whose engine died never came into the list; what they wrote is there.
void take_in_unlisted(store::Store& database, const std::string& history) {
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(history + "/runs", problem)) {
    const std::string run = entry.path().filename().string();
    if (database.find(run).has_value()) continue;
    const auto report = store::replay(entry.path().string() + "/events.jsonl");
    if (report.has_error() || report.value().about.run != run) continue;
    ignore(database.add(report.value(), entry.path().string()), "then it is not listed");
  }
}

Result<store::Store> open_history() {
  const std::string history = history_directory(os::caller());
  if (!std::filesystem::exists(history + "/runs")) return Error(Code::gone, "no runs yet");
  TRY(auto database, store::Store::open(store::database_path(history)));
  take_in_unlisted(database, history);
  return database;
}

std::string render(const Options& options, const report::Report& report) {
  report::Style style;
  style.color = use_color(options);
  if (options.format == "html") return report::to_html(report);
  if (options.format == "md") return report::to_markdown(report);
  if (options.format == "json") return report::to_json(report);
  if (options.format == "junit") return report::to_junit(std::span(&report, 1));
  return report::to_text(report, style);
}

}  // namespace

int command_runs(const Options& options, Rooted&) {
  auto database = open_history();
  if (database.has_error() && database.error().code() == Code::gone) {
    fmt::print("no runs yet\n");
    return 0;
  }
  if (database.has_error()) return fail(database.error());
  auto runs = database.value().list(options.limit);
  if (runs.has_error()) return fail(runs.error());
  for (const store::RunRecord& run : runs.value()) {
    const bool lives =
        run.exit_name == "unfinished" && is_under_control(control_directory(), run.run);
    fmt::print("{}  {}  {:<13} {:>8}  {}\n", run.run, format_wall(run.started),
               lives ? "running" : run.exit_name, format_short(run.length), printable(run.name));
  }
  return 0;
}

int command_report(const Options& options, Rooted&) {
  static const std::vector<std::string> kFormats = {"text",  "html", "md",
                                                    "junit", "json", "events"};
  if (std::find(kFormats.begin(), kFormats.end(), options.format) == kFormats.end()) {
    return fail(Error(Code::invalid, fmt::format("--format {}: expected {}",
                                                 printable(options.format), join_or(kFormats))));
  }
  auto database = open_history();
  if (database.has_error()) return fail(database.error());
  auto run = database.value().find(options.words.empty() ? "last" : options.words.front());
  if (run.has_error()) return fail(run.error());
  const std::string events = run.value().folder + "/events.jsonl";
  if (options.format == "events") {
    auto stored = os::read_file(events, 1u << 30);
    if (stored.has_error()) return fail(stored.error());
    std::fwrite(stored.value().data(), 1, stored.value().size(), stdout);
    return 0;
  }
  auto report = store::replay(events);
  if (report.has_error()) return fail(report.error());
  const std::string text = render(options, report.value());
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace ordeal::cli
