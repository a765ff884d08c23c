#include "engine/spec/spec.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/digest.hpp"
#include "engine/base/text.hpp"
#include "engine/spec/context.hpp"
#include "engine/spec/vars.hpp"

namespace ordeal::spec {
namespace {

constexpr Duration kLongestWarmup = 10min;

// Reads one experiment: the file, its variables, its service, then every key.
class ExperimentReader {
 public:
  ExperimentReader(const Input& input, std::span<const model::FaultDescription> faults)
      : input_(input), context_(faults), reader_(context_.reader) {}

  Outcome read() {
    if (load()) {
      root_ = merged();
      keys();
      if (reader_.map(root_, "the file", table("experiment"))) keys_that_a_service_may_bring();
      check_experiment(context_, root_);
    }
    return outcome();
  }

 private:
  model::Experiment& experiment() { return context_.experiment; }
  const Node* find(std::string_view key) const {
    const Entry* entry = root_.find(key);
    return entry == nullptr ? nullptr : &entry->value;
  }

  Outcome outcome() {
    Outcome out;
    out.problems = context_.problems.errors();
    out.warnings = context_.problems.warnings();
    if (!out.problems.empty()) return out;
    for (const Problem& warning : out.warnings) {
      experiment().warnings.push_back(to_string(warning));
    }
    experiment().file = input_.file;
    experiment().effective = effective();
    out.experiment = std::move(experiment());
    return out;
  }

  // ---- The file itself
  bool load() {
    const Result<std::string> text = input_.read(input_.file);
    auto root = reader_.root(input_.file, text);
    if (!root) return false;
    root_ = std::move(*root);
    experiment().sha256 = sha256_hex(text.value());
    if (!root_.is_map()) {
      reader_.error(root_.place, fmt::format("expected an experiment, a map that begins with "
                                             "`version: 1`, found {}",
                                             describe(root_)));
      return false;
    }
    return !is_another_kind();
  }

  bool is_another_kind() {
    if (const Entry* entry = root_.find("gameday")) {
      reader_.error(entry->place,
                    "this is a game day file, not an experiment: ordeal gameday run FILE, ordeal "
                    "gameday validate FILE");
      return true;
    }
    if (const Entry* entry = root_.find("schedules")) {
      reader_.error(entry->place,
                    "this is a schedule file, not an experiment: ordeal serve --schedule "
                    "FILE, ordeal schedule validate FILE");
      return true;
    }
    if (const Entry* entry = root_.find("hosts")) {
      if (root_.find("name") == nullptr && root_.find("method") == nullptr) {
        reader_.error(entry->place,
                      "this is an inventory file, not an experiment: ordeal run --inventory FILE "
                      "EXPERIMENT");
        return true;
      }
    }
    const Entry* service = root_.find("service");
    if (service != nullptr && root_.find("name") == nullptr && root_.find("method") == nullptr) {
      reader_.error(service->place,
                    "this is a service file, not an experiment: an experiment names "
                    "it with `service: PATH`");
      return true;
    }
    return false;
  }

  // ---- Variables and the service file
  Node merged() {
    Variables variables(root_, input_.vars, reader_);
    Node out;
    out.kind = Node::Kind::map;
    out.place = root_.place;
    for (Entry& entry : root_.entries) {
      if (entry.key != "vars") variables.substitute(entry.value);
      out.entries.push_back(std::move(entry));
    }
    if (const Entry* entry = out.find("service")) {
      const auto path = reader_.text(entry->value, "service");
      if (path) {
        add_service(out, entry->value.place, beside(input_.file, *path), false, variables);
      }
      if (!path) context_.slis_incomplete = true;
    }
    if (input_.day != nullptr) add_day(out, *input_.day, variables);
    variables.report_unused();
    return out;
  }

  // `own_wins`: of SLIs with the same name, else that is an error.
  void add_service(Node& out, const model::Place& where, const std::string& file, bool own_wins,
                   Variables& variables) {
    const Result<std::string> text = input_.read(file);
    const bool incomplete = context_.slis_incomplete;
    context_.slis_incomplete = true;
    if (!text) {
      return reader_.error(where, fmt::format("service: {}", text.error().message()));
    }
    const std::size_t before = context_.problems.count();
    Node service = parse_yaml(file, text.value(), context_.problems);
    if (context_.problems.count() != before) return;
    variables.substitute(service);
    if (!reader_.map(service, "the service file", table("service"))) return;
    if (const Entry* version = service.find("version")) reader_.version(version->value);
    context_.slis_incomplete = incomplete;
    for (Entry& entry : service.entries) {
      if (entry.key == "version" || entry.key == "service") continue;
      const auto own = std::find_if(out.entries.begin(), out.entries.end(),
                                    [&](const Entry& known) { return known.key == entry.key; });
      if (own == out.entries.end()) {
        out.entries.push_back(std::move(entry));
      } else if (entry.key == "slis" || entry.key == "links") {
        merge_maps(own->value, entry, own_wins || entry.key == "links");
      }  // else the experiment's own replaces it
    }
  }

