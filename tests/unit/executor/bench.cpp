#include "tests/unit/executor/bench.hpp"

#include <csignal>
#include <stdexcept>

namespace ordeal::executor::test {
namespace {

Result<model::HostStep> plan_pause(const fault::PlanContext& context) {
  model::HostStep step;
  model::ProcessesStopped stopped;
  for (const model::ProcessInfo& process : context.processes) {
    model::Change change;
    change.summary = fmt::format("stop pid {}", process.id.pid);
    change.apply = model::SignalProcess{process.id, SIGSTOP, std::nullopt};
    change.undos.push_back(model::ResumeProcess{process.id});
    step.changes.push_back(std::move(change));
    step.claims.push_back({"process", std::to_string(process.id.pid)});
    stopped.processes.push_back(process.id);
  }
  step.effects.push_back(stopped);
  return step;
}

}  // namespace

fault::Catalogue test_faults() {
  static const std::vector<fault::Fault> kFaults = [] {
    fault::Fault pause;
    pause.description.name = "test.pause";
    pause.description.target = model::TargetKind::process;
    pause.plan = plan_pause;
    fault::Fault thrower = pause;
    thrower.description.name = "test.throw";
    thrower.plan = [](const fault::PlanContext&) -> Result<model::HostStep> {
      throw std::runtime_error("no thread is left");
    };
    return std::vector<fault::Fault>{pause, thrower};
  }();
  return kFaults;
}

Task<WorkerEnd> Child::wait() {
  while (worker_.alive()) co_await keeper_.host().clock().sleep(1ms);
  WorkerEnd end;
  end.clean = code == 0;
  end.text = code < 0 ? "signal 9" : fmt::format("exit {}", code);
  co_return end;
}

void Child::kill() {
  if (keeper_.alive()) worker_.machine().signal(worker_.pid(), SIGKILL);
}

Pair::Pair(sim::Machine& machine, const std::string& run, fault::Catalogue faults)
    : machine_(machine), faults_(faults), front_(&machine.start("front")),
      keeper_(&machine.start("keeper", front_)), worker_(&machine.start("worker", keeper_)) {
  std::tie(front_wire_, worker_wire_) = sim::make_streams(*front_, *worker_);
  std::tie(keeper_pipe_, worker_pipe_) = sim::make_streams(*keeper_, *worker_);
  std::tie(keeper_reports_, front_reports_) = sim::make_streams(*keeper_, *front_);
  child_ = std::make_unique<Child>(*keeper_, *worker_);
  const Token token = Token::from_bits(machine.world().prng().next());
  worker_->spawn(run_worker_node(token));
  keeper_->spawn(run_keeper_node(token));
  front_->spawn(read_facts());
  front_->spawn(read_reports());
  wire::Hello hello;
  hello.run = run;
  const wire::FactBody greeted = ask(hello);
  EXPECT_TRUE(std::holds_alternative<wire::HelloFact>(greeted));
}

Task<void> Pair::run_worker_node(Token token) {
  WorkerParts parts{worker_->host(),
                    worker_->self_kill(),
                    *worker_wire_,
                    *worker_pipe_,
                    faults_,
                    kState,
                    "/etc/ordeal/policy.conf",
                    token,
                    {}};
  child_->code = co_await run_worker(parts);
  worker_->exit();
}

Task<void> Pair::run_keeper_node(Token token) {
  KeeperParts parts{keeper_->host(),
                    keeper_->self_kill(),
                    *child_,
                    *keeper_pipe_,
                    *keeper_reports_,
                    kState,
                    token,
                    {}};
  keeper_code_ = co_await run_keeper(parts);
  keeper_->exit();
}

Task<void> Pair::read_facts() {
  wire::FrameReader frames(wire::kFactLimit);
  while (true) {
    const auto bytes = co_await front_wire_->read_some(4096);
    if (bytes.has_error()) co_return;
    frames.feed(bytes.value());
    while (true) {
      auto frame = frames.next();
      if (frame.has_error() || !frame.value()) break;
      auto fact = wire::decode_fact(*frame.value());
      EXPECT_TRUE(fact.has_value()) << *frame.value();
      if (fact.has_error()) co_return;
      facts.push_back(std::move(fact.value()));
    }
  }
}

Task<void> Pair::read_reports() {
  while (true) {
    const auto bytes = co_await front_reports_->read_some(4096);
    if (bytes.has_error()) co_return;
    lines_ += bytes.value();
  }
}

std::string Pair::reports() { return lines_; }

std::int64_t Pair::send(wire::OrderBody body, std::optional<std::int64_t> id) {
  wire::Order order;
  order.id = id ? *id : ++last_id_;
  order.body = std::move(body);
  write(wire::encode(order));
  return order.id;
}

void Pair::write(std::string bytes) {
  front_->spawn([](os::Stream* wire, std::string all) -> Task<void> {
    const auto written = co_await wire->write(std::move(all));
    ignore(written, "the test sees what becomes of it");
  }(front_wire_.get(), std::move(bytes)));
}

wire::FactBody Pair::answer(std::int64_t id, Duration limit) {
  const auto find = [&]() -> const wire::Fact* {
    for (const wire::Fact& fact : facts) {
      if (fact.re == id) return &fact;
    }
    return nullptr;
  };
  machine_.world().run_until([&] { return find() != nullptr; }, limit);
  const wire::Fact* found = find();
  EXPECT_NE(found, nullptr) << "no answer to order " << id;
  return found == nullptr ? wire::FactBody{wire::Refused{}} : found->body;
}

void Pair::close_wire() { front_wire_->close(); }
void Pair::read_for(Duration time) { machine_.world().run_for(time); }

wire::Prepared Pair::prepare_pause(const std::string& step, const std::string& unit,
                                   Duration duration) {
  wire::Prepare order;
  order.request.step = step;
  order.request.name = "pause";
  order.request.fault = "test.pause";
  order.request.target.process.emplace();
  order.request.target.process->unit = unit;
  order.request.duration = duration;
  const wire::FactBody body = ask(order);
  const auto* prepared = std::get_if<wire::Prepared>(&body);
  EXPECT_NE(prepared, nullptr) << std::get_if<wire::Refused>(&body)->text;
  return prepared == nullptr ? wire::Prepared{} : *prepared;
}

wire::FactBody Pair::inject(const wire::Prepared& prepared, Duration lease) {
  wire::Inject order;
  order.step = prepared.plan.step;
  order.digest = prepared.digest;
  order.lease = lease;
  return ask(order);
}

}  // namespace ordeal::executor::test
