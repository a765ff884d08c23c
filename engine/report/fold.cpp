// From events to the report, one at a time.
#include <algorithm>

#include "engine/base/histogram.hpp"
#include "engine/base/text.hpp"
#include "engine/report/report.hpp"

namespace ordeal::report {
namespace {

constexpr Duration kSecond = 1s;

// The comparison is the first operator: names hold none, but `host(zone=a)` picks with one.
std::size_t comparison_at(std::string_view text) {
  const bool picks = text.starts_with("host(");
  const std::size_t end = picks ? text.find(')') : std::string_view::npos;
  return text.find_first_of("<>=!", end == std::string_view::npos ? 0 : end);
}

ConditionRow row_of(const model::ConditionInfo& info) {
  ConditionRow row;
  row.info = info;
  const std::string text = printable(info.text);
  const std::size_t at = comparison_at(text);
  row.measure = text.substr(0, at);
  while (!row.measure.empty() && row.measure.back() == ' ') row.measure.pop_back();
  if (at != std::string::npos) row.limit = text.substr(at);
  return row;
}

bool judges(const ConditionRow& row, model::Phase phase) {
  if (row.info.list != model::ConditionList::steady_state) return true;
  return phase == model::Phase::baseline || phase == model::Phase::recovery;
}

std::optional<model::ConditionStatus>& slot_of(ConditionRow& row, model::Phase phase) {
  if (phase == model::Phase::recovery) return row.after;
  if (phase == model::Phase::fault || phase == model::Phase::inject) return row.during;
  return phase == model::Phase::baseline ? row.before : row.during;
}

Point& point_at(Series& series, Duration from) {
  const Duration second = from / kSecond * kSecond;
  // Slices arrive nearly in order: look from the end.
  auto place = series.points.end();
  while (place != series.points.begin() && std::prev(place)->at > second) --place;
  if (place != series.points.begin() && std::prev(place)->at == second) return *std::prev(place);
  Point point;
  point.at = second;
  return *series.points.insert(place, point);
}

void add_gap(Series& series, Duration from, Duration to, const std::string& why) {
  if (!series.gaps.empty() && from <= series.gaps.back().to + series.interval) {
    series.gaps.back().to = std::max(series.gaps.back().to, to);
    return;
  }
  series.gaps.push_back({from, to, why});
}

std::string duration_text(Duration duration) {
  return duration > Duration::zero() ? " in " + format_short(duration) : std::string();
}

std::string with_text(const std::string& text) {
  return text.empty() ? std::string() : ": " + printable(text);
}

}  // namespace

void Fold::apply(const model::Event& event) {
  report_.events_lost |= event.seq != report_.last_seq + 1;
  report_.last_seq = event.seq;
  report_.now = std::max(report_.now, event.t);
  std::visit([this](const auto& data) { on(data); }, event.data);
}

void Fold::say(std::string level, std::string text) {
  report_.timeline.push_back({report_.now, std::move(level), std::move(text)});
}

void Fold::on(const model::RunStarted& event) {
  report_.about = event;
  for (const auto& info : event.conditions) report_.conditions.push_back(row_of(info));
  say("info", "run started by " + printable(event.user) + " on " + printable(event.host));
}

void Fold::on(const model::PlanMade& event) {
  report_.plan = event;
  report_.planned = true;
  say("info", fmt::format("plan made: {}, digest {}", counted(event.steps.size(), "step"),
                          event.digest.substr(0, 12)));
  for (const auto& step : event.steps) {
    for (const auto& warning : step.warnings) say("warning", printable(warning));
  }
}

void Fold::on(const model::PhaseStarted& event) {
  if (!report_.phases.empty() && !report_.phases.back().to) report_.phases.back().to = report_.now;
  PhaseSpan span;
  span.phase = event.phase;
  span.from = report_.now;
  span.planned = event.planned;
  report_.phases.push_back(span);
  if (event.phase == model::Phase::baseline) say("info", "baseline: nothing has been touched yet");
  if (event.phase == model::Phase::recovery) say("info", "waiting for the service to recover");
}

Series& Fold::series_of(const model::Samples& event) {
  for (Series& one : report_.series) {
    if (one.sli == event.sli && one.host == event.host) return one;
  }
  Series series;
  series.sli = event.sli;
  series.host = event.host;
  series.kind = "host";
  series.interval = 1s;
  series.unit = host_value_unit(event.sli);
  for (const auto& sli : report_.about.slis) {
    if (sli.name != event.sli) continue;
    series.kind = sli.kind;
    series.unit = sli.unit;
    series.interval = sli.interval;
  }
  series.request = series.kind == "http" || series.kind == "tcp" || series.kind == "dns";
  report_.series.push_back(std::move(series));
  return report_.series.back();
}

void Fold::on(const model::Samples& event) {
  Series& series = series_of(event);
  Point& point = point_at(series, event.from);
  point.attempts += event.attempts;
  point.good += event.good;
  if (event.value) point.value = event.value;
  if (point.problem.empty()) point.problem = printable(event.problem, 200);
  if (point.attempts > 0) {
    point.success = 100.0 * static_cast<double>(point.good) / static_cast<double>(point.attempts);
  }
  report_.samples += std::max<std::int64_t>(event.attempts, event.value ? 1 : 0);
  if (event.no_data) {
    point.no_data = true;
    ++report_.missing;
    const Duration length = std::max({event.length, std::min(series.interval, kSecond), 100000us});
    add_gap(series, event.from, event.from + length, printable(event.problem, 200));
  }
  add_latency(static_cast<std::size_t>(&series - report_.series.data()), point, event.latency);
}

// Answers count in the second in which they were due to be sent, so a second grows until its last
// request timed out.
void Fold::add_latency(std::size_t series, Point& point, const std::vector<std::int64_t>& pairs) {
  if (pairs.empty()) return;
  constexpr std::size_t kOpenSeconds = 120;  // longer than any timeout of a probe
  auto& seconds = open_[series];
  Histogram& histogram = seconds[point.at];
  histogram.merge(Histogram::from_pairs(pairs));
  point.p50 = histogram.quantile(0.50);
  point.p95 = histogram.quantile(0.95);
  if (seconds.size() > kOpenSeconds) seconds.erase(seconds.begin());
}

void Fold::on(const model::ConditionStatus& event) {
  for (ConditionRow& row : report_.conditions) {
    if (row.info.id != event.id) continue;
    auto& slot = slot_of(row, event.phase);
    const bool judged = slot && slot->final;
    if (judged && !event.final) return;
    // What is final is judged later than it happened: with the run's last answers.
    const bool live = !slot || (!event.final && slot->measured != event.measured);
    if (live) row.changed_at = report_.now;
    const bool news = !slot || slot->truth != event.truth;
    slot = event;
    // An abort condition is true when it must stop the run, and broken in all good times.
    if (!judges(row, event.phase) || row.info.list == model::ConditionList::abort_if) return;
    // An `expect` is not broken before its time is up, nor a service unwell while it recovers.
    const bool waits = row.info.list == model::ConditionList::expect ||
                       row.info.list == model::ConditionList::wait;
    const bool counts = event.phase != model::Phase::recovery && (!waits || event.final);
    if (event.truth == model::Truth::broken && counts && !row.broken_at) {
      row.broken_at = report_.now;
    }
    if (news && event.truth == model::Truth::broken && counts) {
      say("bad", fmt::format("{}: {} is broken: {}",
                             boost::describe::enum_to_string(row.info.list, "condition"),
                             printable(row.info.text), printable(event.measured_text)));
    }
    if (event.after && event.final && event.truth == model::Truth::holds) {
      say("good", fmt::format("{} after {}", printable(row.info.text), format_short(*event.after)));
    }
    return;
  }
}

void Fold::on(const model::SliSummary& event) {
  report_.summaries[event.sli][event.phase] = event.values;
}

void Fold::on(const model::Armed& event) {
  report_.armed = event;
  say("info", fmt::format("armed: {}, lease {}", counted(event.conditions, "abort condition"),
                          format_duration(event.lease)));
}

StepRow& Fold::step_row(const model::StepChanged& event) {
  for (StepRow& row : report_.steps) {
    if (row.step == event.step && row.host == event.host) return row;
  }
  StepRow row;
  row.step = event.step;
  row.host = event.host;
  const std::string planned = event.step.substr(0, event.step.find('#'));  // without the round
  for (const auto& step : report_.plan.steps) {
    if (step.step == event.step && step.host == event.host) row.plan = step;
    if (row.plan.step.empty() && step.step == planned && step.host == event.host) row.plan = step;
  }
  if (row.plan.name.empty()) row.plan.name = event.step;
  report_.steps.push_back(std::move(row));
  return report_.steps.back();
}

namespace {

// "running, running" -> "2x running"
std::string grouped(const std::string& text) {
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(", "));
    int times = 0;
    while (!rest.empty() && rest.substr(0, rest.find(", ")) == one) {
      rest.remove_prefix(std::min(rest.size(), one.size() + 2));
      ++times;
    }
    out += (out.empty() ? "" : ", ") +
           (times > 1 ? fmt::format("{}x {}", times, one) : std::string(one));
  }
  return out;
}

