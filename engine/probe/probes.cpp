#include "engine/probe/probes.hpp"

#include <fmt/format.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/system/system_error.hpp>
#include <cmath>

#include "engine/probe/runner.hpp"

namespace ordeal::probe {
namespace {

// A request that leaves later than this would blame the service for our own slowness.
constexpr Duration kLatest = 10ms;
constexpr const char* kBehind = "ordeal could not keep its rate";

// A closed loop against a port that refuses would spin: a failed slot rests this long.
constexpr Duration kRest = 100ms;

Task<void> attempt_once(Runner& runner, std::size_t index, BootTime due, Duration timeout,
                        SharedAttempter attempt) {
  Sample sample;
  sample.sli = index;
  sample.scheduled = due;
  Attempt found;
  if (runner.now() - due > kLatest) {
    found.no_data = true;
    found.problem = kBehind;
  } else {
    Task<Attempt> asked = (*attempt)(due + timeout);
    found = co_await std::move(asked);
  }
  sample.no_data = found.no_data;
  sample.ok = found.good;
  sample.problem = std::move(found.problem);
  if (sample.ok && runner.now() - due > timeout) {
    sample.ok = false;
    sample.problem = "timeout " + format_duration(timeout);
  }
  runner.emit(std::move(sample));
}

Task<void> closed_slot(Runner& runner, std::size_t index, Duration timeout,
                       SharedAttempter attempt) {
  for (;;) {
    const BootTime due = runner.now();
    Sample sample;
    sample.sli = index;
    sample.scheduled = due;
    Task<Attempt> asked = (*attempt)(due + timeout);
    Attempt found = co_await std::move(asked);
    sample.no_data = found.no_data;
    sample.ok = found.good;
    sample.problem = std::move(found.problem);
    const bool rest = !sample.ok;
    runner.emit(std::move(sample));
    if (rest) co_await runner.tools.clock.sleep_until(due + kRest);
  }
}

Task<void> run_sli(Runner& runner, std::size_t index, const model::Sli& sli) {
  if (const auto* http = std::get_if<model::HttpProbe>(&sli.probe)) {
    return run_http(runner, index, *http);
  }
  if (const auto* tcp = std::get_if<model::TcpProbe>(&sli.probe)) {
    return run_tcp(runner, index, *tcp);
  }
  if (const auto* dns = std::get_if<model::DnsProbe>(&sli.probe)) {
    return run_dns(runner, index, *dns);
  }
  if (const auto* exec = std::get_if<model::ExecProbe>(&sli.probe)) {
    return run_exec(runner, index, *exec, sli.scale);
  }
  if (const auto* process = std::get_if<model::ProcessProbe>(&sli.probe)) {
    return run_process(runner, index, *process);
  }
  return run_host(runner, index, std::get<model::HostProbe>(sli.probe), sli.unit);
}

}  // namespace

// ---- Group -------------------------------------------------------------------------------------

void Group::spawn(Task<void> task) {
  members_.emplace_back();
  const auto member = std::prev(members_.end());
  auto ended = [this, member](std::exception_ptr problem) {
    members_.erase(member);
    if (problem && !failure_) failure_ = problem;
    if (problem || members_.empty()) ended_.notify();
  };
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(member->slot(), std::move(ended)));
}

void Group::cancel() {
  // Emitting resumes nobody inline: members stay in the list until their handlers run.
  for (asio::cancellation_signal& member : members_) {
    member.emit(asio::cancellation_type::terminal);
  }
}

Task<void> Group::wait() {
  while (!members_.empty() && !failure_) co_await ended_.wait();
  if (failure_) std::rethrow_exception(failure_);
}

Task<void> Group::wait_for_last() {
  while (!members_.empty()) co_await ended_.wait();
}

// ---- Runner ------------------------------------------------------------------------------------

void Runner::emit(Sample sample) {
  sample.completed = now();
  sample.seq = ++seq;
  sample.latency = sample.completed - sample.scheduled;
  sink(std::move(sample));
}

Attempt failed(const Error& error, Duration timeout) {
  Attempt out;
  out.problem = error.message();
  if (error.code() == Code::timeout) out.problem = "timeout " + format_duration(timeout);
  // What we could not even try says nothing about the service.
  out.no_data = error.code() == Code::invalid || error.code() == Code::busy;
  return out;
}

BootTime next_due(BootTime start, Duration every, BootTime now) {
  if (now < start) return start;
  return start + every * ((now - start) / every + 1);
}

Task<void> open_loop(Runner& runner, std::size_t index, double rate, Duration timeout,
                     SharedAttempter attempt) {
  const BootTime start = runner.now();
  for (std::int64_t sent = 0;; ++sent) {
    const double offset = std::round(1e6 * static_cast<double>(sent) / rate);
    const BootTime due = start + Duration(static_cast<std::int64_t>(offset));
    co_await runner.tools.clock.sleep_until(due);
    runner.group.spawn(attempt_once(runner, index, due, timeout, attempt));
  }
}

Task<void> closed_loop(Runner& runner, std::size_t index, int concurrency, Duration timeout,
                       SharedAttempter attempt) {
  for (int i = 0; i < concurrency; ++i) {
    runner.group.spawn(closed_slot(runner, index, timeout, attempt));
  }
  co_return;
}

Task<void> run_probes(Tools tools, const std::vector<model::Sli>& slis, SampleSink sink) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Runner runner{tools, std::move(sink), Group(executor)};
  for (std::size_t i = 0; i < slis.size(); ++i) runner.group.spawn(run_sli(runner, i, slis[i]));
  std::exception_ptr stopped;
  try {
    co_await runner.group.wait();
  } catch (...) {
    stopped = std::current_exception();
  }
  // Everybody must have left before this frame goes.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  runner.sink = [](Sample) {};
  runner.group.cancel();
  co_await runner.group.wait_for_last();
  if (stopped) std::rethrow_exception(stopped);
}

}  // namespace ordeal::probe
