// What befalls the processes of ours and the machine.
#include <csignal>

#include "engine/base/ids.hpp"
#include "tests/sim/campaign/lab.hpp"

namespace ordeal::sim {

void Lab::strike(const Strike& strike) {
  world_.trace(nullptr, "strike: " + to_string(strike));
  ++ledger_.strikes;
  switch (strike.blow) {
    case Blow::kill:
    case Blow::stop:
      if (strike.of == Whose::recover) {
        strike_node(strike, recover_);
        break;
      }
      if (strike.front) strike_node(strike, front_);
      if (strike.worker) strike_node(strike, worker_);
      if (strike.keeper) strike_node(strike, keeper_);
      break;
    case Blow::power_loss:
      world_.sometimes("power loss");
      ledger_.powered_off = true;
      machine_.power_loss();
      break;
    case Blow::cut_wire:
      if (front_ == nullptr || worker_ == nullptr) break;
      ledger_.cut = true;
      ledger_.last_blow = world_.now();
      world_.sometimes("wire cut");
      machine_.sim_host_of(*front_).cut_from(*worker_);
      machine_.sim_host_of(*front_).cut_from(*keeper_);
      break;
    case Blow::halt: halt(); break;
    case Blow::interrupt:
      world_.sometimes("interrupt");
      press_ctrl_c();
      break;
    case Blow::meddle: meddle(); break;
    case Blow::wall_clock:
      world_.sometimes("the wall clock jumped");
      world_.jump_wall_clock(1s * world_.prng().between(-400'000'000, 400'000'000));
      break;
  }
}

void Lab::strike_node(const Strike& strike, Node* node) {
  if (node == nullptr || !node->alive()) return;
  const bool acts = !effective(machine_).empty();
  const char* when = acts ? "with something injected" : "with nothing injected";
  world_.sometimes(fmt::format("{} of {} {}", strike.blow == Blow::kill ? "kill -9" : "SIGSTOP",
                               node->name(), when));
  const bool executor = node == worker_ || node == keeper_;
  ledger_.last_blow = world_.now();
  ledger_.keeper_struck = ledger_.keeper_struck || node == keeper_;
  if (strike.blow == Blow::kill) {
    const bool heard = front_->alive() && !front_->stopped() && !ledger_.cut && !verdict_;
    if (executor && acts && heard && !ledger_.aborted) ledger_.lost_in_effect = true;
    machine_.signal(node->pid(), SIGKILL);
    return;
  }
  machine_.signal(node->pid(), SIGSTOP);
  if (!strike.resume_after) return;
  world_.at(world_.now() + *strike.resume_after, [this, node] {
    if (!node->alive()) return;
    ledger_.last_blow = world_.now();
    machine_.signal(node->pid(), SIGCONT);
  });
}

// An administrator takes one of our links away by hand.
void Lab::meddle() {
  for (const auto& [name, link] : machine_.links) {
    if (!is_mark(name)) continue;
    ledger_.meddled = true;
    world_.sometimes("an administrator took our link away");
    machine_.links.erase(name);
    return;
  }
}

void Lab::halt() {
  Node& person = machine_.start("halt");
  world_.sometimes("halt");
  const auto misfortunes = std::exchange(machine_.misfortunes, Misfortunes{});
  const char* state = planted(Plant::deaf_to_halt) ? "/var/lib/ordeal/elsewhere" : kState;
  ignore(executor::set_halt(person.host(), state, "simulated"), "judged by what happens");
  machine_.misfortunes = misfortunes;
  person.exit();
  ledger_.halted = true;
  ledger_.last_blow = world_.now();
}

}  // namespace ordeal::sim
