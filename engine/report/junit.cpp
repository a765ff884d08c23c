// JUnit XML as Jenkins, GitLab and junitparser read it. GitLab shows only the text inside a failure
// and keeps the first of equal names: so messages stand in both places, and names are unique.
#include <set>

#include "engine/base/text.hpp"
#include "engine/report/escape.hpp"
#include "engine/report/render.hpp"

namespace ordeal::report {
namespace {

enum class Outcome { passed, failure, error, skipped };

struct Case {
  std::string name;
  Duration time{};
  std::string file;
  int line = 0;
  Outcome outcome = Outcome::passed;
  std::string message;
  std::string type;
  std::string details;  // further lines
};

struct Suite {
  std::string name;
  std::string hostname;
  std::string timestamp;
  Duration time{};
  std::vector<std::pair<std::string, std::string>> properties;
  std::vector<Case> cases;
  std::string output;

  int count(Outcome outcome) const {
    return static_cast<int>(std::count_if(cases.begin(), cases.end(),
                                          [&](const Case& one) { return one.outcome == outcome; }));
  }
};

std::string seconds(Duration duration) {
  return fmt::format("{:.3f}", static_cast<double>(duration.count()) / 1e6);
}

// "2026-11-21T01:40:00": no fraction and no zone, as the format has it.
std::string timestamp(WallTime wall) {
  return wall == WallTime{} ? std::string() : format_wall(wall).substr(0, 19);
}

Duration length_of(const Report& report, model::Phase phase) {
  const PhaseSpan* span = report.phase(phase);
  return span == nullptr ? Duration{} : span->to.value_or(report.now) - span->from;
}

const char* list_name(model::ConditionList list) {
  switch (list) {
    case model::ConditionList::steady_state: return "steady state";
    case model::ConditionList::during: return "during";
    case model::ConditionList::expect: return "expect";
    case model::ConditionList::abort_if: return "abort if";
    case model::ConditionList::wait: return "wait until";
  }
  return "condition";
}

void judge_abort(Case& one, const Report& report, const ConditionRow& row) {
  const std::string word = abort_word(report, row);
  if (word == "ABORT") {
    one.outcome = Outcome::failure;
    one.type = "AbortConditionCrossed";
    one.message = report.abort->decided.text;
  } else if (word == "--") {
    one.outcome = Outcome::skipped;
    one.message = report.touched() ? "never evaluated" : "not judged: " + headline_word(report);
  }
}

void judge_case(Case& one, const Report& report, const ConditionRow& row,
                const model::ConditionStatus* status) {
  // Nothing was judged in a run that was refused, not even what broke while it was.
  const bool never_ran = !report.touched() && report.verdict && report.verdict->exit != 0;
  if (status == nullptr || (never_ran && status->truth != model::Truth::holds)) {
    one.outcome = Outcome::skipped;
    one.message = never_ran ? reason(report) : "not judged: " + headline_word(report);
    return;
  }
  if (status->truth == model::Truth::holds) return;
  if (status->truth == model::Truth::broken) {
    one.outcome = Outcome::failure;
    one.type = "ConditionBroken";
    one.message = fmt::format("measured {}, allowed {}", status->measured_text,
                              status->bound_text.empty() ? row.info.text : status->bound_text);
  } else {
    one.outcome = Outcome::skipped;
    one.message =
        status->problem.empty() ? "could not be judged" : "could not be judged: " + status->problem;
  }
  if (row.broken_at) one.details = "first broken at " + format_at(*row.broken_at) + "\n";
  if (!status->problem.empty()) one.details += status->problem + "\n";
}

void add_conditions(Suite& suite, const Report& report) {
  using model::ConditionList;
  for (const ConditionRow& row : report.conditions) {
    Case one;
    one.file = row.info.place.file;
    one.line = row.info.place.line;
    const std::string text = std::string(list_name(row.info.list)) + ": " + row.info.text;
    if (row.info.list != ConditionList::steady_state) {
      one.name = text;
      one.time = length_of(report, model::Phase::fault);
      if (row.info.list == ConditionList::abort_if) {
        judge_abort(one, report, row);
      } else {
        judge_case(one, report, row, row.during ? &*row.during : nullptr);
      }
      suite.cases.push_back(one);
      continue;
    }
    one.name = text + " (before)";
    one.time = length_of(report, model::Phase::baseline);
    judge_case(one, report, row, row.before ? &*row.before : nullptr);
    suite.cases.push_back(one);
    if (!report.touched()) continue;
    Case after = one;
    after.name = text + " (after)";
    after.time = length_of(report, model::Phase::recovery);
    after.outcome = Outcome::passed;
    after.message.clear();
    after.details.clear();
    judge_case(after, report, row, row.after ? &*row.after : nullptr);
    suite.cases.push_back(after);
  }
}

void add_faults(Suite& suite, const Report& report) {
  for (const StepRow& row : report.steps) {
    // `where` held on another host by then.
    if (row.removed && !row.injected && row.problem.empty()) continue;
    Case one;
    one.name = "effect: " + row.plan.name + " on " + row.host;
    if (row.step.find('#') != std::string::npos) one.name += " " + row.step;
    one.file = report.about.file;
    one.time = row.reverted.value_or(report.now) - row.injecting.value_or(report.now);
    if (row.state == model::StepState::failed || !row.problem.empty()) {
      one.outcome = Outcome::error;
      one.type = "FaultFailed";
      one.message = row.problem;
    } else if (report.about.mode == "control") {
      one.outcome = Outcome::skipped;
      one.message = "a control run has zero magnitudes, and so no effect";
    } else if (row.seen != model::Seen::yes) {
      one.outcome = Outcome::error;
      one.type = "EffectNotSeen";
      one.message = "effect not seen" + (row.effect.empty() ? "" : ": " + row.effect);
    }
    suite.cases.push_back(one);
  }
}

void add_host_and_run(Suite& suite, const Report& report) {
  for (const auto& host : report.hosts) {
    Case one;
    one.name = "host put back: " + host.host;
    one.file = report.about.file;
    if (!host.clean) {
      one.outcome = Outcome::error;
      one.type = "HostNotClean";
      one.message = fmt::format("{} changes are left", host.residue.size());
      for (const auto& item : host.residue) {
        one.details += item.what + "\n  undo by hand: " + item.command + "\n";
      }
    }
    suite.cases.push_back(one);
  }
  Case run;
  run.name = "run";
  run.file = report.about.file;
  run.time = report.length();
  const auto exit =
      report.verdict ? static_cast<model::Exit>(report.verdict->exit) : model::Exit::error;
  run.message = headline_word(report) + ": " + reason(report);
  switch (exit) {
    case model::Exit::upheld: break;
    case model::Exit::refused:
    case model::Exit::unsteady: run.outcome = Outcome::skipped; break;
    case model::Exit::violated:
    case model::Exit::aborted:
    case model::Exit::not_recovered: run.outcome = Outcome::failure; break;
    default: run.outcome = Outcome::error;
  }
  run.type = report.verdict ? report.verdict->exit_name : "unfinished";
  run.details = second_line(report) + "\n";
  suite.cases.push_back(run);
}

Suite suite_of(const Report& report) {
  Suite suite;
  suite.name = "ordeal." + report.about.name;
  suite.hostname = report.about.host;
  suite.timestamp = timestamp(report.about.wall);
  suite.time = report.length();
  const std::string exit_name = report.verdict ? report.verdict->exit_name : "unfinished";
  suite.properties = {{"run", report.about.run},         {"seed", report.about.seed},
                      {"version", report.about.version}, {"file", report.about.file},
                      {"plan", report.plan.digest},      {"exit", exit_name}};
  add_conditions(suite, report);
  add_faults(suite, report);
  add_host_and_run(suite, report);
  for (const Line& line : report.timeline) {
    suite.output += fmt::format("{:>10}  {}\n", format_at(line.at, 3), line.text);
  }
  return suite;
}

Suite suite_of(const NotRun& file) {
  Suite suite;
  suite.name = "ordeal." + (file.name.empty() ? file_name(file.file) : file.name);
  Case one;
  one.name = "run";
  one.file = file.file;
  one.line = file.line;
  one.message = file.message;
  one.type = model::to_string(file.exit);
  one.outcome = file.exit == model::Exit::invalid ? Outcome::error : Outcome::skipped;
  suite.cases.push_back(one);
  return suite;
}

// Equal names get a number: readers that go by name would lose all but the first.
void make_unique(std::vector<Suite>& suites) {
  std::set<std::pair<std::string, std::string>> taken;
  for (Suite& suite : suites) {
    for (Case& one : suite.cases) {
      const std::string name = one.name;
      for (int i = 2; !taken.insert({suite.name, one.name}).second; ++i) {
        one.name = fmt::format("{} [{}]", name, i);
      }
    }
  }
}

std::string attribute(std::string_view name, std::string_view value) {
  return value.empty() ? std::string() : fmt::format(" {}=\"{}\"", name, xml(value));
}

std::string to_xml(const Case& one, const std::string& classname) {
  std::string out = fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
                                xml(classname), xml(one.name), seconds(one.time));
  out += attribute("file", one.file);
  if (one.line > 0) out += fmt::format(" line=\"{}\"", one.line);
  if (one.outcome == Outcome::passed) return out + "/>\n";
  const char* element = one.outcome == Outcome::failure ? "failure"
                        : one.outcome == Outcome::error ? "error"
                                                        : "skipped";
  out += fmt::format(">\n      <{} message=\"{}\"", element, xml(printable(one.message, 2000)));
  if (one.outcome != Outcome::skipped) out += attribute("type", one.type);
  out +=
      fmt::format(">{}\n{}</{}>\n    </testcase>\n", xml(one.message), xml(one.details), element);
  return out;
}

std::string counts(int tests, int failures, int errors, int skipped, Duration time) {
  return fmt::format(R"(tests="{}" failures="{}" errors="{}" skipped="{}" time="{}")", tests,
                     failures, errors, skipped, seconds(time));
}

std::string to_xml(const Suite& suite) {
  std::string out =
      fmt::format("  <testsuite name=\"{}\" {}", xml(suite.name),
                  counts(static_cast<int>(suite.cases.size()), suite.count(Outcome::failure),
                         suite.count(Outcome::error), suite.count(Outcome::skipped), suite.time));
  out += attribute("timestamp", suite.timestamp) + attribute("hostname", suite.hostname) + ">\n";
  if (!suite.properties.empty()) {
    out += "    <properties>\n";
    for (const auto& [name, value] : suite.properties) {
      out += fmt::format("      <property name=\"{}\" value=\"{}\"/>\n", xml(name), xml(value));
    }
    out += "    </properties>\n";
  }
  for (const Case& one : suite.cases) out += to_xml(one, suite.name);
  if (!suite.output.empty()) {
    out += "    <system-out>" + xml(suite.output) + "</system-out>\n";
  }
  return out + "  </testsuite>\n";
}

}  // namespace

std::string to_junit(std::span<const Report> reports, std::span<const NotRun> not_run) {
  std::vector<Suite> suites;
  for (const Report& report : reports) suites.push_back(suite_of(report));
  for (const NotRun& file : not_run) suites.push_back(suite_of(file));
  make_unique(suites);
  int tests = 0, failures = 0, errors = 0, skipped = 0;
  Duration time{};
  std::string body;
  for (const Suite& suite : suites) {
    tests += static_cast<int>(suite.cases.size());
    failures += suite.count(Outcome::failure);
    errors += suite.count(Outcome::error);
    skipped += suite.count(Outcome::skipped);
    time += suite.time;
    body += to_xml(suite);
  }
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ordeal\" " +
         counts(tests, failures, errors, skipped, time) +
         (suites.empty() ? "" : attribute("timestamp", suites.front().timestamp)) + ">\n" + body +
         "</testsuites>\n";
}

}  // namespace ordeal::report
