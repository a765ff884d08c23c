// report.json, version 1: members may be added, none changes its meaning
// (docs/reference/report-files.md).
#include <cmath>

#include <boost/json.hpp>

#include "engine/base/json.hpp"
#include "engine/report/render.hpp"

namespace ordeal::report {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

template <class E>
value word(E item) {
  return boost::json::string(boost::describe::enum_to_string(item, "?"));
}

value number(const std::optional<double>& item) {
  return item && std::isfinite(*item) ? value(*item) : value(nullptr);
}

value time(const std::optional<Duration>& item) {
  return item ? value(item->count()) : value(nullptr);
}

array texts(const std::vector<std::string>& items) {
  array out;
  for (const auto& item : items) out.emplace_back(boost::json::string(item));
  return out;
}

object exit_of(const Report& report) {
  object out;
  if (report.verdict) {
    out["code"] = report.verdict->exit;
    out["name"] = report.verdict->exit_name;
    out["reason"] = report.verdict->reason;
  } else {
    out["code"] = nullptr;
    out["name"] = "unfinished";
    out["reason"] = "the events end before the run does";
  }
  return out;
}

object verdict_of(const model::Verdict& verdict) {
  return {{"hypothesis", word(verdict.hypothesis)},
          {"run", word(verdict.run)},
          {"host", word(verdict.host)},
          {"service", word(verdict.service)}};
}

object status_of(const model::ConditionStatus& status) {
  return {{"truth", word(status.truth)},           {"final", status.final},
          {"measured", number(status.measured)},   {"bound", number(status.bound)},
          {"measured_text", status.measured_text}, {"bound_text", status.bound_text},
          {"nearest_text", status.nearest_text},   {"problem", status.problem},
          {"after_us", time(status.after)}};
}

array conditions_of(const Report& report) {
  array out;
  for (const ConditionRow& row : report.conditions) {
    const auto phase = [](const auto& slot) { return slot ? value(status_of(*slot)) : value(); };
    out.push_back(object{{"id", row.info.id},
                         {"list", word(row.info.list)},
                         {"text", row.info.text},
                         {"file", row.info.place.file},
                         {"line", row.info.place.line},
                         {"truth", word(row.truth())},
                         {"margin", cells(report, row).margin},
                         {"broken_at_us", time(row.broken_at)},
                         {"baseline", phase(row.before)},
                         {"fault", phase(row.during)},
                         {"recovery", phase(row.after)}});
  }
  return out;
}

array series_of(const Report& report) {
  array out;
  for (const Series& series : report.series) {
    array points;
    for (const Point& point : series.points) {
      object one = {{"at_us", point.at.count()}};
      if (series.request) {
        one["attempts"] = point.attempts;
        one["good"] = point.good;
        one["p50_us"] = time(point.p50);
        one["p95_us"] = time(point.p95);
      } else {
        one["value"] = number(point.value);
      }
      if (point.no_data) one["no_data"] = true;
      if (!point.problem.empty()) one["problem"] = point.problem;
      points.push_back(std::move(one));
    }
    array gaps;
    for (const Gap& gap : series.gaps) {
      gaps.push_back(
          object{{"from_us", gap.from.count()}, {"to_us", gap.to.count()}, {"why", gap.why}});
    }
    object one = {{"sli", series.sli}, {"kind", series.kind}, {"unit", series.unit}};
    if (series.host) one["host"] = *series.host;
    one["points"] = std::move(points);
    one["gaps"] = std::move(gaps);
    out.push_back(std::move(one));
  }
  return out;
}

object summaries_of(const Report& report) {
  object out;
  for (const auto& [sli, phases] : report.summaries) {
    object by_phase;
    for (const auto& [phase, values] : phases) {
      object numbers;
      for (const auto& [name, item] : values) numbers[name] = number(item);
      by_phase[boost::describe::enum_to_string(phase, "?")] = std::move(numbers);
    }
    out[sli] = std::move(by_phase);
  }
  return out;
}

array faults_of(const Report& report) {
  array out;
  for (const StepRow& row : report.steps) {
    array targets;
    for (const auto& target : row.plan.targets) {
      targets.emplace_back(boost::json::string(target.text));
    }
    out.push_back(object{{"step", row.step},
                         {"name", row.plan.name},
                         {"fault", row.plan.fault},
                         {"host", row.host},
                         {"backend", row.plan.backend},
                         {"state", word(row.state)},
                         {"effect", object{{"seen", word(row.seen)}, {"text", row.effect}}},
                         {"injecting_us", time(row.injecting)},
                         {"injected_us", time(row.injected)},
                         {"verified_us", time(row.verified)},
                         {"reverting_us", time(row.reverting)},
                         {"reverted_us", time(row.reverted)},
                         {"removed_us", time(row.removed)},
                         {"inject_took_us", row.inject_took.count()},
                         {"revert_took_us", row.revert_took.count()},
                         {"revert_failures", row.revert_failures},
                         {"problem", row.problem},
                         {"undoable", row.plan.undoable},
                         {"matched", row.plan.matched},
                         {"targets", std::move(targets)},
                         {"changes", texts(row.plan.changes)},
                         {"undos", texts(row.plan.undos)}});
  }
  return out;
}

array hosts_of(const Report& report) {
  array out;
  for (const auto& host : report.hosts) {
    array residue;
    for (const auto& item : host.residue) {
      residue.push_back(object{{"what", item.what}, {"command", item.command}});
    }
    out.push_back(object{{"host", host.host},
                         {"clean", host.clean},
                         {"lost", host.lost},
                         {"residue", std::move(residue)},
                         {"changed_by_others", texts(host.changed_by_others)},
                         {"kept", texts(host.kept)}});
  }
  return out;
}

object about_of(const model::RunStarted& about) {
  object links;
  for (const auto& [name, url] : about.links) links[name] = url;
  object labels;
  for (const auto& [name, text] : about.labels) labels[name] = text;
  return {{"hypothesis", about.hypothesis},
          {"owner", about.owner},
          {"links", std::move(links)},
          {"labels", std::move(labels)},
          {"tags", texts(about.tags)},
          {"file", about.file},
          {"file_sha256", about.file_sha256},
          {"effective", about.effective},
          {"git", about.git},
          {"host", about.host},
          {"user", about.user},
          {"started_by", about.started_by},
          {"kernel", about.kernel},
          {"mode", about.mode}};
}

array timeline_of(const Report& report) {
  array out;
  for (const Line& line : report.timeline) {
    out.push_back(object{{"at_us", line.at.count()}, {"level", line.level}, {"text", line.text}});
  }
  return out;
}

array phases_of(const Report& report) {
  array out;
  for (const PhaseSpan& span : report.phases) {
    out.push_back(object{{"phase", word(span.phase)},
                         {"from_us", span.from.count()},
                         {"to_us", time(span.to)},
                         {"planned_us", span.planned.count()}});
  }
  return out;
}

}  // namespace

