#include "faults/network/carrier.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/fault/claims.hpp"

namespace ordeal::network {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmp6 = 58;
constexpr std::size_t kRuleLimit = 256;
constexpr std::size_t kMostExcepted = 64;

bool has_ports(const TrafficParameters& wanted) {
  return wanted.local_port.has_value() || wanted.remote_port.has_value();
}

// tcp, udp, icmp; empty: any.
std::vector<std::string> protocols_of(const TrafficParameters& wanted) {
  const auto& given = wanted.protocol;
  const bool all = given.empty() || std::find(given.begin(), given.end(), "all") != given.end();
  if (!all) return given;
  return has_ports(wanted) ? std::vector<std::string>{"tcp", "udp"} : std::vector<std::string>{};
}

Result<void> check(const TrafficParameters& wanted) {
  const auto protocols = protocols_of(wanted);
  if (has_ports(wanted) &&
      std::find(protocols.begin(), protocols.end(), "icmp") != protocols.end()) {
    return Error(Code::invalid, "protocol: icmp has no ports; leave it out or leave the ports out");
  }
  const bool narrowed = has_ports(wanted) || wanted.remote_ip || wanted.device;
  if (!narrowed && !wanted.allow_whole_interface) {
    return Error(Code::refused,
                 "this would meet all traffic of the host: give remote_ip, remote_port, "
                 "local_port or device, or say allow_whole_interface: true");
  }
  if (wanted.except_ip && wanted.except_ip->size() > kMostExcepted) {
    return Error(Code::refused, fmt::format("except_ip: {} addresses and networks, {} at most",
                                            wanted.except_ip->size(), kMostExcepted));
  }
  return ok();
}

bool is_loopback_address(const std::string& address) {
  return address.starts_with("127.") || address == "::1" || address == "::1/128";
}

bool only_loopback_addresses(const TrafficParameters& wanted) {
  return wanted.remote_ip &&
         std::all_of(wanted.remote_ip->begin(), wanted.remote_ip->end(), is_loopback_address);
}

Result<std::vector<Device>> named_device(const std::vector<os::LinkInfo>& links,
                                         const std::string& name) {
  const auto found = std::find_if(links.begin(), links.end(),
                                  [&](const os::LinkInfo& link) { return link.name == name; });
  if (found == links.end()) {
    std::vector<std::string> names;
    for (const os::LinkInfo& link : links) {
      if (!is_mark(link.name)) names.push_back(printable(link.name));
    }
    return Error(Code::gone, fmt::format("no device '{}' here; there is {}", printable(name),
                                         join(names, ", ")));
  }
  if (is_mark(name)) {
    return Error(Code::refused, fmt::format("device {} is one of ordeal's own", name));
  }
  if (!found->up) {
    return Error(Code::refused, fmt::format("device {} is down", printable(name)));
  }
  return std::vector<Device>{{name, found->loopback}};
}

// Stacked devices: a packet passes the upper one and then the lower one, so it meets both chains.
bool is_stacked(const os::LinkInfo& link) {
  static const std::set<std::string> kKinds = {"vlan",   "macvlan", "ipvlan",
                                               "macsec", "ipvtap",  "macvtap"};
  return kKinds.contains(link.kind);
}

Result<void> find_devices(Scope& scope, const std::vector<os::LinkInfo>& links) {
  if (scope.wanted.device) {
    TRY(auto devices, named_device(links, *scope.wanted.device));
    scope.devices = std::move(devices);
    return ok();
  }
  const bool loopback_only = only_loopback_addresses(scope.wanted);
  for (const os::LinkInfo& link : links) {
    if (!link.up || !link.has_address || link.enslaved || is_mark(link.name)) continue;
    if (loopback_only && !link.loopback) continue;
    scope.devices.push_back({link.name, link.loopback});
    if (is_stacked(link)) {
      scope.warnings.push_back(fmt::format(
          "{} is stacked on another device: what passes both is met twice; name one with `device`",
          printable(link.name)));
    }
  }
  if (scope.devices.empty()) return Error(Code::gone, "no device is up and has an address");
  return ok();
}

std::vector<std::string> range_words(const std::vector<model::PortRange>& ports) {
  std::vector<std::string> words;
  for (const model::PortRange& range : ports) {
    words.push_back(range.first == range.last ? fmt::format("{}", range.first)
                                              : fmt::format("{}-{}", range.first, range.last));
  }
  return words;
}

// Sockets that accept both families show IPv4 peers as ::ffff:a.b.c.d; on the wire they are IPv4.
std::string plain_address(const std::string& address) {
  constexpr std::string_view kMapped = "::ffff:";
  if (address.starts_with(kMapped) && address.find('.') != address.npos) {
    return address.substr(kMapped.size());
  }
  return address;
}

model::NftRule accept(model::IpFamily family, std::optional<std::uint8_t> protocol) {
  model::NftRule rule;
  rule.match.family = family;
  rule.match.protocol = protocol;
  rule.verdict = model::NftAccept{};
  return rule;
}

// One orientation of an exempt connection: packets of `from` to `to`.
model::NftRule accept_flow(const std::string& from, std::uint16_t from_port, const std::string& to,
                           std::uint16_t to_port) {
  const bool six = from.find(':') != from.npos;
  model::NftRule rule = accept(six ? model::IpFamily::ip6 : model::IpFamily::ip, kTcp);
  const char* const whole = six ? "/128" : "/32";
  rule.match.source = from + whole;
  rule.match.destination = to + whole;
  rule.match.source_port = model::PortRange{from_port, from_port};
  rule.match.destination_port = model::PortRange{to_port, to_port};
  return rule;
}

// Packets to, or from, an address or network.
model::NftRule accept_other_end(const std::string& address, bool to) {
  const bool six = address.find(':') != address.npos;
  model::NftRule rule = accept(six ? model::IpFamily::ip6 : model::IpFamily::ip, std::nullopt);
  (to ? rule.match.destination : rule.match.source) = address;
  return rule;
}

std::vector<model::NftRule> exemptions(const Scope& scope, model::NftHook hook,
                                       const Device* device) {
  std::vector<model::NftRule> rules;
  const bool leaving = hook == model::NftHook::egress || hook == model::NftHook::output;
  const bool both_ends = device == nullptr || device->loopback;
  for (const os::ExemptFlow& flow : scope.exempt) {
    const std::string local = plain_address(flow.local_address);
    const std::string remote = plain_address(flow.remote_address);
    if (leaving || both_ends) {
      rules.push_back(accept_flow(local, flow.local_port, remote, flow.remote_port));
    }
    if (!leaving || both_ends) {
      rules.push_back(accept_flow(remote, flow.remote_port, local, flow.local_port));
    }
  }
  for (const std::string& address : scope.wanted.except_ip.value_or(std::vector<std::string>())) {
    if (leaving || both_ends) rules.push_back(accept_other_end(address, true));
    if (!leaving || both_ends) rules.push_back(accept_other_end(address, false));
  }
  // Without its address the host is lost: DHCP, and neighbour discovery. ARP is neither IPv4 nor
  // IPv6, so no rule of ours ever sees it.
  rules.push_back(accept(model::IpFamily::ip, kUdp));
  rules.back().match.destination_port = model::PortRange{67, 68};
  rules.push_back(accept(model::IpFamily::ip6, kUdp));
  rules.back().match.destination_port = model::PortRange{546, 547};
  rules.push_back(accept(model::IpFamily::ip6, kIcmp6));
  rules.back().match.icmp_type = model::PortRange{133, 137};
  return rules;
}

std::uint8_t number_of(const std::string& protocol, model::IpFamily family) {
  if (protocol == "tcp") return kTcp;
  if (protocol == "udp") return kUdp;
  return family == model::IpFamily::ip ? kIcmp : kIcmp6;
}

// Each element of `items`, or one absent element when there are none.
template <class T>
std::vector<std::optional<T>> each_or_none(const std::optional<std::vector<T>>& items) {
  if (!items || items->empty()) return {std::nullopt};
  return {items->begin(), items->end()};
}

}  // namespace

