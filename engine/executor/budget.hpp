// What a front may make its worker hold. The worker's memory is locked, so each of these is
// bounded: with what the worker itself needs (below 6 MiB) they stay below 16 MiB.
//
//   facts that wait for a front that does not read   2 MiB, and one that is being written, 1 MiB
//   answers that are remembered                      512 KiB
//   orders whose answer is being made                1 MiB
//   steps                                            4 MiB
#pragma once

#include <cstddef>

#include "engine/model/change.hpp"
#include "engine/wire/message.hpp"

namespace ordeal::executor {

// Two of the largest facts. A front that reads takes them within a second even over a slow line;
// host values are dropped long before. Beyond it the front is as good as gone.
inline constexpr std::size_t kMostQueued = 2 * (wire::kFactLimit + 4);

// An order is sent again when its answer was lost, so the newest ones are enough. An answer has
// 100 to 2000 bytes; the newest is kept whatever its size.
inline constexpr std::size_t kMostRemembered = 512u << 10;
inline constexpr std::size_t kMostAnswers = 256;

// Each order that is at work has a coroutine with what it needs, so it weighs 2 KiB and its bytes:
// room for the injections of a `parallel` with 400 steps of 500 bytes each.
inline constexpr std::size_t kOrderWeight = 2u << 10;
inline constexpr std::size_t kMostAtWork = 1u << 20;

// Programs of `where` at once; the next ones wait. One looks for 5 s at most.
inline constexpr int kMostLooks = 8;

// All steps together. One that pauses a process weighs 3 KiB: room for the 1000 rounds of a step
// that is repeated each second, all of them kept for the last look at the host; before a step is
// refused those that are reverted are forgotten, the oldest first. A step with the 1000 processes
// that a fact can name weighs 2 MiB.
inline constexpr std::size_t kMostStepBytes = 4u << 20;

// Marks of steps that were recorded, also of those that are forgotten: 64 bytes each.
inline constexpr std::size_t kMostMarks = 8192;

// About what this plan takes in memory, with what is kept to undo it.
std::size_t weight_of(const model::HostStep& plan, std::size_t encoded);

}  // namespace ordeal::executor
