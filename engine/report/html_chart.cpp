// Charts of the HTML report: a line for what was measured, the fault bands behind it, bounds dashed
// where they apply, what was beyond them in red, and hatching where nothing was measured.
#include <cmath>

#include <boost/json.hpp>

#include "engine/base/json.hpp"
#include "engine/base/text.hpp"
#include "engine/report/chart.hpp"
#include "engine/report/escape.hpp"
#include "engine/report/html.hpp"

namespace ordeal::report {
namespace {

// Coordinates of every SVG: 1000 wide, the plot between kLeft and kRight.
constexpr double kWidth = 1000;
constexpr double kLeft = 52;
constexpr double kRight = 992;

double end_of(const Report& report) { return std::max(seconds(report.now), 1.0); }
double x_of(const Report& report, double t) {
  return kLeft + std::clamp(t / end_of(report), 0.0, 1.0) * (kRight - kLeft);
}
double x_of(const Report& report, Duration t) { return x_of(report, seconds(t)); }

// ---- SVG ----------------------------------------------------------------------------------------

std::string open_svg(double height, std::string_view label) {
  return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">", kWidth,
                     height, xml(label));
}

std::string cursor(double height) {
  return fmt::format("<line class=\"cursor\" x1=\"0\" x2=\"0\" y1=\"0\" y2=\"{:.0f}\"/>", height);
}

std::string rect(const char* classes, double x1, double x2, double y, double height) {
  return fmt::format(
      "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
      "height=\"{:.1f}\"/>",
      classes, x1, y, std::max(x2 - x1, 1.0), height);
}

std::string bands(const Report& report, double height) {
  std::string out;
  for (std::size_t i = 0; i < report.steps.size(); ++i) {
    const StepRow& step = report.steps[i];
    if (!step.injecting) continue;
    const double from = x_of(report, *step.injecting);
    const double to = x_of(report, step.reverted.value_or(report.now));
    out += rect(fmt::format("band b{}", i % 4).c_str(), from, to, 0, height);
    out += rect(fmt::format("edgeband b{}", i % 4).c_str(), from, from + 1, 0, height);
    out += rect(fmt::format("edgeband b{}", i % 4).c_str(), to - 1, to, 0, height);
  }
  return out;
}

std::string phase_edges(const Report& report, double height) {
  std::string out;
  for (const PhaseSpan& span : report.phases) {
    const bool drawn = span.phase == model::Phase::fault || span.phase == model::Phase::recovery;
    if (!drawn) continue;
    const double x = x_of(report, span.from);
    out += fmt::format(
        "<line class=\"edge\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1:.0f}\"/>", x, height);
  }
  return out;
}

std::string abort_line(const Report& report, double height) {
  if (!report.abort) return {};
  return fmt::format(
      "<line class=\"abort\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1:.0f}\"/>",
      x_of(report, report.abort->at), height);
}

class ChartSvg {
 public:
  ChartSvg(const Report& report, const Chart& chart)
      : report_(report), chart_(chart), height_(chart.height) {}

  std::string draw() {
    std::string out = open_svg(height_, chart_.title + ", " + chart_.what);
    out += bands(report_, height_) + phase_edges(report_, height_) + grid() + gaps();
    for (const Trace& trace : chart_.traces) out += line(trace, "l");
    out += limits();
    return out + abort_line(report_, height_) + cursor(height_) + "</svg>";
  }

 private:
  double y(double value) const {
    const double share = (value - chart_.low) / (chart_.high - chart_.low);
    return height_ - kMargin - std::clamp(share, 0.0, 1.0) * (height_ - 2 * kMargin);
  }
  std::string grid() const;
  std::string gaps() const;
  std::string line(const Trace& trace, const std::string& classes) const;
  std::string limits() const;
  bool visible(const Limit& limit) const {
    return limit.value >= chart_.low && limit.value <= chart_.high;
  }

