// The words and numbers that every view of a run uses alike.
#include <algorithm>
#include <cmath>

#include "engine/base/text.hpp"
#include "engine/report/report.hpp"

namespace ordeal::report {

std::string headline_word(const Report& report) {
  if (!report.verdict) return "UNFINISHED";
  const bool measured_only = report.about.mode == "baseline-only";
  switch (static_cast<model::Exit>(report.verdict->exit)) {
    case model::Exit::upheld: return measured_only ? "STEADY" : "UPHELD";
    case model::Exit::violated: return "VIOLATED";
    case model::Exit::invalid: return "INVALID";
    case model::Exit::refused: return "REFUSED";
    case model::Exit::unsteady: return "NOT STEADY";
    case model::Exit::aborted: return "ABORTED";
    case model::Exit::inconclusive: return "INCONCLUSIVE";
    case model::Exit::interrupted: return "INTERRUPTED";
    case model::Exit::error: return "ERROR";
    case model::Exit::dirty: return "HOST NOT CLEAN";
    case model::Exit::not_recovered: return "NOT RECOVERED";
  }
  return "UNKNOWN";
}

namespace {

std::string machine_sentence(const Report& report) {
  if (!report.verdict) {
    return report.touched() ? "State of the host unknown: run `ordeal status --exit-code` there."
                            : "Nothing was touched when the events end.";
  }
  switch (report.verdict->host) {
    case model::HostState::clean:
      return report.plan.steps.size() > 1 && report.hosts.size() > 1 ? "All hosts clean."
                                                                     : "Host clean.";
    case model::HostState::untouched: return "Nothing was touched.";
    case model::HostState::dirty: break;
  }
  const std::size_t left = report.residue().size();
  if (left == 0) return "HOST NOT CLEAN.";
  return fmt::format("HOST NOT CLEAN: {} change{} left.", left, left == 1 ? " is" : "s are");
}

std::string service_sentence(const Report& report) {
  if (!report.verdict) return "Service not judged.";
  const auto service = report.verdict->service;
  if (service == model::ServiceState::recovered && report.recovery) {
    return fmt::format("Service recovered {} after the last revert, held for {}.",
                       format_seconds(report.recovery->after),
                       format_duration(report.recovery->held));
  }
  if (service == model::ServiceState::recovered) return "Service recovered.";
  if (service == model::ServiceState::not_recovered) {
    const Duration within = report.plan.recovery_within;
    return within > Duration::zero()
               ? fmt::format("SERVICE NOT RECOVERED within {}.", format_duration(within))
               : "SERVICE NOT RECOVERED.";
  }
  const auto exit = static_cast<model::Exit>(report.verdict->exit);
  if (exit == model::Exit::unsteady) return "Service is not in its steady state.";
  if (exit == model::Exit::upheld) return "Service is in its steady state.";
  if (!report.touched()) return "Service not measured.";
  return "Service not judged after the revert.";
}

}  // namespace

std::string second_line(const Report& report) {
  return machine_sentence(report) + " " + service_sentence(report);
}

namespace {

bool wished(const Report& report) {
  const model::AbortCause cause = report.abort->decided.cause;
  return cause == model::AbortCause::person || cause == model::AbortCause::halt;
}

}  // namespace

const char* stop_word(const Report& report) { return wished(report) ? "stopped" : "aborted"; }

std::string put_back_words(const Report& report) {
  if (!report.abort || !report.abort->latency) return {};
  const bool sample = report.abort->decided.cause == model::AbortCause::threshold ||
                      report.abort->decided.cause == model::AbortCause::violation;
  return format_short(*report.abort->latency) +
         (sample ? " after the sample that decided" : " later");
}

std::string in_one_line(std::string_view text, std::size_t limit) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "; ";
    } else {
      out += c;
    }
  }
  return printable(out, limit);
}

std::string reason(const Report& report) {
  if (report.verdict && !report.verdict->reason.empty()) {
    return in_one_line(report.verdict->reason);
  }
  if (report.refused) return in_one_line(report.refused->text);
  if (report.abort) return in_one_line(report.abort->decided.text);
  return {};
}

