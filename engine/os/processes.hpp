#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/model/change.hpp"
#include "engine/model/target.hpp"
#include "engine/os/clock.hpp"
#include "engine/os/task.hpp"

namespace ordeal::os {

struct CommandResult {
  // 128 + n when a signal ended it. Empty: it has ended and somebody else took its exit code, which
  // is no reason to run it again: what it did shows elsewhere.
  std::optional<int> exit_code = 0;
  std::string output;      // stdout, cut at 64 KiB
  std::string errors;      // stderr, cut at 4 KiB
  bool timed_out = false;  // killed with its process group at the timeout

  // "exit 1"
  std::string ending() const {
    return exit_code ? fmt::format("exit {}", *exit_code) : "it ended, its exit code is unknown";
  }
};

struct ProcessUsage {
  Duration cpu{};  // user + system of all threads
  Bytes resident;
};

// A process that bears a mark: it burns, fills or shapes for an executor, and dies with that.
struct Helper {
  std::string mark;
  model::ProcessId id;
  bool owned = false;  // the executor that started it lives, whichever that is
};

// Processes of this host. Const members only read: a plan gets a const Processes.
class Processes {
 public:
  virtual ~Processes() = default;

  // Do the pids that we read mean the processes that we would signal? Error: why not.
  virtual Result<void> pids_are_ours() const { return ok(); }
  virtual Result<std::vector<model::ProcessInfo>> list() const = 0;
  // Code::gone when the pid is free or belongs to a younger process; a zombie counts as gone.
  virtual Result<model::ProcessInfo> find(model::ProcessId id) const = 0;
  virtual Result<ProcessUsage> usage(model::ProcessId id) const = 0;
  // Processes that listen on the TCP port or are bound to the UDP port, in this network namespace.
  virtual Result<std::vector<std::int64_t>> holders_of_port(std::uint16_t port) const = 0;
  // What no selector may reach: ourselves and our ancestors, pid 1, kernel threads, sshd, container
  // runtimes, journald, dbus, udevd, logind. The text says why; empty: not protected.
  virtual std::string protected_because(const model::ProcessInfo& process) const = 0;
  virtual Result<std::string> boot_id() const = 0;
  // Empty: this machine has none. What cannot be read is an error, never another machine.
  virtual Result<std::string> machine_id() const = 0;
  virtual std::string host_name() const = 0;
  virtual bool systemd_is_pid1() const = 0;

  // Opens the pid, then compares the start time, then signals through the pidfd. Code::gone when
  // it is not that process any more.
  virtual Result<void> signal(model::ProcessId id, int signal) = 0;
  // Waits until it is gone (also as a zombie). Code::timeout at the deadline.
  virtual Task<Result<void>> wait_gone(model::ProcessId id, BootTime deadline) = 0;

  // Starts `ordeal-executor --helper ROLE` with comm = mark, which dies with this process. Returns
  // when it has reported "ready" or failed (its error text), at most 2 s later. Every descriptor
  // but its own pipe is closed in it.
  virtual Task<Result<model::ProcessId>> spawn_helper(model::SpawnHelper helper) = 0;
  // All processes that bear the mark as comm and run as our user.
  virtual Result<std::vector<model::ProcessId>> find_marked(const std::string& mark) const = 0;
  // Every helper that runs as our user, whoever started it.
  virtual Result<std::vector<Helper>> helpers() const = 0;

  // Runs a command without a shell in its own session, stdin closed, environment: PATH, LANG=C and
  // `environment`. At the timeout its process group is killed; it dies with this process, so that
  // what it was to do does not come after somebody else has undone it. What it leaves running is
  // not ours to end: a daemon may write to its stdout and stderr for ever. Error: could not start.
  virtual Task<Result<CommandResult>> run(model::Command command,
                                          std::map<std::string, std::string> environment = {}) = 0;
};

}  // namespace ordeal::os