  static constexpr double kMargin = 11;  // charts touch: room for the labels of both
  const Report& report_;
  const Chart& chart_;
  double height_;
};

std::string ChartSvg::grid() const {
  const double rough = (chart_.high - chart_.low) / (height_ > 80 ? 3.2 : 2.2);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double factor = rough / power;
  const double step = power * (factor > 5 ? 10 : factor > 2 ? 5 : factor > 1 ? 2 : 1);
  std::string out;
  for (double value = std::ceil(chart_.low / step) * step; value <= chart_.high; value += step) {
    const double at = std::abs(value) < step / 1e6 ? 0 : value;
    std::string label = format_value(at, chart_.unit);
    // "60.0%" and "300.0ms" say no more than "60%" and "300ms" on an axis.
    if (const auto zero = label.find(".0"); zero != std::string::npos) {
      const auto end = label.find_first_not_of("0", zero + 1);
      if (end == std::string::npos || !std::isdigit(static_cast<unsigned char>(label[end]))) {
        label.erase(zero, (end == std::string::npos ? label.size() : end) - zero);
      }
    }
    out += fmt::format(
        "<line class=\"grid\" x1=\"{0:.0f}\" x2=\"{1:.0f}\" y1=\"{2:.1f}\" "
        "y2=\"{2:.1f}\"/><text x=\"{3:.0f}\" y=\"{4:.1f}\" "
        "text-anchor=\"end\">{5}</text>",
        kLeft, kRight, y(at), kLeft - 6, y(at) + 4, xml(label));
  }
  return out;
}

std::string ChartSvg::gaps() const {
  std::string out;
  for (const Gap& gap : chart_.gaps) {
    out += fmt::format("<g><title>no data: {}</title>", xml(gap.why));
    out += rect("gap", x_of(report_, gap.from), x_of(report_, gap.to), 0, height_) + "</g>";
  }
  return out;
}

// Broken where a value is missing: nothing is interpolated. A lonely point is a dot.
std::string ChartSvg::line(const Trace& trace, const std::string& classes) const {
  const std::string style = classes + (trace.soft ? " soft" : "");
  std::string path;
  std::string out;
  std::size_t run = 0;
  double last_at = -1e9;
  double last_x = 0, last_y = 0;
  const auto finish = [&] {
    if (run == 1) {
      out += fmt::format("<circle class=\"dot{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2\"/>",
                         trace.soft ? " soft" : "", last_x, last_y);
    }
    run = 0;
  };
  for (const auto& [at, value] : trace.points) {
    if (!value || !std::isfinite(*value)) {
      finish();
      last_at = -1e9;
      continue;
    }
    const bool joined = at - last_at <= chart_.spacing * 2;
    if (!joined) finish();
    last_x = x_of(report_, at);
    last_y = y(*value);
    path += fmt::format("{}{:.1f} {:.1f}", joined ? "L" : "M", last_x, last_y);
    last_at = at;
    ++run;
  }
  finish();
  if (!path.empty()) out += fmt::format("<path class=\"{}\" d=\"{}\"/>", style, path);
  return out;
}

std::string ChartSvg::limits() const {
  std::string out;
  std::size_t number = 0;
  for (const Limit& limit : chart_.limits) {
    const double x1 = x_of(report_, limit.from);
    const double x2 = x_of(report_, limit.to);
    if (!visible(limit)) continue;
    const double level = y(limit.value);
    const std::string id = fmt::format("{}k{}", chart_.id, number++);
    const double top = limit.low_is_bad ? level : 0;
    const double size = limit.low_is_bad ? height_ - level : level;
    const bool marked = !limit.abort || limit.broken;
    if (marked && size > 0) {
      out += fmt::format("<clipPath id=\"{}\">{}</clipPath><g clip-path=\"url(#{})\">", id,
                         rect("", x1, x2, top, size), id);
      out += line(chart_.traces.back(), limit.broken ? "l breach" : "l dip") + "</g>";
    }
    out += fmt::format(
        "<line class=\"{}\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" "
        "y2=\"{:.1f}\"/>",
        limit.abort ? "limit" : "bound", x1, x2, level, level);
    if (x2 - x1 < 90) continue;
    const double text_y = limit.low_is_bad ? level + 11 : level - 4;
    // At opposite ends: both kinds may stand in one chart.
    out += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>",
                       limit.abort ? "limittext" : "boundtext", limit.abort ? x1 + 6 : x2 - 4,
                       std::clamp(text_y, 10.0, height_ - 2), limit.abort ? "start" : "end",
                       xml(limit.text));
  }
  return out;
}

// ---- Rows around the charts ---------------------------------------------------------------------

std::string row(const std::string& name, const std::string& svg) {
  return "<div class=\"row\"><div class=\"name\">" + name + "</div>" + svg + "</div>\n";
}

std::string phase_strip(const Report& report) {
  std::string out = open_svg(18, "phases");
  out += bands(report, 18) + phase_edges(report, 18);
  for (const PhaseSpan& span : report.phases) {
    const char* name = span.phase == model::Phase::baseline   ? "baseline"
                       : span.phase == model::Phase::fault    ? "fault"
                       : span.phase == model::Phase::recovery ? "recovery"
                                                              : nullptr;
    if (name == nullptr) continue;
    const double from = x_of(report, span.from);
    const double to = x_of(report, span.to.value_or(report.now));
    if (to - from < 44) continue;
    // The abort's time stands at the end of the fault phase.
    const bool left = report.abort && span.phase == model::Phase::fault;
    out += fmt::format("<text class=\"phase\" x=\"{:.1f}\" y=\"13\" text-anchor=\"{}\">{}</text>",
                       left ? from + 6 : (from + to) / 2, left ? "start" : "middle", name);
  }
  if (report.abort) {
    const double x = x_of(report, report.abort->at);
    const bool left = x > 700;
    out += fmt::format("<text class=\"aborttext\" x=\"{:.1f}\" y=\"13\"{}>{} {}</text>",
                       left ? x - 5 : x + 5, left ? " text-anchor=\"end\"" : "", stop_word(report),
                       format_at(report.abort->at));
  }
  return out + abort_line(report, 18) + cursor(18) + "</svg>";
}

