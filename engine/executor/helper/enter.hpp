// How a helper process begins: bound to its parent's life, marked, and alone with its orders.
//
// A helper is `ordeal-executor --helper ROLE --mark MARK --parent PID`. Its orders are a JSON
// object on stdin until end of file. It answers one line on stdout, "ready" or "error: why", and
// stays.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "engine/base/result.hpp"

namespace ordeal::helper {

struct HelperCall {
  std::string role;  // "cpu", "memory", "disk", "shaper"
  std::string mark;  // becomes our comm
  std::int64_t parent = 0;
};

// Reads the command line. Errors: Code::invalid for anything but the four words above.
Result<HelperCall> helper_call(int count, const char* const* arguments);

// Dies with the parent from here on (SIGKILL), bears the mark, keeps no descriptor but 0, 1 and 2,
// has the wanted oom_score_adj (1000: the first to go), and returns its orders.
// Errors: the parent is gone already, or the orders are no JSON object of 64 KiB at most.
Result<boost::json::object> helper_enter(const HelperCall& call,
                                         std::optional<int> oom_score_adj = std::nullopt);

// Exactly one of the two, once: what the parent waits for. Both close stdout.
void helper_ready();
void helper_error(std::string_view text);

}  // namespace ordeal::helper