std::vector<model::Parameter> traffic_parameters() {
  using enum model::ParameterKind;
  return {
      {.name = "local_port",
       .kind = ports,
       .summary = "Only traffic of these ports of this host: a service that runs here."},
      {.name = "remote_port",
       .kind = ports,
       .summary = "Only traffic with these ports of other ends: a service that this host uses."},
      {.name = "remote_ip",
       .kind = addresses,
       .summary = "Only traffic with these addresses or networks, IPv4 or IPv6."},
      {.name = "except_ip",
       .kind = addresses,
       .summary = "Never traffic with these addresses or networks: from where you look on."},
      {.name = "protocol",
       .kind = choices,
       .summary = "Only these protocols; ports mean tcp and udp.",
       .default_text = "all",
       .choices = {"tcp", "udp", "icmp", "all"}},
      {.name = "direction",
       .kind = choice,
       .summary = "egress: packets that leave this host; ingress: packets that arrive; or both.",
       .default_text = "egress",
       .choices = {"egress", "ingress", "both"}},
      {.name = "device",
       .kind = text,
       .summary = "Only this network device; without it every device that is up and has an "
                  "address, lo too."},
      {.name = "allow_whole_interface",
       .kind = boolean,
       .summary = "Needed to meet all traffic: without ports, addresses and device.",
       .default_text = "false"},
  };
}

