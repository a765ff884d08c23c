#include "engine/model/experiment.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace ordeal::model {
namespace {

// The shortest decimal that reads back as the same number: what is shown is what is compared.
std::string number(double value) { return fmt::format("{}", value); }

std::string bytes_text(double value) {
  if (std::abs(value) < 1024 || value != std::floor(value)) return number(value) + " B";
  return format_bytes(Bytes{static_cast<std::int64_t>(value)});
}

Duration period(double per_second) {
  return per_second > 0 ? Duration(std::llround(1e6 / per_second)) : Duration::zero();
}

Duration length_of(const MethodItem& item, const HostCount& hosts) {
  if (const auto* step = std::get_if<Step>(&item)) {
    if (!step->roll) return step->duration;
    const std::int64_t count = std::max<std::int64_t>(hosts ? hosts(*step) : 1, 1);
    const std::int64_t rounds = (count + step->roll->at_once - 1) / step->roll->at_once;
    return step->duration * rounds + step->roll->within * (rounds - 1);
  }
  if (const auto* wait = std::get_if<Wait>(&item)) return wait->time.value_or(wait->within);
  Duration longest{};
  for (const Step& step : std::get<Parallel>(item).steps) {
    longest = std::max(longest, step.start_delay + step.duration);
  }
  return longest;
}

}  // namespace

std::string to_string(Aggregate aggregate) {
  constexpr std::array<const char*, 20> kNames = {
      "success",  "error",  "failures", "count", "throughput", "mean",   "min",
      "max",      "p50",    "p90",      "p95",   "p99",        "p99.9",  "value",
      "restarts", "outage", "downtime", "up",    "firing",     "pending"};
  return kNames.at(static_cast<std::size_t>(aggregate));
}

std::string to_string(Comparison comparison) {
  constexpr std::array<const char*, 6> kNames = {"<", "<=", ">", ">=", "==", "!="};
  return kNames.at(static_cast<std::size_t>(comparison));
}

std::string to_string(HostValue value) {
  constexpr std::array<const char*, 8> kNames = {
      "cpu",   "memory_available", "memory_used",     "swap_used",
      "load1", "cpu_pressure",     "memory_pressure", "io_pressure"};
  return kNames.at(static_cast<std::size_t>(value));
}

std::string format_quantity(const Quantity& quantity) {
  switch (quantity.unit) {
    case Unit::none: return number(quantity.value);
    case Unit::seconds: return format_duration(Duration(std::llround(quantity.value * 1e6)));
    case Unit::percent: return number(quantity.value) + "%";
    case Unit::bytes: return bytes_text(quantity.value);
    case Unit::per_second: return number(quantity.value) + "/s";
    case Unit::bytes_per_second: return bytes_text(quantity.value) + "/s";
  }
  return {};
}

Duration interval_of(const Sli& sli) {
  if (const auto* http = std::get_if<HttpProbe>(&sli.probe)) {
    // A closed loop sends as answers come: at worst each of its requests takes the whole timeout.
    if (http->concurrency > 0) return http->timeout / http->concurrency;
    return period(http->rate);
  }
  if (const auto* tcp = std::get_if<TcpProbe>(&sli.probe)) return period(tcp->rate);
  if (const auto* dns = std::get_if<DnsProbe>(&sli.probe)) return period(dns->rate);
  if (const auto* exec = std::get_if<ExecProbe>(&sli.probe)) return exec->every;
  if (const auto* process = std::get_if<ProcessProbe>(&sli.probe)) return process->every;
  return std::get<HostProbe>(sli.probe).every;
}

Duration timeout_of(const Sli& sli) {
  if (const auto* http = std::get_if<HttpProbe>(&sli.probe)) return http->timeout;
  if (const auto* tcp = std::get_if<TcpProbe>(&sli.probe)) return tcp->timeout;
  if (const auto* dns = std::get_if<DnsProbe>(&sli.probe)) return dns->timeout;
  if (const auto* exec = std::get_if<ExecProbe>(&sli.probe)) return exec->timeout;
  return interval_of(sli);  // /proc and statvfs do not wait for anybody
}

bool is_request(const Sli& sli) {
  return std::holds_alternative<HttpProbe>(sli.probe) ||
         std::holds_alternative<TcpProbe>(sli.probe) || std::holds_alternative<DnsProbe>(sli.probe);
}

std::int64_t least_samples(Aggregate aggregate, bool request,
                           std::optional<std::int64_t> min_samples) {
  switch (aggregate) {
    case Aggregate::value:
    case Aggregate::up:
    case Aggregate::restarts:
    case Aggregate::outage:
    case Aggregate::downtime: return 1;
    case Aggregate::count:
      if (!request) return 1;  // how many processes there are now
      break;
    default: break;
  }
  if (min_samples) return *min_samples;
  switch (aggregate) {
    case Aggregate::success:
    case Aggregate::error:
    case Aggregate::p50:
    case Aggregate::p90:
    case Aggregate::p95: return 20;
    case Aggregate::p99: return 100;
    case Aggregate::p999: return 1000;
    case Aggregate::mean: return request ? 5 : 2;
    case Aggregate::min:
    case Aggregate::max: return request ? 1 : 2;
    default: return 1;
  }
}

std::vector<const Step*> steps_of(const Experiment& experiment) {
  std::vector<const Step*> out;
  for (const MethodItem& item : experiment.method) {
    if (const auto* step = std::get_if<Step>(&item)) out.push_back(step);
    if (const auto* parallel = std::get_if<Parallel>(&item)) {
      for (const Step& part : parallel->steps) out.push_back(&part);
    }
  }
  return out;
}

Duration method_duration(const Experiment& experiment, const HostCount& hosts) {
  Duration total{};
  for (const MethodItem& item : experiment.method) total += length_of(item, hosts);
  return total;
}

Duration shortest_run(const Experiment& experiment) {
  return experiment.warmup + experiment.baseline + method_duration(experiment) +
         experiment.recovery.hold;
}

}  // namespace ordeal::model
