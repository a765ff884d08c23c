#include "engine/report/report.hpp"

#include <algorithm>
#include <cmath>

#include "engine/base/text.hpp"

namespace ordeal::report {

std::string Series::title() const {
  return host ? printable(sli) + " (" + printable(*host) + ")" : printable(sli);
}

bool StepRow::active() const { return injecting.has_value() && !reverted; }

const PhaseSpan* Report::phase(model::Phase wanted) const {
  const auto found = std::find_if(phases.rbegin(), phases.rend(),
                                  [&](const PhaseSpan& span) { return span.phase == wanted; });
  return found == phases.rend() ? nullptr : &*found;
}

model::Phase Report::current_phase() const {
  return phases.empty() ? model::Phase::read : phases.back().phase;
}

bool Report::touched() const {
  return std::any_of(steps.begin(), steps.end(),
                     [](const StepRow& row) { return row.injecting.has_value(); });
}

std::vector<model::ResidueItem> Report::residue() const {
  std::vector<model::ResidueItem> out;
  for (const auto& host : hosts) {
    if (host.clean) continue;
    out.insert(out.end(), host.residue.begin(), host.residue.end());
  }
  return out;
}

bool Report::host_dirty() const {
  if (verdict && verdict->host == model::HostState::dirty) return true;
  return std::any_of(hosts.begin(), hosts.end(), [](const auto& host) { return !host.clean; });
}

const ConditionRow* Report::condition(const std::string& id) const {
  const auto found = std::find_if(conditions.begin(), conditions.end(),
                                  [&](const ConditionRow& row) { return row.info.id == id; });
  return found == conditions.end() ? nullptr : &*found;
}

const model::ConditionStatus* ConditionRow::deciding() const {
  const auto pointer = [](const auto& slot) { return slot ? &*slot : nullptr; };
  if (info.list == model::ConditionList::steady_state) return pointer(after ? after : before);
  if (info.list == model::ConditionList::abort_if) return pointer(during ? during : before);
  return pointer(during);
}

model::Truth ConditionRow::truth() const {
  const auto* status = deciding();
  return status == nullptr ? model::Truth::unknown : status->truth;
}

std::vector<const ConditionRow*> table_rows(const Report& report) {
  using model::ConditionList;
  std::vector<const ConditionRow*> out;
  const auto take = [&](ConditionList list, auto&& wanted) {
    for (const ConditionRow& row : report.conditions) {
      if (row.info.list == list && wanted(row)) out.push_back(&row);
    }
  };
  // In a run that never injected, `during` says nothing.
  const bool injected = report.touched();
  if (injected) take(ConditionList::during, [](const ConditionRow&) { return true; });
  take(ConditionList::steady_state, [&](const ConditionRow& row) {
    return std::none_of(out.begin(), out.end(),
                        [&](const ConditionRow* other) { return other->measure == row.measure; });
  });
  if (injected) {
    take(ConditionList::expect, [](const ConditionRow&) { return true; });
    take(ConditionList::wait, [](const ConditionRow&) { return true; });
  }
  return out;
}

std::vector<const ConditionRow*> abort_rows(const Report& report) {
  std::vector<const ConditionRow*> out;
  for (const ConditionRow& row : report.conditions) {
    if (row.info.list == model::ConditionList::abort_if) out.push_back(&row);
  }
  return out;
}

std::string abort_word(const Report& report, const ConditionRow& row) {
  if (report.abort && report.abort->decided.condition == row.info.id) return "ABORT";
  const auto* status = row.deciding();
  if (status == nullptr || status->truth == model::Truth::unknown) return "--";
  return status->truth == model::Truth::holds ? "near" : "far";
}

namespace {

// The number of a phase for a row: said by the condition, by the steady_state condition of the same
// measure, or by the phase's totals.
std::string phase_text(const Report& report, const ConditionRow& row, model::Phase phase) {
  const auto slot = [&](const ConditionRow& one) -> const model::ConditionStatus* {
    const auto& status = phase == model::Phase::baseline ? one.before
                         : phase == model::Phase::fault  ? one.during
                                                         : one.after;
    return status && !status->measured_text.empty() ? &*status : nullptr;
  };
  if (const auto* own = slot(row)) return printable(own->measured_text);
  for (const ConditionRow& other : report.conditions) {
    const bool same =
        other.measure == row.measure && other.info.list == model::ConditionList::steady_state;
    if (same && slot(other) != nullptr) return printable(slot(other)->measured_text);
  }
  const MeasureName name = split_measure(row.measure);
  const auto sli = report.summaries.find(name.sli);
  if (sli == report.summaries.end()) return {};
  const auto values = sli->second.find(phase);
  if (values == sli->second.end()) return {};
  const auto value = values->second.find(name.aggregate);
  if (value == values->second.end() || !std::isfinite(value->second)) return {};
  if (row.limit.empty() && value->second == 1) return name.aggregate;  // a flag
  if (row.limit.empty() && value->second == 0) return "not " + name.aggregate;
  return format_value(value->second, unit_of(report, name.sli, name.aggregate));
}

// The unit that the condition itself was printed in: a host value may be a share or a size.
std::string unit_of_text(std::string_view text) {
  if (text.ends_with("%")) return "%";
  if (text.ends_with("/s")) return text.find('B') == std::string_view::npos ? "/s" : "B/s";
  if (text.ends_with("B")) return "B";
  const bool digit_inside = text.find_first_of("0123456789") != std::string_view::npos;
  if (digit_inside && (text.ends_with("s") || text.ends_with("m") || text.ends_with("h"))) {
    return "s";
  }
  return "";
}

std::string margin_text(const model::ConditionStatus& status, const std::string& limit) {
  const bool equality = limit.starts_with("==") || limit.starts_with("!=");
  if (!status.measured || !status.bound || equality) return {};
  const double difference = *status.measured - *status.bound;
  if (!std::isfinite(difference)) return {};
  const std::string unit = unit_of_text(status.measured_text);
  const std::string points = fmt::format("{:.3g}", std::abs(difference));
  const std::string size = unit == "%" ? points + (points == "1" ? " point" : " points")
                                       : format_value(std::abs(difference), unit);
  if (status.truth != model::Truth::broken) return size;
  return (difference > 0 ? "over by " : "under by ") + size;
}

std::optional<double> point_value(const Point& point, std::string_view aggregate, bool request) {
  if (aggregate == "success") return point.success;
  if (aggregate == "error" && point.success) return 100 - *point.success;
  if (aggregate == "failures" && point.attempts > 0) {
    return static_cast<double>(point.attempts - point.good);
  }
  const auto seconds = [](const std::optional<Duration>& value) -> std::optional<double> {
    if (!value) return std::nullopt;
    return static_cast<double>(value->count()) / 1e6;
  };
  if (request && (aggregate == "p50" || aggregate == "mean")) return seconds(point.p50);
  if (request && aggregate.starts_with("p")) return seconds(point.p95);
  if (request || aggregate == "throughput" || aggregate == "count") return std::nullopt;
  return point.value;
}

// The worst second of the fault phase, from the samples.
std::string worst_text(const Report& report, const ConditionRow& row) {
  const PhaseSpan* fault = report.phase(model::Phase::fault);
  const MeasureName name = split_measure(row.measure);
  if (fault == nullptr || name.aggregate.empty()) return {};
  if (name.aggregate == "outage" || name.aggregate == "downtime") {
    const bool any = row.during && row.during->measured.value_or(0) > 0;
    return any ? "at " + format_at(row.changed_at) : std::string();
  }
  const bool flag = row.limit.empty();
  const bool low_is_bad = flag || row.limit.starts_with(">");
  std::optional<double> worst;
  Duration at{};
  for (const Series& series : report.series) {
    if (series.sli != name.sli && series.sli != name.sli + "." + name.aggregate) continue;
    for (const Point& point : series.points) {
      if (point.at < fault->from || (fault->to && point.at >= *fault->to)) continue;
      const auto value = point_value(point, name.aggregate, series.request);
      if (!value || (worst && (low_is_bad ? *value >= *worst : *value <= *worst))) continue;
      worst = value;
      at = point.at;
    }
  }
  const bool perfect = name.aggregate == "success" && worst == 100.0;
  if (!worst || perfect || (flag && *worst > 0)) return {};
  if (flag) return "not " + name.aggregate + " at " + format_at(at, 0) + " (1s)";
  const std::string unit = unit_of(report, name.sli, name.aggregate);
  return format_value(*worst, unit) + " at " + format_at(at, 0) + " (1s)";
}

std::string word_of(const Report& report, const ConditionRow& row) {
  const auto* status = row.deciding();
  if (status == nullptr) return report.verdict ? "????" : "--";
  switch (status->truth) {
    case model::Truth::holds: return "ok";
    case model::Truth::broken: return "FAIL";
    case model::Truth::unknown: return report.verdict || status->final ? "????" : "--";
  }
  return "--";
}

}  // namespace

std::vector<std::string> measured_lines(const Report& report) {
  constexpr std::array kShown = {"success", "p50",  "p90", "p95",   "p99",     "max",
                                 "outage",  "mean", "min", "value", "restarts"};
  std::vector<std::string> out;
  for (const auto& [sli, phases] : report.summaries) {
    const auto values = phases.find(model::Phase::baseline);
    if (values == phases.end()) continue;
    const bool request = values->second.contains("success");
    std::string line = printable(sli);
    for (const std::string_view name : kShown) {
      const auto value = values->second.find(std::string(name));
      const bool wanted = !request || (name != "mean" && name != "min");
      if (value == values->second.end() || !wanted) continue;
      const std::string unit =
          sli.starts_with("host.") ? host_value_unit(sli) : unit_of(report, sli, name);
      line += fmt::format("  {} {}", name, format_value(value->second, unit));
    }
    out.push_back(std::move(line));
  }
  return out;
}

Cells cells(const Report& report, const ConditionRow& row) {
  Cells out;
  out.word = word_of(report, row);
  out.before = phase_text(report, row, model::Phase::baseline);
  if (report.touched()) out.during = phase_text(report, row, model::Phase::fault);
  out.after = phase_text(report, row, model::Phase::recovery);
  const auto* status = row.deciding();
  const std::string bound = status == nullptr ? std::string() : printable(status->bound_text);
  const std::string resolved = bound.substr(0, bound.find(" = "));
  out.bound = resolved.empty() ? row.limit : resolved;
  if (status != nullptr) out.margin = margin_text(*status, row.limit);
  const bool moment = row.info.list == model::ConditionList::during ||
                      row.info.list == model::ConditionList::steady_state;
  if (moment) out.worst = worst_text(report, row);
  return out;
}

}  // namespace ordeal::report
