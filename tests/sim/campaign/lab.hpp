// One seed, run: the real front, keeper and worker coroutines on a simulated machine, the strikes,
// and the judges, who read the machine and never what the engine believes.
//
//   lab.cpp      the three processes, and what the front says
//   strikes.cpp  what befalls them
//   judges.cpp   leases, the journal, the end: is the machine put back, and in time?
//   truth.cpp    events and verdict: was what was said true when it was said?
#pragma once

#include <array>
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

struct Outcome {
  std::string violation;  // empty: none
  std::uint64_t steps = 0;
  std::array<std::uint64_t, 3> points{};  // by Whose
  std::uint64_t hash = 0;
  Duration time{};  // virtual
  std::map<std::string, std::uint64_t> sometimes;
  std::vector<model::Event> events;
  std::optional<model::Verdict> verdict;
};

Outcome run_seed(const Config& config, bool trace);

// What the judges remember.
struct Ledger {
  std::map<std::string, std::set<Machine::Trace>> made;  // by step, as its record says
  std::map<std::string, std::string> planned;            // step -> fault
  BootTime last_control{};  // front, worker and keeper ran, and the front could be heard
  BootTime last_blow{};
  BootTime knows_since{};  // someone who can put things back knows that he must
  BootTime dead_since{};   // worker and keeper
  int strikes = 0;
  bool dead = false;
  bool cut = false;
  bool halted = false;
  bool meddled = false;
  bool powered_off = false;
  bool aborted = false;         // the front has decided to stop
  bool lost_in_effect = false;  // worker or keeper was killed under a fault, and nobody had stopped
  bool person_in_effect = false;
  bool keeper_struck = false;
  bool killed_by_lab = false;  // at the end, because nobody could tell it that it was over
};

class Lab {
 public:
  Lab(World& world, Machine& machine, const Config& config);
  ~Lab();
  void run();
  void strike(const Strike& strike);
  Machine& machine() { return machine_; }
  Outcome outcome();

 private:
  class Worker;  // the keeper's hold on its child
  class Person;  // who may press ctrl-C
  class Spy;     // reads the orders of the front

  Task<void> front_main();
  Task<void> keeper_main(Node& node, std::unique_ptr<os::Stream> pipe,
                         std::unique_ptr<os::Stream> reports);
  Task<void> worker_main(Node& node, std::unique_ptr<os::Stream> wire,
                         std::unique_ptr<os::Stream> pipe);
  Task<Result<std::unique_ptr<fleet::Executor>>> connect(fleet::Pushed pushed);
  void on_event(const model::Event& event);
  void on_point(Node& node);
  bool planted(Plant plant) const { return config_.plant == plant; }

  // ---- strikes.cpp
  void strike_node(const Strike& strike, Node* node);
  void meddle();
  void press_ctrl_c();
  void halt();

  // ---- judges.cpp
  void on_made(const Machine::Trace& trace);
  void watch();  // every 20 ms
  void watch_leases();
  void recover_as_systemd();
  bool in_control() const;
  bool someone_knows() const;
  bool all_dead_by_strike() const;
  void wait_for_the_end();
  void judge_the_end();
  void recover_and_compare();
  bool recover(const std::string& who, bool& did_something);
  void expect_clean(const std::string& when);

  // ---- truth.cpp
  void judge_step(const model::StepChanged& step);
  void judge_verdict(const model::Verdict& verdict);
  void judge_upheld();
  void judge_host(const model::Verdict& verdict);
  bool made_by_this_run(const Machine::Trace& trace) const;
  void judge_exit(const model::Verdict& verdict);
  model::Verdict told(model::Verdict verdict) const;  // with the planted lies

  World& world_;
  Machine& machine_;
  const Config& config_;
  std::optional<model::Experiment> experiment_;
  model::Inventory inventory_;  // this one machine
  std::vector<std::string> before_;
  Token token_;
  Node* front_ = nullptr;
  Node* keeper_ = nullptr;
  Node* worker_ = nullptr;
  Node* recover_ = nullptr;
  int worker_exit_ = -1;
  int keeper_exit_ = -1;
  std::unique_ptr<Worker> worker_process_;
  std::unique_ptr<Person> person_;
  std::vector<model::Event> events_;
  std::optional<model::Verdict> verdict_;
  model::Phase phase_ = model::Phase::read;
  bool recovering_ = false;
  std::array<std::uint64_t, 3> points_{};
  Ledger ledger_;
};

// ---- shared by the judges

// The step whose record, on the platter and not only in the page cache, covers the change.
std::optional<std::string> recorded_step(const Machine& machine, const Machine::Trace& trace);
// What of ours acts on the machine now.
std::vector<Machine::Trace> effective(const Machine& machine);
std::string text_of(const std::vector<Machine::Trace>& traces);
std::string difference(const std::vector<std::string>& before,
                       const std::vector<std::string>& after);

}  // namespace ordeal::sim
