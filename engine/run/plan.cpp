// The plan phase: resolve every step against its hosts, hold it against the limits.
#include <fmt/format.h>

#include "engine/base/digest.hpp"
#include "engine/fleet/knows.hpp"
#include "engine/os/group.hpp"
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
std::vector<std::string> overlapping(const Experiment& experiment, const Step& step) {
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

std::string address_of(const InventoryHost& host) {
  return host.ssh ? to_string(*host.ssh) : "local";
}

std::string at(const Step& step, std::string_view text) {
  return fmt::format("{}:{}:{}: {}: {}", step.place.file, step.place.line, step.place.column,
                     step.name, text);
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

std::vector<std::string> Run::beside(const Step& step, const Member& member) const {
  std::vector<std::string> out;
  for (const std::string& path : overlapping(experiment_, step)) {
    const auto found = sites_.find(path);
    if (found == sites_.end()) continue;
    for (const Site& site : found->second) {
      if (site.member == &member) out.push_back(path);
    }
  }
  return out;
}

Task<void> Run::prepare_on(Member& member, StepRequest request,
                           std::optional<Result<wire::Prepared>>& answer) {
  answer = co_await member.executor->prepare(std::move(request));
}

Task<Result<std::vector<Site>>> Run::prepare_step(const Step& step, int round) {
  const std::vector<Side>& sides = sides_.at(step.path);
  std::vector<Site> sites;
  for (const Side& side : sides) {
    for (const fleet::PickedHost& picked : side.selection.picked) {
      Site site;
      site.member = &member_of(*picked.host);
      site.why = picked.why;
      sites.push_back(std::move(site));
    }
  }
  std::vector<std::optional<Result<wire::Prepared>>> answers(sites.size());
  os::Group group(co_await asio::this_coro::executor);
  std::string unknown;
  for (const Site& site : sites) {
    const auto knows = fleet::knows(site.member->hello, step);
    if (knows.has_value()) continue;
    unknown += (unknown.empty() ? "" : "\n") + at(step, knows.error().message());
  }
  if (!unknown.empty()) co_return Error(Code::unsupported, std::move(unknown));
  for (std::size_t i = 0; i < sites.size(); ++i) {
    StepRequest request = request_for(step, round);
    request.beside = beside(step, *sites[i].member);
    cut_off(step, i < sides.front().selection.picked.size() ? 0 : 1, request);
    group.spawn(prepare_on(*sites[i].member, std::move(request), answers[i]));
  }
  co_await group.join();
  std::string problems;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (answers[i]->has_value()) {
      sites[i].prepared = std::move(answers[i]->value());
    } else {
      problems += (problems.empty() ? "" : "\n") +
                  at(step, said_of(*sites[i].member, answers[i]->error().message()));
    }
  }
  if (!problems.empty()) co_return Error(Code::refused, std::move(problems));
  co_return choose_sites(step, sides, std::move(sites));
}

// With `where` only now it is known who is a candidate.
Result<std::vector<Site>> Run::choose_sites(const Step& step, const std::vector<Side>& sides,
                                            std::vector<Site> prepared) {
  if (!step.target.where) return prepared;
  std::string elsewhere;
  for (const Site& site : prepared) {
    if (site.prepared.plan.not_here.empty()) continue;
    elsewhere +=
        (elsewhere.empty() ? "" : "; ") + site.member->name + ": " + site.prepared.plan.not_here;
  }
  std::vector<Site> out;
  for (const Side& side : sides) {
    std::vector<const InventoryHost*> here;
    for (const Site& site : prepared) {
      const auto& all = side.candidates;
      const bool ours = std::find(all.begin(), all.end(), site.member->entry) != all.end();
      if (ours && site.prepared.plan.not_here.empty()) here.push_back(site.member->entry);
    }
    fleet::Selection selection;
    if (here.empty()) {
      return Error(Code::refused, at(step, "`where` holds on no host: " + elsewhere));
    }
    if (side.selector != nullptr) {
      auto picked = fleet::pick(here, *side.selector, options_.seed, step.path);
      if (picked.has_error()) return Error(Code::refused, at(step, picked.error().message()));
      selection = std::move(picked.value());
    } else {
      selection = {{{here.front(), ""}}, 1};
    }
    for (const fleet::PickedHost& one : selection.picked) {
      for (Site& site : prepared) {
        if (site.member->entry != one.host) continue;
        site.why = one.why;
        out.push_back(std::move(site));
        break;
      }
    }
  }
  return out;
}

Task<bool> Run::prepare_steps() {
  std::string reasons;
  for (const Step* step : steps_of(experiment_)) {
    auto sites = co_await prepare_step(*step, 0);
    if (sites.has_error()) {
      reasons += sites.error().message() + "\n";
      continue;
    }
    for (const Site& site : sites.value()) {
      processes_picked_ += static_cast<std::int64_t>(site.prepared.plan.targets.size());
      site.member->target = true;
    }
    sites_[step->path] = std::move(sites.value());
  }
  if (!reasons.empty()) {
    reasons.pop_back();
    refuse(Phase::plan, std::move(reasons));
    co_return false;
  }
  std::vector<probe::WatchedHost> hosts;
  for (const auto& member : members_) {
    hosts.push_back({member->name, member->entry->labels, member->target});
  }
  judge_.set_hosts(std::move(hosts));
  co_return true;
}

// Of `between` the smaller side counts. One host that matched is no share of anything.
void Run::host_shares(const Limit& line) const {
  const Ppm limit = experiment_.blast_radius.host_share.value_or(Ppm{500'000});
  for (const Step* step : steps_of(experiment_)) {
    const std::vector<Side>& sides = sides_.at(step->path);
    const Side* smaller = &sides.front();
    for (const Side& side : sides) {
      if (side.candidates.size() < smaller->candidates.size()) smaller = &side;
    }
    const auto matched = static_cast<std::int64_t>(smaller->candidates.size());
    if (matched < 2) continue;
    std::int64_t picked = 0;
    for (const Site& site : sites_.at(step->path)) {
      const auto& all = smaller->candidates;
      if (std::find(all.begin(), all.end(), site.member->entry) != all.end()) ++picked;
    }
    const Ppm share{picked * 1'000'000 / matched};
    line(fmt::format("host_share {} ({} of {} is {} in {})", format_percent(limit), picked, matched,
                     format_percent(share), step->name),
         share > limit);
  }
}

bool Run::within_blast_radius() {
  const BlastRadius& radius = experiment_.blast_radius;
  const Duration method = planned();
  std::string over;
  const Limit line = [this, &over](std::string text, bool exceeded) {
    limits_.push_back(text);
    if (exceeded) over += (over.empty() ? "" : "\n") + ("beyond the blast radius: " + text);
  };
  const auto picked = std::count_if(members_.begin(), members_.end(),
                                    [](const auto& member) { return member->target; });
  line(fmt::format("hosts {} ({} picked){}", radius.hosts.value_or(1), picked,
                   experiment_.blast_radius_given ? "" : ", default"),
       picked > radius.hosts.value_or(1));
  host_shares(line);
  if (radius.processes) {
    line(fmt::format("processes {} ({} picked)", *radius.processes, processes_picked_),
         processes_picked_ > *radius.processes);
  } else {
    line(fmt::format("processes {}, default: what the plan picked", processes_picked_), false);
  }
  if (radius.process_share) {
    for (const auto& [path, sites] : sites_) {
      for (const Site& site : sites) {
        const HostStep& step = site.prepared.plan;
        if (step.matched == 0) continue;
        const auto picks = static_cast<std::int64_t>(step.targets.size());
        const Ppm share{picks * 1'000'000 / step.matched};
        line(fmt::format("process_share {} ({} of {} is {} in {})",
                         format_percent(*radius.process_share), picks, step.matched,
                         format_percent(share), said_of(*site.member, step.name)),
             share > *radius.process_share);
      }
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

void Run::emit_plan() {
  PlanMade made;
  std::string digests;
  Duration at{};
  const auto add_site = [&](const Step& step, const Site& site, Duration start) {
    const wire::Prepared& prepared = site.prepared;
    PlannedStep planned;
    planned.step = step.path;
    planned.name = step.name;
    planned.fault = step.fault;
    planned.host = site.member->name;
    planned.why = site.why;
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
  const auto add = [&](const Step& step, Duration start) {
    for (const Site& site : sites_.at(step.path)) add_site(step, site, start);
  };
  for (const auto& member : members_) {
    made.hosts.push_back({member->name, address_of(*member->entry), member->hello.kernel,
                          member->hello.version, member->target});
  }
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
  made.limits = limits_;
  made.unchecked = options_.unchecked;
  emit(std::move(made));
}

}  // namespace ordeal::run
