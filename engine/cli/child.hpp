// A run in a process of its own, which outlives the process that started it. What it prints goes
// into a file, whose lock it holds for as long as it lives: so whoever comes later finds out
// whether it lives still, and how it ended, without any pid.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/verdict.hpp"
#include "engine/os/linux/fd.hpp"

namespace ordeal::cli {

// What a child has left behind so far.
struct Traces {
  bool any = false;  // it has printed something
  std::string run;   // id of the run
  std::optional<model::Verdict> verdict;
  std::string complaint;  // the last line on stderr
};

class Child {
 public:
  // Starts `program arguments` with `input` on stdin, stdout into FILE.jsonl and stderr into
  // FILE.err, in a session of its own. Arguments are for everybody to read; `input` is not.
  // Errors: the files; the program.
  static Result<Child> start(const std::string& program, std::vector<std::string> arguments,
                             const std::string& input, const std::string& file);
  // The child of an earlier process of ours, dead or alive. Nothing: there never was one.
  static std::optional<Child> find(const std::string& file);

  // Whether it lives still. Takes the exit status of a child of our own.
  bool lives();
  std::optional<int> exit_code() const { return exit_code_; }  // of a dead child of our own
  Traces traces() const;
  // Asks it to put everything back and end. False: it could not be reached yet; ask again.
  bool interrupt(const std::string& reason);
  void remove_files();

 private:
  explicit Child(std::string file) : file_(std::move(file)) {}

  std::string file_;
  os::Fd output_;  // of a child that is not ours: to try the lock
  os::Fd pidfd_;
  std::optional<int> exit_code_;
};

}  // namespace ordeal::cli
