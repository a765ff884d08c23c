// The helper roles: each a plain process with one purpose, started by the worker and ended by a
// signal. main has called helper_enter() before; a role calls helper_ready() when it is set up, or
// helper_error() and returns the exit code.
#pragma once

#include <boost/json/object.hpp>

namespace ordeal::helper {

// {"workers": N, "load": N, "reach": "no" | "host" | "cgroup"}: N workers, each with this load in
// parts per million of one core; or as much as is missing until host or cgroup use their sum.
int run_cpu(const boost::json::object& arguments);

// {"bytes": N, "ramp_us": N, "reserve": N, "oom_score_adj": N}
int run_memory(const boost::json::object& arguments);

// {"path": TEXT, "device": "major:minor", "inode": N, "bytes": N, "floor": N}
int run_disk(const boost::json::object& arguments);

// Holds packets of an NFQUEUE for a while (engine/executor/helper/shaper.cpp).
int run_shaper(const boost::json::object& arguments);

// No helper of a step: reads pipes 0 and 3 to their ends (engine/executor/helper/swallow.cpp).
int run_swallow();

}  // namespace ordeal::helper