std::string format_at(Duration at, int decimals) {
  // Rounded down: a time is never shown before its event, and 59.96 s is not 60.0 s.
  std::int64_t unit = 1'000'000;
  for (int i = 0; i < decimals; ++i) unit /= 10;
  const std::int64_t us = at.count() / unit * unit;
  const std::int64_t seconds = us / 1'000'000;
  std::string out = seconds >= 3600 ? fmt::format("+{}:{:02}:{:02}", seconds / 3600,
                                                  seconds / 60 % 60, seconds % 60)
                                    : fmt::format("+{}:{:02}", seconds / 60, seconds % 60);
  if (decimals > 0) out += fmt::format(".{:0{}}", us % 1'000'000 / unit, decimals);
  return out;
}

std::string format_seconds(Duration duration) {
  const double seconds = static_cast<double>(duration.count()) / 1e6;
  if (seconds >= 60) return format_duration(std::chrono::round<std::chrono::seconds>(duration));
  return fmt::format("{:.1f} s", seconds);
}

namespace {

std::string format_time_value(double seconds) {
  if (seconds < 0) return "-" + format_time_value(-seconds);
  if (seconds == 0) return "0s";
  if (seconds < 0.9995e-3) return fmt::format("{:.0f}us", seconds * 1e6);
  if (seconds < 0.9995) {
    const double ms = seconds * 1e3;
    return fmt::format("{:.{}f}ms", ms, ms < 9.995 ? 2 : ms < 999.5 ? 1 : 0);
  }
  if (seconds < 60) return fmt::format("{:.{}f}s", seconds, seconds < 9.95 ? 2 : 1);
  return format_duration(Duration(std::llround(seconds) * 1'000'000));
}

// Never rounds up to a whole that was not reached: 99.97 is not 100.0.
std::string format_percent_value(double value) {
  for (int decimals = 1; decimals < 4; ++decimals) {
    const std::string text = fmt::format("{:.{}f}", value, decimals);
    if (value >= 100 || !text.starts_with("100")) return text + "%";
  }
  return "99.999%";
}

}  // namespace

std::string format_value(double value, std::string_view unit) {
  if (std::isnan(value)) return "no number";
  if (std::isinf(value)) return value > 0 ? "infinite" : "-infinite";
  if (unit == "s") return format_time_value(value);
  if (unit == "%") return format_percent_value(value);
  if (unit == "B" || unit == "B/s") {
    return format_bytes(Bytes{std::llround(value)}) + std::string(unit.substr(1));
  }
  if (unit == "/s") return fmt::format("{:.1f}/s", value);
  const bool whole = value == std::floor(value) && std::abs(value) < 1e15;
  return (whole ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value)) + std::string(unit);
}

MeasureName split_measure(std::string_view measure) {
  // A host pick may hold no dot, an aggregate may: "host(db-1).cpu.max", "shop.p99.9".
  const std::size_t dot = measure.find('.');
  if (dot == std::string_view::npos) return {std::string(measure), {}};
  std::string sli(measure.substr(0, dot));
  std::string rest(measure.substr(dot + 1));
  rest = rest.substr(0, rest.find(' '));
  if (sli.starts_with("host")) {
    sli = "host";
    rest = rest.substr(0, rest.find('.'));
  }
  return {std::move(sli), std::move(rest)};
}

std::string host_value_unit(std::string_view value) {
  const std::size_t dot = value.rfind('.');
  if (dot != std::string_view::npos) value.remove_prefix(dot + 1);
  constexpr std::array<std::string_view, 7> kPercent = {
      "cpu",          "memory_available", "memory_used", "swap_used",
      "cpu_pressure", "memory_pressure",  "io_pressure"};
  return std::find(kPercent.begin(), kPercent.end(), value) != kPercent.end() ? "%" : "";
}

std::string unit_of(const Report& report, std::string_view sli, std::string_view aggregate) {
  if (aggregate == "success" || aggregate == "error") return "%";
  if (aggregate == "throughput") return "/s";
  if (aggregate == "outage" || aggregate == "downtime") return "s";
  if (aggregate == "failures" || aggregate == "count" || aggregate == "restarts") return "";
  if (sli == "host") return host_value_unit(aggregate);
  for (const auto& info : report.about.slis) {
    if (info.name != sli) continue;
    const bool request = info.kind == "http" || info.kind == "tcp" || info.kind == "dns";
    return request ? "s" : info.unit;
  }
  return "";
}

std::string file_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace ordeal::report
