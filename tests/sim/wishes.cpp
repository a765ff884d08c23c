#include "tests/sim/wishes.hpp"

#include <array>

#include <fmt/format.h>

namespace ordeal::sim {
namespace {

constexpr std::array kWishes = {
    Wish{"process.kill", "{ process: { unit: shop.service }, mode: one }",
         "{ signal: KILL, restore: supervisor }"},
    Wish{"process.kill", "{ process: { name: jobs } }",
         "{ grace_period: 500ms, restore: supervisor }"},
    Wish{"process.kill", "{ process: { local_port: 5432 } }", "{ signal: TERM, restore: unit }"},
    Wish{"process.kill", "{ process: { unit: db.service } }",
         "{ restore: { argv: [/usr/bin/systemctl, start, db.service] } }"},
    Wish{"process.pause", "{ process: { unit: shop.service } }", "{}"},
    Wish{"process.pause", "{ process: { unit: shop.service }, mode: one }", "{}"},
    Wish{"process.pause", "{ process: { name: jobs } }", "{ method: signal }"},
    Wish{"network.delay", "", "{ latency: 80ms, remote_port: 5432 }"},
    Wish{"network.delay", "", "{ latency: 30ms, jitter: 5ms, local_port: 8080, direction: both }"},
    Wish{"network.delay", "", "{ latency: 60ms, local_port: 8080, backend: nfqueue }"},
    Wish{"network.loss", "", "{ percent: 20%, local_port: 8080 }"},
    Wish{"network.loss", "", "{ percent: 100%, remote_ip: 198.51.100.7, direction: both }"},
    Wish{"network.loss", "", "{ percent: 20%, correlation: 30%, local_port: 8080 }"},
    Wish{"network.partition", "", "{ remote_port: 5432, protocol: tcp }"},
    Wish{"network.partition", "", "{ action: reject, local_port: 8080, protocol: tcp }"},
    Wish{"cpu.load", "", "{ load: 60%, of: host }"},
    Wish{"cpu.load", "{ unit: shop.service }", "{ load: 40%, of: unit }"},
    Wish{"memory.load", "", "{ size: 1GiB, ramp: 1s }"},
    Wish{"memory.load", "{ unit: shop.service }", "{ size: 50%, of: unit }"},
    Wish{"disk.fill", "", "{ path: /data, percent: 90% }"},
    Wish{"service.stop", "{ unit: db.service }", "{}"},
    Wish{"service.stop", "{ process: { name: jobs } }",
         "{ stop: [/usr/local/bin/jobs-stop], start: [/usr/local/bin/jobs-start] }"},
};

}  // namespace

std::span<const Wish> wishes() { return kWishes; }

std::string step_yaml(const Wish& wish, Duration duration, const std::string& indent) {
  std::string out = fmt::format("{}- fault: {}\n", indent, wish.fault);
  if (*wish.target != '\0') out += fmt::format("{}  target: {}\n", indent, wish.target);
  out += fmt::format("{}  with: {}\n", indent, wish.with);
  out += fmt::format("{}  duration: {}ms\n", indent, duration / 1ms);
  return out;
}

std::string experiment_yaml(const std::string& method) {
  return "version: 1\n"
         "name: simulated\n"
         "hypothesis: The simulated service stands it.\n"
         "slis:\n"
         "  shop: { http: { url: \"http://127.0.0.1:8080/\", rate: 10/s, timeout: 500ms } }\n"
         "  db: { tcp: { address: \"127.0.0.1:5432\", rate: 10/s, timeout: 500ms } }\n"
         "steady_state: [ shop.success >= 90%, db.success >= 50% ]\n"
         "during: [ shop.success >= 1% ]\n"
         "abort_if: [ shop.success < 1% over 3s ]\n"
         "warmup: 500ms\n"
         "baseline: 3s\n"
         "recovery: { within: 15s, hold: 3s }\n"
         "method:\n" +
         method;
}

}  // namespace ordeal::sim
