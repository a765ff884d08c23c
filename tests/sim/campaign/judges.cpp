// The journal before every change, the lease behind every effect, the machine as it was at the end.
#include <algorithm>
#include <csignal>

#include "engine/base/text.hpp"
#include "engine/journal/record.hpp"
#include "tests/sim/campaign/lab.hpp"

namespace ordeal::sim {
namespace {

constexpr const char* kJournals = "/var/lib/ordeal/journal/";
// P1: how long an effect may last once someone who can revert knows that he must ...
constexpr Duration kKnown = 1s;
// ... once its lease has run out, when nobody does: own timers strike two seconds later ...
constexpr Duration kLapsed = 2s + kKnown;
// ... and after the death of both, when something starts `ordeal recover` a second later.
constexpr Duration kRecovered = 1s + kKnown;
// A service's own time to stop (an injection is not cut short) and to start.
constexpr Duration kService = 3s;
// What a world with hanging disks and slow calls may add.
constexpr Duration kSlow = 10s;

bool takes_back(const model::Undo& undo, const Machine::Trace& trace) {
  return std::visit(
      [&](const auto& u) {
        using Kind = std::remove_cvref_t<decltype(u)>;
        if (trace.kind != Kind::kKind) return false;
        if constexpr (requires { u.link; })
          return u.link == trace.key;
        else if constexpr (requires { u.table; })
          return u.table == trace.key;
        else if constexpr (requires { u.process; }) {
          return std::to_string(u.process.pid) == trace.key;
        } else if constexpr (requires { u.cgroup; })
          return u.cgroup == trace.key;
        else if constexpr (requires { u.mark; })
          return u.mark == trace.key;
        else if constexpr (requires { u.unit; })
          return u.unit == trace.key;
        else if constexpr (requires { u.command; })
          return u.command.argv.front() == trace.key;
        else
          return false;
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

bool runs(const Node* node) { return node != nullptr && node->alive() && !node->stopped(); }

bool of_service(const Machine::Trace& trace) {
  return trace.kind == "start_unit" || trace.kind == "run_undo_command";
}

}  // namespace

std::optional<std::string> recorded_step(const Machine& machine, const Machine::Trace& trace) {
  for (const auto& [path, file] : machine.disk.files) {
    if (!path.starts_with(kJournals) || !file.on_disk) continue;
    for (const journal::Record& record : journal::scan(file.durable).records) {
      if (takes_back(record.intent, trace)) return record.intent.step;
    }
  }
  return std::nullopt;
}

std::vector<Machine::Trace> effective(const Machine& machine) {
  std::vector<Machine::Trace> out = machine.ours();
  std::erase_if(out, [](const auto& trace) { return !trace.effective; });
  return out;
}

std::string text_of(const std::vector<Machine::Trace>& traces) {
  std::vector<std::string> out;
  for (const auto& trace : traces) out.push_back(trace.kind + " " + trace.key);
  return join(out, ", ");
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

// ---- P2: the journal before the change ----------------------------------------------------------

void Lab::on_made(const Machine::Trace& trace) {
  const auto step = recorded_step(machine_, trace);
  if (step) {
    ledger_.made[*step].insert(trace);
    return;
  }
  world_.violation(
      fmt::format("P2: {} {} was made without a durable record", trace.kind, trace.key));
}

// ---- P1: leases ---------------------------------------------------------------------------------

bool Lab::in_control() const {
  return runs(front_) && !verdict_ && !ledger_.cut && !ledger_.halted && !ledger_.aborted &&
         runs(worker_) && keeper_->alive();
}

bool Lab::someone_knows() const {
  if (worker_ == nullptr) return false;
  const bool front_gone = !front_->alive() && !ledger_.cut;
  const bool ordered = ledger_.aborted && runs(front_) && !ledger_.cut;
  const bool halted = ledger_.halted && runs(keeper_);
  if (runs(worker_) && (front_gone || ordered || halted || !keeper_->alive())) return true;
  return runs(keeper_) && !worker_->alive();
}

void Lab::watch() {
  recover_as_systemd();
  watch_leases();
  world_.at(world_.now() + 20ms, [this] { watch(); });
}

void Lab::watch_leases() {
  const BootTime now = world_.now();
  if (in_control()) ledger_.last_control = now;
  if (!someone_knows()) ledger_.knows_since = now;
  if (!config_.strict() || ledger_.meddled) return;
  const Duration slow = config_.prompt() ? 0s : kSlow;
  for (const Machine::Trace& trace : effective(machine_)) {
    const Duration more = slow + (of_service(trace) ? kService : 0s);
    const auto late = [&](BootTime since, Duration allowed, const char* what) {
      if (now <= since + allowed + more) return;
      world_.violation(fmt::format("P1: {} {} is still there {} after {}", trace.kind, trace.key,
                                   format_duration(now - since), what));
    };
    if (ledger_.dead) {
      if (config_.systemd_recovers) late(ledger_.dead_since, kRecovered, "the death of both");
      continue;
    }
    const BootTime known = std::max(ledger_.knows_since, ledger_.last_blow);
    if (someone_knows()) late(known, kKnown, "someone knew that it must go");
    const BootTime alone = std::max(ledger_.last_control, ledger_.last_blow);
    late(alone, config_.lease + kLapsed, "its last possible renewal");
  }
}

// A second after both processes have died.
void Lab::recover_as_systemd() {
  const BootTime now = world_.now();
  const bool dead = worker_ && !worker_->alive() && !keeper_->alive();
  if (dead && !ledger_.dead) ledger_.dead_since = now;
  const bool began = ledger_.dead;
  ledger_.dead = dead;
  if (!config_.systemd_recovers || !dead || !began || recovering_) return;
  if (now <= ledger_.dead_since + 1s) return;
  recovering_ = true;  // once is enough
  Node& node = machine_.start("recover");
  auto body = [](Lab& lab, Node& on) -> Task<void> {
    executor::RecoverOptions options;
    co_await executor::recover(on.host(), kState, options);
    lab.world_.sometimes("systemd recovered");
    on.exit();
  };
  node.spawn(body(*this, node));
}

// ---- the end ------------------------------------------------------------------------------------

void Lab::wait_for_the_end() {
  const auto front_over = [this] { return !front_->alive(); };
  const auto settled = [&] { return front_over() || front_->stopped(); };
  // An order to a wire that swallows everything is given up after 90 s, twice.
  if (!world_.run_until(settled, 500s)) world_.violation("the run does not end");
  if (front_->stopped()) world_.run_until(front_over, config_.lease + 30s);
  if (front_->alive()) machine_.signal(front_->pid(), SIGKILL);
  const auto over = [this] { return !worker_ || (!worker_->alive() && !keeper_->alive()); };
  if (!world_.run_until(over, 90s)) {
    for (Node* node : {worker_, keeper_}) {
      if (!node->alive()) continue;
      // Nobody tells them of a cut wire; and a keeper waits for a worker that is stopped while
      // nothing is injected: it has no reason to kill it.
      if (!node->stopped() && !ledger_.cut && !worker_->stopped()) {
        world_.violation(node->name() + " does not end after its front");
      }
      ledger_.killed_by_lab = true;
      machine_.signal(node->pid(), SIGKILL);
    }
  }
  if (config_.systemd_recovers) world_.run_for(kRecovered + kSlow);
}

// Both were struck, so nobody could revert.
bool Lab::all_dead_by_strike() const { return worker_exit_ < 0 && keeper_exit_ < 0; }

// What worker and keeper leave behind when one of them had the time to leave.
void Lab::judge_the_end() {
  if (all_dead_by_strike() || ledger_.killed_by_lab || ledger_.powered_off) return;
  const auto acts = effective(machine_);
  // Whoever reverts tries every undo: each that is left must have met a failure of its own.
  if (config_.machine_obeys && acts.size() > machine_.injected_failures) {
    world_.violation(
        fmt::format("{} left behind after {} failures", text_of(acts), machine_.injected_failures));
  }
  if (!config_.prompt() || ledger_.meddled) return;
  const auto left = machine_.ours();
  if (!left.empty()) world_.violation("left behind: " + text_of(left));
  for (const auto& [path, file] : machine_.disk.files) {
    if (path.starts_with(kJournals)) world_.violation("left behind: " + path);
  }
}

// ---- recover ------------------------------------------------------------------------------------

bool Lab::recover(const std::string& who, bool& did_something) {
  Node& node = machine_.start(who);
  recover_ = &node;
  auto report = run_task(node, executor::recover(node.host(), kState, {}), 300s);
  recover_ = nullptr;
  if (!report) {
    if (node.alive()) world_.violation("recover does not end");
    node.exit();
    return false;
  }
  node.exit();
  for (const auto& journal : report->journals) {
    for (const std::string& problem : journal.problems) {
      world_.trace(nullptr, fmt::format("{}: {}", who, problem));
    }
    for (const auto& undo : journal.undos) {
      world_.trace(nullptr, fmt::format("{}: {}: {}", who, undo.what, undo.text));
      world_.sometimes(undo.gone_before ? "recover found it gone" : "recover undid something");
      did_something = did_something || !undo.gone_before;
    }
  }
  for (const auto& undo : report->swept) did_something = did_something || !undo.gone_before;
  return report->clean;
}

void Lab::recover_and_compare() {
  machine_.misfortunes = Misfortunes{};
  Node& person = machine_.start("lift");
  ignore(executor::lift_halt(person.host(), kState), "it may not be set");
  person.exit();
  const auto left = machine_.ours();
  bool did_something = false;
  const bool struck = std::any_of(config_.strikes.begin(), config_.strikes.end(),
                                  [](const Strike& one) { return one.of == Whose::recover; });
  bool clean = recover("recover", did_something);
  for (int again = 0; !clean && again < (struck ? 4 : 1); ++again) {
    clean = recover("recover again", did_something);
  }
  if (!clean) world_.violation("recover is not clean on a healthy machine");
  if (!left.empty() && !did_something && !struck) {
    world_.violation("recover says nothing of " + text_of(left));
  }
  expect_clean("after recover");
  if (!recover("recover once more", did_something)) {
    world_.violation("a second recover is not clean");
  }
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
