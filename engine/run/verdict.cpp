#include "engine/run/verdict.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace ordeal::run {

using namespace model;

void VerdictFold::apply(const Event& event) {
  std::visit(
      [this](const auto& data) {
        using Data = std::remove_cvref_t<decltype(data)>;
        if constexpr (std::is_same_v<Data, RunStarted>) {
          mode_ = data.mode;
          for (const ConditionInfo& info : data.conditions) conditions_[info.id] = info;
        } else if constexpr (std::is_same_v<Data, RunRefused>) {
          if (!refused_) refused_ = data;
        } else if constexpr (std::is_same_v<Data, PlanMade>) {
          for (const PlannedStep& step : data.steps) names_[step.step] = step.name;
        } else if constexpr (std::is_same_v<Data, AbortDecided>) {
          if (!abort_) abort_ = data;
        } else if constexpr (std::is_same_v<Data, HostChecked>) {
          hosts_[data.host] = data;
        } else if constexpr (std::is_same_v<Data, RecoveryMeasured>) {
          recovery_ = data;
        } else if constexpr (std::is_same_v<Data, ConditionStatus> ||
                             std::is_same_v<Data, StepChanged>) {
          take(data);
        }
      },
      event.data);
}

void VerdictFold::take(const ConditionStatus& status) {
  if (!status.final || status.phase != Phase::fault) return;
  const auto info = conditions_.find(status.id);
  const std::string text = info == conditions_.end() ? status.id : info->second.text;
  std::string why =
      status.measured_text.empty()
          ? text
          : fmt::format("{}: was {}, allowed {}", text, status.measured_text, status.bound_text);
  if (!status.problem.empty()) why += " (" + status.problem + ")";
  judged_.push_back({status.id, status.truth, std::move(why)});
}

void VerdictFold::take(const StepChanged& step) {
  StepFacts& facts = steps_[{step.step, step.host}];
  switch (step.state) {
    case StepState::injecting: hosts_.try_emplace(step.host); break;
    case StepState::injected: facts.injected = true; break;
    case StepState::failed:
      facts.failed = true;
      injection_error_ = step.text;
      break;
    default: break;
  }
  const bool reads_effect = step.state == StepState::injected ||
                            step.state == StepState::verified || step.state == StepState::effect ||
                            step.state == StepState::reverted;
  // Once seen it stays seen, as an effect may be over before the step is; but what certainly acts
  // no longer, such as a burner that somebody killed, did not act for the time that was judged.
  const bool lost = reads_effect && facts.seen == Seen::yes && step.seen == Seen::no;
  // The same for one that was gone when it was first looked at: the method ended because of that.
  if (lost || (reads_effect && facts.seen == Seen::not_yet && !facts.lost)) {
    facts.lost = lost;
    facts.seen = step.seen;
    // What a revert read back is no proof of the effect, nor of its absence.
    const bool proof = lost || step.state != StepState::reverted;
    if (proof && !step.text.empty()) facts.text = step.text;
  }
}

std::string VerdictFold::name_of(const std::pair<std::string, std::string>& step) const {
  const auto known = names_.find(step.first);
  const std::string name = known == names_.end() ? step.first : known->second;
  return hosts_.size() > 1 ? name + " on " + step.second : name;
}

Hypothesis VerdictFold::judged(std::string& reason) const {
  for (const Judged& one : judged_) {
    if (one.truth != Truth::broken) continue;
    reason = one.text;
    return Hypothesis::violated;
  }
  for (const auto& [step, facts] : steps_) {
    if (!facts.injected || facts.seen == Seen::yes || mode_ == "control") continue;
    const std::string name = name_of(step);
    reason = facts.lost ? fmt::format("the effect of {} ended by itself: {}", name, facts.text)
                        : fmt::format("no effect of {} was seen: {}", name, facts.text);
    return Hypothesis::inconclusive;
  }
  for (const Judged& one : judged_) {
    if (one.truth != Truth::unknown) continue;
    reason = "could not be judged: " + one.text;
    return Hypothesis::inconclusive;
  }
  if (judged_.empty()) {
    reason = "no condition was judged while the fault was active";
    return Hypothesis::inconclusive;
  }
  return Hypothesis::upheld;
}

