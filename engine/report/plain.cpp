// The log of a run for CI: one line for each change of state, one every ten seconds. Lines with a
// star are the ones that --quiet keeps.
#include <sstream>

#include "engine/base/text.hpp"
#include "engine/report/layout.hpp"
#include "engine/report/live.hpp"

namespace ordeal::report {

void PlainLog::star(std::string text) { out_.push_back("* " + std::move(text)); }

void PlainLog::line(std::string text) {
  if (volume_ == Volume::normal) out_.push_back("  " + std::move(text));
}

std::string PlainLog::place_of(const std::string& condition) const {
  const ConditionRow* row = report().condition(condition);
  if (row == nullptr || row->info.place.line == 0) return {};
  return fmt::format("   {}:{}", file_name(printable(row->info.place.file)), row->info.place.line);
}

std::string PlainLog::at() const { return format_at(report().now, 0) + " "; }

std::vector<std::string> PlainLog::feed(const model::Event& event) {
  fold_.apply(event);
  out_.clear();
  if (std::holds_alternative<model::RunStarted>(event.data)) on_start();
  if (std::holds_alternative<model::PlanMade>(event.data)) on_plan();
  if (const auto* phase = std::get_if<model::PhaseStarted>(&event.data)) on_phase(*phase);
  if (const auto* step = std::get_if<model::StepChanged>(&event.data)) on_step(*step);
  if (const auto* status = std::get_if<model::ConditionStatus>(&event.data)) on_condition(*status);
  if (const auto* abort = std::get_if<model::AbortDecided>(&event.data)) {
    star(at() + (stop_word(report()) == std::string_view("aborted") ? "ABORT: " : "STOPPED: ") +
         printable(abort->text) + place_of(abort->condition));
  }
  if (std::holds_alternative<model::AbortDone>(event.data)) {
    star(at() + "put back " + put_back_words(report()));
  }
  if (const auto* host = std::get_if<model::HostChecked>(&event.data)) on_host(*host);
  if (const auto* recovery = std::get_if<model::RecoveryMeasured>(&event.data)) {
    star(at() + (recovery->recovered
                     ? "service recovered after " + format_seconds(recovery->after) +
                           ", held for " + format_duration(recovery->held)
                     : std::string("SERVICE NOT RECOVERED")));
  }
  if (const auto* refused = std::get_if<model::RunRefused>(&event.data)) {
    std::istringstream reasons(refused->text);  // of several hosts: a line each
    for (std::string one; std::getline(reasons, one);) {
      star(at() + "refused: " + printable(one, 2000));
    }
  }
  if (const auto* note = std::get_if<model::Note>(&event.data)) {
    const std::string text = printable(note->text, 2000);
    if (note->level == "warning") {
      star(at() + "warning: " + text);
    } else {
      line(at() + text);
    }
  }
  if (std::holds_alternative<model::RunEnded>(event.data)) on_end();
  progress();
  return std::move(out_);
}

void PlainLog::on_start() {
  const auto& about = report().about;
  std::string text = fmt::format("ordeal {}  {}  run {}  seed {}  started {}", about.version,
                                 printable(about.name), printable(about.run), printable(about.seed),
                                 format_wall(about.wall));
  if (about.mode != "run") text += "  (" + printable(about.mode) + ")";
  star(std::move(text));
}

void PlainLog::on_plan() {
  for (const auto& step : report().plan.steps) {
    std::string text = fmt::format("plan: {} for {} on {}", printable(step.name),
                                   format_duration(step.duration), printable(step.host));
    if (!step.summary.empty()) text += ": " + printable(step.summary.front());
    text += " (";
    if (step.targets.size() > 1) text += fmt::format("{} targets; ", step.targets.size());
    if (!step.backend.empty()) text += printable(step.backend) + "; ";
    text += counted(step.undos.size(), "undo") + ")";
    if (!step.undoable) text += " NOT UNDOABLE";
    star(std::move(text));
    for (const auto& warning : step.warnings) star("warning: " + printable(warning));
  }
  for (const auto& text : report().plan.unchecked) star("not checked: " + printable(text));
}

void PlainLog::on_phase(const model::PhaseStarted& event) {
  if (event.phase == model::Phase::baseline) {
    std::string text = "baseline " + format_duration(report().plan.baseline);
    if (report().plan.warmup > 0s) {
      text += " (+" + format_duration(report().plan.warmup) + " warm-up)";
    }
    line(at() + text + ": nothing has been touched");
  }
  if (event.phase == model::Phase::recovery) {
    line(at() + "recovery up to " + format_duration(report().plan.recovery_within));
  }
  last_progress_ = report().now / 1s;
}

void PlainLog::on_step(const model::StepChanged& event) {
  using model::StepState;
  const auto found = std::find_if(
      report().steps.begin(), report().steps.end(),
      [&](const auto& row) { return row.step == event.step && row.host == event.host; });
  std::string name = printable(found->plan.name);
  const bool several = std::any_of(report().steps.begin(), report().steps.end(),
                                   [&](const auto& row) { return row.host != event.host; });
  if (several) name += " on " + printable(event.host);
  const std::string text = event.text.empty() ? "" : ", " + printable(event.text);
  switch (event.state) {
    case StepState::verified:
      if (found->verified != report().now) return;  // said before
      return star(at() + "inject " + name + ": verified" + text);
    case StepState::effect:
      if (event.seen == model::Seen::no) star(at() + name + ": EFFECT NOT SEEN" + text);
      return;
    case StepState::reverted:
      return star(at() + name + " reverted" +
                  (event.took > 0us ? " in " + format_short(event.took) : "") +
                  (found->revert_text.empty() ? "" : ", " + found->revert_text));
    case StepState::failed: return star(at() + name + ": INJECTION FAILED" + text);
    case StepState::revert_failed: return star(at() + name + ": REVERT FAILED" + text);
    case StepState::injected: return line(at() + name + " injected, looking for its effect");
    case StepState::injecting:
    case StepState::reverting:
    case StepState::removed: return;
  }
}

void PlainLog::on_host(const model::HostChecked& event) {
  if (!event.lost.empty()) star(at() + printable(event.lost, 2000));
  if (event.clean) return star(at() + "host " + printable(event.host) + " clean");
  for (const auto& item : event.residue) {
    star(at() + "LEFT on " + printable(event.host) + ": " + printable(item.what) +
         "   undo by hand: " + printable(item.command, 4000));
  }
}

void PlainLog::on_condition(const model::ConditionStatus& event) {
  const ConditionRow* row = report().condition(event.id);
  if (row == nullptr) return;
  const std::string bound =
      event.bound_text.empty() ? "" : " (" + printable(event.bound_text) + ")";
  const std::string text = row->measure + " " + printable(event.measured_text) + bound;
  const bool before = event.phase == model::Phase::baseline;
  if (row->broken_at && event.phase != model::Phase::recovery) {
    if (broken_.insert(event.id).second) line(at() + "BROKEN: " + text);
  } else if (before && event.final && event.truth == model::Truth::holds) {
    line(at() + "steady: " + text);
  }
}

void PlainLog::progress() {
  constexpr std::int64_t kEvery = 10;
  const auto phase = report().current_phase();
  const bool measuring = phase == model::Phase::baseline || phase == model::Phase::fault ||
                         phase == model::Phase::recovery;
  if (!measuring || report().verdict || report().now / 1s < last_progress_ + kEvery) return;
  last_progress_ = report().now / 1s;
  const PhaseSpan& span = report().phases.back();
  std::string text = boost::describe::enum_to_string(phase, "");
  const auto spent = std::chrono::round<std::chrono::seconds>(report().now - span.from);
  text += fmt::format(" {}", spent / 1s);
  text += span.planned > 0s ? fmt::format("/{}s:", span.planned / 1s) : std::string("s:");
  std::set<std::string> shown;
  for (const ConditionRow& row : report().conditions) {
    const bool wanted = phase == model::Phase::fault
                            ? row.info.list == model::ConditionList::during
                            : row.info.list == model::ConditionList::steady_state;
    const auto& status = phase == model::Phase::fault      ? row.during
                         : phase == model::Phase::recovery ? row.after
                                                           : row.before;
    if (!wanted || !status) continue;
    const std::string measured = printable(status->measured_text);
    text += "  " + row.measure + " " + (measured.empty() ? "not measured" : measured);
    shown.insert(split_measure(row.measure).sli);
    if (status->truth == model::Truth::broken) text += " BROKEN";
  }
  for (const Series& series : report().series) {
    if (series.points.empty() || shown.contains(series.sli)) continue;
    const Point& last = series.points.back();
    if (series.request && last.success) {
      text += "  " + series.title() + " " + format_value(*last.success, "%") + " good";
    } else if (!series.request && last.value) {
      text += "  " + series.title() + " " + format_value(*last.value, series.unit);
    }
  }
  line(at() + text);
}

void PlainLog::on_end() {
  std::vector<std::vector<std::string>> rows;
  const bool measured = report().phase(model::Phase::baseline) != nullptr;
  for (const ConditionRow* row : table_rows(report())) {
    if (!measured) break;
    const Cells one = cells(report(), *row);
    const auto* status = row->deciding();
    const std::string word = one.word == "ok"     ? "PASS"
                             : one.word == "????" ? "CANNOT TELL"
                                                  : one.word;
    std::string bound = status == nullptr ? "" : printable(status->bound_text);
    if (!bound.empty()) bound = "bound " + bound;
    std::string place = file_name(printable(row->info.place.file));
    if (row->info.place.line > 0) place += ":" + std::to_string(row->info.place.line);
    if (one.word == "ok") bound = place = "";
    rows.push_back({word, printable(row->info.text),
                    status == nullptr ? "" : printable(status->measured_text), bound, place});
  }
  for (auto& text :
       table({{false, 12}, {false, 60}, {false, 16}, {false, 50}, {false, 40}}, rows)) {
    star(std::move(text));
  }
  if (report().about.mode == "baseline-only") {
    for (const std::string& one : measured_lines(report())) star("measured: " + one);
  }
  std::string text = headline_word(report()) + ". " + second_line(report());
  if (report().host_dirty()) text = second_line(report());
  const bool said = report().refused.has_value();
  if (report().verdict->exit != 0 && !said && !reason(report()).empty()) {
    text += " Because " + reason(report()) + ".";
  }
  text += fmt::format(" Exit {}.", report().verdict->exit);
  if (!report_problem_.empty()) {
    text += "  Report: not stored: " + printable(report_problem_, 1000);
  } else if (!report_path_.empty()) {
    text += "  Report: " + printable(report_path_);
  }
  star(std::move(text));
  // Last, so that it is not scrolled away.
  if (report().host_dirty()) star("Undo: sudo ordeal recover, or by hand:");
  for (const auto& item : report().residue()) {
    star("  " + printable(item.command, 4000) + "   # " + printable(item.what));
  }
}

}  // namespace ordeal::report
