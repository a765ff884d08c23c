#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/os/stream.hpp"

namespace ordeal::os {

// Another program and its standard streams. It is killed when `wire` is destroyed.
struct Program {
  std::unique_ptr<Stream> wire;    // its stdin and stdout
  std::unique_ptr<Stream> errors;  // its stderr
};

// Starts programs that we talk with, as the user who asked for the run.
class Launcher {
 public:
  virtual ~Launcher() = default;
  // Looks for argv[0] in PATH unless it has a slash. The program has a session of its own, so that
  // no ctrl-C reaches it and it can ask nobody for a password, and dies with this process.
  // Errors: it is not there; it could not be started.
  virtual Result<Program> start(const std::vector<std::string>& argv) = 0;
};

}  // namespace ordeal::os
