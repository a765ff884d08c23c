#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/run/state.hpp"

namespace ordeal::run {
namespace {

using namespace model;

struct What {
  std::pair<std::string, std::string> operator()(const HttpProbe& probe) const {
    return {"http", fmt::format("{} {}", probe.method, probe.url)};
  }
  std::pair<std::string, std::string> operator()(const TcpProbe& probe) const {
    return {"tcp", probe.address};
  }
  std::pair<std::string, std::string> operator()(const DnsProbe& probe) const {
    return {"dns", fmt::format("{} {} at {}", probe.type, probe.name, probe.server)};
  }
  std::pair<std::string, std::string> operator()(const ExecProbe& probe) const {
    return {"exec", fmt::format("{}", fmt::join(probe.argv, " "))};
  }
  std::pair<std::string, std::string> operator()(const ProcessProbe&) const {
    return {"process", "matching processes"};
  }
  std::pair<std::string, std::string> operator()(const HostProbe& probe) const {
    return {"host", probe.path};
  }
};

std::string unit_text(Unit unit) {
  switch (unit) {
    case Unit::none: return "";
    case Unit::seconds: return "s";
    case Unit::percent: return "%";
    case Unit::bytes: return "B";
    case Unit::per_second: return "/s";
    case Unit::bytes_per_second: return "B/s";
  }
  return "";
}

}  // namespace

std::string to_string(Mode mode) {
  switch (mode) {
    case Mode::run: return "run";
    case Mode::baseline_only: return "baseline-only";
    case Mode::control: return "control";
    case Mode::plan_only: return "plan";
  }
  return "run";
}

RunStarted about(const Experiment& experiment, const Options& options, const probe::Judge& judge) {
  RunStarted out = options.about;
  out.run = options.run_id;
  out.name = experiment.name;
  out.hypothesis = experiment.hypothesis;
  out.owner = experiment.owner;
  out.links = experiment.links;
  out.labels = experiment.labels;
  out.tags = experiment.tags;
  out.file = experiment.file;
  out.file_sha256 = experiment.sha256;
  out.effective = experiment.effective;
  out.seed = std::to_string(options.seed);
  out.mode = to_string(options.mode);
  out.conditions = judge.conditions();
  out.abort_if_none = experiment.abort_if_none;
  out.during_none = experiment.during_none;
  for (const Sli& sli : experiment.slis) {
    const auto [kind, what] = std::visit(What{}, sli.probe);
    out.slis.push_back({sli.name, kind, what, unit_text(sli.unit), interval_of(sli)});
  }
  return out;
}

}  // namespace ordeal::run