Result<Scope> resolve(const fault::PlanContext& context, const TrafficParameters& wanted) {
  CHECK_OK(check(wanted));
  Scope scope;
  scope.wanted = wanted;
  if (wanted.direction != "ingress") scope.ways.push_back(Way::egress);
  if (wanted.direction != "egress") scope.ways.push_back(Way::ingress);
  TRY(auto links, context.host.links().list());
  CHECK_OK(find_devices(scope, links));
  scope.exempt = context.host.sockets().exempt_flows();
  auto queues = context.host.nftables().queues();
  if (queues.has_value()) {
    scope.foreign_queues = std::move(queues.value());
  } else if (queues.error().code() == Code::denied) {
    // So it is in a user namespace. A number that is taken says so when our helper asks for it.
    scope.warnings.push_back(
        "which NFQUEUEs are in use cannot be read here: removing a table makes the kernel drop the "
        "packets that any of them holds at that moment");
  } else {
    return std::move(queues.error());
  }
  const bool lo = std::any_of(scope.devices.begin(), scope.devices.end(),
                              [](const Device& device) { return device.loopback; });
  if (lo && !has_ports(wanted)) {
    scope.warnings.push_back(
        "on lo both halves of a connection leave and arrive: without ports, packets and their "
        "answers are met alike");
  }
  for (const std::uint16_t queue : scope.foreign_queues) {
    scope.warnings.push_back(fmt::format(
        "NFQUEUE {} is in use here: removing a table makes the kernel drop the packets that are "
        "held there at that moment",
        queue));
  }
  return scope;
}

std::string words_of(const Scope& scope) {
  const TrafficParameters& wanted = scope.wanted;
  std::vector<std::string> names;
  for (const Device& device : scope.devices) names.push_back(printable(device.name));
  const char* verb = wanted.direction == "egress"    ? "leaving through"
                     : wanted.direction == "ingress" ? "arriving on"
                                                     : "leaving through and arriving on";
  std::vector<std::string> parts = {fmt::format("{} {}", verb, join(names, ", "))};
  const auto protocols = protocols_of(wanted);
  if (!protocols.empty()) parts.push_back(join(protocols, " and "));
  if (wanted.local_port) {
    parts.push_back("local port " + join(range_words(*wanted.local_port), ", "));
  }
  if (wanted.remote_port) {
    parts.push_back("remote port " + join(range_words(*wanted.remote_port), ", "));
  }
  if (wanted.remote_ip) parts.push_back("remote ip " + join(*wanted.remote_ip, ", "));
  return join(parts, "; ");
}