  // SLIs of both; one name twice is an error, unless the experiment's own wins.
  void merge_maps(Node& own, Entry& service, bool own_wins) {
    if (!own.is_map() || !service.value.is_map()) return;  // reported when it is read
    for (Entry& entry : service.value.entries) {
      const Entry* known = own.find(entry.key);
      if (known == nullptr) {
        own.entries.push_back(std::move(entry));
      } else if (!own_wins) {
        reader_.error(known->place,
                      fmt::format("SLI '{}' is in the service file already, {}:{}; give this one "
                                  "another name",
                                  entry.key, entry.place.file, entry.place.line));
      }
    }
  }

  // ---- The game day that it is part of
  void add_day(Node& out, const DayRules& day, Variables& variables) {
    if (!day.service.empty()) {
      add_service(out, {input_.file, 0, 0}, day.service, true, variables);
    }
    if (day.abort_if.empty()) return;
    auto own = std::find_if(out.entries.begin(), out.entries.end(),
                            [](const Entry& known) { return known.key == "abort_if"; });
    if (own == out.entries.end()) {
      own = out.entries.insert(out.entries.end(), {"abort_if", day.abort_if.front().place, {}});
    }
    if (own->value.is_null() || is_none(own->value)) {
      own->value = Node();
      own->value.kind = Node::Kind::list;
      own->value.place = day.abort_if.front().place;
    }
    for (const model::PlacedText& condition : day.abort_if) {
      Node item = scalar_node(condition.text, condition.place);
      item.text_column = condition.text_column;
      own->value.items.push_back(std::move(item));
    }
  }

  // ---- Keys
  void keys() {
    about();
    if (const Node* node = find("slis")) read_slis(context_, *node);
    lists();
    times();
    if (const Node* node = find("method")) {
      const std::size_t before = context_.problems.count();
      read_method(context_, *node);
      context_.method_sound = context_.problems.count() == before && !node->has_broken();
    }
    if (const Node* node = find("stop_on")) {
      const std::vector<std::string> words = {"violation"};
      experiment().stop_on_violation = reader_.choice(*node, "stop_on", words).has_value();
    }
  }

  void about() {
    model::Experiment& out = experiment();
    if (const Node* node = find("version")) reader_.version(*node);
    if (const Node* node = find("name")) {
      out.name = reader_.text(*node, "name").value_or("");
      if (!is_short_name(out.name, 100)) {
        reader_.error(node->place, fmt::format("name: expected at most 100 letters, digits and - _ "
                                               "., found {}; sentences belong into `hypothesis`",
                                               describe(*node)));
      }
    }
    if (const Node* node = find("hypothesis")) {
      out.hypothesis = reader_.text(*node, "hypothesis").value_or("");
    }
    if (const Node* node = find("owner")) out.owner = reader_.text(*node, "owner").value_or("");
    if (const Node* node = find("links")) out.links = reader_.text_map(*node, "links");
    if (const Node* node = find("labels")) out.labels = reader_.text_map(*node, "labels");
    if (const Node* node = find("tags")) {
      out.tags = reader_.texts(*node, "tags").value_or(std::vector<std::string>{});
    }
  }

  static bool is_none(const Node& node) { return node.is_scalar() && node.text == "none"; }

  void lists() {
    model::Experiment& out = experiment();
    if (const Node* node = find("steady_state")) {
      out.steady_state = read_conditions(context_, *node, List::steady_state, "steady_state");
    }
    if (const Node* node = find("during")) {
      out.during_none = is_none(*node);
      if (!out.during_none) out.during = read_conditions(context_, *node, List::during, "during");
    }
    if (const Node* node = find("expect")) {
      out.expect = read_conditions(context_, *node, List::expect, "expect");
    }
    if (const Node* node = find("abort_if")) {
      out.abort_if_none = is_none(*node);
      if (!out.abort_if_none) {
        out.abort_if = read_conditions(context_, *node, List::abort_if, "abort_if");
      }
    }
  }

