#include "engine/fault/resolve.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "engine/base/digest.hpp"
#include "engine/base/text.hpp"
#include "engine/fault/protected.hpp"
#include "engine/fault/request.hpp"
#include "engine/os/select.hpp"

namespace ordeal::fault {
namespace {

using model::Mode;
using model::ProcessInfo;

std::string text_of(const ProcessInfo& process) {
  const std::string& words = process.command.empty() ? process.name : process.command;
  return fmt::format("pid {} {}", process.id.pid, printable(words, 60));
}

// What stays the same when a service is started again: where it belongs, what it runs, and its
// place in the order of start among its equals. Never a pid.
std::vector<std::string> stable_keys(std::vector<ProcessInfo>& processes) {
  std::sort(processes.begin(), processes.end(), [](const auto& a, const auto& b) {
    return std::pair(a.id.start_ticks, a.id.pid) < std::pair(b.id.start_ticks, b.id.pid);
  });
  std::map<std::string, int> equals;
  std::vector<std::string> keys;
  for (const ProcessInfo& process : processes) {
    const std::string& place = process.unit.empty() ? process.cgroup : process.unit;
    const std::string& program = process.exe.empty() ? process.name : process.exe;
    std::string key = fmt::format("{}|{}|{}", place, program, process.command);
    const int place_among_equals = equals[key]++;
    keys.push_back(fmt::format("{}|{}", key, place_among_equals));
  }
  return keys;
}

Result<void> check_count(const model::ProcessMatcher& matcher, std::int64_t matched) {
  if (matcher.count_min && matched < *matcher.count_min) {
    return Error(Code::refused, fmt::format("{} processes match {}, at least {} are expected",
                                            matched, os::describe(matcher), *matcher.count_min));
  }
  if (matcher.count_max && matched > *matcher.count_max) {
    return Error(Code::refused, fmt::format("{} processes match {}, at most {} are expected",
                                            matched, os::describe(matcher), *matcher.count_max));
  }
  return ok();
}

// How many to pick of `matched`. `random` is of this step alone.
Result<std::int64_t> wanted(const model::Target& target, std::int64_t matched,
                            std::uint64_t random) {
  const auto share = [&] { return matched * target.value_share.value_or(Ppm{}).value / 1'000'000; };
  switch (target.mode) {
    case Mode::all: return matched;
    case Mode::one: return 1;
    case Mode::fixed:
      if (!target.value_count) return Error(Code::invalid, "target.mode: fixed needs `value`");
      if (*target.value_count > matched) {
        return Error(Code::refused, fmt::format("{} processes are wanted, {} match",
                                                *target.value_count, matched));
      }
      return *target.value_count;
    case Mode::fixed_percent: return share();
    case Mode::random_max_percent: {
      const std::int64_t most = share();
      if (most == 0) return 0;
      return 1 + static_cast<std::int64_t>(random % static_cast<std::uint64_t>(most));
    }
  }
  return Error(Code::invalid, "target.mode is unknown");
}

Error none_picked(const model::Target& target, std::int64_t matched,
                  const std::vector<std::string>& guarded) {
  std::string text =
      fmt::format("no process is picked: {} match {}", matched, os::describe(*target.process));
  if (!guarded.empty()) text += fmt::format(", protected are {}", join(guarded, ", "));
  if (matched > static_cast<std::int64_t>(guarded.size()) && target.value_share) {
    text +=
        fmt::format("; {} of {} rounds down to none", format_percent(*target.value_share), matched);
  }
  return Error(Code::refused, text);
}

bool process_target_wanted(const model::FaultDescription& description) {
  return description.target != model::TargetKind::none;
}

}  // namespace

std::string protected_because(const ProcessInfo& process, const os::Host& host,
                              const Protection& protection) {
  std::string why = host.processes().protected_because(process);
  if (why.empty() && !unit_protected_because(process.unit).empty()) {
    why = process.unit + " is protected";
  }
  if (why.empty() && protection) why = protection(process);
  return why;
}

Result<Picked> pick(const model::StepRequest& request, const os::Host& host,
                    const Protection& protection) {
  const model::Target& target = request.target;
  Picked out;
  TRY(auto all, within("target.process", os::select(host, *target.process)));
  out.matched = static_cast<std::int64_t>(all.size());
  if (out.matched == 0) {
    return Error(Code::gone, fmt::format("no process matches {}", os::describe(*target.process)));
  }
  CHECK_OK(check_count(*target.process, out.matched));
  std::vector<std::string> guarded;
  std::erase_if(all, [&](const ProcessInfo& process) {
    std::string why = protected_because(process, host, protection);
    if (!why.empty()) guarded.push_back(fmt::format("{} ({})", text_of(process), why));
    return !why.empty();
  });
  const std::uint64_t random = mix_hash(request.seed, request.step, "how many");
  TRY(auto count, wanted(target, out.matched, random));
  const auto most = std::min(count, static_cast<std::int64_t>(all.size()));
  if (most <= 0) return none_picked(target, out.matched, guarded);
  const std::vector<std::string> keys = stable_keys(all);
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return mix_hash(request.seed, request.step, keys[a]) <
           mix_hash(request.seed, request.step, keys[b]);
  });
  for (std::int64_t i = 0; i < most; ++i) {
    const std::size_t index = order[static_cast<std::size_t>(i)];
    out.processes.push_back(all[index]);
    out.keys.push_back(keys[index]);
  }
  return out;
}

