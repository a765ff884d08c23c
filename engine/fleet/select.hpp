// Which hosts of an inventory a selector means. Pure: the same seed gives the same hosts.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/inventory.hpp"

namespace ordeal::fleet {

struct PickedHost {
  const model::InventoryHost* host = nullptr;  // of the inventory
  std::string why;                             // "role=app; 1 of 3 by the seed"
};

struct Selection {
  std::vector<PickedHost> picked;  // in the inventory's order
  std::int64_t matched = 0;        // before mode and at_most
};

// The hosts that match, before `mode` and `at_most`.
std::vector<const model::InventoryHost*> candidates(const model::Inventory& inventory,
                                                    const model::HostSelector& selector);

// Why there is no candidate: what the selector names and the inventory does not have.
Error no_host(const model::Inventory& inventory, const model::HostSelector& selector);

// Picks by mode, value and at_most among hosts that are known to be candidates. Ranks by a hash of
// seed, step and name, so a host that is added changes no other's rank. Percentages round down.
// Hosts without the label of `at_most` count as one group. `hosts` is in the inventory's order.
// Errors (refused): no candidate; 0 picked; fewer than `value` for fixed.
Result<Selection> pick(const std::vector<const model::InventoryHost*>& hosts,
                       const model::HostSelector& selector, std::uint64_t seed,
                       const std::string& step);

}  // namespace ordeal::fleet
