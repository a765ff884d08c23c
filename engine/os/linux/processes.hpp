#pragma once

#include <list>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "engine/os/linux/cgroups.hpp"
#include "engine/os/linux/fd.hpp"
#include "engine/os/processes.hpp"

namespace ordeal::os {

struct SpawnPlan;

// Processes through /proc and pidfds. Reading is in processes.cpp, what starts programs in
// children.cpp.
class LinuxProcesses final : public Processes {
 public:
  // `executor_path` is what spawn_helper starts, and what reads on where a command left a daemon
  // that holds our pipes; empty: nothing does.
  LinuxProcesses(asio::any_io_executor executor, Clock& clock, const LinuxCgroups& cgroups,
                 std::string executor_path = {});
  ~LinuxProcesses() override;

  Result<void> pids_are_ours() const override;
  Result<std::vector<model::ProcessInfo>> list() const override;
  Result<model::ProcessInfo> find(model::ProcessId id) const override;
  Result<ProcessUsage> usage(model::ProcessId id) const override;
  Result<std::vector<std::int64_t>> holders_of_port(std::uint16_t port) const override;
  std::string protected_because(const model::ProcessInfo& process) const override;
  Result<std::string> boot_id() const override;
  Result<std::string> machine_id() const override;
  std::string host_name() const override;
  bool systemd_is_pid1() const override;

  Result<void> signal(model::ProcessId id, int signal) override;
  Task<Result<void>> wait_gone(model::ProcessId id, BootTime deadline) override;

  Task<Result<model::ProcessId>> spawn_helper(model::SpawnHelper helper) override;
  Result<std::vector<model::ProcessId>> find_marked(const std::string& mark) const override;
  Result<std::vector<Helper>> helpers() const override;

  Task<Result<CommandResult>> run(model::Command command,
                                  std::map<std::string, std::string> environment) override;

 private:
  class RunningCommand;
  struct Child {
    model::ProcessId id;
    Fd pidfd;
    std::string mark;  // empty: one whose end nobody awaits
  };

  // Takes the exit status of children that have ended, so that no zombie stays.
  void reap() const;
  Task<Result<void>> await_ready(int output);
  void swallow(asio::posix::stream_descriptor& output, asio::posix::stream_descriptor& errors);
  Result<SpawnPlan> helper_plan(const model::SpawnHelper& helper) const;

  asio::any_io_executor executor_;
  Clock& clock_;
  const LinuxCgroups& cgroups_;
  std::string executor_path_;
  // Children that live, so that finding a helper of ours needs no scan of /proc.
  mutable std::list<Child> children_;
};

}  // namespace ordeal::os
