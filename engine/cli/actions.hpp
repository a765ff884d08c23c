// The API's actions, done as the command line does them: every run is a process of its own, and so
// is whatever touches this host.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <vector>

#include "engine/cli/child.hpp"
#include "engine/cli/serve.hpp"
#include "engine/os/linux/cgroups.hpp"
#include "engine/os/linux/processes.hpp"
#include "engine/os/linux/random.hpp"
#include "engine/serve/actions.hpp"
#include "engine/serve/server.hpp"
#include "engine/spec/spec.hpp"

namespace ordeal::cli {

class Actions final : public serve::Actions {
 public:
  // `inventory`: the file with the hosts that experiments may name, or empty.
  Actions(Server& server, std::string program, std::string inventory);

  serve::Answer validate(const serve::Submission& submission) override;
  Task<serve::Answer> plan(serve::Submission submission) override;
  Task<serve::Answer> start(serve::Submission submission) override;
  Task<serve::Answer> abort(std::string run, std::string reason) override;
  std::optional<std::string> halted() const override;
  Task<serve::Answer> halt(std::string reason) override;
  Task<serve::Answer> lift() override;
  Task<serve::Answer> host() override;
  serve::Answer schedules() override;
  serve::Answer firings(Duration ahead, std::size_t limit) override;
  serve::Answer fired(std::size_t limit) override;
  serve::Answer resume(const std::string& schedule) override;
  bool lives(const std::string& run) const override;

  // Finds the runs again that a server before this one started over the API.
  void restore();
  // Runs that were started here and go on; forgets those that have ended.
  std::size_t collect();
  void interrupt_all(const std::string& reason);

 private:
  struct Flight {
    std::string folder;  // of its file and output
    Child child;
    std::string interrupt;  // a reason: it shall end
    bool told = false;
    bool starting = false;  // somebody waits for its first words: it must not be forgotten
  };
  struct Begun {
    std::string folder;
    Child child;
  };

  Result<Begun> begin(const serve::Submission& submission, std::vector<std::string> arguments);
  Task<serve::Answer> settle(Flight& flight);
  Task<Result<os::CommandResult>> ask(std::vector<std::string> argv);
  Task<Result<os::CommandResult>> ask_inventory(std::vector<std::string> argv);
  Task<std::vector<std::string>> stop_runs(std::string reason);
  spec::Outcome parse(const serve::Submission& submission) const;
  Task<Result<boost::json::object>> ask_executor_for(std::string what);

  Server& server_;
  std::string program_;
  std::string inventory_;
  os::LinuxRandom random_;
  os::LinuxCgroups cgroups_;
  os::LinuxProcesses processes_;
  std::list<Flight> flights_;
  std::optional<boost::json::object> host_;  // the latest answer, and when it was given
  BootTime host_asked_{};
  bool asking_host_ = false;
};

// The API and what it started, beside the scheduler.
class ApiBeside final : public Beside {
 public:
  ApiBeside(Actions& actions, serve::Api& api, std::vector<serve::Listener> listeners);
  Task<void> serve() override;
  void stop(const std::string& reason) override { actions_.interrupt_all(reason); }
  bool busy() override { return actions_.collect() > 0; }

 private:
  Task<void> look_after();

  Actions& actions_;
  serve::Api& api_;
  serve::Server http_;
  std::vector<serve::Listener> listeners_;
};

}  // namespace ordeal::cli
