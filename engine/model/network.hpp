// The part of nf_tables and netem that our carrier uses, as values. os::Nftables and os::Qdiscs
// turn them into netlink messages; the simulator interprets them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/describe.hpp>

#include "engine/base/units.hpp"

namespace ordeal::model {

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};
BOOST_DESCRIBE_STRUCT(PortRange, (), (first, last))

enum class IpFamily { ip, ip6 };
BOOST_DESCRIBE_ENUM(IpFamily, ip, ip6)

// What one rule matches. Absent means any. One family and at most one protocol for each rule: the
// planner writes one rule for each combination.
struct NftMatch {
  IpFamily family = IpFamily::ip;
  std::optional<std::uint8_t> protocol;  // IPPROTO_*
  std::optional<std::string> source;     // "10.0.0.0/24", "::1/128"
  std::optional<std::string> destination;
  std::optional<PortRange> source_port;  // only with tcp or udp
  std::optional<PortRange> destination_port;
  std::optional<PortRange> icmp_type;  // only with icmp or icmpv6
};
BOOST_DESCRIBE_STRUCT(NftMatch, (),
                      (family, protocol, source, destination, source_port, destination_port,
                       icmp_type))

struct NftAccept {
  static constexpr const char* kKind = "accept";
};
BOOST_DESCRIBE_STRUCT(NftAccept, (), ())
struct NftDrop {
  static constexpr const char* kKind = "drop";
  Ppm share;  // 100% drops all; less: each packet at random (numgen)
};
BOOST_DESCRIBE_STRUCT(NftDrop, (), (share))
struct NftForward {  // hands the packet to another device, which carries netem
  static constexpr const char* kKind = "forward";
  std::string device;
};
BOOST_DESCRIBE_STRUCT(NftForward, (), (device))
struct NftQueue {  // NFQUEUE with bypass: without a listener packets pass
  static constexpr const char* kKind = "queue";
  std::uint16_t number = 0;
};
BOOST_DESCRIBE_STRUCT(NftQueue, (), (number))
struct NftReject {  // tcp reset, icmp administratively prohibited for the rest
  static constexpr const char* kKind = "reject";
};
BOOST_DESCRIBE_STRUCT(NftReject, (), ())

// As NftDrop, for packets that leave: they go into a hole (CreateHole). A drop in the egress hook
// tells the sender that its device is busy: TCP tries again every half second and gives up after
// seconds, UDP sees errors. What a hole takes was sent and never arrives, as on a bad wire.
struct NftLose {
  static constexpr const char* kKind = "lose";
  std::string device;
  Ppm share;
};
BOOST_DESCRIBE_STRUCT(NftLose, (), (device, share))

using NftVerdict = std::variant<NftAccept, NftDrop, NftForward, NftQueue, NftReject, NftLose>;

struct NftRule {
  NftMatch match;
  NftVerdict verdict;
  bool leased = false;   // looks the ethertype up in the table's `live` set first
  bool counted = false;  // adds to the table's matched counter
};
BOOST_DESCRIBE_STRUCT(NftRule, (), (match, verdict, leased, counted))

enum class NftHook { egress, ingress, input, output };
BOOST_DESCRIBE_ENUM(NftHook, egress, ingress, input, output)

struct NftChain {
  std::string name;
  NftHook hook = NftHook::egress;
  std::string device;  // egress, ingress: required; input, output: empty is every device
  std::vector<NftRule> rules;
};
BOOST_DESCRIBE_STRUCT(NftChain, (), (name, hook, device, rules))

enum class NftFamily { netdev, inet };
BOOST_DESCRIBE_ENUM(NftFamily, netdev, inet)

// A table of ours: always with the owner flag, always with a set `live` whose elements (the
// ethertypes of IPv4 and IPv6) carry the lease as their timeout. When the lease lapses, leased
// rules match nothing; when the owner dies, the kernel deletes the table.
struct NftTable {
  std::string name;  // a mark: "ordeal-" + token
  NftFamily family = NftFamily::netdev;
  std::vector<NftChain> chains;
};
BOOST_DESCRIBE_STRUCT(NftTable, (), (name, family, chains))

enum class Distribution { uniform, normal, pareto, paretonormal };
BOOST_DESCRIBE_ENUM(Distribution, uniform, normal, pareto, paretonormal)

struct Netem {
  Duration latency{};
  Duration jitter{};
  Ppm correlation;
  Distribution distribution = Distribution::uniform;
  Ppm loss;
  Ppm loss_correlation;
  std::uint32_t limit = 1000;  // packets
};
BOOST_DESCRIBE_STRUCT(Netem, (),
                      (latency, jitter, correlation, distribution, loss, loss_correlation, limit))

}  // namespace ordeal::model