  void times() {
    model::Experiment& out = experiment();
    if (const Node* node = find("baseline")) {
      out.baseline = reader_.length(*node, "baseline").value_or(Duration{});
    }
    if (const Node* node = find("warmup")) {
      out.warmup = reader_.duration(*node, "warmup").value_or(out.warmup);
      if (out.warmup > kLongestWarmup) {
        reader_.error(node->place,
                      fmt::format("warmup: expected at most {}", format_duration(kLongestWarmup)));
      }
    }
    if (const Node* node = find("recovery")) recovery(*node);
    if (const Node* node = find("blast_radius")) blast_radius(*node);
  }

  void recovery(const Node& node) {
    model::Recovery& out = experiment().recovery;
    if (!node.is_map()) {
      out.within = reader_.length(node, "recovery").value_or(Duration{});
      return;
    }
    reader_.map(node, "recovery", table("recovery"));
    if (const Entry* entry = node.find("within")) {
      out.within = reader_.length(entry->value, "recovery.within").value_or(Duration{});
    }
    if (const Entry* entry = node.find("hold")) {
      out.hold = reader_.length(entry->value, "recovery.hold").value_or(Duration{});
    }
  }

  void blast_radius(const Node& node) {
    constexpr std::int64_t kMost = 1'000'000;
    model::BlastRadius& out = experiment().blast_radius;
    experiment().blast_radius_given = true;
    if (!reader_.map(node, "blast_radius", table("blast_radius"))) return;
    for (const Entry& entry : node.entries) {
      const std::string what = "blast_radius." + entry.key;
      if (entry.key == "hosts") out.hosts = reader_.integer(entry.value, what, 1, kMost);
      if (entry.key == "processes") out.processes = reader_.integer(entry.value, what, 1, kMost);
      if (entry.key == "host_share") out.host_share = reader_.share(entry.value, what);
      if (entry.key == "process_share") out.process_share = reader_.share(entry.value, what);
      if (entry.key == "duration") out.duration = reader_.length(entry.value, what);
    }
  }

  void keys_that_a_service_may_bring() {
    const auto needs = [this](std::string_view key, std::string_view what) {
      if (find(key) != nullptr || context_.slis_incomplete) return;
      for (const Entry& entry : root_.entries) {  // misspelt: reported already
        const std::vector<std::string> one = {std::string(key)};
        const Hint* hint = find_hint("experiment", entry.key);
        if ((hint != nullptr && hint->right == key) || !nearest_word(entry.key, one).empty())
          return;
      }
      reader_.error(root_.place, fmt::format("an experiment needs `{}`: {}", key, what));
    };
    needs("slis", "what is measured");
    needs("steady_state", "what holds when the service is well");
    needs("abort_if", "the limits at which everything stops, or `none`");
  }

  // ---- The effective file
  static void escape_variables(Node& node) {
    std::string out;
    std::string_view rest = node.text;
    for (std::size_t at = 0; (at = rest.find("${")) != rest.npos; rest.remove_prefix(at + 2)) {
      out.append(rest.substr(0, at)).append("$${");
    }
    if (!out.empty()) node.text = out.append(rest);
    for (Node& item : node.items) escape_variables(item);
    for (Entry& entry : node.entries) escape_variables(entry.value);
  }

  // After `vars` and `service`, programs with their whole path; reads to the same experiment.
  std::string effective() {
    Node out;
    out.kind = Node::Kind::map;
    for (const Key& key : table("experiment").keys) {
      const Entry* entry = root_.find(key.name);
      if (entry == nullptr || key.name == "vars" || key.name == "service") continue;
      out.entries.push_back(*entry);
    }
    for (Entry& entry : out.entries) {
      if (entry.key == "slis") whole_paths(entry.value);
      escape_variables(entry.value);
    }
    return to_yaml(out);
  }

  void whole_paths(Node& slis) {
    for (std::size_t i = 0; i < slis.entries.size(); ++i) {
      const auto* exec = std::get_if<model::ExecProbe>(&experiment().slis[i].probe);
      if (exec == nullptr) continue;
      for (Entry& kind : slis.entries[i].value.entries) {
        for (Entry& key : kind.value.entries) {
          if (kind.key == "exec" && key.key == "argv") key.value.items[0].text = exec->argv[0];
        }
      }
    }
  }

  const Input& input_;
  Context context_;
  Reader& reader_;
  Node root_;
};

}  // namespace

Outcome parse_experiment(const Input& input, std::span<const model::FaultDescription> faults) {
  return ExperimentReader(input, faults).read();
}

}  // namespace ordeal::spec
