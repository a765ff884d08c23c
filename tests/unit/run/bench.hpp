// Whole runs of the real front, worker and keeper on the simulated machine, and what they said.
#pragma once

#include <gmock/gmock.h>

#include "tests/sim/campaign/lab.hpp"

namespace ordeal::run::test {

// The lines of an experiment about the furnished machine's services; `with` replaces one of them.
class Script {
 public:
  Script();
  Script& with(const std::string& key, std::string value);
  // An item of the method: its lines below `- `, the first one without it.
  Script& step(std::vector<std::string> lines);
  std::string yaml() const;

 private:
  std::vector<std::pair<std::string, std::string>> keys_;
  std::string method_;
};

// Often used steps.
inline const std::vector<std::string> kSlowDatabase = {
    "fault: network.delay", "with: { latency: 30ms, remote_port: 5432 }", "duration: 3s"};
inline const std::vector<std::string> kCutDatabase = {
    "fault: network.partition", "with: { remote_port: 5432, protocol: tcp }", "duration: 3s"};
inline const std::vector<std::string> kFrozenShop = {
    "fault: process.pause", "target: { process: { unit: shop.service } }", "duration: 8s"};

sim::Config config_of(const Script& script);

// What a run said, by kind of event. Fails the test when a judge of the campaign objects.
class Told {
 public:
  explicit Told(const sim::Config& config);

  const model::Verdict& verdict() const { return verdict_; }
  std::string exit() const { return verdict_.exit_name; }
  const std::vector<model::Event>& events() const { return outcome_.events; }
  template <class T>
  std::vector<T> of() const {
    std::vector<T> out;
    for (const model::Event& event : outcome_.events) {
      if (const T* found = std::get_if<T>(&event.data)) out.push_back(*found);
    }
    return out;
  }
  std::vector<model::Phase> phases() const;
  // When the step was first in the state; fails the test when it never was.
  Duration when(const std::string& step, model::StepState state) const;
  bool ever(const std::string& step, model::StepState state) const;
  // Of every step that was ever in the state, in this order, each once.
  std::vector<std::string> steps(model::StepState state) const;
  Duration when_phase(model::Phase phase) const;
  bool noted(const std::string& part) const;

 private:
  sim::Outcome outcome_;
  model::Verdict verdict_;
};

}  // namespace ordeal::run::test