std::vector<model::NftMatch> matches_of(const Scope& scope, Way way) {
  const TrafficParameters& wanted = scope.wanted;
  std::optional<std::vector<std::string>> protocols = protocols_of(wanted);
  std::vector<model::NftMatch> out;
  for (const auto family : {model::IpFamily::ip, model::IpFamily::ip6}) {
    for (const auto& address : each_or_none(wanted.remote_ip)) {
      const bool six = address && address->find(':') != address->npos;
      if (address && six != (family == model::IpFamily::ip6)) continue;
      for (const auto& protocol : each_or_none(protocols)) {
        for (const auto& local : each_or_none(wanted.local_port)) {
          for (const auto& remote : each_or_none(wanted.remote_port)) {
            model::NftMatch match;
            match.family = family;
            if (protocol) match.protocol = number_of(*protocol, family);
            const bool leaving = way == Way::egress;
            (leaving ? match.destination : match.source) = address;
            match.source_port = leaving ? local : remote;
            match.destination_port = leaving ? remote : local;
            out.push_back(std::move(match));
          }
        }
      }
    }
  }
  return out;
}

std::vector<model::NftRule> rules_of(const Scope& scope, Way way,
                                     const model::NftVerdict& verdict) {
  std::vector<model::NftRule> rules;
  for (model::NftMatch& match : matches_of(scope, way)) {
    model::NftRule rule;
    rule.match = std::move(match);
    rule.verdict = verdict;
    rule.leased = true;
    rule.counted = true;
    rules.push_back(std::move(rule));
  }
  return rules;
}

model::NftChain chain_of(const Scope& scope, model::NftHook hook, const Device* device,
                         std::vector<model::NftRule> rules) {
  model::NftChain chain;
  chain.hook = hook;
  chain.name = boost::describe::enum_to_string(hook, "");
  if (device != nullptr) {
    chain.device = device->name;
    chain.name += "-" + device->name;
  }
  chain.rules = exemptions(scope, hook, device);
  std::move(rules.begin(), rules.end(), std::back_inserter(chain.rules));
  return chain;
}

Result<model::NftTable> netdev_table(const fault::PlanContext& context, const Scope& scope,
                                     const model::NftVerdict& verdict) {
  model::NftTable table;
  table.name = context.token.mark();
  table.family = model::NftFamily::netdev;
  for (const Device& device : scope.devices) {
    for (const Way way : scope.ways) {
      const auto hook = way == Way::egress ? model::NftHook::egress : model::NftHook::ingress;
      table.chains.push_back(chain_of(scope, hook, &device, rules_of(scope, way, verdict)));
    }
  }
  CHECK_OK(check_size(table));
  return table;
}

Result<model::NftTable> lossy_table(const fault::PlanContext& context, const Scope& scope,
                                    Ppm share, model::HostStep& step) {
  const std::string mark = context.token.mark();
  model::NftVerdict leaving = model::NftDrop{share};
  const bool leaves = scope.wanted.direction != "ingress" &&
                      std::any_of(scope.devices.begin(), scope.devices.end(),
                                  [](const Device& device) { return !device.loopback; });
  if (leaves) {
    const auto hole = context.host.links().can_ifb();
    if (hole.has_value()) {
      leaving = model::NftLose{mark, share};
      add_hole(step, mark);
    } else {
      step.warnings.push_back(
          "what leaves is dropped in the egress hook, which is not what a bad wire does: TCP tries "
          "again every 0.5 s and gives up after seconds, UDP senders see errors (" +
          hole.error().message() + ")");
    }
  }
  model::NftTable table;
  table.name = mark;
  table.family = model::NftFamily::netdev;
  for (const Device& device : scope.devices) {
    std::vector<model::NftRule> arrives;
    for (const Way way : scope.ways) {
      // What leaves through lo arrives there at once, with the same header: there a drop is silent.
      const bool here = way == Way::ingress || device.loopback;
      auto rules = rules_of(scope, way, here ? model::NftDrop{share} : leaving);
      if (here) {
        std::move(rules.begin(), rules.end(), std::back_inserter(arrives));
      } else {
        table.chains.push_back(chain_of(scope, model::NftHook::egress, &device, std::move(rules)));
      }
    }
    if (arrives.empty()) continue;
    table.chains.push_back(chain_of(scope, model::NftHook::ingress, &device, std::move(arrives)));
  }
  CHECK_OK(check_size(table));
  return table;
}

