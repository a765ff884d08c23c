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
  if (front_->alive()) person_->press("ctrl-C");
}

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
    world_.violation(fmt::format("the campaign's own experiment is wrong: {}", spec::to_string(problem)));
  }
  experiment_ = std::move(outcome.experiment);
  before_ = machine_.snapshot();
  token_ = Token::from_bits(world_.prng().next());
}

void Lab::run() {
  if (!experiment_) return;
  machine_.on_made = [this](const Machine::Trace& trace) {
    if (!journaled(machine_, trace)) {
      world_.violation(fmt::format("P2: {} {} was made without a durable record", trace.kind,
                                   trace.key));
    }
  };
  world_.on_point = [this](Node& node, std::string_view, std::string_view) {
    if (&node != worker_) return;
    ++worker_points_;
    for (const Strike& planned : config_.strikes) {
      if (!planned.after && planned.point == worker_points_) strike(planned);
    }
  };
  front_ = &machine_.start("front");
  last_control_ = world_.now();
  watch();
  for (const Strike& planned : config_.strikes) {
    if (planned.after) {
      world_.at(world_.now() + *planned.after, [this, planned] { strike(planned); });
    }
  }
  front_->spawn(front_main());
  wait_for_the_end();
  recover_and_compare();
  machine_.on_made = nullptr;
  world_.on_point = nullptr;
}

Task<void> Lab::front_main() {
  run::Options options;
  options.run_id = "r-simulated";
  options.seed = config_.seed;
  options.lease = config_.lease;
  options.renew = config_.renew;
  os::Host& host = front_->host();
  run::Surroundings around{host.clock(), host.random(),
                           probe::Tools{host.clock(), front_->client(), host.processes(),
                                        host.files()},
                           *person_,
                           [this](fleet::Pushed pushed) { return connect(std::move(pushed)); }};
  run::EventSink sink = [this](const model::Event& event) { on_event(event); };
  const model::Verdict verdict =
      co_await run::run_experiment(*experiment_, options, around, sink);
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
  co_return std::make_unique<fleet::Executor>(clock, std::move(front_wire),
                                              std::move(front_reports), std::move(pushed));
}

Task<void> Lab::worker_main(Node& node, std::unique_ptr<os::Stream> wire,
                            std::unique_ptr<os::Stream> pipe) {
  executor::WorkerParts parts{node.host(), node.self_kill(), *wire,  *pipe,       catalogue(),
                              kState,      "/etc/ordeal/policy.conf", token_, config_.bugs};
  const int code = co_await executor::run_worker(parts);
  worker_exit_ = code;
  world_.trace(&node, fmt::format("exit {}", code));
  node.exit();
}

Task<void> Lab::keeper_main(Node& node, std::unique_ptr<os::Stream> pipe,
                            std::unique_ptr<os::Stream> reports) {
  executor::KeeperParts parts{node.host(), node.self_kill(), *worker_process_, *pipe, *reports,
                              kState,      token_,           config_.bugs};
  const int code = co_await executor::run_keeper(parts);
  keeper_exit_ = code;
  world_.trace(&node, fmt::format("exit {}", code));
  node.exit();
}

void Lab::on_event(const model::Event& event) {
  if (!front_->alive()) return;
  if (const auto* plan = std::get_if<model::PlanMade>(&event.data)) {
    for (const model::PlannedStep& step : plan->steps) planned_[step.step] = step.fault;
  }
  if (const auto* step = std::get_if<model::StepChanged>(&event.data)) {
    world_.trace(front_, fmt::format("{} {}: {}", step->step,
                                     boost::describe::enum_to_string(step->state, "?"),
                                     step->text));
    world_.sometimes(fmt::format("{} {}", planned_[step->step],
                                 boost::describe::enum_to_string(step->state, "?")));
  }
  if (const auto* abort = std::get_if<model::AbortDecided>(&event.data)) {
    world_.trace(front_, "abort: " + abort->text);
    world_.sometimes(fmt::format("abort: {}", boost::describe::enum_to_string(abort->cause, "?")));
  }
  if (const auto* phase = std::get_if<model::PhaseStarted>(&event.data)) {
    world_.trace(front_, fmt::format("phase {}",
                                     boost::describe::enum_to_string(phase->phase, "?")));
  }
}

Outcome run_seed(const Config& config, bool trace) {
  World world(config.seed);
  world.print_trace = trace;
  world.shuffle = config.shuffle;
  Machine machine(world);
  furnish(machine);
  machine.misfortunes = config.misfortunes;
  const BootTime begun = world.now();
  Outcome out;
  {
    Lab lab(world, machine, config);
    lab.run();
    out.verdict = lab.verdict();
    out.points = lab.points();
  }
  out.violation = world.first_violation();
  out.steps = world.steps();
  out.hash = world.trace_hash();
  out.time = world.now() - begun;
  out.sometimes = world.sometimes();
  return out;
}

}  // namespace ordeal::sim
