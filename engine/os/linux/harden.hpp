// What the processes of ordeal do to themselves so that no fault of theirs and no accident of
// others starves or ends them.
#pragma once

namespace ordeal::os {

// Ignores SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM and SIGTSTP (the wire says when to leave),
// leaves the session, is the last to be killed when memory is short, is never swapped out, and
// dumps no core (a dump would hold our descriptors, and with them our tables, for its whole time).
// What this user may not do is left out.
void harden_this_process();

// The front of a run: its requests go out on time although the host is busy, for instance with a
// load that it injected itself. Without root it changes nothing.
void go_before_others();

// Gives back to a child what we took from ourselves, before it becomes somebody's service. Between
// vfork and exec: system calls only.
void soften_child();

}  // namespace ordeal::os
