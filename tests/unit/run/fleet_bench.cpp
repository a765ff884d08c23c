#include "tests/unit/run/fleet_bench.hpp"

#include <csignal>

#include "engine/executor/executor.hpp"
#include "engine/os/event.hpp"
#include "engine/spec/spec.hpp"
#include "faults/catalogue.hpp"
#include "tests/sim/stream.hpp"

namespace ordeal::run::test {

using namespace sim;

namespace {

constexpr Duration kWireLatency = 2ms;

class OnMachine final : public executor::WorkerProcess {
 public:
  OnMachine(Place& place) : place_(place) {}
  Task<executor::WorkerEnd> wait() override {
    World& world = place_.machine->world();
    while (place_.worker->alive()) {
      const WaitId wait = world.next_wait();
      place_.machine->death_waits.emplace(place_.worker->pid(), wait);
      co_await world.suspend(*place_.keeper, wait);
    }
    executor::WorkerEnd end;
    end.clean = place_.worker_exit == 0;
    end.text = place_.worker_exit < 0 ? "signal 9" : fmt::format("exit {}", place_.worker_exit);
    co_return end;
  }
  void kill() override {
    if (place_.worker->alive()) place_.machine->signal(place_.worker->pid(), SIGKILL);
  }
  std::string state() const override { return place_.worker->alive() ? "S" : ""; }

 private:
  Place& place_;
};

model::InventoryHost host(std::string name, std::string zone, std::string ip) {
  model::InventoryHost out;
  out.name = name;
  out.ssh = model::SshAddress{"", name + ".lan", std::nullopt};
  out.ip.push_back(std::move(ip));
  out.labels["zone"] = std::move(zone);
  return out;
}

}  // namespace

class FleetRun::Patience final : public run::Interrupt {
 public:
  Task<std::string> wait() override {
    os::Event never;
    co_await never.wait();
    co_return "";
  }
};

Place::Place(World& world, const std::string& name)
    : machine(std::make_unique<Machine>(world, name)) {
  furnish(*machine);
  before = machine->snapshot();
}

FleetRun::FleetRun(const Script& script)
    : world_(7), controller_(std::make_unique<Machine>(world_, "controller")),
      person_(std::make_unique<Patience>()) {
  furnish(*controller_);
  inventory.file = "hosts.yaml";
  inventory.hosts = {host("a1", "a", "10.0.0.1"), host("a2", "a", "10.0.0.2"),
                     host("b1", "b", "10.0.0.3")};
  for (const model::InventoryHost& one : inventory.hosts) {
    places_.emplace(one.name, Place(world_, one.name));
  }
  spec::Input input;
  input.file = "fleet.yaml";
  input.read = [&script](const std::string&) -> Result<std::string> { return script.yaml(); };
  std::vector<model::FaultDescription> descriptions;
  for (const fault::Fault& fault : catalogue()) descriptions.push_back(fault.description);
  spec::Outcome outcome = spec::parse_experiment(input, descriptions);
  for (const auto& problem : outcome.problems) ADD_FAILURE() << spec::to_string(problem);
  if (outcome.experiment) experiment = std::move(*outcome.experiment);
}

FleetRun::~FleetRun() = default;

void FleetRun::run() {
  front_ = &controller_->start("front");
  front_->spawn(front_main());
  EXPECT_TRUE(world_.run_until([this] { return !front_->alive(); }, 600s)) << "it does not end";
  world_.run_for(30s);  // whoever lost its front has ended by then
  EXPECT_EQ(world_.first_violation(), "");
}

Task<void> FleetRun::front_main() {
  run::Options options;
  options.run_id = "r-fleet";
  options.seed = 1;
  options.mode = mode;
  os::Host& here = front_->host();
  run::Surroundings around{
      here.clock(),
      here.random(),
      probe::Tools{here.clock(), front_->client(), here.processes(), here.files()},
      *person_,
      inventory,
      [this](const model::InventoryHost& target, fleet::Pushed pushed) {
        return connect(target, std::move(pushed));
      }};
  run::EventSink sink = [this](const model::Event& event) {
    events_.push_back(event);
    if (on_event) on_event(event, *this);
  };
  verdict_ = co_await run::run_experiment(experiment, options, around, sink);
  front_->exit();
}

Task<Result<std::unique_ptr<fleet::Executor>>> FleetRun::connect(const model::InventoryHost& target,
                                                                 fleet::Pushed pushed) {
  os::Clock& clock = front_->host().clock();
  const auto dead = unreachable.find(target.name);
  co_await clock.sleep(dead == unreachable.end() ? Duration(200ms) : dead->second);
  if (dead != unreachable.end()) co_return Error(Code::timeout, "no route to host");
  Place& place = places_.at(target.name);
  place.keeper = &place.machine->start("keeper");
  place.worker = &place.machine->start("worker", place.keeper);
  place.worker_process = std::make_unique<OnMachine>(place);
  const Token token = Token::from_bits(world_.prng().next());
  StreamPair wire = make_streams(*front_, *place.worker, kWireLatency);
  StreamPair pipe = make_streams(*place.keeper, *place.worker, 10us);
  StreamPair reports = make_streams(*place.keeper, *front_, kWireLatency);
  place.worker->spawn(worker_main(place, std::move(wire.second), std::move(pipe.second), token));
  place.keeper->spawn(keeper_main(place, std::move(pipe.first), std::move(reports.first), token));
  co_return std::make_unique<fleet::Executor>(clock, std::move(wire.first),
                                              std::move(reports.second), std::move(pushed));
}

Task<void> FleetRun::worker_main(Place& place, std::unique_ptr<os::Stream> wire,
                                 std::unique_ptr<os::Stream> pipe, Token token) {
  Node& node = *place.worker;
  executor::WorkerParts parts{node.host(), node.self_kill(),          *wire, *pipe, catalogue(),
                              kState,      "/etc/ordeal/policy.conf", token, {}};
  const int code = co_await executor::run_worker(parts);
  if (!node.alive()) co_return;
  place.worker_exit = code;
  node.exit();
}

Task<void> FleetRun::keeper_main(Place& place, std::unique_ptr<os::Stream> pipe,
                                 std::unique_ptr<os::Stream> reports, Token token) {
  Node& node = *place.keeper;
  executor::KeeperParts parts{
      node.host(), node.self_kill(), *place.worker_process, *pipe, *reports, kState, token, {}};
  co_await executor::run_keeper(parts);
  if (node.alive()) node.exit();
}

void FleetRun::cut(const std::string& host) {
  Place& place = at(host);
  controller_->sim_host_of(*front_).cut_from(*place.worker);
  controller_->sim_host_of(*front_).cut_from(*place.keeper);
}

std::optional<Duration> FleetRun::when(const std::string& step, const std::string& host,
                                       model::StepState state) const {
  for (const model::Event& event : events_) {
    const auto* changed = std::get_if<model::StepChanged>(&event.data);
    if (changed == nullptr || changed->step != step || changed->host != host) continue;
    if (changed->state == state) return event.t;
  }
  return std::nullopt;
}

}  // namespace ordeal::run::test
