// `method`: steps, parallels and waits.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/spec/context.hpp"

namespace ordeal::spec {
namespace {

using model::TargetKind;

// The field's names (what other tools can break) that this build cannot: said so, not called typos.
bool is_planned(std::string_view fault) {
  static const std::set<std::string_view> kPlanned = {
      "process.restart",      "process.exhaust",   "process.priority",  "service.restart",
      "fd.exhaust",           "inode.exhaust",     "port.occupy",       "network.corrupt",
      "network.duplicate",    "network.reorder",   "network.bandwidth", "network.interface_down",
      "network.reset",        "network.flood",     "network.dns",       "cpu.throttle",
      "cpu.frequency",        "memory.squeeze",    "disk.burn",         "io.load",
      "io.latency",           "io.fault",          "io.attr",           "io.mistake",
      "io.throttle",          "block.delay",       "block.error",       "cgroup.freeze",
      "cgroup.pids_max",      "stress.raw",        "time.skew",         "kernel.syscall_delay",
      "kernel.syscall_error", "file.create",       "file.modify",       "file.delete",
      "file.rename",          "file.append",       "file.replace",      "host.shutdown",
      "host.reboot",          "container.kill",    "container.stop",    "container.pause",
      "container.remove",     "container.restart", "container.exec",    "exec"};
  return kPlanned.contains(fault) || fault.starts_with("proxy.") || fault.starts_with("http.");
}

class MethodReader {
 public:
  explicit MethodReader(Context& context) : context_(context), reader_(context.reader) {}

  void read(const Node& node) {
    const auto items = reader_.list(node, "method", "steps");
    if (!items) return;
    for (std::size_t i = 0; i < items->size(); ++i) {
      item((*items)[i], fmt::format("method.{}", i));
    }
    if (number_ == 0 && !misspelt_) {
      reader_.error(node.place, "method has no step with a `fault`: nothing would be broken");
    }
  }

 private:
  void item(const Node& node, const std::string& path) {
    if (reader_.full()) return;
    if (!node.is_map()) {
      return reader_.error(node.place,
                           fmt::format("{}: expected a step (`fault:`), `parallel:` or `wait:`, "
                                       "found {}",
                                       path, describe(node)));
    }
    if (node.find("parallel") != nullptr) return parallel(node, path);
    if (node.find("wait") != nullptr) return wait(node);
    if (misspelt(node)) return;
    context_.experiment.method.emplace_back(step(node, path, false));
  }

  // `paralel:` is not a step that lacks everything.
  bool misspelt(const Node& node) {
    static const std::vector<std::string> kOthers = {"parallel", "wait"};
    if (node.entries.size() != 1) return false;
    const Entry& entry = node.entries.front();
    const std::vector<std::string> keys = names_of(table("step"));
    if (!nearest_word(entry.key, keys).empty()) return false;
    const std::string near = nearest_word(entry.key, kOthers);
    if (near.empty()) return false;
    misspelt_ = true;
    reader_.error(entry.place, fmt::format("unknown key `{}`; did you mean `{}`?",
                                           printable(entry.key, 60), near));
    return true;
  }

  void parallel(const Node& node, const std::string& path) {
    if (!reader_.map(node, path, table("parallel"))) return;
    const auto items = reader_.list(node.find("parallel")->value, "parallel", "steps");
    if (!items) return;
    model::Parallel out;
    for (std::size_t i = 0; i < items->size(); ++i) {
      const Node& part = (*items)[i];
      if (reader_.full()) break;
      const bool other = part.find("parallel") != nullptr || part.find("wait") != nullptr;
      if (!part.is_map() || other) {
        reader_.error(part.place,
                      "inside `parallel` stand steps only; use `start_delay` to let one "
                      "begin later");
        continue;
      }
      out.steps.push_back(step(part, fmt::format("{}.parallel.{}", path, i), true));
    }
    context_.experiment.method.emplace_back(std::move(out));
  }

  void wait(const Node& node) {
    if (!reader_.map(node, "wait", table("wait"))) return;
    const Node& value = node.find("wait")->value;
    model::Wait out;
    out.place = node.place;
    if (!value.is_map()) {
      out.time = reader_.length(value, "wait");
      context_.experiment.method.emplace_back(std::move(out));
      return;
    }
    if (!reader_.map(value, "wait", table("until"))) return;
    if (const Entry* entry = value.find("within")) {
      out.within = reader_.length(entry->value, "wait.within").value_or(Duration{});
    }
    if (const Entry* entry = value.find("until")) {
      out.until = read_one_condition(context_, entry->value, List::until, out.within);
    }
    context_.experiment.method.emplace_back(std::move(out));
  }

