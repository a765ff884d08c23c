// What befalls the processes of ours and the machine.
#include <csignal>

#include "engine/base/ids.hpp"
#include "tests/sim/campaign/lab.hpp"

namespace ordeal::sim {

void Lab::strike(const Strike& strike) {
  world_.trace(nullptr, "strike: " + to_string(strike));
  switch (strike.blow) {
    case Blow::kill:
    case Blow::stop:
      if (strike.front) strike_node(strike, front_);
      if (strike.worker) strike_node(strike, worker_);
      if (strike.keeper) strike_node(strike, keeper_);
      break;
    case Blow::power_loss:
      world_.sometimes("power loss");
      machine_.power_loss();
      break;
    case Blow::cut_wire:
      if (front_ == nullptr || worker_ == nullptr) break;
      cut_ = true;
      world_.sometimes("wire cut");
      machine_.sim_host_of(*front_).cut_from(*worker_);
      machine_.sim_host_of(*front_).cut_from(*keeper_);
      break;
    case Blow::halt: {
      Node& person = machine_.start("halt");
      world_.sometimes("halt");
      const auto misfortunes = std::exchange(machine_.misfortunes, Misfortunes{});
      ignore(executor::set_halt(person.host(), kState, "simulated"), "judged by what happens");
      machine_.misfortunes = misfortunes;
      person.exit();
      break;
    }
    case Blow::interrupt:
      world_.sometimes("interrupt");
      press_ctrl_c();
      break;
    case Blow::meddle:
      meddle();
      break;
  }
}

void Lab::strike_node(const Strike& strike, Node* node) {
  if (node == nullptr || !node->alive()) return;
  const bool effective = !machine_.ours().empty();
  const char* when = effective ? "with something injected" : "with nothing injected";
  world_.sometimes(fmt::format("{} of {} {}", strike.blow == Blow::kill ? "kill -9" : "SIGSTOP",
                               node->name(), when));
  if (strike.blow == Blow::kill) {
    machine_.signal(node->pid(), SIGKILL);
    return;
  }
  machine_.signal(node->pid(), SIGSTOP);
  if (!strike.resume_after) return;
  world_.at(world_.now() + *strike.resume_after, [this, node] {
    if (node->alive()) machine_.signal(node->pid(), SIGCONT);
  });
}

// An administrator takes one of our links away by hand.
void Lab::meddle() {
  for (const auto& [name, link] : machine_.links) {
    if (!is_mark(name)) continue;
    meddled_ = true;
    world_.sometimes("an administrator took our link away");
    machine_.links.erase(name);
    return;
  }
}

}  // namespace ordeal::sim