namespace {

// Processes that are killed come back together: the undo stands with the first of their signals,
// and is in the journal before any of them is sent.
bool shares_undo(const model::HostStep& step, const model::Change& change) {
  return std::holds_alternative<model::SignalProcess>(change.apply) &&
         std::holds_alternative<model::SignalProcess>(step.changes.front().apply) &&
         !step.changes.front().undos.empty() &&
         std::none_of(step.changes.front().undos.begin(), step.changes.front().undos.end(),
                      [](const model::Undo& undo) {
                        return std::holds_alternative<model::ResumeProcess>(undo);
                      });
}

}  // namespace

Result<void> check_plan(const model::HostStep& step) {
  const std::string mark = step.token.mark();
  const auto bug = [&](std::string_view what) {
    return Error(Code::failed,
                 fmt::format("the plan of {} breaks the contract: {}", step.fault, what));
  };
  for (const model::Change& change : step.changes) {
    if (change.undos.empty() && shares_undo(step, change)) continue;
    if (change.undos.empty()) return bug("'" + change.summary + "' has no undo");
    const auto* ifb = std::get_if<model::CreateIfb>(&change.apply);
    const auto* hole = std::get_if<model::CreateHole>(&change.apply);
    const auto* table = std::get_if<model::CreateTable>(&change.apply);
    const auto* helper = std::get_if<model::SpawnHelper>(&change.apply);
    const std::string* link = ifb != nullptr ? &ifb->link : hole != nullptr ? &hole->link : nullptr;
    if (link != nullptr && *link != mark) return bug("a link does not bear the mark");
    if (table != nullptr && table->table.name != mark) return bug("a table does not bear the mark");
    if (helper != nullptr && helper->mark != mark) return bug("a helper does not bear the mark");
    const std::string kind =
        std::visit([](const auto& undo) { return std::string(undo.kKind); }, change.undos.front());
    if (link != nullptr && kind != "delete_link") return bug("a link is not deleted by its undo");
    if (table != nullptr && kind != "delete_table") return bug("a table is not undone by deletion");
    if (helper != nullptr && kind != "kill_helper") return bug("a helper is not ended by its undo");
  }
  if (!step.changes.empty() && step.effects.empty()) return bug("it names no effect to look for");
  return ok();
}

Result<model::HostStep> resolve(Catalogue catalogue, const model::StepRequest& request,
                                const os::Host& host, const Token& token,
                                const Protection& protection) {
  const Fault* fault = find(catalogue, request.fault);
  if (fault == nullptr) {
    return Error(Code::unsupported,
                 fmt::format("this executor has no fault {}", printable(request.fault)));
  }
  CHECK_OK(check_request(fault->description, request));
  Picked picked;
  if (request.target.process && process_target_wanted(fault->description)) {
    TRY(auto found, pick(request, host, protection));
    picked = std::move(found);
  }
  const PlanContext context{request, host, token, picked.processes, picked.matched};
  TRY(auto step, fault->plan(context));
  step.step = request.step;
  step.name = request.name;
  step.fault = request.fault;
  step.token = token;
  step.matched = picked.matched;
  step.duration = request.duration;
  for (std::size_t i = 0; i < picked.processes.size(); ++i) {
    step.targets.push_back({picked.keys[i], text_of(picked.processes[i])});
  }
  if (step.targets.empty() && request.target.unit) {
    step.targets.push_back({*request.target.unit, *request.target.unit});
  }
  CHECK_OK(check_plan(step));
  return step;
}

}  // namespace ordeal::fault