// Once seen it stays seen, as an effect may be over before its step is; unless it certainly acts no
// longer.
void read_effect(StepRow& row, const model::StepChanged& event) {
  if (row.seen == model::Seen::not_yet || event.seen == model::Seen::no) row.seen = event.seen;
  if (!event.text.empty()) row.effect = printable(event.text);
}

}  // namespace

void Fold::on(const model::StepChanged& event) {
  using model::StepState;
  StepRow& row = step_row(event);
  const std::string name = printable(row.plan.name);
  const std::string text = printable(event.text);
  row.state = event.state;
  switch (event.state) {
    case StepState::injecting: row.injecting = report_.now; return;
    case StepState::injected:
      row.injected = report_.now;
      read_effect(row, event);
      row.inject_took = event.took;
      return say("info", name + " injected" + duration_text(event.took));
    case StepState::verified:
      if (row.verified) return read_effect(row, event);
      row.verified = report_.now;
      row.seen = model::Seen::yes;
      if (!text.empty()) row.effect = text;
      return say("warning", name + " verified" + with_text(event.text));
    case StepState::effect:
      if (event.seen == model::Seen::no && row.seen != model::Seen::no) {
        const bool lost = row.seen == model::Seen::yes;
        say("bad", name + (lost ? ": effect lost" : ": effect not seen") + with_text(text));
      }
      return read_effect(row, event);
    case StepState::reverting: row.reverting = report_.now; return;
    case StepState::reverted:
      row.reverted = report_.now;
      row.revert_took = event.took;
      row.revert_text = grouped(text);
      return say("good",
                 name + " reverted" + duration_text(event.took) + with_text(row.revert_text));
    case StepState::removed: row.removed = report_.now; return;
    case StepState::failed:
      row.problem = text;
      return say("bad", name + " could not be injected" + with_text(event.text));
    case StepState::revert_failed:
      ++row.revert_failures;
      row.problem = text;
      return say("bad", name + " could not be reverted" + with_text(event.text));
  }
}

