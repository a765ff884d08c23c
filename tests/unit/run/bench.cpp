#include "tests/unit/run/bench.hpp"

#include <cstdlib>

namespace ordeal::run::test {

using namespace model;

Script::Script() {
  keys_ = {
      {"version", "1"},
      {"name", "simulated"},
      {"hypothesis", "The simulated service stands it."},
      {"slis",
       "\n  shop: { http: { url: \"http://127.0.0.1:8080/\", rate: 10/s, timeout: 500ms } }"
       "\n  db: { tcp: { address: \"127.0.0.1:5432\", rate: 10/s, timeout: 500ms } }"},
      {"steady_state", "[ shop.success >= 90%, db.success >= 90% ]"},
      {"during", "[ shop.success >= 50%, db.success >= 50% ]"},
      {"abort_if", "[ shop.success < 20% over 3s ]"},
      {"warmup", "500ms"},
      {"baseline", "3s"},
      {"recovery", "{ within: 10s, hold: 3s }"},
  };
}

Script& Script::with(const std::string& key, std::string value) {
  for (auto& [name, old] : keys_) {
    if (name == key) old = std::exchange(value, "");
    if (name == key) return *this;
  }
  keys_.emplace_back(key, std::move(value));
  return *this;
}

Script& Script::step(std::vector<std::string> lines) {
  std::string indent = "  - ";
  for (const std::string& line : lines) {
    method_ += indent + line + "\n";
    indent = "    ";
  }
  return *this;
}

std::string Script::yaml() const {
  std::string out;
  for (const auto& [key, value] : keys_) out += key + ": " + value + "\n";
  return out + "method:\n" + method_;
}

sim::Config config_of(const Script& script) {
  sim::Config config;
  config.yaml = script.yaml();
  return config;
}

// ORDEAL_SIM_TRACE=1 prints every call of every process.
Told::Told(const sim::Config& config)
    : outcome_(sim::run_seed(config, std::getenv("ORDEAL_SIM_TRACE") != nullptr)) {
  EXPECT_EQ(outcome_.violation, "") << config.yaml;
  EXPECT_TRUE(outcome_.verdict) << config.yaml;
  if (outcome_.verdict) verdict_ = *outcome_.verdict;
  std::int64_t seq = 0;
  for (const Event& event : outcome_.events) {
    EXPECT_EQ(event.seq, ++seq) << "events have no gaps";
  }
  EXPECT_EQ(of<RunEnded>().size(), 1u);
}

std::vector<Phase> Told::phases() const {
  std::vector<Phase> out;
  for (const PhaseStarted& started : of<PhaseStarted>()) out.push_back(started.phase);
  return out;
}

Duration Told::when(const std::string& step, StepState state) const {
  for (const Event& event : outcome_.events) {
    const auto* changed = std::get_if<StepChanged>(&event.data);
    if (changed && changed->step == step && changed->state == state) return event.t;
  }
  ADD_FAILURE() << step << " was never " << boost::describe::enum_to_string(state, "?");
  return {};
}

bool Told::ever(const std::string& step, StepState state) const {
  const auto all = steps(state);
  return std::find(all.begin(), all.end(), step) != all.end();
}

std::vector<std::string> Told::steps(StepState state) const {
  std::vector<std::string> out;
  for (const StepChanged& changed : of<StepChanged>()) {
    const bool known = std::find(out.begin(), out.end(), changed.step) != out.end();
    if (changed.state == state && !known) out.push_back(changed.step);
  }
  return out;
}

Duration Told::when_phase(Phase phase) const {
  for (const Event& event : outcome_.events) {
    const auto* started = std::get_if<PhaseStarted>(&event.data);
    if (started && started->phase == phase) return event.t;
  }
  ADD_FAILURE() << "phase never began: " << boost::describe::enum_to_string(phase, "?");
  return {};
}

bool Told::noted(const std::string& part) const {
  for (const Note& note : of<Note>()) {
    if (note.text.find(part) != note.text.npos) return true;
  }
  return false;
}

}  // namespace ordeal::run::test
