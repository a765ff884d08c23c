// The screen of a run that goes on. Order: phase, is it safe, is it well, what is broken on
// purpose, what happened last. When it aborts, only what is being put back.
#include <cmath>

#include "engine/base/text.hpp"
#include "engine/report/layout.hpp"
#include "engine/report/live.hpp"

namespace ordeal::report {
namespace {

using Lines = std::vector<std::string>;

// What may be left out when the screen is too low: the first first.
struct Section {
  Lines lines;
  std::size_t least = 0;  // lines that stay in any case
};

class Screen {
 public:
  Screen(const Report& report, const Style& style, Duration now, int width, int height)
      : report_(report), style_(style), now_(now),
        width_(static_cast<std::size_t>(std::clamp(width, 40, 100))),
        height_(static_cast<std::size_t>(std::max(height, 8))) {}

  Lines render() {
    const bool putting_back = report_.abort || report_.current_phase() == model::Phase::revert;
    const bool back = report_.current_phase() == model::Phase::recovery;
    return putting_back && !back ? aborting() : running();
  }

 private:
  Lines running();
  Lines aborting();
  Lines fit(std::vector<Section> sections, std::string footer) const;
  std::string title() const;
  std::string phase_line() const;
  std::string stop_line() const;
  Lines condition_lines() const;
  Lines abort_lines() const;
  Lines expect_lines() const;
  Lines fault_lines() const;
  Lines undo_lines() const;
  Lines last_lines(std::size_t count) const;
  std::string now_value(const ConditionRow& row) const;
  std::string spark(const ConditionRow& row) const;
  std::size_t active() const;
  bool wide() const { return width_ >= 95; }
  Lines colored(const Lines& lines, std::size_t column) const;

  const Report& report_;
  const Style& style_;
  Duration now_;
  std::size_t width_;
  std::size_t height_;
};

std::string Screen::title() const {
  const std::string right =
      printable(report_.about.run) + "   seed " + printable(report_.about.seed);
  return spread(" " + printable(report_.about.name), right, width_);
}

// "[=======>      ]"
std::string bar(double share, std::size_t width) {
  const auto filled =
      static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width - 1));
  return "[" + std::string(filled, '=') + ">" + std::string(width - 1 - filled, ' ') + "]";
}

std::string Screen::phase_line() const {
  using model::Phase;
  const Phase current = report_.current_phase();
  const PhaseSpan* span = report_.phase(current);
  const Duration spent = span == nullptr ? Duration{} : std::max(now_ - span->from, Duration{});
  const Duration planned = current == Phase::recovery ? report_.plan.recovery_within
                           : span != nullptr          ? span->planned
                                                      : Duration{};
  const auto progress = [&](const char* name) {
    std::string text = fmt::format("{} {}s", name, spent / 1s);
    if (planned <= 0s) return text;
    return text + fmt::format(" of {} ", format_duration(planned)) +
           bar(static_cast<double>(spent.count()) / static_cast<double>(planned.count()),
               wide() ? 22 : 9);
  };
  const Duration baseline = report_.plan.baseline;
  const Duration method = report_.plan.method;
  const Duration recovery = report_.plan.recovery_within;
  std::string text = " ";
  if (current == Phase::read || current == Phase::plan) return " planning: nothing is touched";
  if (current == Phase::baseline) {
    text += progress("BASELINE") + " > fault " + format_duration(method) + " > recovery up to " +
            format_duration(recovery);
  } else if (current == Phase::recovery) {
    text += "baseline done > fault done > " + progress("RECOVERY");
  } else if (current == Phase::judge) {
    text += "baseline done > fault done > recovery done > judging";
  } else {
    const std::string done = format_duration(baseline);
    text += "baseline " + done + " done > " +
            progress(current == Phase::inject ? "INJECTING" : "FAULT") + " > recovery up to " +
            format_duration(recovery);
  }
  if (current != Phase::fault || report_.about.wall == WallTime{}) return cut(text, width_);
  const WallTime ends = report_.about.wall + span->from + planned + report_.plan.recovery_hold;
  return spread(text, "ends " + format_wall(ends).substr(11, 8) + "Z", width_);
}

const Series* series_for(const Report& report, const MeasureName& name) {
  for (const Series& series : report.series) {
    if (series.sli == name.sli || series.sli == name.sli + "." + name.aggregate) return &series;
  }
  return nullptr;
}

