// What all kinds of probes share: the schedule, the tasks under way, and where samples go.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <exception>
#include <list>
#include <string>

#include "engine/os/event.hpp"
#include "engine/probe/probes.hpp"

namespace ordeal::probe {

// Tasks that run beside each other. Whoever owns it must have seen wait() return with nobody left
// before it is destroyed.
class Group {
 public:
  explicit Group(asio::any_io_executor executor) : executor_(std::move(executor)) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  void spawn(Task<void> task);
  // Returns when no task is left, or throws what a task threw first.
  Task<void> wait();
  void cancel();
  bool empty() const { return members_.empty(); }
  Task<void> wait_for_last();

 private:
  asio::any_io_executor executor_;
  std::list<asio::cancellation_signal> members_;
  std::exception_ptr failure_;
  os::Event ended_;
};

struct Runner {
  Tools tools;
  SampleSink sink;
  Group group;
  std::int64_t seq = 0;

  BootTime now() const { return tools.clock.now(); }
  // Completes the sample now.
  void emit(Sample sample);
};

// What one attempt found. `problem` is empty when it was good.
struct Attempt {
  bool good = false;
  bool no_data = false;
  std::string problem;
};
// The answer to a request that was `due`: in problem words, never with a secret.
Attempt failed(const Error& error, Duration timeout);

Task<void> run_http(Runner& runner, std::size_t index, const model::HttpProbe& probe);
Task<void> run_tcp(Runner& runner, std::size_t index, const model::TcpProbe& probe);
Task<void> run_dns(Runner& runner, std::size_t index, const model::DnsProbe& probe);
// The number that it prints times `scale` is in the base unit.
Task<void> run_exec(Runner& runner, std::size_t index, const model::ExecProbe& probe, double scale);
Task<void> run_process(Runner& runner, std::size_t index, const model::ProcessProbe& probe);
// In bytes, or in percent of the file system.
Task<void> run_host(Runner& runner, std::size_t index, const model::HostProbe& probe,
                    model::Unit unit);

// One attempt, to be done by `deadline`.
using Attempter = std::function<Task<Attempt>(BootTime deadline)>;
// Shared, because attempts may outlive the loop that started them when everything is cancelled.
using SharedAttempter = std::shared_ptr<const Attempter>;
// Sends at `rate` whatever is outstanding.
Task<void> open_loop(Runner& runner, std::size_t index, double rate, Duration timeout,
                     SharedAttempter attempt);
// Keeps `concurrency` requests under way.
Task<void> closed_loop(Runner& runner, std::size_t index, int concurrency, Duration timeout,
                       SharedAttempter attempt);

// The moments of a gauge: a multiple of `every`, skipping those that have passed.
BootTime next_due(BootTime start, Duration every, BootTime now);

}  // namespace ordeal::probe
