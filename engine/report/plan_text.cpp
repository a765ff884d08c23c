// `ordeal plan`: all that would be done, on which targets, how each change is undone, and how long
// it takes. Nothing here was done.
#include "engine/base/text.hpp"
#include "engine/report/layout.hpp"

namespace ordeal::report {
namespace {

class PlanText {
 public:
  PlanText(const Report& report, const Style& style)
      : report_(report), style_(style), width_(static_cast<std::size_t>(style.width)) {}

  std::string text() {
    head();
    hosts();
    for (const auto& step : report_.plan.steps) one_step(step);
    conditions();
    limits();
    times();
    verdict();
    return std::move(out_);
  }

 private:
  void line(std::string_view text) { out_ += std::string(text) + "\n"; }
  void labelled(std::string_view label, std::string_view text, Tone tone = Tone::plain) {
    const std::string start = pad("   " + std::string(label), kLabel);
    for (const auto& part : wrap(start + printable(text, 4000), width_, kLabel)) {
      line(paint(style_, tone, part));
    }
  }
  void head();
  void hosts();
  void one_step(const model::PlannedStep& step);
  void conditions();
  std::string from_elsewhere(const model::Place& place) const;
  void judged_seconds();
  void limits();
  void times();
  void verdict();

  static constexpr std::size_t kLabel = 17;
  const Report& report_;
  const Style& style_;
  std::size_t width_;
  std::string out_;
};

void PlanText::head() {
  const std::string right =
      report_.plan.digest.empty() ? "" : "plan " + report_.plan.digest.substr(0, 12);
  line(spread(" PLAN   " + printable(report_.about.name), right, width_));
  line(" Nothing has been touched.");
  if (!report_.about.hypothesis.empty()) {
    for (const auto& part : wrap(" \"" + printable(report_.about.hypothesis) + "\"", width_, 2)) {
      line(part);
    }
  }
}

// Of one local host there is nothing to tell.
void PlanText::hosts() {
  const auto& all = report_.plan.hosts;
  if (all.empty() || (all.size() == 1 && all.front().address == "local")) return;
  line("");
  line(" hosts");
  for (const model::PlannedHost& host : all) {
    labelled(host.name, fmt::format("{}, executor {}, kernel {}{}", host.address, host.version,
                                    host.kernel, host.target ? "" : "; only watched"));
  }
}

void PlanText::one_step(const model::PlannedStep& step) {
  line("");
  line(spread(fmt::format(" {}  on {}", printable(step.name), printable(step.host)),
              fmt::format("at {} for {}", format_at(step.start, 0), format_duration(step.duration)),
              width_));
  if (!step.why.empty()) labelled("picked by", step.why);
  for (const auto& text : step.summary) labelled("does", text);
  if (!step.backend.empty()) labelled("by", step.backend);
  if (step.matched > 0) {
    labelled("targets", fmt::format("{} of {} matched", step.targets.size(), step.matched));
  }
  for (const auto& target : step.targets) labelled("", target.text);
  for (const auto& change : step.changes) {
    const bool said =
        std::find(step.summary.begin(), step.summary.end(), change) != step.summary.end();
    if (!said) labelled("change", change);
  }
  for (const auto& undo : step.undos) labelled("undo", undo);
  if (!step.undoable) {
    labelled("", "NOT UNDOABLE: this step does not put back what it changes", Tone::bad);
  }
  for (const auto& warning : step.warnings) labelled("warning", warning, Tone::warning);
}

// What the experiment file does not show: its service file or its game day brought it.
std::string PlanText::from_elsewhere(const model::Place& place) const {
  if (place.line == 0 || place.file == report_.about.file) return {};
  return fmt::format(" (from {}:{})", file_name(printable(place.file)), place.line);
}

void PlanText::conditions() {
  using model::ConditionList;
  constexpr std::array<std::pair<ConditionList, const char*>, 5> kLists = {
      {{ConditionList::steady_state, "steady state"},
       {ConditionList::during, "during"},
       {ConditionList::expect, "expect"},
       {ConditionList::wait, "wait until"},
       {ConditionList::abort_if, "abort if"}}};
  line("");
  line(" conditions");
  for (const auto& [list, name] : kLists) {
    std::string label = name;
    for (const ConditionRow& row : report_.conditions) {
      if (row.info.list != list) continue;
      labelled(label, printable(row.info.text) + from_elsewhere(row.info.place));
      label.clear();
    }
  }
  if (report_.about.during_none) labelled("during", "none, as the file says");
  judged_seconds();
  if (report_.about.abort_if_none) {
    labelled("abort if", "NONE: nothing but a person stops this run", Tone::warning);
  }
}

// `during` is judged while a fault is active; of a method without a wait there is nothing to tell.
void PlanText::judged_seconds() {
  std::vector<std::pair<Duration, Duration>> active;  // steps come in the order of their start
  for (const model::PlannedStep& step : report_.plan.steps) {
    const Duration end = step.start + step.duration;
    if (active.empty() || step.start > active.back().second) {
      active.emplace_back(step.start, end);
    } else {
      active.back().second = std::max(active.back().second, end);
    }
  }
  Duration total{};
  std::string when;
  for (const auto& [from, to] : active) {
    total += to - from;
    when +=
        fmt::format("{}{} to {}", when.empty() ? "" : ", ", format_at(from, 0), format_at(to, 0));
  }
  if (active.empty() || total >= report_.plan.method) return;
  labelled("", fmt::format("`during` counts {} of the method's {}: {}; not the waits",
                           format_duration(total), format_duration(report_.plan.method), when));
}

void PlanText::limits() {
  if (report_.plan.limits.empty() && report_.plan.unchecked.empty()) return;
  line("");
  line(" limits");
  for (const auto& limit : report_.plan.limits) labelled("", limit);
  for (const auto& text : report_.plan.unchecked) labelled("unchecked", text, Tone::warning);
}

void PlanText::times() {
  const auto& plan = report_.plan;
  const Duration before = plan.warmup + plan.baseline;
  const Duration earliest = before + plan.method + plan.recovery_hold;
  const Duration latest = before + plan.method + plan.recovery_within;
  line("");
  line(" time");
  labelled("", fmt::format("warm-up {} + baseline {} + method {} + recovery {} to {}",
                           format_duration(plan.warmup), format_duration(plan.baseline),
                           format_duration(plan.method), format_duration(plan.recovery_hold),
                           format_duration(plan.recovery_within)));
  labelled("total",
           fmt::format("{} to {}; the host is changed for at most {}", format_duration(earliest),
                       format_duration(latest), format_duration(plan.method)));
  if (report_.about.wall != WallTime{}) {
    labelled("ends", "not before " + format_wall(report_.about.wall + earliest).substr(0, 19) +
                         "Z if it started when this was printed");
  }
}

void PlanText::verdict() {
  line("");
  if (report_.refused) {
    line(" " + paint(style_, Tone::bad, "WOULD BE REFUSED"));
    for (const auto& part : wrap("   " + in_one_line(report_.refused->text, 4000), width_, 3)) {
      line(part);
    }
  } else if (!report_.plan.unchecked.empty()) {
    line(" " + paint(style_, Tone::warning, "NOT FULLY CHECKED: see `unchecked` above"));
  } else {
    line(" " + paint(style_, Tone::good, "WOULD RUN"));
  }
}

}  // namespace

std::string to_plan_text(const Report& report, const Style& style) {
  return PlanText(report, style).text();
}

}  // namespace ordeal::report
