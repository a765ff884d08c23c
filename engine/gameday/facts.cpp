// What every view of a game day tells.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/gameday/report.hpp"

namespace ordeal::gameday {
namespace {

using report::Report;

// From the moment at which the effect was seen to the first `expect` that came true.
std::string detected(const Report& run) {
  std::optional<Duration> first;
  for (const report::ConditionRow& row : run.conditions) {
    if (row.info.list != model::ConditionList::expect || !row.during) continue;
    const auto& after = row.during->after;
    if (after && (!first || *after < *first)) first = after;
  }
  return first ? report::format_seconds(*first) : "";
}

std::string recovered(const Report& run) {
  if (!run.recovery) return "";
  return run.recovery->recovered ? report::format_seconds(run.recovery->after) : "NOT";
}

std::string upper(std::string text) {
  for (char& c : text) c = c == '_' ? ' ' : static_cast<char>(std::toupper(c));
  return text;
}

const Report* find(const Runs& runs, std::size_t item) {
  const auto found = runs.find(item);
  return found == runs.end() ? nullptr : &found->second;
}

void fill_run(const Day& day, const ItemRow& item, const Report* run, Row& out) {
  out.is_run = true;
  out.run = run;
  if (item.state == ItemState::done) {
    out.outcome =
        run != nullptr && run->verdict ? report::headline_word(*run) : upper(item.end.exit_name);
    out.reason = printable(item.end.reason, 2000);
  } else if (item.state == ItemState::active) {
    out.outcome = day.closed ? "CUT OFF" : "running";
  }
  if (run == nullptr) return;
  out.detected = detected(*run);
  out.recovered = recovered(*run);
}

bool is_run(const model::AgendaItem& item) {
  return std::holds_alternative<model::AgendaRun>(item);
}

std::string name_of(const Row& row) {
  if (row.run == nullptr || row.run->about.name.empty()) return row.what;
  return printable(row.run->about.name);
}

// The role of a person, so that the draft does not point at anybody.
std::string role_of(const Day& day, const std::string& person) {
  for (const auto& [role, who] : day.about.roles) {
    if (!who.empty() && who == person) return role;
  }
  return "";
}

}  // namespace

std::string clock_of(WallTime wall) { return format_wall(wall).substr(11, 8); }

std::string date_of(WallTime wall) {
  const std::string text = format_wall(wall);
  return text.substr(0, 10) + " " + text.substr(11, 5) + " UTC";
}

std::vector<Row> rows(const Day& day, const Runs& runs) {
  std::vector<Row> out;
  for (std::size_t i = 0; i < day.items.size(); ++i) {
    const ItemRow& item = day.items[i];
    Row row;
    row.number = i + 1;
    row.what = printable(text_of(day.about.agenda[i]));
    if (item.begun) row.when = clock_of(*item.begun);
    row.by = printable(item.end.by);
    if (item.state == ItemState::pending) {
      row.outcome = day.closed ? "not reached" : "";
      row.is_run = is_run(day.about.agenda[i]);
    } else if (is_run(day.about.agenda[i])) {
      fill_run(day, item, find(runs, i), row);
    } else if (item.state == ItemState::active) {
      row.outcome = day.closed ? "stopped here" : "waiting";
    } else if (std::holds_alternative<model::Break>(day.about.agenda[i])) {
      row.outcome = item.end.by.empty() ? "over" : "ended early";
    } else {
      row.outcome = !item.end.answer.empty() ? printable(item.end.answer)
                    : item.end.by.empty()    ? "nobody answered"
                                             : "done";
    }
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<Moment> timeline(const Day& day, const Runs& runs) {
  std::vector<Moment> out;
  for (const Line& line : day.timeline) {
    out.push_back(
        {line.wall, line.note ? "note" : "day", printable(line.text, 2000), printable(line.by)});
  }
  for (const auto& [item, run] : runs) {
    for (const report::Line& line : run.timeline) {
      out.push_back({run.about.wall + line.at, line.level, line.text, ""});
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Moment& a, const Moment& b) { return a.wall < b.wall; });
  return out;
}

std::string headline(const Day& day) {
  if (!day.closed) return "OPEN";
  const model::Exit worst = day.worst();
  if (worst != model::Exit::upheld) return upper(to_string(worst));
  return day.end.reason.empty() ? "UPHELD" : "STOPPED";
}

std::string summary(const Day& day, const Runs& runs) {
  std::map<std::string, int> ends;
  std::set<std::string> dirty;
  int planned = 0;
  int ran = 0;
  for (std::size_t i = 0; i < day.items.size(); ++i) {
    if (!is_run(day.about.agenda[i])) continue;
    ++planned;
    if (day.items[i].state != ItemState::done) continue;
    ++ran;
    ++ends[day.items[i].end.exit_name];
    const Report* run = find(runs, i);
    if (run != nullptr && run->host_dirty()) dirty.insert(run->about.run);
  }
  std::string out = fmt::format("{} of {} experiments ran", ran, planned);
  std::string separator = ": ";
  for (const auto& [name, count] : ends) {
    std::string word = name;
    std::replace(word.begin(), word.end(), '_', ' ');
    out += fmt::format("{}{} {}", separator, count, printable(word));
    separator = ", ";
  }
  out += ".";
  if (!dirty.empty()) return out + " HOST NOT CLEAN: sudo ordeal recover.";
  return ran > 0 ? out + " Every host is clean." : out;
}

namespace {

void surprises(const Day& day, const std::vector<Row>& all, std::vector<std::string>& out) {
  for (const Row& row : all) {
    if (!row.is_run || row.run == nullptr || !row.run->verdict) continue;
    const auto exit = static_cast<model::Exit>(row.run->verdict->exit);
    if (exit == model::Exit::upheld) continue;
    out.push_back(name_of(row) + ": we expected it to hold, and it was " + row.outcome +
                  (row.reason.empty() ? "" : " (" + row.reason + ")"));
  }
  for (const Row& row : all) {
    if (row.recovered != "NOT") continue;
    out.push_back(name_of(row) + ": the fault was over, and the service did not come back");
  }
  for (std::size_t i = 0; i < day.items.size(); ++i) {
    const auto* asked = std::get_if<model::Checkpoint>(&day.about.agenda[i]);
    const ItemEnded& end = day.items[i].end;
    if (asked == nullptr || day.items[i].state != ItemState::done) continue;
    if (end.by.empty()) out.push_back("nobody answered in time: " + printable(asked->text, 400));
    if (end.answer == "no") out.push_back(printable(asked->text, 400) + " no");
  }
  if (out.empty()) out.push_back("nothing was recorded that was not expected: was it hard enough?");
  out.push_back("…");
}

}  // namespace

std::vector<Chapter> postmortem(const Day& day, const Runs& runs) {
  const std::vector<Row> all = rows(day, runs);
  Chapter expected{"What we expected", {}};
  Chapter happened{"What happened", {}};
  Chapter surprised{"What surprised us", {}};
  for (const Row& row : all) {
    if (!row.is_run || row.when.empty()) continue;
    std::string hypothesis = row.run == nullptr ? "" : row.run->about.hypothesis;
    if (hypothesis.empty()) hypothesis = "the service stays in its steady state";
    expected.items.push_back(name_of(row) + ": " + printable(hypothesis, 2000));
    std::string text = row.when + " " + name_of(row) + ": " + row.outcome;
    if (!row.reason.empty()) text += ", " + row.reason;
    if (!row.detected.empty()) text += "; detected after " + row.detected;
    if (row.recovered == "NOT") text += "; the service did not recover";
    if (!row.recovered.empty() && row.recovered != "NOT") {
      text += "; recovered " + row.recovered + " after the last revert";
    }
    happened.items.push_back(std::move(text));
  }
  for (const Line& line : day.timeline) {
    if (!line.note) continue;
    const std::string role = role_of(day, line.by);
    happened.items.push_back(clock_of(line.wall) + " noted" + (role.empty() ? "" : " by " + role) +
                             ": " + printable(line.text, 2000));
  }
  surprises(day, all, surprised.items);
  Chapter well{"What went well, and where we were lucky", {"…"}};
  return {std::move(expected), std::move(happened), std::move(surprised), std::move(well)};
}

}  // namespace ordeal::gameday