std::optional<double> value_of(const Series& series, const Point& point, const std::string& name) {
  if (name == "success") return point.success;
  if (name == "error" && point.success) return 100 - *point.success;
  if (name == "failures") return static_cast<double>(point.attempts - point.good);
  if (series.request && name.starts_with("p")) {
    const auto& latency = name == "p50" ? point.p50 : point.p95;
    if (latency) return static_cast<double>(latency->count()) / 1e6;
    return std::nullopt;
  }
  if (series.request || name == "outage" || name == "downtime") return std::nullopt;
  return point.value;
}

// The last whole second; older than three seconds is not "now". An outage has no value of a second.
std::string Screen::now_value(const ConditionRow& row) const {
  const MeasureName name = split_measure(row.measure);
  const Series* series = series_for(report_, name);
  if (series == nullptr || series->points.empty()) return {};
  const Point& last = series->points.back();
  if (last.at + 3s + series->interval < now_) return "no data";
  if (name.aggregate == "outage" || name.aggregate == "downtime") return {};
  if (row.limit.empty() && last.value) {  // a flag
    return *last.value > 0 ? name.aggregate : "not " + name.aggregate;
  }
  const auto value = value_of(*series, last, name.aggregate);
  if (!value) return last.no_data ? "no data" : "";
  return format_value(*value, unit_of(report_, name.sli, name.aggregate));
}

// Sixty seconds in twenty characters, each the worst of three: '#' all good, '_' nothing good.
std::string Screen::spark(const ConditionRow& row) const {
  constexpr std::size_t kColumns = 20;
  constexpr std::string_view kLevels = "_.:-=+*#";
  const Series* series = series_for(report_, split_measure(row.measure));
  if (series == nullptr || !series->request) return {};
  std::string out(kColumns, ' ');
  const std::int64_t last = now_ / 1s / 3;
  for (const Point& point : series->points) {
    const std::int64_t column =
        static_cast<std::int64_t>(kColumns) - 1 - (last - point.at / 1s / 3);
    if (column < 0 || column >= static_cast<std::int64_t>(kColumns)) continue;
    char& place = out[static_cast<std::size_t>(column)];
    char mark = '?';
    if (point.success) {
      const double share = *point.success / 100;
      mark = share >= 1 ? '#' : kLevels[static_cast<std::size_t>(share * 7)];
    }
    const auto rank = [&](char c) { return c == '?' ? 0 : kLevels.find(c) + 1; };
    if (place == ' ' || rank(mark) < rank(place)) place = mark;
  }
  return out;
}

const char* live_word(const std::optional<model::ConditionStatus>& status) {
  if (!status || status->truth == model::Truth::unknown) return "--";
  return status->truth == model::Truth::holds ? "ok" : "FAIL";
}

Lines Screen::condition_lines() const {
  const auto phase = report_.current_phase();
  const bool fault = phase == model::Phase::fault || phase == model::Phase::inject ||
                     phase == model::Phase::revert;
  std::vector<std::vector<std::string>> rows;
  const char* title = fault ? "well while faulty (during)" : "well (steady state)";
  rows.push_back({"", title, "now", "bound", "phase so far", "last 60 s"});
  for (const ConditionRow& row : report_.conditions) {
    const auto list = fault ? model::ConditionList::during : model::ConditionList::steady_state;
    if (row.info.list != list) continue;
    const auto& status = fault                             ? row.during
                         : phase == model::Phase::recovery ? row.after
                                                           : row.before;
    const std::string bound = status ? printable(status->bound_text) : "";
    const std::string resolved = bound.substr(0, bound.find(" = "));
    rows.push_back({live_word(status), row.measure, now_value(row),
                    resolved.empty() ? row.limit : resolved,
                    status ? printable(status->measured_text) : "", spark(row)});
  }
  if (!wide()) {
    for (auto& row : rows) row.pop_back();
  }
  return table({{false, 4}, {false, 28}, {true, 10}, {true, 14}, {true, 12}, {false, 20}}, rows);
}

Lines Screen::abort_lines() const {
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"", "aborts when", "now", "bound", "nearest"});
  for (const ConditionRow* row : abort_rows(report_)) {
    const auto* status = row->deciding();
    rows.push_back({abort_word(report_, *row), row->measure,
                    status == nullptr ? "" : printable(status->measured_text),
                    status == nullptr || status->bound_text.empty() ? row->limit
                                                                    : printable(status->bound_text),
                    status == nullptr ? "" : printable(status->nearest_text)});
  }
  if (report_.about.abort_if_none) rows.push_back({"", "nothing: only a person stops this run"});
  return table({{false, 5}, {false, 28}, {true, 10}, {true, 20}, {false, 28}}, rows);
}

