// The plan phase: find the host, resolve every step against it, hold it against the limits.
#include <fmt/format.h>

#include "engine/base/digest.hpp"
#include "engine/run/state.hpp"

namespace ordeal::run {

using namespace model;

namespace {

// Every undo of a step as the command a person would type, in the order of the rollback.
std::vector<std::string> undo_commands(const HostStep& plan, bool& undoable) {
  std::vector<std::string> out;
  for (auto change = plan.changes.rbegin(); change != plan.changes.rend(); ++change) {
    for (const Undo& undo : change->undos) {
      if (std::holds_alternative<NotUndoable>(undo)) undoable = false;
      out.push_back(command_of(undo));
    }
  }
  return out;
}

// The earlier parts of the same `parallel` that are active at some time when the step is.
std::vector<std::string> beside(const Experiment& experiment, const Step& step) {
  std::vector<std::string> out;
  for (const MethodItem& item : experiment.method) {
    const auto* parallel = std::get_if<Parallel>(&item);
    if (parallel == nullptr) continue;
    out.clear();
    for (const Step& part : parallel->steps) {
      if (part.path == step.path) return out;
      // To the moment: one that begins when the other ends may come first.
      const bool before = part.start_delay + part.duration < step.start_delay;
      const bool after = step.start_delay + step.duration < part.start_delay;
      if (!before && !after) out.push_back(part.path);
    }
  }
  return {};
}

}  // namespace

StepRequest Run::request_for(const Step& step, int round) const {
  StepRequest request;
  request.step = round == 0 ? step.path : fmt::format("{}#{}", step.path, round + 1);
  request.name = step.name;
  request.fault = step.fault;
  request.target = step.target;
  request.with = step.with;
  request.duration = step.duration;
  request.seed = options_.seed;
  request.zero_magnitude = options_.mode == Mode::control;
  return request;
}

Task<bool> Run::connect() {
  fleet::Pushed pushed;
  pushed.host_values = [this](const wire::HostFact& fact) {
    judge_.add_host(host_, fact.values, now());
    evaluate(now());
  };
  pushed.step_reverted = [this](const wire::StepReverted& fact) { on_step_reverted(fact); };
  pushed.halted = [this](const wire::Halted& fact) {
    stop(AbortCause::halt, "halted: " + fact.reason);
  };
  pushed.lost = [this](std::string reason, std::optional<wire::KeeperReport> keeper) {
    on_lost(reason, keeper);
  };
  auto opened = co_await around_.connect(std::move(pushed));
  if (opened.has_error()) {
    refuse(Phase::plan, "no executor: " + opened.error().message());
    co_return false;
  }
  executor_ = std::move(opened.value());
  co_return true;
}

Task<bool> Run::prepare_steps() {
  wire::Hello greeting;
  greeting.version = options_.about.version;
  greeting.run = options_.run_id;
  greeting.seed = options_.seed;
  auto hello = co_await executor_->hello(std::move(greeting));
  if (hello.has_error()) {
    refuse(Phase::plan, "no executor: " + hello.error().message());
    co_return false;
  }
  host_ = hello.value().host;
  for (const std::string& warning : hello.value().warnings) note("warning", warning);
  std::string reasons;
  if (!hello.value().halted.empty()) {
    reasons += fmt::format("halted: {}; lift it with: sudo ordeal halt --lift\n",
                           hello.value().halted);
  }
  if (!hello.value().unready.empty()) {
    const std::string why =
        fmt::format("nothing can be injected on {}: {}", host_, hello.value().unready);
    // A plan without root could not make a journal anyway, and says so.
    const bool injects = options_.mode == Mode::run || options_.mode == Mode::control ||
                         (options_.mode == Mode::plan_only && options_.unchecked.empty());
    if (injects) reasons += why + "\n";
    if (!injects) note("warning", why);
  }
  if (!hello.value().dirty.empty()) {
    // Whatever else would be found is likely to come from that.
    std::string left;
    for (const std::string& one : hello.value().dirty) left += (left.empty() ? "" : "; ") + one;
    refuse(Phase::plan, fmt::format("{}{} is not clean: {}; mend it with: sudo ordeal recover",
                                    reasons, host_, left));
    co_return false;
  }
  for (const Step* step : steps_of(experiment_)) {
    StepRequest request = request_for(*step, 0);
    request.beside = beside(experiment_, *step);
    auto answer = co_await executor_->prepare(std::move(request));
    if (answer.has_value()) {
      processes_picked_ += static_cast<std::int64_t>(answer.value().plan.targets.size());
      prepared_[step->path] = std::move(answer.value());
    } else {
      reasons += fmt::format("{}:{}:{}: {}: {}\n", step->place.file, step->place.line,
                             step->place.column, step->name, answer.error().message());
    }
  }
  if (!reasons.empty()) {
    reasons.pop_back();
    refuse(Phase::plan, std::move(reasons));
    co_return false;
  }
  co_return true;
}

bool Run::within_blast_radius(std::vector<std::string>& limits) {
  const BlastRadius& radius = experiment_.blast_radius;
  const Duration method = method_duration(experiment_);
  std::string over;
  const auto line = [&limits, &over](std::string text, bool exceeded) {
    limits.push_back(text);
    if (exceeded) over += (over.empty() ? "" : "\n") + ("beyond the blast radius: " + text);
  };
  line(fmt::format("hosts {} (1 picked){}", radius.hosts.value_or(1),
                   radius.hosts ? "" : ", default"),
       radius.hosts && *radius.hosts < 1);
  if (radius.processes) {
    line(fmt::format("processes {} ({} picked)", *radius.processes, processes_picked_),
         processes_picked_ > *radius.processes);
  } else {
    line(fmt::format("processes {}, default: what the plan picked", processes_picked_), false);
  }
  if (radius.process_share) {
    for (const auto& [path, step] : prepared_) {
      if (step.plan.matched == 0) continue;
      const Ppm share{static_cast<std::int64_t>(step.plan.targets.size()) * 1'000'000 /
                      step.plan.matched};
      line(fmt::format("process_share {} ({} of {} is {} in {})",
                       format_percent(*radius.process_share), step.plan.targets.size(),
                       step.plan.matched, format_percent(share), step.plan.name),
           share > *radius.process_share);
    }
  }
  total_ = radius.duration.value_or(method + method / 2);
  line(fmt::format("duration {} ({} planned){}", format_duration(total_), format_duration(method),
                   radius.duration ? "" : ", default"),
       method > total_);
  if (over.empty()) return true;
  refuse(Phase::plan, over);
  return false;
}

void Run::emit_plan(std::vector<std::string> limits) {
  PlanMade made;
  std::string digests;
  Duration at{};
  const auto add = [&](const Step& step, Duration start) {
    const wire::Prepared& prepared = prepared_.at(step.path);
    PlannedStep planned;
    planned.step = step.path;
    planned.name = step.name;
    planned.fault = step.fault;
    planned.host = host_;
    planned.backend = prepared.plan.backend;
    planned.summary = prepared.plan.summary;
    planned.warnings = prepared.plan.warnings;
    planned.targets = prepared.plan.targets;
    planned.matched = prepared.plan.matched;
    planned.duration = step.duration;
    planned.start = start;
    for (const Change& change : prepared.plan.changes) planned.changes.push_back(change.summary);
    planned.undos = undo_commands(prepared.plan, planned.undoable);
    planned.digest = prepared.digest;
    digests += prepared.digest;
    made.steps.push_back(std::move(planned));
  };
  for (const MethodItem& item : experiment_.method) {
    if (const auto* step = std::get_if<Step>(&item)) {
      add(*step, at);
      at += step->duration;
    } else if (const auto* parallel = std::get_if<Parallel>(&item)) {
      Duration longest{};
      for (const Step& part : parallel->steps) {
        add(part, at + part.start_delay);
        longest = std::max(longest, part.start_delay + part.duration);
      }
      at += longest;
    } else if (const auto* wait = std::get_if<Wait>(&item)) {
      at += wait->time.value_or(wait->within);
    }
  }
  made.digest = sha256_hex(digests);
  made.baseline = experiment_.baseline;
  made.warmup = experiment_.warmup;
  made.method = at;
  made.recovery_within = experiment_.recovery.within;
  made.recovery_hold = experiment_.recovery.hold;
  made.duration_limit = total_;
  made.limits = std::move(limits);
  made.unchecked = options_.unchecked;
  emit(std::move(made));
}

}  // namespace ordeal::run
