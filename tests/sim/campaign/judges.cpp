// The judges: they read the simulated kernel and disk, never what the engine believes.
#include <algorithm>
#include <csignal>

#include "engine/base/text.hpp"
#include "engine/journal/record.hpp"
#include "tests/sim/campaign/lab.hpp"

namespace ordeal::sim {
namespace {

constexpr const char* kJournals = "/var/lib/ordeal/journal/";

bool takes_back(const model::Undo& undo, const Machine::Trace& trace) {
  return std::visit(
      [&](const auto& u) {
        using Kind = std::remove_cvref_t<decltype(u)>;
        if (trace.kind != Kind::kKind) return false;
        if constexpr (requires { u.link; }) return u.link == trace.key;
        else if constexpr (requires { u.table; }) return u.table == trace.key;
        else if constexpr (requires { u.process; }) {
          return std::to_string(u.process.pid) == trace.key;
        } else if constexpr (requires { u.cgroup; }) return u.cgroup == trace.key;
        else if constexpr (requires { u.mark; }) return u.mark == trace.key;
        else if constexpr (requires { u.unit; }) return u.unit == trace.key;
        else if constexpr (requires { u.command; }) return u.command.argv.front() == trace.key;
        else return false;
      },
      undo);
}

bool takes_back(const journal::Intent& intent, const Machine::Trace& trace) {
  if (trace.kind == "kill") {  // nothing takes it back, but its step is on record
    return std::any_of(intent.claims.begin(), intent.claims.end(), [&](const model::Claim& claim) {
      return claim.kind == "process" && claim.key.starts_with(trace.key + ":");
    });
  }
  return std::any_of(intent.undos.begin(), intent.undos.end(),
                     [&](const model::Undo& undo) { return takes_back(undo, trace); });
}

// What of a fault can be seen in the kernel: one of these must have been there.
std::vector<std::string> marks_of(const std::string& fault) {
  if (fault == "process.kill") return {"kill"};
  if (fault == "process.pause") return {"resume_process", "thaw_cgroup"};
  if (fault.starts_with("network.")) return {"packets"};
  if (fault == "service.stop") return {"start_unit", "run_undo_command"};
  return {"kill_helper"};
}

std::string text_of(const std::vector<Machine::Trace>& traces) {
  std::vector<std::string> out;
  for (const auto& trace : traces) out.push_back(trace.kind + " " + trace.key);
  return join(out, ", ");
}

std::vector<Machine::Trace> effective(const Machine& machine) {
  std::vector<Machine::Trace> out = machine.ours();
  std::erase_if(out, [](const auto& trace) { return !trace.effective; });
  return out;
}

std::string difference(const std::vector<std::string>& before,
                       const std::vector<std::string>& after) {
  std::vector<std::string> gone, come;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(gone));
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(come));
  return fmt::format("missing [{}], new [{}]", join(gone, "; "), join(come, "; "));
}

}  // namespace

bool journaled(const Machine& machine, const Machine::Trace& trace) {
  for (const auto& [path, file] : machine.disk.files) {
    if (!path.starts_with(kJournals) || !file.on_disk) continue;
    const journal::Scan scan = journal::scan(file.durable);
    for (const journal::Record& record : scan.records) {
      if (takes_back(record.intent, trace)) return true;
    }
  }
  return false;
}

bool Lab::can_renew() const {
  return front_ && front_->alive() && !front_->stopped() && !verdict_ && !cut_ && worker_ &&
         worker_->alive() && !worker_->stopped();
}

// P1. Also starts `ordeal recover` as systemd would, a second after both processes have died.
void Lab::watch() {
  const BootTime now = world_.now();
  if (can_renew()) last_control_ = now;
  const bool dead = worker_ && !worker_->alive() && !keeper_->alive();
  if (dead && !all_dead_) all_dead_since_ = now;
  all_dead_ = dead;
  if (config_.systemd_recovers && dead && now > all_dead_since_ + 1s && !recovering_) {
    recovering_ = true;
    Node& node = machine_.start("recover");
    auto body = [](Lab& lab, Node& on) -> Task<void> {
      executor::RecoverOptions options;
      co_await executor::recover(on.host(), kState, options);
      lab.world_.sometimes("systemd recovered");
      on.exit();
    };
    node.at_death.push_back([this] { recovering_ = false; });
    node.spawn(body(*this, node));
    all_dead_since_ = now + std::chrono::hours(1);  // once is enough
  }
  const auto left = effective(machine_);
  if (!left.empty() && config_.strict() && !meddled_) {
    const BootTime limit = last_control_ + config_.lease + 2s + kBound;
    if (!dead && now > limit) {
      world_.violation(fmt::format("P1: {} outlives its lease by more than {}", text_of(left),
                                   format_duration(kBound)));
    }
    if (dead && config_.systemd_recovers && now > std::max(limit, last_control_) + kBoundAllDead) {
      world_.violation("P1: after the death of all: " + text_of(left));
    }
  }
  world_.at(now + 20ms, [this] { watch(); });
}

