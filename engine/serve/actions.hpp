// What the API asks of the program around it: everything that reads files of experiments, starts
// processes or changes this host. engine/cli does these as the command line does them.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "engine/base/units.hpp"
#include "engine/os/task.hpp"
#include "engine/serve/answer.hpp"

namespace ordeal::serve {

// An experiment that came over the API.
struct Submission {
  std::string text;                      // YAML
  std::string file = "experiment.yaml";  // how problems and reports name it
  std::map<std::string, std::string> vars;
  std::string mode = "run";  // "baseline-only", "control"
  std::string seed;          // decimal, or empty
  bool yes = false;          // also where abort_if or restore is none
};

class Actions {
 public:
  virtual ~Actions() = default;

  virtual Answer validate(const Submission& submission) = 0;
  virtual Task<Answer> plan(Submission submission) = 0;
  virtual Task<Answer> start(Submission submission) = 0;
  virtual Task<Answer> abort(std::string run, std::string reason) = 0;

  // The reason, or nothing when runs may start.
  virtual std::optional<std::string> halted() const = 0;
  virtual Task<Answer> halt(std::string reason) = 0;
  virtual Task<Answer> lift() = 0;

  virtual Task<Answer> host() = 0;
  virtual Answer schedules() = 0;
  virtual Answer firings(Duration ahead, std::size_t limit) = 0;
  virtual Answer fired(std::size_t limit) = 0;
  virtual Answer resume(const std::string& schedule) = 0;

  // Whether the process of a run still lives.
  virtual bool lives(const std::string& run) const = 0;
};

}  // namespace ordeal::serve
