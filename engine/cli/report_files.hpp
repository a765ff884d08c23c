// What `ordeal run --report` writes, and what a GitHub job reads: of every file that was given,
// also of those that were not run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/cli/options.hpp"
#include "engine/report/render.hpp"

namespace ordeal::cli {

// What became of one file.
struct FileOutcome {
  report::Report report;
  std::string events_path;                // where its events are stored
  std::optional<report::NotRun> not_run;  // then they are stored nowhere: they are `events`
  std::string events;
};

// Of a file that is not run. With --output json it is said on stdout as events.
FileOutcome left_out(const Options& options, const std::string& user, report::NotRun why);

// In the order in which the files were given.
void write_reports(const Options& options, const std::vector<FileOutcome>& outcomes);

}  // namespace ordeal::cli
