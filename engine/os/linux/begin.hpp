// How every program of ours begins. A parent hands on more than words: ignored and blocked signals,
// closed descriptors, a umask, limits. None of that was meant for us, and each of it could keep us
// from putting a machine back.
#pragma once

#include "engine/base/result.hpp"

namespace ordeal::os {

// First thing in main(), before any thread and any file:
// - signals do what they do by default and none is blocked. Alone SIGXFSZ and SIGTTOU are ignored:
//   a file that may not grow is an error, and who writes from the background is not stopped for it;
// - 0, 1 and 2 are open, so that no file of ours gets one of these numbers;
// - what we create we may read and write ourselves, whatever the umask says of others;
// - soft limits (of descriptors, processes, memory, file sizes, CPU time) are raised to the hard.
// Error: the hard limit of descriptors is too low to work with; says so and what to do.
Result<void> begin_process();

// Every signal does what it does by default. Between vfork and exec too: system calls only.
void default_signals();

// Gives back the limits that we were started with, to a program that is not ours. Between vfork and
// exec too: system calls only.
void restore_limits();

}  // namespace ordeal::os
