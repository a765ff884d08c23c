#include "engine/serve/runs.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/report/render.hpp"
#include "engine/serve/request.hpp"

namespace ordeal::serve {
namespace {

namespace fs = std::filesystem;

std::string active_text(const report::StepRow& step) {
  return step.plan.name.empty() ? step.step : step.plan.name;
}

RunRow row_of(const std::string& run, const report::Report& report, bool lives,
              const std::string& folder) {
  RunRow out;
  store::RunRecord& record = out.record;
  record.run = run;
  record.name = report.about.name;
  record.file = report.about.file;
  record.mode = report.about.mode;
  record.started = report.about.wall;
  record.length = report.length();
  record.seed = report.about.seed;
  record.user = report.about.user;
  record.folder = folder;
  for (const report::StepRow& step : report.steps) {
    if (step.active()) out.active.push_back(active_text(step));
  }
  if (report.verdict) {
    const model::Verdict& verdict = *report.verdict;
    out.state = RunState::ended;
    record.exit = verdict.exit;
    record.exit_name = verdict.exit_name;
    record.reason = verdict.reason;
    record.hypothesis = boost::describe::enum_to_string(verdict.hypothesis, "?");
    record.host = boost::describe::enum_to_string(verdict.host, "?");
    record.service = boost::describe::enum_to_string(verdict.service, "?");
  } else if (lives) {
    out.state = RunState::running;
    out.phase = boost::describe::enum_to_string(report.current_phase(), "?");
  } else {
    out.state = RunState::unfinished;
    record.exit_name = "unfinished";
    record.reason = "its process ended without a verdict: see ordeal status";
  }
  return out;
}

Result<std::string> read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error::system(errno, "open " + path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool is_newer(const RunRow& a, const RunRow& b) {
  const bool a_runs = a.state == RunState::running;
  const bool b_runs = b.state == RunState::running;
  if (a_runs != b_runs) return a_runs;
  return std::pair(a.record.started, a.record.run) > std::pair(b.record.started, b.record.run);
}

}  // namespace

const char* to_string(RunState state) {
  switch (state) {
    case RunState::running: return "running";
    case RunState::ended: return "ended";
    case RunState::unfinished: break;
  }
  return "unfinished";
}

Result<void> FollowedRun::refresh() {
  for (;;) {
    TRY(auto lines, file_.take());
    if (lines.empty()) return ok();
    std::string_view rest = lines;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      const auto event = model::event_from_json(rest.substr(0, end));
      // What a newer version wrote and this one does not know is left out.
      if (event.has_value()) fold_.apply(event.value());
      rest.remove_prefix(end + 1);
    }
  }
}

Runs::Runs(std::string history, Lives lives)
    : history_(std::move(history)), lives_(std::move(lives)) {}

std::string Runs::events_path(const std::string& run) const {
  return store::run_folder(history_, run) + "/events.jsonl";
}

Result<void> Runs::look_at(const std::string& run) {
  const std::string folder = store::run_folder(history_, run);
  std::error_code problem;
  if (fs::exists(folder + "/report.json", problem)) {
    const auto row = rows_.find(run);
    if (row != rows_.end() && row->second.state != RunState::ended) rows_.erase(row);
    ended_.insert(run);
    open_.erase(run);
    return ok();
  }
  const auto known = rows_.find(run);
  if (known != rows_.end() && known->second.state == RunState::unfinished) return ok();
  // Asked first: what it wrote before it died is then in the file.
  const bool lives = lives_(run);
  FollowedRun& followed = open_.try_emplace(run, events_path(run)).first->second;
  CHECK_OK(followed.refresh());
  if (followed.report().last_seq == 0 && !lives) {
    open_.erase(run);  // died before it said anything
    return ok();
  }
  const RunRow row = row_of(run, followed.report(), lives, folder);
  rows_.insert_or_assign(run, row);
  if (row.state == RunState::unfinished) open_.erase(run);
  return ok();
}

Result<void> Runs::refresh() {
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(history_ + "/runs", problem)) {
    const std::string run = entry.path().filename().string();
    if (!is_run_id(run) || ended_.contains(run)) continue;
    CHECK_OK(look_at(run));
  }
  return ok();
}

