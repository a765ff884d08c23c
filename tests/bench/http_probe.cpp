// How many requests a second the client sends over 64 connections on one core.
//
//   nginx: worker_processes 1; server { listen 127.0.0.1:8099; return 200 "ok"; } keepalive on
//   http_probe http://127.0.0.1:8099/ 5
#include <fmt/format.h>

#include <cstdlib>

#include "engine/os/linux/client/client.hpp"
#include "engine/os/linux/clock.hpp"

namespace {

using namespace ordeal;

struct Bench {
  asio::io_context context{1};
  os::LinuxClock clock{context.get_executor()};
  os::LinuxClient client{context.get_executor(), clock};
  std::string url;
  BootTime end{};
  long good = 0;
  long failed = 0;
  std::string problem;

  Task<void> slot() {
    while (clock.now() < end) {
      os::HttpRequest request;
      request.url = url;
      const auto answer = co_await client.http(std::move(request), clock.now() + 1s);
      if (answer.has_value() && answer.value().status == 200) {
        ++good;
      } else {
        ++failed;
        problem = answer.has_error() ? answer.error().message() : "status";
      }
    }
  }
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    fmt::print(stderr, "usage: http_probe URL SECONDS\n");
    return 2;
  }
  constexpr int kConnections = 64;
  Bench bench;
  bench.url = arguments[1];
  const double seconds = std::atof(arguments[2]);
  const BootTime start = bench.clock.now();
  bench.end = start + Duration(static_cast<std::int64_t>(seconds * 1e6));
  for (int i = 0; i < kConnections; ++i) {
    asio::co_spawn(bench.context, bench.slot(), asio::detached);
  }
  bench.context.run();
  const double took = static_cast<double>((bench.clock.now() - start).count()) / 1e6;
  fmt::print("{:.0f} requests/s over {} connections, {} failed {}\n",
             static_cast<double>(bench.good) / took, kConnections, bench.failed, bench.problem);
  return bench.failed == 0 ? 0 : 1;
}
