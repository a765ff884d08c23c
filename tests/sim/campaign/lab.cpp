#include "tests/sim/campaign/lab.hpp"

#include <csignal>

#include "engine/spec/spec.hpp"
#include "faults/catalogue.hpp"

namespace ordeal::sim {

class Lab::Worker : public executor::WorkerProcess {
 public:
  Worker(Lab& lab, Node& keeper, Node& worker) : lab_(lab), keeper_(keeper), worker_(worker) {}

  Task<executor::WorkerEnd> wait() override {
    World& world = keeper_.world();
    while (worker_.alive()) {
      const WaitId wait = world.next_wait();
      lab_.machine_.death_waits.emplace(worker_.pid(), wait);
      co_await world.suspend(keeper_, wait);
    }
    if (lab_.planted(Plant::late_keeper)) co_await keeper_.host().clock().sleep(3s);
    executor::WorkerEnd end;
    end.clean = lab_.worker_exit_ == 0;
    end.text = lab_.worker_exit_ < 0 ? "signal 9" : fmt::format("exit {}", lab_.worker_exit_);
    co_return end;
  }
  void kill() override {
    if (keeper_.alive() && worker_.alive()) lab_.machine_.signal(worker_.pid(), SIGKILL);
  }
  std::string state() const override { return worker_.alive() ? "S" : ""; }

 private:
  Lab& lab_;
  Node& keeper_;
  Node& worker_;
};

class Lab::Person : public run::Interrupt {
 public:
  Task<std::string> wait() override {
    while (reason_.empty()) co_await pressed_.wait();
    co_return reason_;
  }
  void press(std::string reason) {
    reason_ = std::move(reason);
    pressed_.notify();
  }

 private:
  std::string reason_;
  os::Event pressed_;
};

void Lab::press_ctrl_c() {
  if (!front_->alive()) return;
  const bool heard = !front_->stopped() && !verdict_ && !ledger_.aborted;
  const bool acts = phase_ == model::Phase::inject || phase_ == model::Phase::fault;
  if (heard && acts) ledger_.person_in_effect = true;
  person_->press("ctrl-C");
}

// The front's end of the wire, read by whoever wants to know what it orders.
class Lab::Spy : public os::Stream {
 public:
  Spy(Lab& lab, std::unique_ptr<os::Stream> wire) : lab_(lab), wire_(std::move(wire)) {}

  Task<Result<std::string>> read_some(std::size_t limit) override {
    co_return co_await wire_->read_some(limit);
  }
  Task<Result<void>> write(std::string bytes) override {
    bool reverts = false;
    orders_.feed(bytes);
    while (true) {
      auto frame = orders_.next();
      if (frame.has_error() || !frame.value()) break;
      const auto order = wire::decode_order(*frame.value());
      if (order.has_error()) lab_.world_.violation("the front sends what is no order");
      if (order.has_error()) break;
      reverts = reverts || std::holds_alternative<wire::Revert>(order.value().body);
      const auto& hook = lab_.config_.hooks.on_order;
      if (hook) hook(order.value(), lab_.world_.now());
    }
    if (reverts && lab_.planted(Plant::slow_abort)) co_await lab_.front_->host().clock().sleep(2s);
    co_return co_await wire_->write(std::move(bytes));
  }
  void close() override { wire_->close(); }

