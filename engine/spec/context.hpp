// What the parts of the reader share while they read one experiment.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/model/experiment.hpp"
#include "engine/model/fault_description.hpp"
#include "engine/spec/condition.hpp"
#include "engine/spec/reader.hpp"
#include "engine/spec/yaml.hpp"

namespace ordeal::spec {

enum class List { steady_state, during, expect, abort_if, until };

struct KnownSli {
  model::Sli sli;
  bool usable = false;  // false: its own errors are reported, nothing can be said about its use
  bool used = false;    // by some condition
};

// A condition with the places of its words, kept for the checks that need the whole file.
struct Written {
  ParsedCondition parsed;
  const Node* node = nullptr;
  List list = List::steady_state;
  // In a step: how long its faults are active. In a global list: unknown until the method is read.
  std::optional<Duration> active;

  model::Place place_at(std::size_t offset) const { return node->place_at(offset); }
};

struct Context {
  explicit Context(std::span<const model::FaultDescription> descriptions) : faults(descriptions) {}

  std::span<const model::FaultDescription> faults;
  Problems problems;
  Reader reader{problems};
  std::map<std::string, KnownSli> slis;
  bool slis_incomplete = false;  // the service file could not be read: names are not judged
  bool method_sound = false;     // every length in the method is known
  std::vector<Written> written;  // only those that are sound by themselves
  model::Experiment experiment;
};

// engine/spec/slis.cpp: `slis`.
void read_slis(Context& context, const Node& node);

// engine/spec/rules.cpp: one list of conditions, each checked against its list and its SLIs.
std::vector<model::Condition> read_conditions(Context& context, const Node& node, List list,
                                              const std::string& what,
                                              std::optional<Duration> active = std::nullopt);
std::optional<model::Condition> read_one_condition(Context& context, const Node& node, List list,
                                                   std::optional<Duration> active);

// engine/spec/method.cpp: `method`.
void read_method(Context& context, const Node& node);

// engine/spec/parameters.cpp: `with`, normalised.
boost::json::object read_parameters(Context& context, const Node* node, const model::Place& step,
                                    const model::FaultDescription& fault);

// engine/spec/matcher.cpp: criteria for processes.
model::ProcessMatcher read_matcher(Context& context, const Node& node, const std::string& what,
                                   const Table& keys);

// engine/spec/selector.cpp: hosts.
struct HowMany {
  model::Mode mode = model::Mode::all;
  std::optional<std::int64_t> count;
  std::optional<Ppm> share;
};
// `mode` and `value` of the map.
HowMany read_how_many(Reader& reader, const Node& node);
model::HostSelector read_hosts(Context& context, const Node& node, const std::string& what);
std::optional<std::pair<model::HostSelector, model::HostSelector>> read_between(Context& context,
                                                                                const Node& node);
std::optional<model::Where> read_where(Context& context, const Node& node);
std::optional<model::Roll> read_roll(Context& context, const Node& node);

// engine/spec/checks.cpp: what needs the whole file: lengths, samples, budgets, lints.
void check_experiment(Context& context, const Node& root);

// "shop.p95", "host.cpu"
std::string measure_text(const model::Measure& measure);

}  // namespace ordeal::spec
