// The front's end of a wire to one executor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/os/clock.hpp"
#include "engine/os/stream.hpp"
#include "engine/wire/message.hpp"

namespace ordeal::fleet {

// What the executor says without being asked.
struct Pushed {
  std::function<void(const wire::HostFact&)> host_values;
  std::function<void(const wire::StepReverted&)> step_reverted;  // asked for or not
  std::function<void(const wire::Halted&)> halted;
  // It leaves without having been told to; this is how it left its host. `lost` follows.
  std::function<void(const wire::HostReport&)> parting;
  // The wire is closed or broken. `keeper` says what the keeper did, once it has spoken or 8 s have
  // passed; a report that is not clean, or none, means: state unknown or dirty.
  std::function<void(std::string reason, std::optional<wire::KeeperReport> keeper)> lost;
};

class Executor {
 public:
  // Takes the wire and the keeper's line stream (may be null). `pushed` is called on the run's
  // thread.
  Executor(os::Clock& clock, std::unique_ptr<os::Stream> wire, std::unique_ptr<os::Stream> keeper,
           Pushed pushed);
  ~Executor();

  // Reads facts until the wire closes; every other call needs it running beside them.
  Task<void> run();

  // Errors carry what the executor refused; Code::timeout when no answer came in time;
  // Code::closed when the wire is gone.
  Task<Result<wire::HelloFact>> hello(wire::Hello hello);
  Task<Result<wire::Prepared>> prepare(model::StepRequest request);
  Task<Result<void>> ready(std::string step, std::string digest);
  Task<Result<wire::Injected>> inject(std::string step, std::string digest, Duration lease);
  // Queued at once; nobody waits for the answer: a hung executor must not hold up the guard.
  Result<void> renew(Duration lease, std::int64_t sample);
  Task<Result<wire::EffectRead>> read_effect(std::string step);
  // StepReverted facts arrive through `pushed` before it returns.
  Task<Result<wire::AllReverted>> revert(std::vector<std::string> steps);
  Task<Result<void>> observe_host(Duration interval);
  Task<Result<wire::HostReport>> check_host();
  Task<Result<void>> bye();
  bool lost() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ordeal::fleet
