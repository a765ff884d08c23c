#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/model/network.hpp"
#include "engine/os/task.hpp"

namespace ordeal::os {

struct LinkInfo {
  std::string name;
  int index = 0;
  std::string kind;  // "ifb", "veth", "" for physical
  bool up = false;
  bool has_address = false;
  bool enslaved = false;  // a bridge port or bond member: its packets pass the master too
  bool loopback = false;
  std::uint32_t group = 0;
  std::string alias;  // of ours: whose it is, see Links::add_ifb
};

// Links of this network namespace, over rtnetlink. Requests are synchronous: the kernel answers
// inside the send.
class Links {
 public:
  virtual ~Links() = default;
  virtual Result<std::vector<LinkInfo>> list() const = 0;
  // May we change links, queues and tables of this network? Asked of the kernel, with something
  // that changes nothing. Code::denied: no, and so nothing here can have been made by us.
  virtual Result<void> may_change() const = 0;
  // Is the ifb driver there or loadable? Error: why not, and the command that mends it.
  virtual Result<void> can_ifb() const = 0;
  // Creates an ifb in group kLinkGroup and sets it up; loads the driver with numifbs=0 before, so
  // that no foreign device appears. Code::busy when the name is taken. Its alias is what
  // belong_to() said last: no link dies with a process, as tables and helpers do.
  virtual Result<void> add_ifb(const std::string& name) = 0;
  // The same, but it stays down: it swallows what is sent to it.
  virtual Result<void> add_hole(const std::string& name) = 0;
  virtual void belong_to(const std::string& alias) = 0;
  // Code::gone when it is not there. Refuses (Code::refused) what does not bear our mark.
  virtual Result<void> remove(const std::string& name) = 0;
  // Deletes several links of ours, in one request where the kernel can; gone names are fine.
  virtual Result<void> remove_all(std::span<const std::string> names) = 0;
  // Modules that this process loaded and leaves loaded.
  virtual std::vector<std::string> loaded_modules() const = 0;
};

struct QdiscStats {
  std::uint64_t packets = 0;
  std::uint64_t dropped = 0;
  std::uint32_t backlog_packets = 0;
};

class Qdiscs {
 public:
  virtual ~Qdiscs() = default;
  // Tried in a throw-away way: can this kernel do netem? Error: why not.
  virtual Result<void> can_netem() const = 0;
  // Makes netem the root qdisc of a link of ours, never of any other (Code::refused).
  virtual Result<void> add_netem(const std::string& link, const model::Netem& netem) = 0;
  virtual Result<QdiscStats> stats(const std::string& link) const = 0;
};

struct TableId {
  std::string name;
  model::NftFamily family = model::NftFamily::netdev;
};

// A table that bears our mark.
struct MarkedTable : TableId {
  bool owned = false;  // the process that made it lives, whichever that is
};

// Our tables in nf_tables. All belong to one netlink socket of this process (owner flag): they are
// gone when it dies.
class Nftables {
 public:
  virtual ~Nftables() = default;
  // Tries an owner table with an egress chain in a throw-away way. Error: why not. Where nothing
  // can be tried without harm the answer is yes, and the kernel's own comes at the injection.
  virtual Result<void> can_carry() const = 0;
  // One transaction: the table, its live set, its counter, chains and rules; then the lease starts.
  virtual Result<void> create(const model::NftTable& table, Duration lease) = 0;
  // Pushes the lease of all tables forward, in one transaction.
  virtual Result<void> renew(std::span<const TableId> tables, Duration lease) = 0;
  // Takes the effect away at once, in one transaction: removes the tables. Tables that are gone are
  // fine. With `keep_chains` only empties chains (deleting a hooked chain drops what others hold in
  // NFQUEUE).
  virtual Result<void> remove(std::span<const TableId> tables, bool keep_chains) = 0;
  // Packets that met the counted rules of the table. Code::gone when it is not there.
  virtual Result<std::uint64_t> matched(const TableId& table) const = 0;
  // Every table that bears our mark, whoever owns it.
  virtual Result<std::vector<MarkedTable>> list_marked() const = 0;
  // NFQUEUE numbers with a listener (/proc/net/netfilter/nfnetlink_queue).
  virtual Result<std::vector<std::uint16_t>> queues() const = 0;
  virtual Result<void> can_queue() const = 0;
};

// Addresses whose traffic no network fault may touch.
struct ExemptFlow {
  std::string local_address;
  std::uint16_t local_port = 0;
  std::string remote_address;
  std::uint16_t remote_port = 0;
  std::string why;  // "your ssh session", "ordeal's control connection"
};

class Sockets {
 public:
  virtual ~Sockets() = default;
  // The caller's SSH session: the one above us; below none (tmux, screen), every one of the same
  // user and the one that an ancestor's environment tells of.
  virtual std::vector<ExemptFlow> exempt_flows() const = 0;
};

}  // namespace ordeal::os
