// The finished view on a terminal: verdict, machine and service, why, table, faults, safety; what
// is left on a host comes last, so that it is not scrolled away.
#include "engine/base/text.hpp"
#include "engine/report/layout.hpp"

namespace ordeal::report {
namespace {

constexpr std::size_t kLabel = 10;  // " faults   "

class Finished {
 public:
  Finished(const Report& report, const Style& style)
      : report_(report), style_(style), width_(static_cast<std::size_t>(style.width)) {}

  std::string text() {
    head();
    conditions();
    measured();
    faults();
    safety();
    foot();
    left_behind();
    return std::move(out_);
  }

 private:
  void line(std::string_view text) { out_ += std::string(text) + "\n"; }
  void labelled(std::string_view label, const std::string& text);
  void head();
  void conditions();
  void measured();
  void faults();
  void safety();
  void foot();
  void left_behind();

  const Report& report_;
  const Style& style_;
  std::size_t width_;
  std::string out_;
};

void Finished::labelled(std::string_view label, const std::string& text) {
  const std::string start = pad(" " + std::string(label), kLabel);
  for (const auto& part : wrap(start + text, width_, kLabel)) line(part);
}

void Finished::head() {
  const std::string word = headline_word(report_);
  const std::string right = fmt::format("{}  {:>8}", printable(report_.about.run),
                                        format_duration(report_.length() / 1s * 1s));
  const std::string rest =
      spread("   " + printable(report_.about.name), right, width_ - width_of(word) - 1);
  line(" " + paint(style_, tone_of(report_), word) + rest);
  const bool left = !report_.residue().empty();
  const std::string second = " " + second_line(report_) + (left ? " See the end." : "");
  for (const auto& part : wrap(second, width_, 1)) line(part);
  const bool upheld = report_.verdict && report_.verdict->exit == 0;
  if (!upheld && !reason(report_).empty()) {
    for (const auto& part : wrap(" because " + reason(report_), width_, 9)) line(part);
  }
  if (report_.events_lost) line(" WARNING: events are missing: this report is not complete.");
  line("");
}

void Finished::conditions() {
  const auto rows = table_rows(report_);
  if (rows.empty() || report_.phase(model::Phase::baseline) == nullptr) return;
  const PhaseSpan* fault = report_.phase(model::Phase::fault);
  std::string during = "during";
  if (fault != nullptr && fault->to) {
    during += fmt::format(" ({})", format_duration((*fault->to - fault->from) / 1s * 1s));
  }
  std::vector<std::vector<std::string>> cell_rows;
  const bool after = report_.phase(model::Phase::recovery) != nullptr;
  cell_rows.push_back({"", "", "before", fault != nullptr ? during : "", "bound",
                       after ? "after" : "", fault != nullptr ? "worst moment" : ""});
  for (const ConditionRow* row : rows) {
    const Cells one = cells(report_, *row);
    const auto* status = row->deciding();
    const bool late = row->info.list == model::ConditionList::expect ||
                      row->info.list == model::ConditionList::wait;
    const std::string moment = late && status != nullptr && status->after
                                   ? "true after " + format_seconds(*status->after)
                                   : one.worst;
    cell_rows.push_back(
        {one.word, row->measure, one.before, one.during, one.bound, one.after, moment});
  }
  const std::vector<Column> columns = {{false, 4}, {false, 30}, {true, 10}, {true, 14},
                                       {true, 22}, {true, 10},  {false, 26}};
  const auto lines = table(columns, cell_rows);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& word = cell_rows[i][0];
    const std::string text = cut(lines[i], width_ - 3);
    const std::size_t word_width = std::min(word.size(), text.size());
    line("   " + paint(style_, tone_of_word(word), text.substr(0, word_width)) +
         text.substr(word_width));
  }
  for (const ConditionRow* row : rows) {
    const auto* status = row->deciding();
    if (status == nullptr || status->truth == model::Truth::holds || status->problem.empty())
      continue;
    labelled("", row->measure + ": " + printable(status->problem));
  }
}

void Finished::measured() {
  if (report_.about.mode != "baseline-only") return;
  bool first = true;
  for (const std::string& one : measured_lines(report_)) {
    labelled(first ? "measured" : "", one);
    first = false;
  }
}

std::string seen_words(const StepRow& row) {
  switch (row.seen) {
    case model::Seen::yes: return "effect seen";
    case model::Seen::no: return "EFFECT NOT SEEN";
    case model::Seen::not_yet: return "effect not shown yet";
  }
  return {};
}

void Finished::faults() {
  bool first = true;
  for (const StepRow& row : report_.steps) {
    std::string text = printable(row.plan.name) + "  ";
    if (report_.hosts.size() > 1) text += printable(row.host) + "  ";
    // Seen is enough: an abort may come before the executor's answer.
    const bool done = row.injected || row.verified || row.seen == model::Seen::yes;
    text += row.state == model::StepState::failed || !done ? "not injected" : seen_words(row);
    if (!row.effect.empty()) text += ": " + row.effect;
    if (row.reverted) {
      text += "; reverted";
      if (row.revert_took > 0us) text += " in " + format_short(row.revert_took);
      if (!row.revert_text.empty()) text += ": " + row.revert_text;
    } else if (row.active()) {
      text += report_.verdict ? "; NOT REVERTED" : "; its revert is not recorded";
    }
    if (!row.problem.empty()) text += " (" + row.problem + ")";
    if (!row.plan.undoable) text += "; NOT UNDOABLE, as the file says";
    labelled(first ? "faults" : "", text);
    first = false;
  }
}

std::string crossed_words(const Report& report) {
  std::size_t crossed = 0;
  std::string nearest;
  const auto rows = abort_rows(report);
  for (const ConditionRow* row : rows) {
    const auto* status = row->deciding();
    if (status == nullptr) continue;
    if (abort_word(report, *row) == "ABORT") ++crossed;
    if (nearest.empty() && !status->nearest_text.empty()) {
      nearest = fmt::format(", nearest: {} {} (limit {})", row->measure,
                            printable(status->nearest_text), printable(status->bound_text));
    }
  }
  if (rows.empty()) return "NO ABORT CONDITIONS, as the file says";
  return fmt::format("{} of {} abort conditions crossed{}", crossed, rows.size(),
                     crossed == 0 ? nearest : "");
}

void Finished::safety() {
  if (report_.touched()) {
    const std::size_t left = report_.residue().size();
    std::string residue = left > 0                ? fmt::format("residue: {}", left)
                          : report_.hosts.empty() ? "residue: not checked"
                                                  : "residue: none";
    if (report_.host_dirty() && left == 0) residue = "residue: see the events";
    labelled("safety", crossed_words(report_) + "; " + residue);
  }
  if (report_.abort) {
    std::string text = "at " + format_at(report_.abort->at, 3);
    if (report_.abort->latency) text += "; everything put back " + put_back_words(report_);
    labelled(stop_word(report_), text);
  }
  for (const auto& host : report_.hosts) {
    for (const auto& other : host.changed_by_others) {
      labelled("", "changed by others on " + printable(host.host) + ": " + printable(other));
    }
    if (!host.kept.empty()) {
      std::string kept;
      for (const auto& item : host.kept) kept += (kept.empty() ? "" : ", ") + printable(item);
      labelled("", "kept on " + printable(host.host) + ": " + kept);
    }
  }
}

void Finished::foot() {
  if (report_.phase(model::Phase::baseline) != nullptr) {
    std::string missing =
        report_.missing == 0 ? "none missing" : fmt::format("{} missing", report_.missing);
    for (const Series& series : report_.series) {
      if (series.gaps.empty()) continue;
      missing += ": " + series.gaps.front().why;
      break;
    }
    labelled("samples", fmt::format("{}, {}", report_.samples, missing));
    // Not wrapped: it is there to be copied.
    const std::string& inventory = report_.about.inventory;
    line(fmt::format(" again    ordeal run {} --seed {}{}", printable(report_.about.file),
                     printable(report_.about.seed),
                     inventory.empty() ? "" : " --inventory " + printable(inventory)));
  }
  const std::string exit =
      report_.verdict ? fmt::format("exit {}", report_.verdict->exit) : "no exit: unfinished";
  const bool stored = style_.report_problem.empty() && !style_.report_path.empty();
  if (!style_.report_problem.empty()) {
    labelled("report", "not stored: " + printable(style_.report_problem, 1000));
  }
  const std::string left = stored ? " report   " + printable(style_.report_path) : "";
  line(spread(left, exit, width_));
}

void Finished::left_behind() {
  if (!report_.host_dirty()) return;
  line("");
  for (const auto& host : report_.hosts) {
    if (host.clean) continue;
    const std::string text = fmt::format(
        "HOST NOT CLEAN: {} change{} left on {}. Undo: sudo ordeal recover{}, or by hand:",
        host.residue.size(), host.residue.size() == 1 ? " is" : "s are", printable(host.host),
        report_.about.inventory.empty() ? ""
                                        : " --inventory " + printable(report_.about.inventory));
    line(" " + paint(style_, Tone::bad, text));
    for (const auto& item : host.residue) {
      line("   # " + printable(item.what));
      if (!item.command.empty()) line("   " + printable(item.command, 4000));
    }
  }
  if (report_.residue().empty()) {
    line(" " + paint(style_, Tone::bad, "HOST NOT CLEAN. Undo: sudo ordeal recover"));
  }
}

}  // namespace

std::string to_text(const Report& report, const Style& style) {
  return Finished(report, style).text();
}

}  // namespace ordeal::report
