// What a change reaches on a host, told by its kind alone: the one place that a policy asks.
// A new kind of Apply, Undo or Effect does not compile before it says so here.
#pragma once

#include <string>
#include <vector>

#include "engine/model/change.hpp"

namespace ordeal::model {

// A directory whose file system is filled, as it was found when the step was planned.
struct FilledFolder {
  std::string path;
  std::string device;
  std::uint64_t inode = 0;
};

struct Touched {
  std::vector<std::vector<std::string>> programs;  // run as root, named by the experiment
  std::vector<std::string> units;                  // stopped, or started
  std::vector<std::string> entered;                // cgroups whose share a process of ours takes
  std::vector<std::string> frozen;                 // cgroups
  std::vector<ProcessId> processes;                // get a signal; none of ours
  std::vector<FilledFolder> filled;
  std::vector<std::string> devices;  // of the network, whose packets are met
};

// All that the step's changes, their undos and the looks at their effects reach.
// Code::invalid: a helper of an unknown role, or without what its role needs.
Result<Touched> touches(const HostStep& step);

}  // namespace ordeal::model
