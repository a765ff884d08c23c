// Sets netem on a link, in three ways, interleaved: LinuxQdiscs, a bare libnl send and wait, and the
// `tc` program. Needs root and sch_netem: scripts/bench runs it on the stock Debian kernel.
//
//   qdisc [ROUNDS]     median of the rounds, with minimum and maximum
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "engine/base/ids.hpp"
#include "engine/os/linux/links.hpp"
#include "engine/os/linux/qdiscs.hpp"

namespace {

using namespace ordeal;
using Microseconds = std::chrono::duration<double, std::micro>;

constexpr int kCalls = 200;
constexpr int kPrograms = 20;

class Bare {
 public:
  explicit Bare(int index) : index_(index), socket_(nl_socket_alloc()) {
    nl_connect(socket_, NETLINK_ROUTE);
  }
  ~Bare() { nl_socket_free(socket_); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  bool add() {
    nl_msg* message = begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, 0x0dea0000);
    nla_put_string(message, TCA_KIND, "netem");
    tc_netem_qopt basic{};
    basic.limit = 1000;
    nlattr* options = nla_nest_start(message, TCA_OPTIONS);
    nlmsg_append(message, &basic, sizeof basic, NLMSG_ALIGNTO);
    const std::int64_t latency = 100'000'000;
    nla_put(message, TCA_NETEM_LATENCY64, sizeof latency, &latency);
    nla_nest_end(message, options);
    return nl_send_sync(socket_, message) >= 0;  // frees the message
  }
  bool remove() { return nl_send_sync(socket_, begin(RTM_DELQDISC, 0, 0)) >= 0; }

 private:
  nl_msg* begin(int type, int flags, std::uint32_t handle) const {
    nl_msg* message = nlmsg_alloc_simple(type, flags);
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = index_;
    header.tcm_parent = TC_H_ROOT;
    header.tcm_handle = handle;
    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    return message;
  }

  int index_;
  nl_sock* socket_;
};

bool tc(const std::string& link) {
  const char* const arguments[] = {"tc",   "qdisc", "add",   "dev",   link.c_str(),
                                   "root", "netem", "delay", "100ms", nullptr};
  pid_t pid = 0;
  if (::posix_spawnp(&pid, "tc", nullptr, nullptr, const_cast<char* const*>(arguments), environ)) {
    return false;
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status == 0;
}

// Sets and removes netem once. How long the setting took; the removal is not counted.
template <class Add>
Microseconds timed(Bare& bare, Add add) {
  const auto begun = std::chrono::steady_clock::now();
  if (!add()) std::exit((fmt::print(stderr, "add failed\n"), 1));
  const Microseconds taken = std::chrono::steady_clock::now() - begun;
  if (!bare.remove()) std::exit((fmt::print(stderr, "remove failed\n"), 1));
  return taken;
}

void say(const char* name, std::vector<double> values, const char* unit) {
  std::sort(values.begin(), values.end());
  fmt::print("  {:<46} {:.2f} {} ({:.2f} to {:.2f})\n", name, values[values.size() / 2], unit,
             values.front(), values.back());
}

}  // namespace

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 5;
  const std::string link = "ordeal-abcdefgh";
  os::LinuxLinks links;
  os::LinuxQdiscs qdiscs;
  if (auto able = qdiscs.can_netem(); able.has_error()) {
    fmt::print("SKIPPED: {}\n", able.error().message());
    return 77;
  }
  if (auto made = links.add_ifb(link); made.has_error()) {
    fmt::print(stderr, "{}\n", made.error().message());
    return 1;
  }
  model::Netem netem;
  netem.latency = 100ms;
  netem.limit = 1000;
  Bare bare(static_cast<int>(::if_nametoindex(link.c_str())));
  std::vector<double> ours, to_bare, to_tc;
  for (int round = 0; round < rounds; ++round) {
    Microseconds in_ours{}, in_library{}, in_program{};
    for (int i = 0; i < kCalls; ++i) {  // in turns, so that a disturbance meets both alike
      const auto ask_ours = [&] { return qdiscs.add_netem(link, netem).has_value(); };
      const auto ask_library = [&] { return bare.add(); };
      if (i % 2 == 0) in_ours += timed(bare, ask_ours);
      in_library += timed(bare, ask_library);
      if (i % 2 == 1) in_ours += timed(bare, ask_ours);
    }
    for (int i = 0; i < kPrograms; ++i) in_program += timed(bare, [&] { return tc(link); });
    const double mine = in_ours.count() / kCalls;
    const double library = in_library.count() / kCalls;
    const double program = in_program.count() / kPrograms;
    ours.push_back(mine);
    to_bare.push_back(mine / library);
    to_tc.push_back(program / mine);
  }
  fmt::print("netem on a link, {} rounds, interleaved\n", rounds);
  say("one call", ours, "us");
  say("of the time of a bare libnl call (bar: 1.0x)", to_bare, "x");
  say("faster than the tc program (bar: 20x)", to_tc, "x");
  ignore(links.remove(link), "the machine is thrown away");
  return 0;
}
