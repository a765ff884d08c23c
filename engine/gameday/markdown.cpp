// The combined report as text for a terminal, as Markdown, and as JSON.
#include <fmt/format.h>

#include "engine/base/json.hpp"
#include "engine/base/text.hpp"
#include "engine/gameday/report.hpp"
#include "engine/report/escape.hpp"
#include "engine/report/layout.hpp"
#include "engine/report/render.hpp"

namespace ordeal::gameday {

using report::markdown;

std::string to_text(const Day& day, const Runs& runs) {
  std::string out = fmt::format(" {}   {}   {}\n {}\n\n", headline(day), printable(day.about.title),
                                printable(day.about.id), summary(day, runs));
  std::vector<std::vector<std::string>> cells;
  for (const Row& row : rows(day, runs)) {
    cells.push_back({std::to_string(row.number), row.when, row.what, row.outcome, row.reason});
  }
  const std::vector<report::Column> columns = {
      {true, 3}, {false, 8}, {false, 44}, {false, 16}, {false, 60}};
  for (const std::string& line : report::table(columns, cells)) out += "  " + line + "\n";
  bool first = true;
  for (const Line& line : day.timeline) {
    if (!line.note) continue;
    if (first) out += "\n notes\n";
    first = false;
    out += fmt::format("  {}  {}{}\n", clock_of(line.wall), printable(line.text, 2000),
                       line.by.empty() ? "" : "  (" + printable(line.by) + ")");
  }
  if (day.closed && !day.end.reason.empty()) {
    out += "\n stopped: " + printable(day.end.reason, 2000) + "\n";
  }
  return out;
}

std::string to_markdown(const Day& day, const Runs& runs) {
  std::string out = fmt::format("# {}: {}\n\n", headline(day), markdown(day.about.title));
  out += fmt::format("**{}**\n\n", markdown(summary(day, runs)));
  if (day.closed && !day.end.reason.empty()) {
    out += "Stopped: " + markdown(day.end.reason) + "\n\n";
  }
  out +=
      fmt::format("{} · {} · {} · led from {}\n", markdown(day.about.id), markdown(day.about.file),
                  day.opened ? date_of(*day.opened) : "", markdown(day.about.host));
  for (const auto& [role, person] : day.about.roles) {
    out += fmt::format("- {}: {}\n", markdown(role), person.empty() ? "–" : markdown(person));
  }
  if (!day.about.briefing.empty()) {
    out += "\n> " + markdown(report::in_one_line(day.about.briefing)) + "\n";
  }
  out +=
      "\n## Agenda\n\n| # | at (UTC) | item | outcome | why | detected after | recovered after |\n"
      "|--:|---|---|---|---|--:|--:|\n";
  for (const Row& row : rows(day, runs)) {
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", row.number, row.when,
                       markdown(row.what), markdown(row.outcome), markdown(row.reason),
                       markdown(row.detected), markdown(row.recovered));
  }
  out += "\n## Timeline\n\n";
  for (const Moment& moment : timeline(day, runs)) {
    const bool note = moment.level == "note";
    out += fmt::format("- `{}` {}{}{}{}\n", clock_of(moment.wall), note ? "**" : "",
                       markdown(moment.text), note ? "**" : "",
                       moment.by.empty() ? "" : " (" + markdown(moment.by) + ")");
  }
  out += "\n# Postmortem (draft)\n\nBlameless: it is about what the system made easy or hard.\n";
  for (const Chapter& chapter : postmortem(day, runs)) {
    out += "\n## " + chapter.title + "\n\n";
    for (const std::string& item : chapter.items) out += "- " + markdown(item) + "\n";
  }
  out += "\n## Action items\n\n| what | owner | until |\n|---|---|---|\n";
  for (int i = 0; i < 3; ++i) out += "|   |   |   |\n";
  return out;
}

namespace {

boost::json::value text(const std::string& value) { return boost::json::string(value); }

boost::json::value time(const std::optional<WallTime>& wall) {
  return wall ? text(format_wall(*wall)) : boost::json::value(nullptr);
}

boost::json::object item_of(const Row& row, const ItemRow& item) {
  boost::json::object out;
  out["number"] = row.number;
  out["item"] = text(row.what);
  out["begun"] = time(item.begun);
  out["ended"] = time(item.ended);
  out["outcome"] = text(row.outcome);
  if (!item.end.answer.empty()) out["answer"] = text(item.end.answer);
  if (!item.end.by.empty()) out["by"] = text(item.end.by);
  if (!row.is_run) return out;
  out["run"] = text(item.run);
  out["exit"] = text(item.end.exit_name);
  out["reason"] = text(item.end.reason);
  if (row.run != nullptr) {
    out["name"] = text(row.run->about.name);
    if (row.run->recovery && row.run->recovery->recovered) {
      out["recovered_after_us"] = row.run->recovery->after.count();
    }
  }
  return out;
}

}  // namespace

std::string to_json(const Day& day, const Runs& runs) {
  boost::json::object out;
  out["v"] = 1;
  out["id"] = text(day.about.id);
  out["name"] = text(day.about.name);
  out["title"] = text(day.about.title);
  out["file"] = text(day.about.file);
  out["opened"] = time(day.opened);
  out["closed"] = time(day.closed);
  out["headline"] = text(headline(day));
  boost::json::object exit;
  exit["code"] = day.closed ? boost::json::value(day.end.exit) : boost::json::value(nullptr);
  exit["name"] = text(day.closed ? day.end.exit_name : "open");
  exit["reason"] = text(day.end.reason);
  out["exit"] = std::move(exit);
  boost::json::object roles;
  for (const auto& [role, person] : day.about.roles) roles[role] = text(person);
  out["roles"] = std::move(roles);
  boost::json::array agenda;
  const std::vector<Row> all = rows(day, runs);
  for (std::size_t i = 0; i < all.size(); ++i) agenda.push_back(item_of(all[i], day.items[i]));
  out["agenda"] = std::move(agenda);
  boost::json::array moments;
  for (const Moment& moment : timeline(day, runs)) {
    boost::json::object line;
    line["at"] = text(format_wall(moment.wall));
    line["level"] = text(moment.level);
    line["text"] = text(moment.text);
    if (!moment.by.empty()) line["by"] = text(moment.by);
    moments.push_back(std::move(line));
  }
  out["timeline"] = std::move(moments);
  return boost::json::serialize(out) + "\n";
}

}  // namespace ordeal::gameday
