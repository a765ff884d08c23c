// Links, qdiscs and nf_tables of the simulated kernel, and what packets meet there.
#include <cerrno>
#include <charconv>

#include "engine/base/ids.hpp"
#include "tests/sim/host.hpp"

namespace ordeal::sim {

// ---- Links --------------------------------------------------------------------------------------

Result<std::vector<os::LinkInfo>> SimLinks::list() const {
  if (auto problem = read_problem("list links")) return *std::move(problem);
  std::vector<os::LinkInfo> out;
  for (const auto& [name, link] : machine_.links) out.push_back(link.info);
  return out;
}

Result<void> SimLinks::may_change() const {
  if (machine_.network_admin) return ok();
  return Error::system(EPERM, "change the network");
}

Result<void> SimLinks::can_ifb() const {
  if (!machine_.network_admin) return Error::system(EPERM, "try an ifb");
  if (machine_.ifb_possible) return ok();
  return Error(Code::unsupported, "no ifb driver; install the kernel's modules");
}

Result<void> SimLinks::add(const std::string& name, bool up) {
  return act("add_ifb " + name, [&]() -> Result<void> {
    CHECK_OK(can_ifb());
    if (machine_.links.contains(name)) return Error::system(EEXIST, "add link " + name);
    machine_.ifb_loaded = loaded_ = true;
    os::LinkInfo info;
    info.name = name;
    info.kind = "ifb";
    info.up = up;
    info.group = kLinkGroup;
    info.alias = alias_;
    machine_.add_link(info);
    machine_.made(sim::Machine::Trace{"delete_link", name, false});
    return ok();
  });
}

Result<void> SimLinks::add_ifb(const std::string& name) { return add(name, true); }
Result<void> SimLinks::add_hole(const std::string& name) { return add(name, false); }

Result<void> SimLinks::remove(const std::string& name) {
  return act("remove link " + name, [&]() -> Result<void> {
    if (!is_mark(name)) return Error(Code::refused, name + " is not ours");
    if (machine_.links.erase(name) == 0) return Error(Code::gone, "no link " + name);
    return ok();
  });
}

Result<void> SimLinks::remove_all(std::span<const std::string> names) {
  return act("remove links", [&]() -> Result<void> {
    for (const std::string& name : names) {
      if (!is_mark(name)) return Error(Code::refused, name + " is not ours");
    }
    for (const std::string& name : names) machine_.links.erase(name);
    return ok();
  });
}

std::vector<std::string> SimLinks::loaded_modules() const {
  return loaded_ ? std::vector<std::string>{"ifb"} : std::vector<std::string>{};
}

// ---- Qdiscs -------------------------------------------------------------------------------------

Result<void> SimQdiscs::can_netem() const {
  if (!machine_.network_admin) return Error::system(EPERM, "try netem");
  if (machine_.netem_possible) return ok();
  return Error(Code::unsupported, "this kernel has no sch_netem");
}

Result<void> SimQdiscs::add_netem(const std::string& link, const model::Netem& netem) {
  return act("add_netem " + link, [&]() -> Result<void> {
    if (!is_mark(link)) return Error(Code::refused, link + " is not ours");
    CHECK_OK(can_netem());
    const auto found = machine_.links.find(link);
    if (found == machine_.links.end()) return Error(Code::gone, "no link " + link);
    found->second.netem = netem;
    return ok();
  });
}

Result<os::QdiscStats> SimQdiscs::stats(const std::string& link) const {
  if (auto problem = read_problem("qdisc statistics")) return *std::move(problem);
  machine_.count_packets();
  const auto found = machine_.links.find(link);
  if (found == machine_.links.end()) return Error(Code::gone, "no link " + link);
  os::QdiscStats stats;
  stats.packets = found->second.packets;
  return stats;
}

// ---- Nftables -----------------------------------------------------------------------------------

Result<void> SimNftables::can_carry() const {
  if (!machine_.network_admin) return Error::system(EPERM, "list tables");
  if (machine_.owner_tables_possible) return ok();
  return Error(Code::unsupported, "this kernel has no owner tables with an egress hook");
}

Result<void> SimNftables::create(const model::NftTable& table, Duration lease) {
  return act("create table " + table.name, [&]() -> Result<void> {
    CHECK_OK(can_carry());
    if (!is_mark(table.name)) return Error(Code::refused, table.name + " is not ours");
    const auto key = std::pair(table.name, table.family);
    if (machine_.tables.contains(key)) return Error::system(EEXIST, "create table");
    for (const auto& chain : table.chains) {
      if (!chain.device.empty() && !machine_.links.contains(chain.device)) {
        return Error::system(ENOENT, "chain on " + chain.device);
      }
      for (const auto& rule : chain.rules) {
        const std::string* device = nullptr;
        if (const auto* to = std::get_if<model::NftForward>(&rule.verdict)) device = &to->device;
        if (const auto* to = std::get_if<model::NftLose>(&rule.verdict)) device = &to->device;
        if (device != nullptr && !machine_.links.contains(*device)) {
          return Error::system(ENODEV, "forward to " + *device);
        }
      }
    }
    machine_.count_packets();
    Table made;
    made.table = table;
    made.owner = &node_;
    made.lease_end = world_.now() + lease;
    made.counted_until = world_.now();
    machine_.tables[key] = std::move(made);
    machine_.made(sim::Machine::Trace{"delete_table", table.name, true});
    return ok();
  });
}

Result<void> SimNftables::renew(std::span<const os::TableId> tables, Duration lease) {
  return act("renew tables", [&]() -> Result<void> {
    machine_.count_packets();
    for (const auto& id : tables) {
      const auto found = machine_.tables.find({id.name, id.family});
      if (found == machine_.tables.end()) return Error::system(ENOENT, "renew " + id.name);
      if (found->second.owner != &node_) return Error::system(EPERM, "renew " + id.name);
    }
    for (const auto& id : tables) {
      machine_.tables.at({id.name, id.family}).lease_end = world_.now() + lease;
    }
    return ok();
  });
}

Result<void> SimNftables::remove(std::span<const os::TableId> tables, bool keep_chains) {
  return act("remove tables", [&]() -> Result<void> {
    if (!machine_.network_admin) return Error::system(EPERM, "remove tables");
    machine_.count_packets();
    for (const auto& id : tables) {
      const auto found = machine_.tables.find({id.name, id.family});
      if (found != machine_.tables.end() && found->second.owner != &node_) {
        return Error::system(EPERM, "remove " + id.name);  // the owner lives
      }
    }
    for (const auto& id : tables) {
      const auto found = machine_.tables.find({id.name, id.family});
      if (found == machine_.tables.end()) continue;
      if (keep_chains) {
        for (auto& chain : found->second.table.chains) chain.rules.clear();
        found->second.lease_end = world_.now();
      } else {
        machine_.tables.erase(found);
      }
    }
    return ok();
  });
}

Result<std::uint64_t> SimNftables::matched(const os::TableId& table) const {
  if (auto problem = read_problem("read counter")) return *std::move(problem);
  machine_.count_packets();
  const auto found = machine_.tables.find({table.name, table.family});
  if (found == machine_.tables.end()) return Error(Code::gone, "no table " + table.name);
  return static_cast<std::uint64_t>(found->second.packets);
}

Result<std::vector<os::MarkedTable>> SimNftables::list_marked() const {
  if (auto problem = read_problem("list tables")) return *std::move(problem);
  if (!machine_.network_admin) return Error::system(EPERM, "list tables");
  std::vector<os::MarkedTable> out;
  for (const auto& [key, table] : machine_.tables) {
    if (!is_mark(key.first)) continue;
    out.push_back(os::MarkedTable{{key.first, key.second}, table.owner != nullptr});
  }
  return out;
}

Result<std::vector<std::uint16_t>> SimNftables::queues() const {
  if (auto problem = read_problem("read queues")) return *std::move(problem);
  return machine_.foreign_queues;
}

Result<void> SimNftables::can_queue() const {
  if (!machine_.network_admin) return Error::system(EPERM, "list tables");
  if (machine_.queue_possible) return ok();
  return Error(Code::unsupported, "this kernel has no nfnetlink_queue");
}

// ---- Packets ------------------------------------------------------------------------------------

namespace {

struct Packet {
  model::IpFamily family;
  std::uint8_t protocol;
  const std::string& source;
  const std::string& destination;
  std::uint16_t source_port;
  std::uint16_t destination_port;
};

// "10.0.0.0/8" against "10.1.2.3"; exact for IPv6.
bool in_prefix(const std::string& prefix, const std::string& address) {
  const std::size_t slash = prefix.find('/');
  const std::string base = prefix.substr(0, slash);
  if (base == address) return true;
  int bits = 128;
  if (slash != std::string::npos) {
    std::from_chars(prefix.data() + slash + 1, prefix.data() + prefix.size(), bits);
  }
  if (bits == 0) return true;
  auto number = [](const std::string& text) -> std::optional<std::uint32_t> {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (std::sscanf(text.c_str(), "%u.%u.%u.%u", &a, &b, &c, &d) != 4) return std::nullopt;
    return a << 24 | b << 16 | c << 8 | d;
  };
  const auto left = number(base);
  const auto right = number(address);
  if (!left || !right || bits > 32) return false;
  const std::uint32_t mask = ~std::uint32_t{0} << (32 - bits);
  return (*left & mask) == (*right & mask);
}

bool in_range(const std::optional<model::PortRange>& range, std::uint16_t port) {
  return !range || (range->first <= port && port <= range->last);
}

bool matches(const model::NftMatch& match, const Packet& packet) {
  if (match.family != packet.family || match.icmp_type) return false;
  if (match.protocol && *match.protocol != packet.protocol) return false;
  if (match.source && !in_prefix(*match.source, packet.source)) return false;
  if (match.destination && !in_prefix(*match.destination, packet.destination)) return false;
  return in_range(match.source_port, packet.source_port) &&
         in_range(match.destination_port, packet.destination_port);
}

bool hooked(const model::NftChain& chain, const std::string& device, bool outgoing) {
  switch (chain.hook) {
    case model::NftHook::egress: return outgoing && chain.device == device;
    // What leaves through lo arrives there at once.
    case model::NftHook::ingress: return (!outgoing || device == "lo") && chain.device == device;
    case model::NftHook::output: return outgoing;
    case model::NftHook::input: return !outgoing;
  }
  return false;
}

}  // namespace

Machine::Fate Machine::fate(const Flow& flow, bool outgoing, const Table* only) const {
  const Packet packet{flow.family,
                      flow.protocol,
                      outgoing ? flow.local_address : flow.remote_address,
                      outgoing ? flow.remote_address : flow.local_address,
                      outgoing ? flow.local_port : flow.remote_port,
                      outgoing ? flow.remote_port : flow.local_port};
  Fate fate;
  for (const auto& [key, table] : tables) {
    if (only != nullptr && &table != only) continue;
    const bool live = table.lease_end > world_.now();
    for (const auto& chain : table.table.chains) {
      if (!hooked(chain, flow.device, outgoing)) continue;
      for (const auto& rule : chain.rules) {
        if (rule.leased && !live) continue;
        if (!matches(rule.match, packet)) continue;
        fate.counted = fate.counted || rule.counted;
        const auto* drop = std::get_if<model::NftDrop>(&rule.verdict);
        const auto* lose = std::get_if<model::NftLose>(&rule.verdict);
        if (drop != nullptr || lose != nullptr) {
          const Ppm wanted = drop != nullptr ? drop->share : lose->share;
          const double share = static_cast<double>(wanted.value) / 1e6;
          fate.loss = 1 - (1 - fate.loss) * (1 - share);
          if (share < 1) continue;
        } else if (const auto* forward = std::get_if<model::NftForward>(&rule.verdict)) {
          const auto link = links.find(forward->device);
          if (link == links.end() || !link->second.netem) {
            fate.loss = 1;  // a device that is not there swallows them
          } else {
            fate.delay += link->second.netem->latency;
            const double share = static_cast<double>(link->second.netem->loss.value) / 1e6;
            fate.loss = 1 - (1 - fate.loss) * (1 - share);
          }
        } else if (const auto* queue = std::get_if<model::NftQueue>(&rule.verdict)) {
          fate.delay += queue_delay(queue->number);
        } else if (std::holds_alternative<model::NftReject>(rule.verdict)) {
          fate.rejected = true;
        }
        break;
      }
    }
  }
  return fate;
}

// What the helper that listens on an NFQUEUE does to packets; none listens: they pass.
Duration Machine::queue_delay(std::uint16_t number) const {
  for (const auto& [pid, process] : processes) {
    if (!process.helper || process.helper->role != "shaper") continue;
    const auto& arguments = process.helper->arguments;
    const auto* queue = arguments.if_contains("queue");
    if (queue == nullptr || queue->to_number<int>() != number) continue;
    const auto* latency = arguments.if_contains("latency");
    return latency != nullptr ? 1us * latency->to_number<std::int64_t>() : Duration{};
  }
  return Duration{};
}

// Brings the counters up to now. Called before anything that a counter depends on changes.
void Machine::count_packets() {
  const BootTime now = world_.now();
  for (auto& [key, table] : tables) {
    if (table.owner == nullptr) continue;
    // Packets of the time in which the lease was live.
    const BootTime until = std::min(now, table.lease_end);
    if (until > table.counted_until) {
      const double seconds = static_cast<double>((until - table.counted_until).count()) / 1e6;
      const BootTime end = std::exchange(table.lease_end, BootTime::max());
      for (const Flow& flow : flows) {
        for (const bool outgoing : {true, false}) {
          if (fate(flow, outgoing, &table).counted) {
            table.packets += flow.packets_per_second * seconds;
          }
        }
      }
      table.lease_end = end;
      if (table.packets >= 1) ever.insert(Trace{"packets", key.first, true});
    }
    table.counted_until = now;
  }
}

}  // namespace ordeal::sim