std::string fault_rows(const Report& report) {
  std::vector<std::string> hosts;
  for (const StepRow& step : report.steps) {
    if (std::find(hosts.begin(), hosts.end(), step.host) == hosts.end()) hosts.push_back(step.host);
  }
  std::string out;
  for (const auto& host : hosts) {
    std::string bars;
    double y = 3;
    for (std::size_t i = 0; i < report.steps.size(); ++i) {
      const StepRow& step = report.steps[i];
      if (step.host != host || !step.injecting) continue;
      const double from = x_of(report, *step.injecting);
      const double to = x_of(report, step.reverted.value_or(report.now));
      const std::string name = printable(step.plan.name);
      const bool inside = static_cast<double>(name.size()) * 6.6 + 12 < to - from;
      bars += fmt::format(
          "<g><title>{}: {}</title><rect class=\"bar b{}\" x=\"{:.1f}\" y=\"{:.0f}\" "
          "width=\"{:.1f}\" height=\"16\" rx=\"3\"/></g>",
          xml(name), xml(step.effect), i % 4, from, y, std::max(to - from, 2.0));
      const bool fits_right = to + static_cast<double>(name.size()) * 6.6 + 10 < kRight;
      bars += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.0f}\"{}>{}</text>",
                          inside ? "bartext" : "barout",
                          inside       ? from + 7
                          : fits_right ? to + 6
                                       : from - 6,
                          y + 12, inside || fits_right ? "" : " text-anchor=\"end\"", xml(name));
      y += 20;
    }
    const double height = y + 1;
    out += row(xml(printable(host)) + "<small>faults</small>",
               open_svg(height, "faults on " + host) + phase_edges(report, height) + bars +
                   abort_line(report, height) + cursor(height) + "</svg>");
  }
  return out;
}

std::string axis(const Report& report) {
  constexpr std::array<double, 14> kSteps = {1,   2,   5,   10,   15,   30,   60,
                                             120, 300, 600, 1800, 3600, 7200, 21600};
  const double end = end_of(report);
  const auto step =
      std::find_if(kSteps.begin(), kSteps.end(), [&](double one) { return end / one <= 12; });
  const double size = step == kSteps.end() ? 86400 : *step;
  std::string out = open_svg(18, "time since the start");
  for (double t = 0; t <= end; t += size) {
    out +=
        fmt::format("<text x=\"{:.1f}\" y=\"13\" text-anchor=\"middle\">{}</text>", x_of(report, t),
                    t < 60 && end < 120 ? fmt::format("{:.0f}s", t)
                                        : format_at(Duration(std::llround(t * 1e6)), 0));
  }
  return row("<small id=\"cursor-time\"></small>", out + "</svg>");
}

}  // namespace

std::string html_charts(const Report& report) {
  if (report.series.empty()) return {};
  std::string out =
      "<section class=\"card charts\" id=\"charts\" tabindex=\"0\" aria-label=\"Charts over one "
      "time "
      "axis; arrow keys move the cursor\">\n"
      "<svg width=\"0\" height=\"0\" aria-hidden=\"true\" class=\"none\"><defs><pattern "
      "id=\"hatch\" "
      "width=\"6\" height=\"6\" patternTransform=\"rotate(45)\" patternUnits=\"userSpaceOnUse\">"
      "<line class=\"hatch\" x1=\"0\" x2=\"0\" y1=\"0\" y2=\"6\"/></pattern></defs></svg>\n";
  out += row("", phase_strip(report));
  for (const Chart& chart : charts_of(report)) {
    out += row(fmt::format("{}<small id=\"{}\">{}</small>", breakable(chart.title), chart.id,
                           xml(chart.what)),
               ChartSvg(report, chart).draw());
  }
  out += fault_rows(report) + axis(report);
  for (const Series& series : report.series) {
    if (series.gaps.empty()) continue;
    out += row("", "<span class=\"sub\">hatched: no data, nothing is interpolated (" +
                       xml(series.gaps.front().why) + ")</span>");
    break;
  }
  return out + "</section>\n";
}

std::string html_chart_data(const Report& report) {
  boost::json::array charts;
  double valid = 1;
  for (const Chart& chart : charts_of(report)) {
    boost::json::array points;
    const Trace& main = chart.traces.back();
    for (std::size_t i = 0; i < main.points.size(); ++i) {
      const auto& [at, value] = main.points[i];
      if (!value) continue;
      std::string text = format_value(*value, chart.unit);
      if (chart.traces.size() > 1 && chart.traces[0].points[i].second) {
        text += ", p50 " + format_value(*chart.traces[0].points[i].second, chart.unit);
      }
      points.push_back(boost::json::array{at - 0.5, boost::json::string(text)});
    }
    valid = std::max(valid, chart.spacing);
    charts.push_back(
        boost::json::object{{"id", chart.id}, {"what", chart.what}, {"points", std::move(points)}});
  }
  const boost::json::object out = {{"end", report.series.empty() ? 0.0 : end_of(report)},
                                   {"left", kLeft},
                                   {"right", kRight},
                                   {"width", kWidth},
                                   {"valid", valid},
                                   {"charts", std::move(charts)}};
  return script_json(json::dump(out));
}

}  // namespace ordeal::report