 private:
  Lab& lab_;
  std::unique_ptr<os::Stream> wire_;
  wire::FrameReader orders_{wire::kOrderLimit};
};

Lab::~Lab() = default;

Lab::Lab(World& world, Machine& machine, const Config& config)
    : world_(world), machine_(machine), config_(config), person_(std::make_unique<Person>()) {
  machine_.commands["/usr/local/bin/jobs-stop"] = [](Machine& on, const auto&) {
    on.take_down("jobs", Machine::Trace{"run_undo_command", "/usr/local/bin/jobs-start", true});
    return os::CommandResult{};
  };
  machine_.commands["/usr/local/bin/jobs-start"] = [](Machine& on, const auto&) {
    on.start_unit("jobs");
    return os::CommandResult{};
  };
  spec::Input input;
  input.file = "simulated.yaml";
  input.read = [&config](const std::string&) -> Result<std::string> { return config.yaml; };
  std::vector<model::FaultDescription> descriptions;
  for (const fault::Fault& fault : catalogue()) descriptions.push_back(fault.description);
  spec::Outcome outcome = spec::parse_experiment(input, descriptions);
  for (const spec::Problem& problem : outcome.problems) {
    world_.violation(
        fmt::format("the campaign's own experiment is wrong: {}", spec::to_string(problem)));
  }
  experiment_ = std::move(outcome.experiment);
  token_ = Token::from_bits(world_.prng().next());
}

void Lab::run() {
  if (!experiment_) return;
  if (config_.hooks.furnish) config_.hooks.furnish(machine_);
  before_ = machine_.snapshot();
  machine_.disk.lies_about_sync = planted(Plant::lying_disk);
  machine_.on_made = [this](const Machine::Trace& trace) { on_made(trace); };
  world_.on_point = [this](Node& node, std::string_view, std::string_view) { on_point(node); };
  front_ = &machine_.start("front");
  ledger_.last_control = world_.now();
  watch();
  for (const Strike& planned : config_.strikes) {
    if (!planned.after) continue;
    world_.at(world_.now() + *planned.after, [this, planned] { strike(planned); });
  }
  front_->spawn(front_main());
  wait_for_the_end();
  judge_the_end();
  if (config_.hooks.mend) config_.hooks.mend(machine_);
  recover_and_compare();
  machine_.on_made = nullptr;
  world_.on_point = nullptr;
}

void Lab::on_point(Node& node) {
  const Whose whose = &node == worker_   ? Whose::worker
                      : &node == keeper_ ? Whose::keeper
                                         : Whose::recover;
  if (whose == Whose::recover && &node != recover_) return;
  const std::uint64_t point = ++points_[static_cast<std::size_t>(whose)];
  for (const Strike& planned : config_.strikes) {
    if (!planned.after && planned.of == whose && planned.point == point) strike(planned);
  }
}

Task<void> Lab::front_main() {
  inventory_.hosts.emplace_back();
  run::Options options;
  options.run_id = "r-simulated";
  options.seed = config_.seed;
  options.mode = config_.mode;
  options.stop_on_violation = config_.stop_on_violation;
  options.lease = config_.lease * (planted(Plant::long_lease) ? 3 : 1);
  options.renew = config_.renew;
  os::Host& host = front_->host();
  run::Surroundings around{
      host.clock(),
      host.random(),
      probe::Tools{host.clock(), front_->client(), host.processes(), host.files()},
      *person_,
      inventory_,
      [this](const model::InventoryHost&, fleet::Pushed pushed) {
        return connect(std::move(pushed));
      }};
  run::EventSink sink = [this](const model::Event& event) { on_event(event); };
  model::Verdict honest = co_await run::run_experiment(*experiment_, options, around, sink);
  if (!front_->alive()) co_return;
  const model::Verdict verdict = told(std::move(honest));
  world_.trace(front_, fmt::format("verdict {}: {}", verdict.exit_name, verdict.reason));
  verdict_ = verdict;
  judge_verdict(verdict);
  front_->exit();
}

Task<Result<std::unique_ptr<fleet::Executor>>> Lab::connect(fleet::Pushed pushed) {
  os::Clock& clock = front_->host().clock();
  co_await clock.sleep(5ms);  // fork and exec
  keeper_ = &machine_.start("keeper", front_);
  worker_ = &machine_.start("worker", keeper_);
  worker_process_ = std::make_unique<Worker>(*this, *keeper_, *worker_);
  auto [front_wire, worker_wire] = make_streams(*front_, *worker_, config_.wire_latency);
  auto [keeper_pipe, worker_pipe] = make_streams(*keeper_, *worker_, 10us);
  auto [keeper_reports, front_reports] = make_streams(*keeper_, *front_, config_.wire_latency);
  worker_->spawn(worker_main(*worker_, std::move(worker_wire), std::move(worker_pipe)));
  keeper_->spawn(keeper_main(*keeper_, std::move(keeper_pipe), std::move(keeper_reports)));
  auto wire = std::make_unique<Spy>(*this, std::move(front_wire));
  co_return std::make_unique<fleet::Executor>(clock, std::move(wire), std::move(front_reports),
                                              std::move(pushed));
}

Task<void> Lab::worker_main(Node& node, std::unique_ptr<os::Stream> wire,
                            std::unique_ptr<os::Stream> pipe) {
  executor::WorkerParts parts{node.host(),
                              node.self_kill(),
                              *wire,
                              *pipe,
                              catalogue(),
                              kState,
                              "/etc/ordeal/policy.conf",
                              token_,
                              bugs_of(config_.plant)};
  const int code = co_await executor::run_worker(parts);
  if (!node.alive()) co_return;  // killed at its last call
  worker_exit_ = code;
  world_.trace(&node, fmt::format("exit {}", code));
  node.exit();
}

Task<void> Lab::keeper_main(Node& node, std::unique_ptr<os::Stream> pipe,
                            std::unique_ptr<os::Stream> reports) {
  executor::KeeperParts parts{node.host(), node.self_kill(), *worker_process_,      *pipe, *reports,
                              kState,      token_,           bugs_of(config_.plant)};
  const int code = co_await executor::run_keeper(parts);
  if (!node.alive()) co_return;
  keeper_exit_ = code;
  world_.trace(&node, fmt::format("exit {}", code));
  node.exit();
}

void Lab::on_event(const model::Event& event) {
  if (!front_->alive()) return;
  events_.push_back(event);
  if (const auto* plan = std::get_if<model::PlanMade>(&event.data)) {
    for (const model::PlannedStep& step : plan->steps) ledger_.planned[step.step] = step.fault;
  }
  if (const auto* step = std::get_if<model::StepChanged>(&event.data)) {
    const char* state = boost::describe::enum_to_string(step->state, "?");
    world_.trace(front_, fmt::format("{} {}: {}", step->step, state, step->text));
    const auto fault = ledger_.planned.find(step->step.substr(0, step->step.find('#')));
    world_.sometimes(
        fmt::format("{} {}", fault == ledger_.planned.end() ? "a step" : fault->second, state));
    judge_step(*step);
  }
  if (const auto* abort = std::get_if<model::AbortDecided>(&event.data)) {
    ledger_.aborted = true;
    world_.trace(front_, "abort: " + abort->text);
    world_.sometimes(fmt::format("abort: {}", boost::describe::enum_to_string(abort->cause, "?")));
  }
  if (const auto* phase = std::get_if<model::PhaseStarted>(&event.data)) {
    phase_ = phase->phase;
    world_.trace(front_,
                 fmt::format("phase {}", boost::describe::enum_to_string(phase->phase, "?")));
  }
  if (config_.hooks.on_event) config_.hooks.on_event(event, *this);
}

Outcome Lab::outcome() {
  Outcome out;
  out.violation = world_.first_violation();
  out.steps = world_.steps();
  out.hash = world_.trace_hash();
  out.sometimes = world_.sometimes();
  out.verdict = verdict_;
  out.points = points_;
  out.events = std::move(events_);
  return out;
}

Outcome run_seed(const Config& config, bool trace) {
  World world(config.seed);
  world.print_trace = trace;
  world.shuffle = config.shuffle;
  Machine machine(world);
  furnish(machine);
  machine.misfortunes = config.misfortunes;
  const BootTime begun = world.now();
  Lab lab(world, machine, config);
  lab.run();
  Outcome out = lab.outcome();
  out.time = world.now() - begun;
  return out;
}

}  // namespace ordeal::sim
