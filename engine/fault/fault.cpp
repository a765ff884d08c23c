#include "engine/fault/fault.hpp"

#include "engine/base/assert.hpp"

namespace ordeal::fault {

const Fault* find(Catalogue catalogue, std::string_view name) {
  const Fault* found = nullptr;
  for (const Fault& fault : catalogue) {
    if (fault.description.name != name) continue;
    ORDEAL_ASSERT(found == nullptr);  // two faults of one name
    found = &fault;
  }
  return found;
}

}  // namespace ordeal::fault
