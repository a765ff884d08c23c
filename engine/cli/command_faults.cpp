// `ordeal faults`, `ordeal new`, `ordeal schema`: newcomers copy, they do not read.
#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/text.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/files.hpp"
#include "engine/model/verdict.hpp"
#include "engine/report/layout.hpp"
#include "engine/spec/gameday.hpp"
#include "engine/spec/inventory.hpp"
#include "engine/spec/schedule.hpp"
#include "engine/spec/spec.hpp"
#include "faults/catalogue.hpp"

namespace ordeal::cli {
namespace {

using model::FaultDescription;

constexpr std::size_t kWidth = 100;

const FaultDescription* find_fault(const std::string& name) {
  std::vector<std::string> names;
  for (const fault::Fault& one : catalogue()) {
    if (one.description.name == name) return &one.description;
    names.push_back(one.description.name);
  }
  const std::string nearest = nearest_word(name, names);
  complain(fmt::format(
      "unknown fault {}{}", printable(name),
      nearest.empty() ? "; see: ordeal faults" : fmt::format("; did you mean {}?", nearest)));
  return nullptr;
}

std::string values_of(const model::Parameter& parameter) {
  if (!parameter.choices.empty()) return fmt::format("{}", fmt::join(parameter.choices, " | "));
  std::string kind = boost::describe::enum_to_string(parameter.kind, "?");
  for (char& c : kind) c = c == '_' ? ' ' : c;
  return kind;
}

void print_fault(const FaultDescription& fault) {
  fmt::print("{}: {}\n\n", fault.name, fault.summary);
  for (const model::Parameter& parameter : fault.parameters) {
    const std::string given = parameter.required       ? "required"
                              : parameter.default_text ? "default " + *parameter.default_text
                                                       : "optional";
    const std::string row = fmt::format("  {:<22} {} ({}; {})", parameter.name, parameter.summary,
                                        values_of(parameter), given);
    for (const std::string& line : report::wrap(row, kWidth, 25)) fmt::print("{}\n", line);
  }
  for (const auto& group : fault.exactly_one_of) {
    fmt::print("  exactly one of: {}\n", fmt::join(group, ", "));
  }
  if (!fault.needs.empty()) fmt::print("\nneeds: {}\n", fmt::join(fault.needs, ", "));
  fmt::print("\nA step to paste under `method:`\n\n{}\n", fault.example);
}

std::string indented(const std::string& text, std::string_view by) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += fmt::format("{}{}\n", by, std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  return out;
}

constexpr std::string_view kNewFile = R"(# {summary}
# Check it with: ordeal validate FILE.  See what it would do: ordeal plan FILE.
version: 1
name: my-service-survives-{slug}
hypothesis: Users see almost no errors while this happens.
slis:
  # What users feel, measured from here: a request 50 times a second.
  service: {{ http: {{ url: "http://127.0.0.1:8080/", rate: 50/s, timeout: 1s }} }}
steady_state:            # holds when all is well; checked before anything is touched
  - service.success >= 99%
during:                  # holds while the fault is active: the hypothesis
  - service.success >= 95%
abort_if:                # stops everything and puts it back
  - service.success < 50% over 3s
baseline: 20s
method:
{step}recovery: 30s
)";

}  // namespace

int command_faults(const Options& options, Rooted&) {
  if (options.words.empty()) {
    for (const fault::Fault& one : catalogue()) {
      fmt::print("{:<20} {}\n", one.description.name, one.description.summary);
    }
    fmt::print("\nordeal faults NAME shows parameters and a step to paste\n");
    return 0;
  }
  const FaultDescription* fault = find_fault(options.words.front());
  if (fault == nullptr) return static_cast<int>(model::Exit::invalid);
  print_fault(*fault);
  return 0;
}

int command_new(const Options& options, Rooted&) {
  if (options.words.empty()) {
    complain("new needs a fault: ordeal new process.kill");
    return static_cast<int>(model::Exit::invalid);
  }
  const FaultDescription* fault = find_fault(options.words.front());
  if (fault == nullptr) return static_cast<int>(model::Exit::invalid);
  std::string slug = fault->name;
  for (char& c : slug) c = c == '.' || c == '_' ? '-' : c;
  const bool at_margin = fault->example.starts_with("- ");
  fmt::print(kNewFile, fmt::arg("summary", fault->summary), fmt::arg("slug", slug),
             fmt::arg("step", indented(fault->example, at_margin ? "  " : "")));
  return 0;
}

int command_schema(const Options& options, Rooted&) {
  static const std::vector<std::string> kKinds = {"experiment", "schedule", "inventory", "gameday"};
  const std::string kind = options.words.empty() ? kKinds.front() : options.words.front();
  if (std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) {
    const std::string near = nearest_word(kind, kKinds);
    complain(fmt::format("schema {}: expected {}{}", printable(kind, 60), join_or(kKinds),
                         near.empty() ? "" : "; did you mean " + near + "?"));
    return static_cast<int>(model::Exit::invalid);
  }
  fmt::print("{}\n", kind == "gameday"     ? spec::json_schema_of_gamedays()
                     : kind == "schedule"  ? spec::json_schema_of_schedules()
                     : kind == "inventory" ? spec::json_schema_of_inventories()
                                           : spec::json_schema(descriptions()));
  return 0;
}

}  // namespace ordeal::cli