Hypothesis VerdictFold::hypothesis(std::string& reason) const {
  if (!injection_error_.empty()) {
    reason = injection_error_;
    return Hypothesis::inconclusive;
  }
  if (abort_) {
    reason = abort_->text;
    switch (abort_->cause) {
      case AbortCause::threshold:
      case AbortCause::violation: return Hypothesis::violated;
      case AbortCause::no_data:
      case AbortCause::executor: return Hypothesis::inconclusive;
      case AbortCause::person:
      case AbortCause::halt:
      case AbortCause::suspended: return Hypothesis::not_judged;
    }
  }
  const Hypothesis from_conditions = judged(reason);
  const bool unwell = recovery_ && !recovery_->recovered;
  if (from_conditions == Hypothesis::upheld && unwell) {
    reason = "the service did not become well again after the last revert";
    return Hypothesis::violated;
  }
  return from_conditions;
}

Exit VerdictFold::exit_of(const Verdict& verdict) const {
  Exit exit = Exit::upheld;
  if (verdict.hypothesis == Hypothesis::violated) exit = worse_of(exit, Exit::violated);
  if (verdict.hypothesis == Hypothesis::inconclusive) exit = worse_of(exit, Exit::inconclusive);
  if (verdict.run == RunEnd::aborted) exit = worse_of(exit, Exit::aborted);
  if (verdict.run == RunEnd::interrupted) exit = worse_of(exit, Exit::interrupted);
  if (verdict.run == RunEnd::error) exit = worse_of(exit, Exit::error);
  if (verdict.service == ServiceState::not_recovered) exit = worse_of(exit, Exit::not_recovered);
  if (verdict.host == HostState::dirty) exit = worse_of(exit, Exit::dirty);
  return exit;
}

Verdict VerdictFold::verdict() const {
  Verdict out;
  const bool touched = !hosts_.empty();
  const auto all = [this](const auto& holds) {
    return std::all_of(hosts_.begin(), hosts_.end(),
                       [&holds](const auto& one) { return one.second && holds(*one.second); });
  };
  const bool clean = all([](const HostChecked& host) { return host.clean; });
  if (touched) out.host = clean ? HostState::clean : HostState::dirty;
  if (recovery_) {
    out.service = recovery_->recovered ? ServiceState::recovered : ServiceState::not_recovered;
  }
  Exit exit = Exit::upheld;
  if (refused_) {
    out.run = RunEnd::refused;
    out.reason = refused_->text;
    exit = refused_->phase == Phase::baseline ? Exit::unsteady : Exit::refused;
  } else if (mode_ == "plan" || mode_ == "baseline-only") {
    out.reason = mode_ == "baseline-only" ? "steady; nothing was injected" : "planned only";
  } else {
    out.hypothesis = hypothesis(out.reason);
    if (!injection_error_.empty()) {
      out.run = RunEnd::error;
    } else if (abort_) {
      switch (abort_->cause) {
        case AbortCause::threshold:
        case AbortCause::no_data: out.run = RunEnd::aborted; break;
        case AbortCause::violation: out.run = RunEnd::completed; break;
        case AbortCause::executor: out.run = RunEnd::error; break;
        case AbortCause::person:
        case AbortCause::halt:
        case AbortCause::suspended: out.run = RunEnd::interrupted; break;
      }
    }
    // Whatever else happened: a machine whose executor was lost was not under control.
    const auto lost = [](const auto& one) { return one.second && !one.second->lost.empty(); };
    if (std::any_of(hosts_.begin(), hosts_.end(), lost)) out.run = RunEnd::error;
    exit = exit_of(out);
  }
  out.exit = static_cast<int>(exit);
  out.exit_name = to_string(exit);
  return out;
}

}  // namespace ordeal::run
