// Runs of the past and now, as this user's history holds them. A run writes its events there while
// it goes on, whoever started it, so following that file is the one way to see any run of this host
// and user: started here, by a schedule or in a terminal, before or after a restart of the server.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/report/report.hpp"
#include "engine/serve/sse.hpp"
#include "engine/store/store.hpp"

namespace ordeal::serve {

enum class RunState {
  running,     // goes on
  ended,       // has its verdict
  unfinished,  // its engine died; ordeal status knows what is left
};
const char* to_string(RunState state);

struct RunRow {
  store::RunRecord record;  // of a run without verdict: what is known so far, exit -1
  RunState state = RunState::running;
  std::string phase;                // of a running one
  std::vector<std::string> active;  // faults that are in force now, as far as is known
};

// The report of a run so far, folded further as its file grows.
class FollowedRun {
 public:
  explicit FollowedRun(std::string events) : file_(std::move(events)) {}
  Result<void> refresh();
  const report::Report& report() const { return fold_.report(); }

 private:
  GrowingFile file_;
  report::Fold fold_;
};

class Runs {
 public:
  // Says whether the process of a run still lives.
  using Lives = std::function<bool(const std::string& run)>;
  Runs(std::string history, Lives lives);

  // Those that go on first, then newest first; at most `limit`.
  Result<std::vector<RunRow>> list(std::size_t limit);
  // "last" or a whole id. Error: gone.
  Result<std::string> resolve(const std::string& which);
  Result<RunRow> find(const std::string& run);
  // As report.json; of a run that has ended the stored one.
  Result<std::string> report_json(const std::string& run);
  Result<std::string> report_html(const std::string& run);
  bool lives(const std::string& run) const { return lives_(run); }
  std::string events_path(const std::string& run) const;
  std::size_t running() const;

 private:
  Result<void> refresh();
  Result<void> look_at(const std::string& run);
  Result<void> look_for_lines(const store::Store& database);
  Result<report::Report> report_of(const std::string& run);

  std::string history_;
  Lives lives_;
  std::set<std::string> ended_;   // have a report; found once
  std::set<std::string> stored_;  // have a line in the database, when last asked
  std::map<std::string, FollowedRun> open_;
  std::map<std::string, RunRow> rows_;  // of those that have no line in the database
};

}  // namespace ordeal::serve
