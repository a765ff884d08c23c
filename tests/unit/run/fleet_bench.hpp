// Runs over several simulated machines: the real front on one, real workers and keepers on others.
#pragma once

#include <gmock/gmock.h>

#include "engine/run/run.hpp"
#include "tests/sim/host.hpp"
#include "tests/unit/run/bench.hpp"

namespace ordeal::run::test {

// One target host, with its own kernel, disk and services.
struct Place {
  explicit Place(sim::World& world, const std::string& name);
  std::unique_ptr<sim::Machine> machine;
  std::vector<std::string> before;
  sim::Node* worker = nullptr;
  sim::Node* keeper = nullptr;
  int worker_exit = -1;
  std::unique_ptr<executor::WorkerProcess> worker_process;
  bool clean() const { return machine->snapshot() == before && machine->ours().empty(); }
};

class FleetRun {
 public:
  // Hosts `a1`, `a2` (zone a) and `b1` (zone b), reached over a wire.
  explicit FleetRun(const Script& script);
  ~FleetRun();

  // Before run(): what to change in the experiment, and what befalls whom.
  model::Experiment experiment;
  model::Inventory inventory;
  std::map<std::string, Duration> unreachable;  // by host: how long until that is known
  std::function<void(const model::Event&, FleetRun&)> on_event;
  run::Mode mode = run::Mode::run;

  void run();
  Place& at(const std::string& host) { return places_.at(host); }
  sim::Machine& controller() { return *controller_; }
  sim::Node& front() { return *front_; }
  sim::World& world() { return world_; }
  void cut(const std::string& host);  // nothing passes any more, and nobody is told

  const model::Verdict& verdict() const { return *verdict_; }
  template <class T>
  std::vector<T> of() const {
    std::vector<T> out;
    for (const model::Event& event : events_) {
      if (const T* found = std::get_if<T>(&event.data)) out.push_back(*found);
    }
    return out;
  }
  // When the step was first in the state on the host; nothing when it never was.
  std::optional<Duration> when(const std::string& step, const std::string& host,
                               model::StepState state) const;

 private:
  class Patience;
  Task<void> front_main();
  Task<Result<std::unique_ptr<fleet::Executor>>> connect(const model::InventoryHost& host,
                                                         fleet::Pushed pushed);
  Task<void> worker_main(Place& place, std::unique_ptr<os::Stream> wire,
                         std::unique_ptr<os::Stream> pipe, Token token);
  Task<void> keeper_main(Place& place, std::unique_ptr<os::Stream> pipe,
                         std::unique_ptr<os::Stream> reports, Token token);

  sim::World world_;
  std::unique_ptr<sim::Machine> controller_;
  std::map<std::string, Place> places_;
  sim::Node* front_ = nullptr;
  std::unique_ptr<run::Interrupt> person_;
  std::vector<model::Event> events_;
  std::optional<model::Verdict> verdict_;
};

}  // namespace ordeal::run::test