std::string to_json(const Report& report) {
  object out;
  out["v"] = 1;
  out["run"] = report.about.run;
  out["name"] = report.about.name;
  out["ordeal"] = report.about.version;
  out["started"] = format_wall(report.about.wall);
  out["duration_us"] = report.length().count();
  out["seed"] = report.about.seed;
  out["exit"] = exit_of(report);
  out["verdict"] = report.verdict ? value(verdict_of(*report.verdict)) : value();
  out["about"] = about_of(report.about);
  out["plan_digest"] = report.plan.digest;
  out["phases"] = phases_of(report);
  out["conditions"] = conditions_of(report);
  out["faults"] = faults_of(report);
  if (report.abort) {
    out["abort"] = object{{"at_us", report.abort->at.count()},
                          {"cause", word(report.abort->decided.cause)},
                          {"condition", report.abort->decided.condition},
                          {"text", report.abort->decided.text},
                          {"latency_us", time(report.abort->latency)}};
  }
  if (report.recovery) {
    out["recovery"] = object{{"recovered", report.recovery->recovered},
                             {"after_us", report.recovery->after.count()},
                             {"held_us", report.recovery->held.count()}};
  }
  out["hosts"] = hosts_of(report);
  out["samples"] = report.samples;
  out["missing"] = report.missing;
  out["events_lost"] = report.events_lost;
  out["summaries"] = summaries_of(report);
  out["series"] = series_of(report);
  out["timeline"] = timeline_of(report);
  return json::dump(out) + "\n";
}

}  // namespace ordeal::report