void Lab::judge_verdict(const model::Verdict& verdict) {
  world_.sometimes("verdict " + verdict.exit_name);
  const auto left = machine_.ours();
  if (verdict.host == model::HostState::clean && !left.empty()) {
    world_.violation("the verdict says clean, the kernel has " + text_of(left));
  }
  if (verdict.host == model::HostState::untouched && !left.empty()) {
    world_.violation("the verdict says untouched, the kernel has " + text_of(left));
  }
  if (verdict.hypothesis != model::Hypothesis::upheld) return;
  for (const auto& [step, fault] : planned_) {
    const auto kinds = marks_of(fault);
    const bool seen = std::any_of(machine_.ever.begin(), machine_.ever.end(), [&](const auto& t) {
      return std::find(kinds.begin(), kinds.end(), t.kind) != kinds.end();
    });
    if (!seen) {
      world_.violation(fmt::format("upheld, but {} ({}) never took hold", step, fault));
    }
  }
}

void Lab::wait_for_the_end() {
  const auto front_over = [this] { return !front_->alive(); };
  const auto settled = [&] { return front_over() || front_->stopped(); };
  // An order to a wire that swallows everything is given up after 90 s, twice.
  if (!world_.run_until(settled, 500s)) world_.violation("the run does not end");
  if (front_->stopped()) world_.run_until(front_over, config_.lease + 30s);
  if (front_->alive()) machine_.signal(front_->pid(), SIGKILL);
  const auto over = [this] {
    return !worker_ || (!worker_->alive() && !keeper_->alive());
  };
  if (!world_.run_until(over, 90s)) {
    for (Node* node : {worker_, keeper_}) {
      // Nobody tells them of a cut wire; and a keeper waits for a worker that is stopped while
      // nothing is injected: it has no reason to kill it.
      if (node->alive() && !node->stopped() && !cut_ && !worker_->stopped()) {
        world_.violation(node->name() + " does not end after its front");
      }
      if (node->alive()) machine_.signal(node->pid(), SIGKILL);
    }
  }
  if (config_.systemd_recovers) world_.run_for(kBoundAllDead);
  const auto left = effective(machine_);
  // Whoever reverts tries every undo: each that is left must have met a failure of its own.
  if (left.size() > machine_.injected_failures && !all_dead_by_strike()) {
    world_.violation(fmt::format("{} left behind after {} failures", text_of(left),
                                 machine_.injected_failures));
  }
}

// Both were struck, so nobody could revert.
bool Lab::all_dead_by_strike() const { return worker_exit_ < 0 && keeper_exit_ < 0; }

bool Lab::recover(const std::string& who) {
  Node& node = machine_.start(who);
  auto report = run_task(node, executor::recover(node.host(), kState, {}), 300s);
  node.exit();
  if (!report) {
    world_.violation("recover does not end");
    return false;
  }
  for (const auto& journal : report->journals) {
    for (const std::string& problem : journal.problems) {
      world_.trace(nullptr, fmt::format("{}: {}", who, problem));
    }
    for (const auto& undo : journal.undos) {
      world_.trace(nullptr, fmt::format("{}: {}: {}", who, undo.what, undo.text));
      world_.sometimes(undo.gone_before ? "recover found it gone" : "recover undid something");
    }
  }
  return report->clean;
}

void Lab::recover_and_compare() {
  machine_.misfortunes = Misfortunes{};
  Node& person = machine_.start("lift");
  ignore(executor::lift_halt(person.host(), kState), "it may not be set");
  person.exit();
  if (!recover("recover") && !recover("recover again")) {
    world_.violation("recover is not clean on a healthy machine");
  }
  expect_clean("after recover");
  if (!recover("recover once more")) world_.violation("a second recover is not clean");
  expect_clean("after a second recover");
}

void Lab::expect_clean(const std::string& when) {
  const auto left = machine_.ours();
  if (!left.empty()) world_.violation(fmt::format("{}: left is {}", when, text_of(left)));
  const auto same = [this] { return machine_.snapshot() == before_; };
  if (!world_.run_until(same, 15s)) {  // supervisors bring processes back
    world_.violation(when + ": " + difference(before_, machine_.snapshot()));
  }
}

}  // namespace ordeal::sim
