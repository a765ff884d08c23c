// `ordeal serve` at work: drives schedule::Scheduler by the clock, writes each decision into the
// ledger, and then acts on it. It may die at any point: whatever it did is in the ledger, and what
// it started goes on by itself.
#pragma once

#include <map>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "engine/cli/beside.hpp"
#include "engine/cli/child.hpp"
#include "engine/os/event.hpp"
#include "engine/os/linux/clock.hpp"
#include "engine/schedule/scheduler.hpp"
#include "engine/store/ledger.hpp"

namespace ordeal::cli {

class Server {
 public:
  Server(std::string file, std::string program, store::Ledger ledger);

  // Goes on beside the schedules, and is told when all is to stop. It must outlive run().
  void attach(Beside& beside) { beside_ = &beside; }
  // Until it is told to stop. Returns the exit code.
  int run(schedule::Calendar calendar);

  // For what goes on beside.
  asio::any_io_executor executor() { return loop_.get_executor(); }
  os::Clock& clock() { return clock_; }
  store::Ledger& ledger() { return ledger_; }
  const schedule::Calendar& calendar() const { return scheduler_->calendar(); }
  void nudge() { wake_.notify(); }

 private:
  struct Flight {
    store::Firing firing;
    Child child;
    std::string interrupt;  // a reason: it shall end
    bool told = false;
  };
  using Decisions = std::vector<schedule::Decision>;
  using Standings = std::map<std::string, schedule::Standing>;

  Task<void> serve();
  Task<void> watch_signals();
  Task<Result<void>> step();

  Result<Standings> restore(const schedule::Calendar& calendar);
  Result<void> restore_one(store::Firing firing, bool in_file, Duration deadline,
                           Standings& standings);
  Result<void> act(Decisions decisions);
  Result<void> start(store::Firing firing);
  Result<void> collect();
  Result<void> record_end(store::Firing firing, Child& child);
  Result<void> reload();
  Result<void> stop();
  Result<void> forgive();
  store::Firing firing_of(const schedule::Decision& decision) const;
  std::string output_of(const store::Firing& firing) const;
  bool busy() const { return !flights_.empty() || (beside_ != nullptr && beside_->busy()); }
  Duration patience() const;
  void say(const std::string& schedule, WallTime due, const std::string& text) const;

  std::string file_;
  std::string program_;
  store::Ledger ledger_;
  asio::io_context loop_{1};
  asio::signal_set signals_{loop_, SIGINT, SIGTERM, SIGHUP};
  os::LinuxClock clock_{loop_.get_executor()};
  os::Event wake_;
  std::optional<schedule::Scheduler> scheduler_;
  std::map<std::string, Flight> flights_;  // by schedule: it has one run at a time
  Beside* beside_ = nullptr;
  std::int64_t resumes_ = 0;
  std::optional<BootTime> progress_written_;
  bool reload_wanted_ = false;
  bool stop_wanted_ = false;
  bool stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace ordeal::cli
