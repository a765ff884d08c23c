// Whether an experiment fits the hosts that there are.
#include <fmt/format.h>

#include "engine/spec/inventory.hpp"

namespace ordeal::spec {
namespace {

class HostChecks {
 public:
  HostChecks(const model::Experiment& experiment, const model::Inventory& inventory)
      : experiment_(experiment), inventory_(inventory) {}

  std::vector<Problem> run() {
    for (const model::Step* step : model::steps_of(experiment_)) check(*step);
    for (const auto* list : {&experiment_.steady_state, &experiment_.during, &experiment_.expect,
                             &experiment_.abort_if}) {
      conditions(*list);
    }
    for (const model::MethodItem& item : experiment_.method) {
      const auto* wait = std::get_if<model::Wait>(&item);
      if (wait != nullptr && wait->until) condition(*wait->until);
    }
    return problems_.errors();
  }

 private:
  void check(const model::Step& step) {
    if (problems_.full()) return;
    if (step.hosts) selector(*step.hosts);
    if (step.between) selector(step.between->first);
    if (step.between && !inventory_.file.empty()) selector(step.between->second);
    if (!step.hosts && !step.between && !inventory_.file.empty()) {
      problems_.error(step.place,
                      fmt::format("{}: with an inventory each step says on which hosts: target: {{ "
                                  "hosts: {{ ... }} }}",
                                  step.name));
    }
    conditions(step.expect);
    conditions(step.abort_if);
    if (step.during) conditions(*step.during);
    if (step.roll && step.roll->until) condition(*step.roll->until);
  }

  void selector(const model::HostSelector& selector) {
    if (inventory_.file.empty()) return no_inventory(selector.place);
    for (const std::string& text : unknown_in(selector, inventory_)) {
      problems_.error(selector.place, text);
    }
  }

  void no_inventory(const model::Place& place) {
    problems_.error(place, "hosts are named here, and there is no inventory: --inventory FILE");
  }

  void conditions(const std::vector<model::Condition>& list) {
    for (const model::Condition& one : list) condition(one);
  }

  void condition(const model::Condition& condition) {
    for (const model::Part& part : condition.parts) {
      if (problems_.full()) return;
      if (inventory_.file.empty() && !part.measure.hosts.empty()) no_inventory(condition.place);
      if (inventory_.file.empty()) continue;
      for (const model::HostPick& pick : part.measure.hosts) {
        const std::string unknown = pick.value.empty()
                                        ? unknown_host(pick.name, inventory_)
                                        : unknown_label(pick.name, pick.value, inventory_);
        if (!unknown.empty()) problems_.error(condition.place, "host(...): " + unknown);
      }
    }
  }

  const model::Experiment& experiment_;
  const model::Inventory& inventory_;
  Problems problems_;
};

}  // namespace

std::vector<Problem> check_hosts(const model::Experiment& experiment,
                                 const model::Inventory& inventory) {
  return HostChecks(experiment, inventory).run();
}

}  // namespace ordeal::spec
