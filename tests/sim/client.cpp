// The services under test, as their clients meet them.
#include <charconv>

#include "tests/sim/host.hpp"

namespace ordeal::sim {
namespace {

std::uint16_t port_of(std::string_view address, std::uint16_t otherwise) {
  const std::size_t scheme = address.find("://");
  if (scheme != std::string_view::npos) address.remove_prefix(scheme + 3);
  address = address.substr(0, address.find('/'));
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return otherwise;
  std::uint16_t port = otherwise;
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  return port;
}

}  // namespace

Task<Result<void>> SimClient::exchange(std::uint16_t port, int round_trips, BootTime deadline) {
  if (!alive()) co_return dead();
  std::vector<const Process*> listeners;
  for (const auto& [pid, process] : machine_.processes) {
    const auto& ports = process.ports;
    if (std::find(ports.begin(), ports.end(), port) != ports.end()) listeners.push_back(&process);
  }
  Flow flow;  // over lo: both directions are this host's
  flow.local_port = static_cast<std::uint16_t>(world_.prng().between(32768, 60999));
  flow.remote_port = port;
  Flow back = flow;
  std::swap(back.local_port, back.remote_port);
  Duration time = takes(3ms);
  const double busy = machine_.cores_busy() / machine_.cpus;
  if (busy > 1)
    time = Duration(static_cast<std::int64_t>(static_cast<double>(time.count()) * busy));
  bool lost = false;
  bool rejected = false;
  for (const Flow& way : {flow, back}) {
    for (const bool outgoing : {true, false}) {
      const Machine::Fate fate = machine_.fate(way, outgoing);
      time += fate.delay * round_trips;
      rejected = rejected || fate.rejected;
      for (int i = 0; i < round_trips; ++i) {
        if (!world_.prng().chance(static_cast<int>(fate.loss * 1e6))) continue;
        if (fate.loss > 0.99) lost = true;
        time += 200ms;  // a retransmission
      }
    }
  }
  if (listeners.empty() || rejected) {
    co_await sleep(takes(200us));
    co_return Error(Code::closed, "refused");
  }
  const Process& answering = *listeners[world_.prng().below(listeners.size())];
  const auto cgroup = machine_.cgroups.find(answering.info.cgroup);
  const bool frozen = cgroup != machine_.cgroups.end() && cgroup->second.frozen;
  if (lost || frozen || answering.info.state == 'T' || world_.now() + time > deadline) {
    co_await sleep(std::max<Duration>(0us, deadline - world_.now()));
    co_return Error(Code::timeout, "no answer");
  }
  const model::ProcessId id = answering.info.id;
  co_await sleep(time);
  const Process* later = machine_.find(id.pid);
  if (later == nullptr || later->info.id != id) co_return Error(Code::closed, "reset");
  co_return ok();
}

Task<Result<os::HttpAnswer>> SimClient::http(os::HttpRequest request, BootTime deadline) {
  auto done = co_await exchange(port_of(request.url, 80), 2, deadline);
  if (done.has_error()) co_return std::move(done.error());
  os::HttpAnswer answer;
  answer.status = 200;
  answer.body = "ok";
  co_return answer;
}

Task<Result<void>> SimClient::tcp_connect(std::string address, BootTime deadline) {
  co_return co_await exchange(port_of(address, 0), 1, deadline);
}

Task<Result<std::string>> SimClient::udp_exchange(std::string address, std::string query,
                                                  BootTime deadline) {
  auto done = co_await exchange(port_of(address, 53), 1, deadline);
  if (done.has_error()) co_return std::move(done.error());
  // A DNS answer with one record: the query with its response bit and answer count set.
  if (query.size() > 12) {
    query[2] = static_cast<char>(0x81);
    query[3] = static_cast<char>(0x80);
    query[7] = 1;
    query += std::string("\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01", 16);
  }
  co_return query;
}

}  // namespace ordeal::sim