Lines Screen::expect_lines() const {
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"", "expected", ""});
  for (const ConditionRow& row : report_.conditions) {
    if (row.info.list != model::ConditionList::expect) continue;
    std::string when;
    if (row.during && row.during->after) when = "after " + format_seconds(*row.during->after);
    // Not yet true is no failure before its time is up.
    const bool open = row.during && !row.during->final && row.during->truth != model::Truth::holds;
    rows.push_back({open ? "--" : live_word(row.during), printable(row.info.text), when});
  }
  if (rows.size() == 1) return {};
  return table({{false, 5}, {false, 60}, {false, 20}}, rows);
}

Lines Screen::fault_lines() const {
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"faults active", "", "effect", "reverts in"});
  for (const StepRow& row : report_.steps) {
    if (!row.active()) continue;
    std::string left;
    if (row.verified) {
      const Duration end = *row.verified + row.plan.duration;
      left = fmt::format("{}s", std::max<std::int64_t>((end - now_) / 1s, 0));
    }
    std::string effect = row.effect.empty() ? "looking for it" : row.effect;
    if (row.seen == model::Seen::no) effect = "NOT SEEN: " + effect;
    if (!row.problem.empty()) effect = "FAILED: " + row.problem;
    std::string target = report_.plan.hosts.size() > 1 ? printable(row.host) : "";
    if (!row.plan.targets.empty()) {
      target += (target.empty() ? "" : ": ") + printable(row.plan.targets[0].text);
    }
    if (row.plan.targets.size() > 1) {
      target = cut(target, 22) + fmt::format(" +{}", row.plan.targets.size() - 1);
    }
    rows.push_back({"  " + printable(row.plan.name), target, effect, left});
  }
  if (rows.size() == 1) rows.push_back({"  none", "", "", ""});
  return table({{false, 26}, {false, 28}, {false, 28}, {true, 10}}, rows);
}

Lines Screen::last_lines(std::size_t count) const {
  Lines out;
  const auto& all = report_.timeline;
  for (std::size_t i = all.size() - std::min(count, all.size()); i < all.size(); ++i) {
    out.push_back(pad(" " + format_at(all[i].at), 10) + " " + all[i].text);
  }
  return out;
}

std::size_t Screen::active() const {
  return static_cast<std::size_t>(std::count_if(report_.steps.begin(), report_.steps.end(),
                                                [](const StepRow& row) { return row.active(); }));
}

// Cuts every line to the screen; when they are too many, drops from the sections with the most to
// spare, blank lines first.
Lines Screen::fit(std::vector<Section> sections, std::string footer) const {
  const auto total = [&](std::size_t gaps) {
    std::size_t lines = 1 + gaps;
    for (const auto& section : sections) lines += section.lines.size();
    return lines;
  };
  std::size_t gaps = sections.size();
  while (gaps > 0 && total(gaps) > height_) --gaps;
  while (total(gaps) > height_) {
    auto longest = std::max_element(sections.begin(), sections.end(), [](auto& a, auto& b) {
      return a.lines.size() - std::min(a.least, a.lines.size()) <
             b.lines.size() - std::min(b.least, b.lines.size());
    });
    if (longest->lines.size() <= longest->least) break;
    longest->lines.pop_back();
  }
  Lines out;
  for (const auto& section : sections) {
    for (const auto& line : section.lines) out.push_back(cut(line, width_));
    if (gaps > 0) {
      out.emplace_back();
      --gaps;
    }
  }
  if (out.size() >= height_) out.resize(height_ - 1);
  out.push_back(cut(footer, width_));
  return out;
}

// Paints the word at `column` of each line.
Lines Screen::colored(const Lines& lines, std::size_t column) const {
  if (!style_.color) return lines;
  Lines out;
  for (const auto& line : lines) {
    const std::size_t end = std::min(line.find(' ', column), line.size());
    if (line.size() <= column || end == column) {
      out.push_back(line);
      continue;
    }
    const std::string word = line.substr(column, end - column);
    const Tone tone = tone_of_word(word);
    const bool known = tone != Tone::quiet || word == "--";
    out.push_back(known ? line.substr(0, column) + paint(style_, tone, word) + line.substr(end)
                        : line);
  }
  return out;
}