// A run's files come before its line in the database, and a full disk may keep that line away for
// good: until it is there, the events tell.
Result<void> Runs::look_for_lines(const store::Store& database) {
  if (std::ranges::includes(stored_, ended_)) return ok();
  TRY(auto ids, database.ids());
  stored_ = std::move(ids);
  for (const std::string& run : ended_) {
    if (stored_.contains(run)) {
      rows_.erase(run);
      continue;
    }
    const auto known = rows_.find(run);
    if (known != rows_.end() && known->second.state == RunState::ended) continue;
    const auto report = store::replay(events_path(run));
    if (report.has_error()) continue;  // somebody broke it: one run less, not all of them
    rows_.insert_or_assign(run,
                           row_of(run, report.value(), false, store::run_folder(history_, run)));
  }
  return ok();
}

Result<std::vector<RunRow>> Runs::list(std::size_t limit) {
  CHECK_OK(refresh());
  TRY(auto database, store::Store::open(store::database_path(history_)));
  CHECK_OK(look_for_lines(database));
  TRY(auto records, database.list(static_cast<std::int64_t>(limit)));
  std::vector<RunRow> out;
  std::set<std::string> listed;
  for (store::RunRecord& record : records) {
    // `ordeal runs` writes a line also for a run that has not ended: its own files know better.
    const auto row = rows_.find(record.run);
    if (row != rows_.end() && row->second.state != RunState::ended) continue;
    listed.insert(record.run);
    out.push_back(RunRow{std::move(record), RunState::ended, "", {}});
  }
  for (const auto& [run, row] : rows_) {
    if (!listed.contains(run)) out.push_back(row);
  }
  std::sort(out.begin(), out.end(), is_newer);
  if (out.size() > limit) out.resize(limit);
  return out;
}

Result<std::string> Runs::resolve(const std::string& which) {
  if (which == "last") {
    TRY(auto newest, list(1));
    if (newest.empty()) return Error(Code::gone, "no run yet");
    return newest.front().record.run;
  }
  std::error_code problem;
  if (!is_run_id(which) || !fs::exists(store::run_folder(history_, which), problem)) {
    return Error(Code::gone, "there is no such run");
  }
  return which;
}

Result<RunRow> Runs::find(const std::string& run) {
  CHECK_OK(look_at(run));
  const auto row = rows_.find(run);
  if (row != rows_.end() && row->second.state != RunState::ended) return row->second;
  TRY(auto database, store::Store::open(store::database_path(history_)));
  auto record = database.find(run);
  if (record.has_error()) {  // its line could not be written; its files tell the same
    TRY(auto report, store::replay(events_path(run)));
    return row_of(run, report, false, store::run_folder(history_, run));
  }
  return RunRow{std::move(record.value()), RunState::ended, "", {}};
}

Result<report::Report> Runs::report_of(const std::string& run) {
  CHECK_OK(look_at(run));
  const auto open = open_.find(run);
  if (open != open_.end()) return open->second.report();
  return store::replay(events_path(run));
}

Result<std::string> Runs::report_json(const std::string& run) {
  auto stored = read_whole(store::run_folder(history_, run) + "/report.json");
  if (stored.has_value()) return stored;
  TRY(auto report, report_of(run));
  return report::to_json(report);
}

Result<std::string> Runs::report_html(const std::string& run) {
  auto stored = read_whole(store::run_folder(history_, run) + "/report.html");
  if (stored.has_value()) return stored;
  TRY(auto report, report_of(run));
  return report::to_html(report);
}

std::size_t Runs::running() const {
  return static_cast<std::size_t>(std::count_if(rows_.begin(), rows_.end(), [](const auto& row) {
    return row.second.state == RunState::running;
  }));
}

}  // namespace ordeal::serve
