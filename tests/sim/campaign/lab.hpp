// One seed, run: the real front, keeper and worker coroutines on a simulated machine, the strikes,
// and the judges, who read the machine and never what the engine believes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/os/event.hpp"
#include "engine/run/run.hpp"
#include "tests/sim/campaign/config.hpp"
#include "tests/sim/host.hpp"

namespace ordeal::sim {

inline constexpr const char* kState = "/var/lib/ordeal";
// P1: how long after its lease an effect may last while keeper or worker can still act, and how
// long when both are dead and something starts `ordeal recover`.
inline constexpr Duration kBound = 5s;
inline constexpr Duration kBoundAllDead = 15s;

struct Outcome {
  std::string violation;  // empty: none
  std::uint64_t steps = 0;
  std::uint64_t points = 0;         // of the worker
  std::uint64_t hash = 0;
  Duration time{};                  // virtual
  std::map<std::string, std::uint64_t> sometimes;
  std::optional<model::Verdict> verdict;
};

Outcome run_seed(const Config& config, bool trace);

// What the journals on the platter (not in the page cache) say about a change.
bool journaled(const Machine& machine, const Machine::Trace& trace);

class Lab {
 public:
  Lab(World& world, Machine& machine, const Config& config);
  ~Lab();
  void run();
  const std::optional<model::Verdict>& verdict() const { return verdict_; }
  std::uint64_t points() const { return worker_points_; }

 private:
  class Worker;  // the keeper's hold on its child
  class Person;  // who may press ctrl-C

  Task<void> front_main();
  Task<void> keeper_main(Node& node, std::unique_ptr<os::Stream> pipe,
                         std::unique_ptr<os::Stream> reports);
  Task<void> worker_main(Node& node, std::unique_ptr<os::Stream> wire,
                         std::unique_ptr<os::Stream> pipe);
  Task<Result<std::unique_ptr<fleet::Executor>>> connect(fleet::Pushed pushed);
  void on_event(const model::Event& event);

  void strike(const Strike& strike);
  void strike_node(const Strike& strike, Node* node);
  void meddle();
  void press_ctrl_c();
  void watch();              // P1, every 20 ms
  void judge_verdict(const model::Verdict& verdict);
  void wait_for_the_end();
  void recover_and_compare();
  bool recover(const std::string& who);
  bool can_renew() const;
  bool all_dead_by_strike() const;
  void expect_clean(const std::string& when);

  World& world_;
  Machine& machine_;
  const Config& config_;
  std::optional<model::Experiment> experiment_;
  std::vector<std::string> before_;
  Token token_;
  Node* front_ = nullptr;
  Node* keeper_ = nullptr;
  Node* worker_ = nullptr;
  int worker_exit_ = -1;
  int keeper_exit_ = -1;
  WaitId keeper_waits_ = 0;
  std::unique_ptr<Worker> worker_process_;
  std::unique_ptr<Person> person_;
  std::optional<model::Verdict> verdict_;
  std::map<std::string, std::string> planned_;  // step -> fault
  BootTime last_control_{};
  BootTime all_dead_since_{};
  bool all_dead_ = false;
  bool cut_ = false;
  bool recovering_ = false;
  bool meddled_ = false;
  bool powered_off_ = false;
  std::uint64_t worker_points_ = 0;
};

}  // namespace ordeal::sim
