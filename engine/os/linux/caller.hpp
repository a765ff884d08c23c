#pragma once

#include <string>

#include "engine/base/result.hpp"

namespace ordeal::os {

// Who asked for this: the user behind sudo, doas or pkexec, else the user of this process.
struct Caller {
  unsigned uid = 0;
  unsigned gid = 0;
  std::string name;
  std::string home;
};
Caller caller();

bool is_root();
std::string kernel_release();
std::string node_name();
std::string machine_name();  // "x86_64"

// Gives up root for good when it was lent to us: groups, gid, uid, then checks that there is no
// way back. Does nothing for a root login.
Result<void> become_caller(const Caller& caller);

// Creates the directory with its parents; those that it makes get `mode`.
Result<void> make_directories(const std::string& path, unsigned mode);
// Replaces the file; parents are made.
Result<void> replace_file(const std::string& path, const std::string& bytes);
// Hands a path to the caller, when we are root for somebody else.
Result<void> give_to(const std::string& path, const Caller& caller);

// Holds back INT, TERM, HUP and QUIT, or lets them through again: between the end of a run and the
// end of its reports a signal must neither kill us nor be lost.
void hold_stop_signals(bool hold);

// Columns and rows of the terminal on `fd`, or nothing when it is none.
struct TerminalSize {
  int columns = 0;
  int rows = 0;
};
TerminalSize terminal_size(int fd);

}  // namespace ordeal::os
