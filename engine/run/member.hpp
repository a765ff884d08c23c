// One host of a run: what it was asked to do, and what has become of it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/fleet/executor.hpp"
#include "engine/fleet/select.hpp"
#include "engine/model/experiment.hpp"

namespace ordeal::run {

struct Member {
  const model::InventoryHost* entry = nullptr;
  std::string name;  // in events: the inventory's, or what the machine calls itself
  std::unique_ptr<fleet::Executor> executor;
  wire::HelloFact hello;
  bool target = false;           // a step picked it; else it is only looked at
  std::set<std::string> active;  // steps injected, not yet reverted
  bool touched = false;          // an injection was ordered
  int on_probation = 0;          // network faults whose control path has not answered yet
  BootTime last_renewal{};
  bool checked = false;  // and found as it is; a lost wire is no news any more
  bool lost = false;
  std::string lost_text;
  std::optional<wire::HostReport> parting;  // the last word of a worker that left by itself
  std::optional<wire::HostReport> left;     // of a lost one: how its host is, if anybody said so

  bool remote() const { return entry->ssh.has_value(); }
};

// One step on one host, as it was prepared there.
struct Site {
  Member* member = nullptr;
  wire::Prepared prepared;
  std::string why;  // the host was picked
};

// Those among whom a selector of a step picks; a step has one, or two with `between`.
struct Side {
  const model::HostSelector* selector = nullptr;  // null: the one host there is
  std::vector<const model::InventoryHost*> candidates;
  fleet::Selection selection;  // with a `where` every candidate: they say who it is
};

}  // namespace ordeal::run
