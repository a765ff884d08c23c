// The combined report of a game day, also of one that is not over: its agenda with the verdict of
// each experiment, one timeline with notes, and the draft of a blameless postmortem. All pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/gameday/record.hpp"
#include "engine/report/report.hpp"

namespace ordeal::gameday {

// Reports of runs by item; a run that was cut off has one without a verdict.
using Runs = std::map<std::size_t, report::Report>;

std::string to_text(const Day& day, const Runs& runs);
std::string to_markdown(const Day& day, const Runs& runs);
// One self-contained page: no script, style or picture from anywhere else.
std::string to_html(const Day& day, const Runs& runs);
// gameday.json, version 1 (docs/reference/gameday-file.md); ends with a newline.
std::string to_json(const Day& day, const Runs& runs);

// ---- What all of them tell alike ----------------------------------------------------------------

// One item of the agenda.
struct Row {
  std::size_t number = 0;  // from 1
  bool is_run = false;
  std::string what;     // "run 01-kill.yaml", "checkpoint: ..."
  std::string when;     // "14:02:11", or ""
  std::string outcome;  // "UPHELD", "yes", "not reached", ...
  std::string reason;
  std::string by;
  std::string detected;   // after the effect was seen: when an `expect` came true
  std::string recovered;  // after the last revert
  report::Report const* run = nullptr;
};
std::vector<Row> rows(const Day& day, const Runs& runs);

// A line of the one timeline; `level` as in report::Line, or "note".
struct Moment {
  WallTime wall{};
  std::string level;
  std::string text;
  std::string by;
};
std::vector<Moment> timeline(const Day& day, const Runs& runs);

// "OPEN", "STOPPED", "CLOSED", and the names of the worst run's exit: "VIOLATED".
std::string headline(const Day& day);
// "3 of 4 experiments ran: 2 upheld, 1 violated. Every host is clean."
std::string summary(const Day& day, const Runs& runs);
std::string clock_of(WallTime wall);  // "14:02:11", UTC
std::string date_of(WallTime wall);   // "2026-11-21 14:02 UTC"

// The draft, as headings with items. Roles instead of names: it is about the system.
struct Chapter {
  std::string title;
  std::vector<std::string> items;
};
std::vector<Chapter> postmortem(const Day& day, const Runs& runs);

}  // namespace ordeal::gameday
