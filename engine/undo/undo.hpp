// The one engine that takes changes back, from their data alone: in the worker, in the keeper after
// the worker's death, in `ordeal recover` after everything died. It knows no fault.
//
// Every undo is idempotent, touches only what bears our mark or is named by an identity that cannot
// be reused (pid and start time), treats "already gone" as success and says so, and is read back.
#pragma once

#include <string>

#include "engine/model/change.hpp"
#include "engine/os/host.hpp"

namespace ordeal::undo {

struct Outcome {
  std::string what;     // "delete_table ordeal-abcdefgh"
  std::string text;     // read back: "gone", "running"; or the error
  std::string command;  // the same by hand
  Duration took{};
  bool ok = true;
  bool gone_before = false;  // there was nothing to undo any more
};

// "delete_link ordeal-abcdefgh", "resume_process 4711".
std::string name_of(const model::Undo& undo);
// With `what` and `command` filled in.
Outcome outcome_of(const model::Undo& undo);

inline constexpr Duration kPatience = 3s;

// Runs one undo until it is done or its time is up; failures that may pass are tried again with
// back-off for so long. Never cancelled, never throws.
Task<Outcome> run(os::Host& host, model::Undo undo, Duration patience = kPatience);

// Waits for processes that were told to end and still are at it, as long as they have for coming
// back: a restore that finds them running would start nothing. Who is left then ignored its signal.
Task<void> wait_for_dying(os::Host& host, std::vector<model::Undo> undos);

}  // namespace ordeal::undo
