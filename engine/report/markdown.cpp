// For GitHub: the step summary, and annotations at the conditions' places in the file.
#include "engine/base/text.hpp"
#include "engine/report/escape.hpp"
#include "engine/report/render.hpp"

namespace ordeal::report {
namespace {

std::string mark_of(const std::string& word) {
  if (word == "ok") return "✅ ok";
  if (word == "FAIL") return "❌ FAIL";
  if (word == "????") return "❔ unknown";
  return "–";
}

std::string code_block(const std::string& text) {
  // Longer than any run of backticks inside.
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += "`";
  return fence + "sh\n" + text + fence + "\n";
}

std::string conditions(const Report& report) {
  const auto rows = table_rows(report);
  if (rows.empty()) return {};
  std::string out =
      "\n| | condition | before | during | bound | after | margin |\n"
      "|---|---|--:|--:|--:|--:|--:|\n";
  for (const ConditionRow* row : rows) {
    const Cells one = cells(report, *row);
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", mark_of(one.word),
                       markdown(row->measure), markdown(one.before), markdown(one.during),
                       markdown(one.bound), markdown(one.after), markdown(one.margin));
  }
  return out;
}

std::string faults(const Report& report) {
  std::string out;
  for (const StepRow& row : report.steps) {
    const char* seen = row.seen == model::Seen::yes  ? "effect seen"
                       : row.seen == model::Seen::no ? "**effect not seen**"
                                                     : "effect not shown";
    out += fmt::format("- **{}** on {}: {}", markdown(row.plan.name), markdown(row.host), seen);
    if (!row.effect.empty()) out += ", " + markdown(row.effect);
    if (row.reverted) out += "; reverted in " + format_short(row.revert_took);
    if (!row.problem.empty()) out += " (" + markdown(row.problem) + ")";
    out += "\n";
  }
  return out.empty() ? out : "\n" + out;
}

std::string left_behind(const Report& report) {
  if (!report.host_dirty()) return {};
  std::string out = "\n### Host not clean\n\n`sudo ordeal recover`, or by hand:\n\n";
  for (const auto& host : report.hosts) {
    if (host.clean) continue;
    std::string commands = "# on " + printable(host.host) + "\n";
    for (const auto& item : host.residue) {
      commands += "# " + printable(item.what) + "\n" + printable(item.command, 4000) + "\n";
    }
    out += code_block(commands);
  }
  return out;
}

}  // namespace

std::string to_markdown(const Report& report) {
  const bool good = report.verdict && report.verdict->exit == 0;
  std::string out = fmt::format("## {} {}: {}\n\n", good ? "✅" : "❌", headline_word(report),
                                markdown(report.about.name));
  out += "**" + markdown(second_line(report)) + "**\n";
  if (!reason(report).empty()) out += "\n" + markdown(reason(report)) + "\n";
  if (!report.about.hypothesis.empty()) {
    out += "\n> " + markdown(report.about.hypothesis) + "\n";
  }
  out += conditions(report) + faults(report) + left_behind(report);
  out += "\n";
  if (!report.about.run.empty()) {
    out += fmt::format("run {} · seed {} · {} · ", markdown(report.about.run),
                       markdown(report.about.seed), format_duration(report.length() / 1s * 1s));
  }
  out += fmt::format("{}\n", report.verdict ? fmt::format("exit {} ({})", report.verdict->exit,
                                                          markdown(report.verdict->exit_name))
                                            : "unfinished");
  return out;
}

namespace {

std::string annotation(const char* level, const std::string& file, int line,
                       const std::string& title, const std::string& message) {
  std::string properties;
  if (!file.empty()) properties += "file=" + github_property(file) + ",";
  if (line > 0) properties += fmt::format("line={},", line);
  return fmt::format("::{} {}title={}::{}", level, properties, github_property(title),
                     github_data(message));
}

}  // namespace

std::vector<std::string> to_annotations(const Report& report) {
  constexpr std::size_t kMost = 10;  // GitHub shows no more of one step
  std::vector<std::string> out;
  const bool good = report.verdict && report.verdict->exit == 0;
  if (good) return out;
  if (report.host_dirty()) {
    std::string message = second_line(report);
    for (const auto& item : report.residue()) message += "\n" + item.what + ": " + item.command;
    out.push_back(annotation("error", report.about.file, 0, "HOST NOT CLEAN", message));
  }
  for (const ConditionRow& row : report.conditions) {
    const auto* status = row.deciding();
    if (out.size() == kMost) break;
    const bool abort_list = row.info.list == model::ConditionList::abort_if;
    const bool bad =
        abort_list ? abort_word(report, row) == "ABORT" : row.truth() == model::Truth::broken;
    if (status == nullptr || !bad) continue;
    out.push_back(annotation("error", row.info.place.file, row.info.place.line,
                             headline_word(report),
                             abort_list ? report.abort->decided.text
                                        : fmt::format("{}: measured {}, bound {}", row.info.text,
                                                      status->measured_text, status->bound_text)));
  }
  if (out.empty()) {
    const auto exit =
        report.verdict ? static_cast<model::Exit>(report.verdict->exit) : model::Exit::error;
    const bool warning = exit == model::Exit::refused || exit == model::Exit::unsteady ||
                         exit == model::Exit::inconclusive;
    out.push_back(annotation(warning ? "warning" : "error", report.about.file, 0,
                             headline_word(report), reason(report) + "\n" + second_line(report)));
  }
  return out;
}

std::vector<std::string> to_annotations(const NotRun& file) {
  const bool invalid = file.exit == model::Exit::invalid;
  return {annotation(invalid ? "error" : "warning", file.file, file.line,
                     invalid ? "INVALID" : "NOT RUN", file.message)};
}

}  // namespace ordeal::report
