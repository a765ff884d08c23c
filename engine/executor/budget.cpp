#include "engine/executor/budget.hpp"

namespace ordeal::executor {

// Its texts, which cost about what they cost in JSON, and the structures around them. The undos are
// there twice: in the plan, and beside what is known of each.
std::size_t weight_of(const model::HostStep& plan, std::size_t encoded) {
  constexpr std::size_t kEach = 1024;  // the step itself, its place among the others
  std::size_t out = kEach + encoded;
  out += plan.claims.size() * sizeof(model::Claim);
  out += plan.targets.size() * sizeof(model::PickedTarget);
  out += 2 * plan.effects.size() * sizeof(model::Effect);
  for (const model::Change& change : plan.changes) {
    out += sizeof(model::Change) + 2 * change.undos.size() * sizeof(model::Undo);
  }
  return out;
}

}  // namespace ordeal::executor