Result<void> check_size(const model::NftTable& table) {
  std::size_t rules = 0;
  for (const model::NftChain& chain : table.chains) {
    for (const model::NftRule& rule : chain.rules) rules += rule.leased ? 1 : 0;
  }
  if (rules <= kRuleLimit) return ok();
  return Error(Code::refused,
               fmt::format("ports x addresses x protocols x devices are {} rules, {} at most in a "
                           "step: use ranges and networks, or name the device",
                           rules, kRuleLimit));
}

void add_table(model::HostStep& step, const Scope& scope, model::NftTable table,
               const std::string& verb) {
  model::TrafficMatched effect;
  effect.table = table.name;
  effect.family = table.family;
  effect.what = verb;
  step.effects.push_back(std::move(effect));

  fault::Traffic traffic;
  traffic.direction = scope.wanted.direction;
  for (const Device& device : scope.devices) traffic.devices.push_back(device.name);
  traffic.protocols = protocols_of(scope.wanted);
  traffic.local_ports = scope.wanted.local_port.value_or(std::vector<model::PortRange>());
  traffic.remote_ports = scope.wanted.remote_port.value_or(std::vector<model::PortRange>());
  traffic.addresses = scope.wanted.remote_ip.value_or(std::vector<std::string>());
  step.claims.push_back({"traffic", fault::traffic_key(traffic)});

  std::vector<std::string> spared;
  for (const os::ExemptFlow& flow : scope.exempt) {
    spared.push_back(printable(fmt::format("{} from {} port {}", flow.why,
                                           plain_address(flow.remote_address), flow.remote_port)));
  }
  // On a console there is none to find.
  if (scope.exempt.empty()) spared.push_back("no ssh session (none was found: see except_ip)");
  for (const std::string& address : scope.wanted.except_ip.value_or(std::vector<std::string>())) {
    spared.push_back(address);
  }
  spared.insert(spared.end(), {"DHCP", "neighbour discovery", "ARP"});
  step.summary.push_back("never touched: " + join(spared, ", "));
  step.warnings.insert(step.warnings.end(), scope.warnings.begin(), scope.warnings.end());

  model::Change change;
  change.summary = fmt::format("create nf_tables table {} {}: packets {} are {}",
                               table.family == model::NftFamily::netdev ? "netdev" : "inet",
                               table.name, words_of(scope), verb);
  change.undos.push_back(model::DeleteTable{table.name, table.family});
  change.apply = model::CreateTable{std::move(table)};
  step.changes.push_back(std::move(change));
}

void add_hole(model::HostStep& step, const std::string& mark) {
  model::Change change;
  change.summary = fmt::format("create ifb {} and leave it down: what goes there is gone", mark);
  change.apply = model::CreateHole{mark};
  change.undos.push_back(model::DeleteLink{mark});
  change.idle = true;
  step.changes.push_back(std::move(change));
}

void add_ifb(const fault::PlanContext& context, model::HostStep& step, const model::Netem& netem,
             const std::string& words) {
  const std::string name = context.token.mark();
  model::Change change;
  change.summary = fmt::format("create ifb {} with netem {}", name, words);
  change.apply = model::CreateIfb{name, netem};
  change.undos.push_back(model::DeleteLink{name});
  change.idle = true;
  step.changes.push_back(std::move(change));
}

Result<void> can_netem(const os::Host& host) {
  CHECK_OK(host.qdiscs().can_netem());
  CHECK_OK(host.links().can_ifb());
  CHECK_OK(host.nftables().can_carry());
  return ok();
}

}  // namespace ordeal::network
