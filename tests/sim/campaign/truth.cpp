// Was what the front said true when it said it? Read from the kernel, and from what was done to it.
#include <algorithm>

#include "engine/base/text.hpp"
#include "tests/sim/campaign/lab.hpp"

namespace ordeal::sim {
namespace {

using model::Exit;

// What of a fault can be seen in the kernel: one of these must have been made.
std::vector<std::string> marks_of(const std::string& fault) {
  if (fault == "process.kill") return {"kill"};
  if (fault == "process.pause") return {"resume_process", "thaw_cgroup"};
  if (fault.starts_with("network.")) return {"delete_table"};
  if (fault == "service.stop") return {"start_unit", "run_undo_command"};
  return {"kill_helper"};
}

// Rounds of a repeated step are "method.0#2".
bool of_step(const std::string& path, const std::string& step) {
  return path == step || path.starts_with(step + "#");
}

bool is_one_of(int exit, std::initializer_list<Exit> allowed) {
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](Exit one) { return static_cast<int>(one) == exit; });
}

}  // namespace

model::Verdict Lab::told(model::Verdict verdict) const {
  const bool touched = verdict.host != model::HostState::untouched;
  const bool dirty = verdict.host == model::HostState::dirty;
  const auto lie = [&](Exit exit) {
    verdict.exit = static_cast<int>(exit);
    verdict.exit_name = model::to_string(exit);
  };
  if (planted(Plant::false_clean) && dirty) {
    verdict.host = model::HostState::clean;
    lie(Exit::error);
  }
  if (planted(Plant::false_dirty) && touched) {
    verdict.host = model::HostState::dirty;
    lie(Exit::dirty);
  }
  if (planted(Plant::false_upheld) && touched && !dirty) {
    lie(Exit::upheld);
    verdict.hypothesis = model::Hypothesis::upheld;
  }
  if (planted(Plant::false_error) && touched && !dirty) lie(Exit::error);
  return verdict;
}

void Lab::judge_step(const model::StepChanged& step) {
  const bool early = planted(Plant::early_word) && step.state == model::StepState::reverting;
  if (step.state != model::StepState::reverted && !early) return;
  if (planted(Plant::damage)) machine_.links.at("eth0").foreign_qdisc.clear();
  const auto made = ledger_.made.find(step.step);
  if (made == ledger_.made.end()) return;
  for (const Machine::Trace& trace : effective(machine_)) {
    if (!made->second.contains(trace)) continue;
    world_.violation(fmt::format("{} is reverted, says the front; the kernel has {} {}", step.step,
                                 trace.kind, trace.key));
  }
}

void Lab::judge_verdict(const model::Verdict& verdict) {
  world_.sometimes("verdict " + verdict.exit_name);
  judge_host(verdict);
  judge_exit(verdict);
  const bool control = config_.mode == run::Mode::control;
  if (verdict.hypothesis == model::Hypothesis::upheld && !control) judge_upheld();
}

// Every step of an upheld run took hold, each by what its own record covers.
void Lab::judge_upheld() {
  for (const auto& [step, fault] : ledger_.planned) {
    const auto kinds = marks_of(fault);
    const bool network = kinds.front() == "delete_table";
    bool seen = false;
    for (const auto& [path, traces] : ledger_.made) {
      if (!of_step(path, step)) continue;
      for (const Machine::Trace& trace : traces) {
        if (std::find(kinds.begin(), kinds.end(), trace.kind) == kinds.end()) continue;
        // A rule that no packet met did nothing.
        const Machine::Trace packets{"packets", trace.key, true};
        seen = seen || !network || machine_.ever.contains(packets);
      }
    }
    if (!seen) {
      world_.violation(fmt::format("upheld, but {} ({}) never took hold", step, fault));
    }
  }
}

bool Lab::made_by_this_run(const Machine::Trace& trace) const {
  return std::any_of(ledger_.made.begin(), ledger_.made.end(), [&](const auto& step) {
    return std::any_of(step.second.begin(), step.second.end(), [&](const auto& made) {
      return made.kind == trace.kind && made.key == trace.key;
    });
  });
}

void Lab::judge_host(const model::Verdict& verdict) {
  auto left = machine_.ours();
  std::erase_if(left, [this](const auto& trace) { return !made_by_this_run(trace); });
  const std::string state = boost::describe::enum_to_string(verdict.host, "?");
  if (verdict.host != model::HostState::dirty) {
    if (!left.empty()) {
      world_.violation(fmt::format("the verdict says {}, the kernel has {}", state, text_of(left)));
    }
    if (config_.machine_obeys && machine_.snapshot() != before_) {
      world_.violation(
          fmt::format("the verdict says {}: {}", state, difference(before_, machine_.snapshot())));
    }
    return;
  }
  // Nobody can answer for the host when the keeper was struck or cannot be heard.
  const bool nobody_told = ledger_.keeper_struck || ledger_.cut;
  if (config_.prompt() && !nobody_told && left.empty()) {
    world_.violation("the verdict says dirty, and nothing is left");
  }
}

void Lab::judge_exit(const model::Verdict& verdict) {
  const int exit = verdict.exit;
  const auto wrong = [&](const char* what) {
    world_.violation(fmt::format("exit {} ({}): {}", exit, verdict.exit_name, what));
  };
  const bool dirty = verdict.host == model::HostState::dirty;
  if (dirty != is_one_of(exit, {Exit::dirty})) wrong("does not agree with the host's state");
  if (ledger_.lost_in_effect && !is_one_of(exit, {Exit::error, Exit::dirty, Exit::not_recovered})) {
    wrong("worker or keeper was killed under a fault");
  }
  if (ledger_.person_in_effect &&
      !is_one_of(exit, {Exit::interrupted, Exit::error, Exit::dirty, Exit::not_recovered})) {
    wrong("a person had stopped it");
  }
  // A target that an earlier step has replaced is not hit, and that is said.
  const bool gone = verdict.reason.find("target gone") != std::string::npos;
  const bool quiet = ledger_.strikes == 0 && config_.prompt() && !gone;
  if (quiet && is_one_of(exit, {Exit::error, Exit::interrupted, Exit::dirty})) {
    wrong("nothing went wrong");
  }
}

}  // namespace ordeal::sim
