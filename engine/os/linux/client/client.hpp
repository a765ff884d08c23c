#pragma once

#include <memory>

#include "engine/os/client.hpp"
#include "engine/os/clock.hpp"

namespace ordeal::os {

// Boost.Beast over this thread's executor. A connection that the server closed while it lay idle is
// not used again; what was sent once is never sent again. Names are resolved when a connection is
// opened, and again only when connecting to a known address fails.
class LinuxClient final : public Client {
 public:
  struct Limits {
    std::size_t idle_per_origin = 256;  // connections kept open
    Duration resolve_again = 30s;       // how long an address is used without asking again
  };
  LinuxClient(asio::any_io_executor executor, Clock& clock);
  LinuxClient(asio::any_io_executor executor, Clock& clock, Limits limits);
  ~LinuxClient() override;
  LinuxClient(const LinuxClient&) = delete;
  LinuxClient& operator=(const LinuxClient&) = delete;

  Task<Result<HttpAnswer>> http(HttpRequest request, BootTime deadline) override;
  Task<Result<void>> tcp_connect(std::string address, BootTime deadline) override;
  Task<Result<std::string>> udp_exchange(std::string address, std::string query,
                                         BootTime deadline) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ordeal::os
