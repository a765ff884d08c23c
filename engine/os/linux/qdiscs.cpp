#include "engine/os/linux/qdiscs.hpp"

#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "engine/base/ids.hpp"
#include "engine/os/linux/distribution.hpp"
#include "engine/os/linux/throwaway.hpp"

namespace ordeal::os {
namespace {

constexpr std::uint32_t kHandle = 0x0dea0000;
constexpr std::size_t kNetemLimit = 40u << 10;  // bytes: the message with a distribution table

// netem counts probabilities in 1/(2^32 - 1).
std::uint32_t probability(Ppm share) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(share.value) * UINT32_MAX /
                                    1'000'000);
}

// Losses that depend on the one before, as a chain of two states (Gilbert): all is lost in the bad
// one, nothing in the good one. Its loss is `loss`, and the correlation of one packet's fate with
// the next one's is `correlation`. netem's own `loss P CORRELATION` loses almost nothing.
tc_netem_gemodel gilbert(Ppm loss, Ppm correlation) {
  const double p = static_cast<double>(loss.value) / 1e6;
  const double c = static_cast<double>(correlation.value) / 1e6;
  const auto chance = [](double share) {
    return static_cast<std::uint32_t>(share * static_cast<double>(UINT32_MAX));
  };
  tc_netem_gemodel out{};  // h, k1: chances of the other fate in each state
  out.p = chance(p * (1 - c));
  out.r = chance((1 - p) * (1 - c));
  return out;
}

Message qdisc_message(std::uint16_t type, std::uint16_t flags, int index,
                      std::size_t limit = Message::kUsualLimit) {
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = index;
  header.tcm_parent = TC_H_ROOT;
  header.tcm_handle = type == RTM_NEWQDISC ? kHandle : 0;
  return Message(type, flags, header, limit);
}

Message netem_message(int index, const model::Netem& netem) {
  const std::vector<std::int16_t> table = distribution_table(netem.distribution);
  Message message = qdisc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index,
                                  table.empty() ? Message::kUsualLimit : kNetemLimit);
  message.put_text(TCA_KIND, "netem");
  // The options are a bare struct followed by attributes. Latency and jitter are in the 64-bit
  // attributes (nanoseconds), which win over the struct's ticks.
  const Message::Nest options = message.nest(TCA_OPTIONS);
  tc_netem_qopt basic{};
  basic.limit = netem.limit;
  const bool bursts = netem.loss_correlation.value != 0;
  basic.loss = bursts ? 0 : probability(netem.loss);
  message.append(&basic, sizeof basic);
  // What is left out is zero for a new qdisc, and the kernel has less to check.
  if (netem.correlation.value != 0) {
    tc_netem_corr correlation{};
    correlation.delay_corr = probability(netem.correlation);
    message.put(TCA_NETEM_CORR, &correlation, sizeof correlation);
  }
  if (bursts) {
    const Message::Nest loss = message.nest(TCA_NETEM_LOSS);
    const tc_netem_gemodel model = gilbert(netem.loss, netem.loss_correlation);
    message.put(NETEM_LOSS_GE, &model, sizeof model);
  }
  const std::int64_t latency = std::chrono::nanoseconds(netem.latency).count();
  const std::int64_t jitter = std::chrono::nanoseconds(netem.jitter).count();
  message.put(TCA_NETEM_LATENCY64, &latency, sizeof latency);
  if (jitter != 0) message.put(TCA_NETEM_JITTER64, &jitter, sizeof jitter);
  if (!table.empty()) {
    message.put(TCA_NETEM_DELAY_DIST, table.data(), table.size() * sizeof table.front());
  }
  return message;
}

// As if_nametoindex(3), which makes and closes a socket each time.
Result<int> index_of(const Fd& socket, const std::string& link) {
  ifreq question{};
  if (link.size() >= sizeof question.ifr_name) return Error::system(ENODEV, "find link " + link);
  link.copy(question.ifr_name, link.size());
  if (::ioctl(socket.get(), SIOCGIFINDEX, &question) != 0) {
    return Error::system(errno, "find link " + link);
  }
  return question.ifr_ifindex;
}

Fd name_socket() { return Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }

}  // namespace

LinuxQdiscs::LinuxQdiscs() : route_(NETLINK_ROUTE), names_(name_socket()) {}

Result<void> LinuxQdiscs::can_netem() const {
  if (known_good_) return ok();
  const auto apart = []() -> Result<void> {
    Netlink route(NETLINK_ROUTE);
    TRY(auto index, index_of(name_socket(), "lo"));
    Message message = netem_message(index, model::Netem{});
    return route.request(message, "try netem");
  };
  auto tried = ask_apart_or_here(apart, [this] { return ask_for_netem(); });
  if (tried.has_value()) {
    known_good_ = true;
    return ok();
  }
  // The kernel says ENOENT for a qdisc that it has not got.
  if (tried.error().system_errno() == ENOENT) {
    return Error(Code::unsupported,
                 "this kernel has no netem (CONFIG_NET_SCH_NETEM; module sch_netem)");
  }
  return tried;
}

// Without options: netem says EINVAL to that before it is attached to anything. With a handle and
// no parent, so that whatever qdisc lo has does not matter.
Result<void> LinuxQdiscs::ask_for_netem() const {
  TRY(auto index, index_of(names_, "lo"));
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = index;
  header.tcm_handle = kHandle;
  Message message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, header);
  message.put_text(TCA_KIND, "netem");
  auto asked = route_.request(message, "try netem");
  if (asked.has_error() && asked.error().system_errno() == EINVAL) return ok();
  return asked;
}

template <class Ask>
auto LinuxQdiscs::about(const std::string& link, Ask ask) const -> decltype(ask(0)) {
  if (known_ == link) {
    auto answer = ask(index_);
    if (!answer.has_error() || answer.error().system_errno() != ENODEV) return answer;
    known_.clear();
  }
  TRY(index_, index_of(names_, link));
  known_ = link;
  return ask(index_);
}

Result<void> LinuxQdiscs::add_netem(const std::string& link, const model::Netem& netem) {
  if (!is_mark(link)) {
    return Error(Code::refused, fmt::format("link '{}' is not ours: no netem on it", link));
  }
  return about(link, [&](int index) {
    Message message = netem_message(index, netem);
    return route_.request(message, "set netem on " + link);
  });
}

Result<QdiscStats> LinuxQdiscs::stats(const std::string& link) const {
  TRY(auto reply, about(link, [&](int index) {
        // Without ECHO kernels before 6.3 tell only those who listen to a multicast group.
        Message message = qdisc_message(RTM_GETQDISC, NLM_F_ECHO, index);
        return route_.get(message, "read the qdisc of " + link);
      }));
  const nlattr* all = reply.find(sizeof(tcmsg), TCA_STATS2);
  QdiscStats stats;
  // gnet_stats_basic: u64 bytes, u32 packets; the 64-bit packet count follows on newer kernels.
  if (const nlattr* basic = find_nested(all, TCA_STATS_BASIC)) {
    std::uint32_t packets = 0;
    std::memcpy(&packets, static_cast<const char*>(nla_data(basic)) + 8, sizeof packets);
    stats.packets = packets;
  }
  if (const nlattr* queue = find_nested(all, TCA_STATS_QUEUE)) {
    gnet_stats_queue counts{};
    std::memcpy(&counts, nla_data(queue), sizeof counts);
    stats.dropped = counts.drops;
    stats.backlog_packets = counts.qlen;
  }
  return stats;
}

}  // namespace ordeal::os