  model::Step step(const Node& node, const std::string& path, bool in_parallel) {
    model::Step out;
    ++number_;
    out.path = path;
    out.place = node.place;
    reader_.map(node, path, table("step"));
    if (const Entry* entry = node.find("duration")) {
      out.duration = reader_.length(entry->value, "duration").value_or(Duration{});
    }
    if (const Entry* entry = node.find("fault")) {
      out.fault = reader_.text(entry->value, "fault").value_or("");
      fault(node, *entry, out);
    }
    name(node, out);
    if (const Entry* entry = node.find("start_delay")) {
      out.start_delay = reader_.duration(entry->value, "start_delay").value_or(Duration{});
      if (!in_parallel) {
        reader_.error(entry->place,
                      "`start_delay` is for steps inside `parallel`; put `- wait: 10s` in front");
      }
    }
    if (const Entry* entry = node.find("roll")) roll(*entry, in_parallel, out);
    lists(node, out);
    return out;
  }

  void name(const Node& node, model::Step& out) {
    const Entry* entry = node.find("name");
    out.name = fmt::format("{}-{}", number_, out.fault);
    if (entry != nullptr) out.name = reader_.text(entry->value, "name").value_or(out.name);
    if (!names_.insert(out.name).second) {
      reader_.error(entry != nullptr ? entry->value.place : node.place,
                    fmt::format("two steps are called '{}'", printable(out.name, 60)));
    }
  }

  void lists(const Node& node, model::Step& out) {
    const auto active =
        out.duration > Duration::zero() ? std::optional(out.duration) : std::nullopt;
    if (const Entry* entry = node.find("expect")) {
      out.expect = read_conditions(context_, entry->value, List::expect, "expect", active);
    }
    if (const Entry* entry = node.find("abort_if")) {
      out.abort_if = read_conditions(context_, entry->value, List::abort_if, "abort_if", active);
    }
    if (const Entry* entry = node.find("during")) {
      const bool none = entry->value.is_scalar() && entry->value.text == "none";
      out.during.emplace();
      if (!none) {
        out.during = read_conditions(context_, entry->value, List::during, "during", active);
      }
    }
  }

  void fault(const Node& node, const Entry& name, model::Step& out) {
    if (out.fault.empty()) return;
    const auto found =
        std::find_if(context_.faults.begin(), context_.faults.end(),
                     [&](const model::FaultDescription& known) { return known.name == out.fault; });
    if (found == context_.faults.end()) return unknown_fault(name, out.fault);
    const Entry* with = node.find("with");
    out.with =
        read_parameters(context_, with != nullptr ? &with->value : nullptr, name.place, *found);
    target(node, name.place, *found, out);
    if (const Entry* entry = node.find("interval")) {
      out.interval = reader_.length(entry->value, "interval");
      if (!found->repeatable) {
        reader_.error(entry->place, fmt::format("{} is held for its duration; `interval` is for "
                                                "faults that happen at once, such as process.kill",
                                                out.fault));
      } else if (out.interval && out.duration > Duration::zero() && *out.interval >= out.duration) {
        reader_.error(entry->value.place,
                      fmt::format("interval: {} leaves no second round within the duration, {}",
                                  format_duration(*out.interval), format_duration(out.duration)));
      }
    }
  }

  void unknown_fault(const Entry& entry, const std::string& fault) {
    std::vector<std::string> names;
    for (const model::FaultDescription& known : context_.faults) names.push_back(known.name);
    if (is_planned(fault)) {
      return reader_.error(
          entry.value.place,
          fmt::format("fault '{}' is not there yet; there are {}", fault, join(names, ", ")));
    }
    reader_.error(entry.value.place, fmt::format("no fault is called '{}'{}", printable(fault, 60),
                                                 suggest(fault, names)));
  }

  void target(const Node& node, const model::Place& step, const model::FaultDescription& fault,
              model::Step& out) {
    if (const Entry* entry = node.find("between")) return between(node, *entry, fault, out);
    const Entry* entry = node.find("target");
    // Under another name: reported already.
    const auto means_target = [](const Entry& key) {
      const Hint* hint = find_hint("step", key.key);
      return hint != nullptr && hint->right == "target";
    };
    if (entry == nullptr && std::any_of(node.entries.begin(), node.entries.end(), means_target)) {
      return;
    }
    if (entry != nullptr && !reader_.map(entry->value, "target", table("target"))) return;
    const Node* target = entry != nullptr ? &entry->value : nullptr;
    const auto find = [&](std::string_view key) {
      return target != nullptr ? target->find(key) : nullptr;
    };
    const Entry* process = find("process");
    const Entry* unit = find("unit");
    check_target(fault, target != nullptr ? target->place : step, process, unit);
    if (process != nullptr) {
      out.target.process = read_matcher(context_, process->value, "process", table("matcher"));
    }
    if (unit != nullptr) out.target.unit = reader_.text(unit->value, "target.unit");
    if (const Entry* hosts = find("hosts")) {
      out.hosts = read_hosts(context_, hosts->value, "hosts");
    }
    if (const Entry* where = find("where")) out.target.where = read_where(context_, where->value);
    if (target != nullptr) mode(*target, process != nullptr, out.target);
  }