Lines indented(Lines lines, std::size_t by) {
  for (auto& line : lines) line.insert(0, by, ' ');
  return lines;
}

Lines Screen::running() {
  std::vector<Section> sections;
  Section top{{title(), phase_line()}, 2};
  if (report_.abort) {
    top.lines.insert(top.lines.begin() + 1, cut(stop_line(), width_));
    top.least = 3;
  }
  sections.push_back(std::move(top));
  sections.push_back({indented(condition_lines(), 3), 2});
  const bool armed = report_.armed.has_value() && report_.current_phase() != model::Phase::recovery;
  if (armed) {
    sections.push_back({indented(abort_lines(), 3), 2});
    sections.push_back({indented(expect_lines(), 3), 0});
    sections.push_back({indented(fault_lines(), 1), 2});
  }
  sections.push_back({last_lines(3), 1});
  std::erase_if(sections, [](const Section& section) { return section.lines.empty(); });
  const bool touched = report_.touched();
  const std::size_t changes = active();
  const std::string right = !touched       ? ""
                            : changes == 0 ? "host: nothing changed"
                                           : "host: " + counted(changes, "change");
  const std::string left = touched ? " ctrl-C: put everything back and stop"
                                   : " nothing has been touched yet, ctrl-C leaves everything as "
                                     "it is";
  std::string footer = right.empty() ? left : spread(left, right, width_);
  return colored(fit(std::move(sections), std::move(footer)), 3);
}

Lines Screen::undo_lines() const {
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"putting back", "", "state", "took", ""});
  for (auto row = report_.steps.rbegin(); row != report_.steps.rend(); ++row) {
    if (!row->injecting) continue;
    const std::string target =
        row->plan.targets.empty() ? "" : printable(row->plan.targets[0].text);
    std::string state = row->reverted ? "reverted" : row->reverting ? "reverting..." : "waiting";
    std::string text = row->reverted ? row->revert_text : "";
    if (!row->reverted && row->revert_failures > 0) {
      state = "FAILED";
      text = fmt::format("{} (try {})", row->problem, row->revert_failures + 1);
    }
    rows.push_back({"  " + printable(row->plan.name), target, state,
                    row->revert_took > 0us ? format_short(row->revert_took) : "", text});
  }
  Lines out = table({{false, 26}, {false, 24}, {false, 12}, {true, 8}, {false, 30}}, rows);
  for (const StepRow& row : report_.steps) {
    if (row.reverted || row.revert_failures == 0) continue;
    for (const auto& undo : row.plan.undos)
      out.push_back("    undo by hand: " + printable(undo, 2000));
  }
  return indented(std::move(out), 1);
}

std::string Screen::stop_line() const {
  const bool wished = stop_word(report_) == std::string_view("stopped");
  return (wished ? " STOPPED at " : " ABORTED at ") + format_at(report_.abort->at, 3) + "   " +
         printable(report_.abort->decided.text);
}

Lines Screen::aborting() {
  std::vector<Section> sections;
  std::string head = report_.abort ? stop_line() : " PUTTING EVERYTHING BACK";
  bool failed = report_.host_dirty();
  for (const StepRow& row : report_.steps) failed |= row.revert_failures > 0 && !row.reverted;
  if (failed) {
    head = " HOST NOT CLEAN: an undo failed and is tried again";
  }
  Section top{{title()}, 2};
  for (auto& line : wrap(head, width_, 3)) top.lines.push_back(std::move(line));
  sections.push_back(std::move(top));
  Section undo{undo_lines(), 2};
  if (report_.abort && report_.abort->latency) {
    undo.lines.push_back(" everything put back " + put_back_words(report_));
  }
  sections.push_back(std::move(undo));
  sections.push_back({last_lines(4), 1});
  Lines out =
      fit(std::move(sections), " ctrl-C does nothing now: everything is already being put back");
  if (style_.color && out.size() > 1) out[1] = paint(style_, Tone::bad, out[1]);
  return out;
}

}  // namespace

std::vector<std::string> LiveView::render(const Report& report, Duration now, int width,
                                          int height) const {
  return Screen(report, style_, now, width, height).render();
}

}  // namespace ordeal::report
