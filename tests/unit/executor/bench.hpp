// A keeper, a worker and a front that speaks frames, on the simulated machine.
#pragma once

#include <gtest/gtest.h>

#include "engine/executor/executor.hpp"
#include "engine/fault/fault.hpp"
#include "engine/wire/message.hpp"
#include "tests/sim/host.hpp"

namespace ordeal::executor::test {

inline constexpr const char* kState = "/var/lib/ordeal";

// "test.pause": stops every process of target.process; what a fault looks like to the engine.
// "test.throw": its plan throws, as a bug would.
fault::Catalogue test_faults();

class Child : public WorkerProcess {
 public:
  Child(sim::Node& keeper, sim::Node& worker) : keeper_(keeper), worker_(worker) {}
  Task<WorkerEnd> wait() override;
  void kill() override;
  std::string state() const override { return "S"; }
  int code = -1;  // set when the worker returns

 private:
  sim::Node& keeper_;
  sim::Node& worker_;
};

class Pair {
 public:
  explicit Pair(sim::Machine& machine, const std::string& run = "r-test",
                fault::Catalogue faults = test_faults());

  sim::Node& worker() { return *worker_; }
  sim::Node& keeper() { return *keeper_; }
  int worker_code() const { return child_->code; }
  std::optional<int> keeper_code() const { return keeper_code_; }

  void write(std::string bytes);
  // Sends without waiting.
  std::int64_t send(wire::OrderBody body, std::optional<std::int64_t> id = std::nullopt);
  // The fact that answers the order; everything that comes before is kept in `facts`.
  wire::FactBody answer(std::int64_t id, Duration limit = 60s);
  wire::FactBody ask(wire::OrderBody body) { return answer(send(std::move(body))); }
  void close_wire();
  void read_for(Duration time);

  wire::Prepared prepare_pause(const std::string& step, const std::string& unit,
                               Duration duration = 30s);
  wire::FactBody inject(const wire::Prepared& prepared, Duration lease = 5s);

  std::vector<wire::Fact> facts;
  template <class T>
  std::vector<T> of() const {
    std::vector<T> out;
    for (const wire::Fact& fact : facts) {
      if (const T* found = std::get_if<T>(&fact.body)) out.push_back(*found);
    }
    return out;
  }
  std::string reports();  // the keeper's lines so far

 private:
  Task<void> read_facts();
  Task<void> read_reports();
  Task<void> run_worker_node(Token token);
  Task<void> run_keeper_node(Token token);

  sim::Machine& machine_;
  fault::Catalogue faults_;
  sim::Node* front_;
  sim::Node* keeper_;
  sim::Node* worker_;
  std::unique_ptr<os::Stream> front_wire_, worker_wire_, keeper_pipe_, worker_pipe_,
      keeper_reports_, front_reports_;
  std::unique_ptr<Child> child_;
  std::optional<int> keeper_code_;
  std::int64_t last_id_ = 0;
  std::string lines_;
};

class ExecutorTest : public ::testing::Test {
 protected:
  ExecutorTest() : machine_(world_) {
    sim::furnish(machine_);
    before_ = machine_.snapshot();
  }

  std::size_t stopped(const std::string& unit) {
    std::size_t count = 0;
    for (const sim::Process* process : machine_.of_service(unit)) {
      count += process->info.state == 'T' ? 1 : 0;
    }
    return count;
  }

  sim::World world_{1};
  sim::Machine machine_;
  std::vector<std::string> before_;
};

}  // namespace ordeal::executor::test