  void check_target(const model::FaultDescription& fault, const model::Place& place,
                    const Entry* process, const Entry* unit) {
    const std::string& name = fault.name;
    const bool may_process =
        fault.target == TargetKind::process || fault.target == TargetKind::unit_or_process;
    const bool may_unit = fault.target == TargetKind::unit ||
                          fault.target == TargetKind::host_or_unit ||
                          fault.target == TargetKind::unit_or_process;
    if (process != nullptr && !may_process) {
      reader_.error(process->place, fmt::format("{} does not hit processes; {}", name,
                                                may_unit ? "write `target: { unit: NAME.service }`"
                                                         : "it hits the whole host: leave it out"));
    }
    if (unit != nullptr && !may_unit) {
      reader_.error(unit->place,
                    fmt::format("{} does not hit units; {}", name,
                                may_process ? "write `target: { process: { unit: NAME.service } }`"
                                            : "it hits the whole host: leave it out"));
    }
    if (process != nullptr && unit != nullptr && may_process && may_unit) {
      reader_.error(unit->place, "`unit` or `process`, not both");
    }
    if (process != nullptr || unit != nullptr) return;
    if (fault.target == TargetKind::process) {
      reader_.error(place, fmt::format("{} needs `target: {{ process: ... }}`", name));
    } else if (fault.target == TargetKind::unit) {
      reader_.error(place, fmt::format("{} needs `target: {{ unit: NAME.service }}`", name));
    } else if (fault.target == TargetKind::unit_or_process) {
      reader_.error(place, fmt::format("{} needs a target: `unit` or `process`", name));
    }
  }

  void mode(const Node& node, bool has_process, model::Target& out) {
    const Entry* mode = node.find("mode");
    if (mode != nullptr && !has_process) {
      const bool by_host = node.find("hosts") != nullptr;
      return reader_.error(
          mode->place, fmt::format("`mode` picks among processes; there is no `process` "
                                   "here{}",
                                   by_host ? "; to pick among hosts write it inside `hosts`" : ""));
    }
    const HowMany how_many = read_how_many(reader_, node);
    out.mode = how_many.mode;
    out.value_count = how_many.count;
    out.value_share = how_many.share;
  }

  // ---- Several hosts
  void between(const Node& node, const Entry& entry, const model::FaultDescription& fault,
               model::Step& out) {
    const auto takes = [&](std::string_view name) {
      return std::any_of(fault.parameters.begin(), fault.parameters.end(),
                         [&](const model::Parameter& known) { return known.name == name; });
    };
    if (!takes("remote_ip")) {
      reader_.error(entry.place, fmt::format("`between` is for faults on what hosts say to each "
                                             "other, such as network.partition, not for {}",
                                             fault.name));
    }
    if (const Entry* target = node.find("target")) {
      reader_.error(target->place, "`target` or `between`, not both");
    }
    const Entry* with = node.find("with");
    const Entry* remote = with != nullptr ? with->value.find("remote_ip") : nullptr;
    if (remote != nullptr) {
      reader_.error(remote->place, "with `between` the other group is what `remote_ip` would be");
    }
    out.between = read_between(context_, entry.value);
  }

  void roll(const Entry& entry, bool in_parallel, model::Step& out) {
    out.roll = read_roll(context_, entry.value);
    if (in_parallel) {
      reader_.error(entry.place, "`roll` is for a step of its own, not inside `parallel`");
    } else if (out.between || !out.hosts) {
      reader_.error(entry.place,
                    "`roll` goes through several hosts: the step needs `target: { "
                    "hosts: { ... } }`");
    } else if (out.hosts->mode == model::Mode::one) {
      reader_.error(entry.place, "`roll` goes through several hosts, and `mode: one` picks one");
    }
  }

  Context& context_;
  Reader& reader_;
  int number_ = 0;
  bool misspelt_ = false;
  std::set<std::string> names_;
};

}  // namespace

void read_method(Context& context, const Node& node) { MethodReader(context).read(node); }

}  // namespace ordeal::spec
