// The verdict as a fold over events: a stored stream gives the same verdict for ever.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/model/event.hpp"
#include "engine/model/verdict.hpp"

namespace ordeal::run {

class VerdictFold {
 public:
  void apply(const model::Event& event);
  // Meaningful after the last event before run_ended; before that, what it would be now.
  model::Verdict verdict() const;

 private:
  struct StepFacts {
    bool injected = false;
    bool failed = false;
    model::Seen seen = model::Seen::not_yet;
    bool lost = false;  // seen, and then certainly gone before the revert
    std::string text;
  };
  struct Judged {
    std::string id;
    model::Truth truth = model::Truth::unknown;
    std::string text;  // "shop.success was 79.3%, bound >= 99%"
  };

  void take(const model::ConditionStatus& status);
  void take(const model::StepChanged& step);
  model::Hypothesis hypothesis(std::string& reason) const;
  model::Hypothesis judged(std::string& reason) const;
  model::Exit exit_of(const model::Verdict& verdict) const;

  std::string mode_ = "run";
  std::map<std::string, model::ConditionInfo> conditions_;
  std::string name_of(const std::pair<std::string, std::string>& step) const;

  std::map<std::pair<std::string, std::string>, StepFacts> steps_;  // by step and host
  std::map<std::string, std::string> names_;                        // of steps, as people know them
  std::vector<Judged> judged_;
  std::optional<model::RunRefused> refused_;
  std::optional<model::AbortDecided> abort_;
  std::map<std::string, std::optional<model::HostChecked>> hosts_;  // those that were touched
  std::optional<model::RecoveryMeasured> recovery_;
  std::string injection_error_;
};

}  // namespace ordeal::run
