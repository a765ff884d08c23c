// A finished run for people and for machines. All pure: Report in, text out. Foreign text is made
// printable and escaped here; nothing that a probe or a host said is copied raw.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/report/report.hpp"

namespace ordeal::report {

struct Style {
  bool color = false;          // ANSI colours; words always carry the meaning too
  int width = 100;             // columns, at least 80
  std::string report_path;     // shown in the last line when not empty
  std::string report_problem;  // why nothing is there; shown instead
};

// The finished view: verdict first, "is the machine back, is the service well" second, what is left
// on a host last.
std::string to_text(const Report& report, const Style& style);

// `ordeal plan`: targets with their command lines, changes, undo commands, limits, warnings, total
// time and earliest end.
std::string to_plan_text(const Report& report, const Style& style);

// report.json (docs/reference/report-files.md); ends with a newline.
std::string to_json(const Report& report);

// A file that was not run: it could not be read, was refused before anything began, or was not
// started after an earlier one.
struct NotRun {
  std::string file;
  int line = 0;
  std::string name;                         // of the experiment, or empty: the file's name is used
  model::Exit exit = model::Exit::invalid;  // invalid: an error; anything else: skipped
  std::string message;
};
// As the events of a run that was refused at once, so that every view has something to show.
// `about` says who and where; the run has no id.
std::vector<model::Event> to_events(const NotRun& one, model::RunStarted about);
// JUnit XML: one suite for each run, one case for each condition, for the host and for recovery.
std::string to_junit(std::span<const Report> reports, std::span<const NotRun> not_run = {});

// Markdown for $GITHUB_STEP_SUMMARY and merge-request comments.
std::string to_markdown(const Report& report);

// GitHub workflow commands, a line each, at most ten: violated conditions at their place in the
// file, then what is left on a host.
std::vector<std::string> to_annotations(const Report& report);
std::vector<std::string> to_annotations(const NotRun& not_run);

// One self-contained page: no script, style or picture from anywhere else.
std::string to_html(const Report& report);

}  // namespace ordeal::report
