// One experiment, from plan to verdict. `run` emits events and returns the verdict; whatever a
// person sees is a fold over the events.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/fleet/executor.hpp"
#include "engine/model/event.hpp"
#include "engine/model/experiment.hpp"
#include "engine/model/inventory.hpp"
#include "engine/probe/probes.hpp"

namespace ordeal::run {

using EventSink = std::function<void(const model::Event&)>;

enum class Mode { run, baseline_only, control, plan_only };
std::string to_string(Mode mode);  // as RunStarted has it

struct Options {
  std::string run_id;
  std::uint64_t seed = 0;
  Mode mode = Mode::run;
  bool stop_on_violation = false;
  Duration effect_timeout = 5s;
  Duration lease = 5s;  // local wires; renewed every `renew`
  Duration renew = 1s;
  Duration remote_lease = 15s;
  Duration remote_renew = 5s;
  // What a network fault on another host lives until that host was heard after the injection.
  Duration provisional_lease = 3s;
  std::vector<std::string> unchecked;  // of a plan: what could not be looked at, and why
  // For RunStarted: who, where, what.
  model::RunStarted about;
};

// A request from a person: ctrl-C, SIGTERM, `ordeal abort`. Thread: the run's own.
class Interrupt {
 public:
  virtual ~Interrupt() = default;
  // Returns the reason when somebody asks; never otherwise (cancelled at the end of the run).
  virtual Task<std::string> wait() = 0;
};

struct Surroundings {
  os::Clock& clock;
  os::Random& random;
  probe::Tools probes;
  Interrupt& interrupt;
  const model::Inventory& inventory;  // at least one host; outlives the run
  // Opens the wire to the executor of one of them.
  std::function<Task<Result<std::unique_ptr<fleet::Executor>>>(const model::InventoryHost&,
                                                               fleet::Pushed)>
      connect;
};

Task<model::Verdict> run_experiment(const model::Experiment& experiment, Options options,
                                    Surroundings surroundings, EventSink sink);

}  // namespace ordeal::run