void Fold::on(const model::AbortDecided& event) {
  report_.abort = Abort{report_.now, event, std::nullopt};
  say("bad", std::string(stop_word(report_)) + ": " + printable(event.text));
}

void Fold::on(const model::AbortDone& event) {
  if (report_.abort) report_.abort->latency = event.latency;
  say("good", "everything put back " + put_back_words(report_));
}

void Fold::on(const model::HostChecked& event) {
  auto found = std::find_if(report_.hosts.begin(), report_.hosts.end(),
                            [&](const auto& host) { return host.host == event.host; });
  if (found == report_.hosts.end()) {
    report_.hosts.push_back(event);
  } else {
    *found = event;
  }
  if (!event.lost.empty()) say("bad", printable(event.lost, 2000));
  if (event.clean) return say("good", "host " + printable(event.host) + " is clean");
  for (const auto& item : event.residue) {
    say("bad", fmt::format("left on {}: {}", printable(event.host), printable(item.what)));
  }
}

void Fold::on(const model::RecoveryMeasured& event) {
  report_.recovery = event;
  if (event.recovered) {
    say("good", fmt::format("service recovered {} after the last revert, held for {}",
                            format_seconds(event.after), format_duration(event.held)));
  } else {
    say("bad", "service not recovered");
  }
}

void Fold::on(const model::RunRefused& event) {
  report_.refused = event;
  say("bad", "refused: " + in_one_line(event.text));
}

void Fold::on(const model::Note& event) {
  say(event.level == "warning" ? "warning" : "info", printable(event.text, 2000));
}

void Fold::on(const model::RunEnded& event) {
  report_.verdict = event.verdict;
  if (!report_.phases.empty() && !report_.phases.back().to) report_.phases.back().to = report_.now;
  say(event.verdict.exit == 0 ? "good" : "bad",
      fmt::format("verdict: {}, exit {}", headline_word(report_), event.verdict.exit));
}

}  // namespace ordeal::report
