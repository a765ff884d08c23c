// Holds the packets of one NFQUEUE for latency +- jitter, then lets them go. A process of its own,
// so that a hung worker never becomes an outage: when this one dies, the rule's bypass lets packets
// pass; when it is stopped, the lease of the rule ends and at most `limit` packets wait.
//
// On SIGTERM everything held goes at once and nothing is held any more: no packet is lost.
// Source: kernel net/netfilter/nfnetlink_queue.c.
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <random>

#include "engine/base/json.hpp"
#include "engine/executor/helper/enter.hpp"
#include "engine/executor/helper/hold_queue.hpp"
#include "engine/executor/helper/packet_queue.hpp"
#include "engine/executor/helper/roles.hpp"

namespace ordeal::helper {
namespace {

struct Orders {
  std::uint16_t queue = 0;
  std::int64_t latency = 0;  // microseconds
  std::int64_t jitter = 0;   // microseconds
  std::uint32_t limit = 0;   // packets
};
BOOST_DESCRIBE_STRUCT(Orders, (), (queue, latency, jitter, limit))

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr int kNice = -10;

volatile std::sig_atomic_t told_to_end = 0;

std::int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

// SIGTERM is only taken inside ppoll, so that it cannot slip in between a look and the wait.
sigset_t take_term_only_in_poll() {
  struct sigaction action {};
  action.sa_handler = [](int) { told_to_end = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  sigset_t term;
  sigset_t before;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &term, &before);
  ::sigdelset(&before, SIGTERM);
  return before;
}

// Returns when told to end, with everything still held.
void hold_packets(const Orders& orders, PacketQueue& queue, HoldQueue& held,
                  const sigset_t& in_poll) {
  const bool ordered = orders.jitter == 0;
  std::mt19937_64 random(std::random_device{}());
  std::uniform_int_distribution<std::int64_t> jitter(-orders.jitter * 1000, orders.jitter * 1000);
  while (told_to_end == 0) {
    timespec wait{};
    timespec* deadline = nullptr;
    if (const auto next = held.next()) {
      const std::int64_t left = std::max<std::int64_t>(*next - now(), 0);
      wait = {left / kSecond, left % kSecond};
      deadline = &wait;
    }
    pollfd readable{queue.fd(), POLLIN, 0};
    if (::ppoll(&readable, 1, deadline, &in_poll) < 0 && errno != EINTR) return;
    const std::int64_t arrived = now();
    for (const std::uint32_t id : queue.receive()) {
      held.hold(id, arrived + orders.latency * 1000 + jitter(random));
    }
    queue.release(held.take(now()), ordered);
  }
}

}  // namespace

int run_shaper(const boost::json::object& arguments) {
  auto orders = json::decode<Orders>(arguments);
  if (orders.has_error()) {
    helper_error(orders.error().message());
    return 1;
  }
  const sigset_t in_poll = take_term_only_in_poll();
  // Both are comforts: late by a few microseconds is better than not at all.
  (void)::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  (void)::setpriority(PRIO_PROCESS, 0, kNice);
  PacketQueue queue;
  auto opened = queue.open(orders.value().queue, orders.value().limit);
  if (opened.has_error()) {
    helper_error(opened.error().message());
    return 1;
  }
  helper_ready();
  HoldQueue held;
  hold_packets(orders.value(), queue, held, in_poll);
  // First no more, then those that came meanwhile, then all that are held.
  queue.pass_everything();
  for (const std::uint32_t id : queue.receive()) held.hold(id, 0);
  queue.release(held.take(INT64_MAX), false);
  return 0;
}

}  // namespace ordeal::helper
