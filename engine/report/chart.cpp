// From the report to charts: which lines, which bounds where, and the scale of each.
#include "engine/report/chart.hpp"

#include <cmath>

#include "engine/base/text.hpp"

namespace ordeal::report {
namespace {

std::vector<Limit> limits_of(const Report& report, const std::string& sli,
                             const std::vector<std::string>& aggregates) {
  std::vector<Limit> out;
  for (const ConditionRow& row : report.conditions) {
    const MeasureName name = split_measure(row.measure);
    const std::string own = name.sli == "host" ? "host." + name.aggregate : name.sli;
    if (own != sli) continue;
    const bool wanted = name.sli == "host" || std::find(aggregates.begin(), aggregates.end(),
                                                        name.aggregate) != aggregates.end();
    const auto add = [&](const std::optional<model::ConditionStatus>& status, model::Phase phase) {
      const PhaseSpan* span = report.phase(phase);
      if (!wanted || !status || !status->bound || span == nullptr || row.limit.empty()) return;
      Limit limit;
      limit.value = *status->bound;
      limit.abort = row.info.list == model::ConditionList::abort_if;
      limit.low_is_bad = row.limit.starts_with(">") != limit.abort;
      limit.broken =
          limit.abort ? abort_word(report, row) == "ABORT" : status->truth == model::Truth::broken;
      limit.from = seconds(span->from);
      limit.to = seconds(span->to.value_or(report.now));
      const std::string text = printable(status->bound_text);
      limit.text = (limit.abort ? "abort " : "") + text.substr(0, text.find(" = "));
      out.push_back(std::move(limit));
    };
    if (row.info.list == model::ConditionList::steady_state) {
      add(row.before, model::Phase::baseline);
      add(row.after, model::Phase::recovery);
    } else if (row.info.list == model::ConditionList::during ||
               row.info.list == model::ConditionList::abort_if) {
      add(row.during, model::Phase::fault);
    }
  }
  return out;
}

void scale(Chart& chart, bool from_zero, double most) {
  double low = from_zero ? 0 : INFINITY;
  double high = from_zero ? 0 : -INFINITY;
  for (const Trace& trace : chart.traces) {
    for (const auto& [at, value] : trace.points) {
      if (!value || !std::isfinite(*value)) continue;
      low = std::min(low, *value);
      high = std::max(high, *value);
    }
  }
  if (!std::isfinite(low)) low = 0, high = std::isfinite(most) ? most : 1;
  const double data_span = std::max(high - low, high * 0.05);
  for (const Limit& limit : chart.limits) {
    // A bound far away would press the line flat: then only the table has it.
    const bool near = limit.value <= high + 3 * data_span && limit.value >= low - 3 * data_span;
    if (!near && !limit.broken) continue;
    low = std::min(low, limit.value);
    high = std::max(high, limit.value);
  }
  if (chart.unit == "%" && std::isfinite(most)) {
    high = std::max(high, most);
    low = std::max(0.0, std::min(low, high - 2));
    low = std::max(0.0, low - (high - low) * 0.12);
  } else {
    const double span = std::max(high - low, std::max(std::abs(high) * 0.1, 1e-9));
    high += span * 0.12;
    if (!from_zero || low < 0) low -= span * 0.12;
  }
  chart.low = low;
  chart.high = high;
}

Chart base_chart(const Series& series) {
  Chart chart;
  chart.title = series.title();
  chart.gaps = series.gaps;
  chart.spacing = std::max(seconds(series.interval), 1.0);
  return chart;
}

void add_point(Trace& trace, const Point& point, const std::optional<double>& value) {
  // A whole second is drawn at its middle.
  trace.points.emplace_back(seconds(point.at) + 0.5, value);
}

std::optional<double> as_seconds(const std::optional<Duration>& value) {
  if (!value) return std::nullopt;
  return seconds(*value);
}

}  // namespace

std::vector<Chart> charts_of(const Report& report) {
  std::vector<Chart> charts;
  for (const Series& series : report.series) {
    const auto has = [&](auto member) {
      return std::any_of(series.points.begin(), series.points.end(),
                         [&](const Point& point) { return (point.*member).has_value(); });
    };
    if (has(&Point::success)) {
      Chart chart = base_chart(series);
      chart.what = "good answers";
      chart.unit = "%";
      chart.traces.resize(1);
      for (const auto& point : series.points) add_point(chart.traces[0], point, point.success);
      chart.title += ".success";
      chart.limits = limits_of(report, series.sli, {"success"});
      scale(chart, false, 100);
      // A gauge that always had an answer: its value says so already.
      const bool perfect =
          std::all_of(series.points.begin(), series.points.end(),
                      [](const Point& point) { return point.success.value_or(100) >= 100; });
      if (series.request || !perfect || !chart.limits.empty()) charts.push_back(std::move(chart));
    }
    if (has(&Point::p95)) {
      Chart chart = base_chart(series);
      chart.title += ".p95";
      chart.what = "p95, and p50 in pale";
      chart.unit = "s";
      chart.traces.resize(2);
      chart.traces[0].soft = true;
      for (const auto& point : series.points) {
        add_point(chart.traces[0], point, as_seconds(point.p50));
        add_point(chart.traces[1], point, as_seconds(point.p95));
      }
      chart.limits = limits_of(report, series.sli, {"p90", "p95", "p99", "p99.9"});
      scale(chart, true, INFINITY);
      charts.push_back(std::move(chart));
    }
    if (has(&Point::value)) {
      Chart chart = base_chart(series);
      chart.what = series.kind == "process" ? "1: up" : "latest value";
      chart.unit = series.unit;
      chart.height = 72;
      chart.traces.resize(1);
      for (const auto& point : series.points) add_point(chart.traces[0], point, point.value);
      chart.limits = limits_of(report, series.sli, {"value", "mean", "min", "max", "count"});
      const bool share = series.kind == "host" && series.unit == "%";
      scale(chart, true, share ? 100 : INFINITY);
      charts.push_back(std::move(chart));
    }
  }
  for (std::size_t i = 0; i < charts.size(); ++i) charts[i].id = fmt::format("c{}", i);
  return charts;
}

}  // namespace ordeal::report
