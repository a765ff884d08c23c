#include "engine/os/linux/nftables.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include <fmt/format.h>

#include "engine/base/ids.hpp"
#include "engine/os/linux/fd.hpp"
#include "engine/os/linux/proc.hpp"
#include "engine/os/linux/throwaway.hpp"

namespace ordeal::os {
namespace {

constexpr std::size_t kGenericHeader = sizeof(nfgenmsg);

Error transaction_error(const BatchFailure& failure, std::string_view what) {
  return netlink_error(failure.system_errno, what, failure.text);
}

// A transaction without an end is looked through and dropped: what `nft --check` does.
enum class Ending { commit, drop };

// Sends `messages` as one transaction. The indices of failures are those of `messages`.
Result<std::vector<BatchFailure>> transact(Netlink& netlink, std::vector<Message> messages,
                                           std::string_view what, Ending ending = Ending::commit) {
  std::vector<Message> all;
  all.reserve(messages.size() + 2);
  all.push_back(batch_begin());
  for (Message& message : messages) all.push_back(std::move(message));
  if (ending == Ending::commit) all.push_back(batch_end());
  TRY(auto failures, netlink.batch(all, what));
  for (BatchFailure& failure : failures) {
    // 0 was BEGIN: an objection to the transaction as a whole.
    failure.index = failure.index == 0 ? messages.size() : failure.index - 1;
  }
  return failures;
}

// What a kernel without one of our expressions, hooks or flags says.
bool means_missing(int system_errno) {
  return system_errno == ENOENT || system_errno == EOPNOTSUPP || system_errno == EAFNOSUPPORT ||
         system_errno == EINVAL;
}

// A table with everything that the carrier may ever use on `lo`.
model::NftTable sample_carrier() {
  model::NftRule forward;
  forward.match.protocol = 6;
  forward.match.destination = "127.0.0.0/8";
  forward.match.destination_port = model::PortRange{80, 81};
  forward.verdict = model::NftForward{"lo"};
  forward.leased = true;
  forward.counted = true;
  model::NftRule drop;
  drop.match.family = model::IpFamily::ip6;
  drop.verdict = model::NftDrop{percent(10)};
  model::NftTable table;
  table.name = "ordeal-aaaaaaaa";
  for (const auto hook : {model::NftHook::egress, model::NftHook::ingress}) {
    model::NftChain chain;
    chain.name = hook == model::NftHook::egress ? "egress-lo" : "ingress-lo";
    chain.hook = hook;
    chain.device = "lo";
    chain.rules = {forward, drop};
    table.chains.push_back(std::move(chain));
  }
  return table;
}

model::NftTable sample_queue() {
  model::NftRule queue;
  queue.verdict = model::NftQueue{1};
  queue.leased = true;
  queue.counted = true;
  model::NftChain chain;
  chain.name = "input-lo";
  chain.hook = model::NftHook::input;
  chain.device = "lo";
  chain.rules = {queue};
  model::NftTable table;
  table.name = "ordeal-aaaaaaaa";
  table.family = model::NftFamily::inet;
  table.chains = {chain};
  return table;
}

bool uses_queue(const model::NftTable& table) {
  for (const model::NftChain& chain : table.chains) {
    for (const model::NftRule& rule : chain.rules) {
      if (std::holds_alternative<model::NftQueue>(rule.verdict)) return true;
    }
  }
  return false;
}

}  // namespace

LinuxNftables::LinuxNftables() : netfilter_(NETLINK_NETFILTER) {}

// Apart, the table is really made. Here it is only looked through; even that hooks its chains for a
// moment, and a chain that is unhooked drops what others hold in an NFQUEUE: then nothing is tried.
Result<void> LinuxNftables::try_table(const model::NftTable& table) const {
  CHECK_OK(list_marked());  // whoever may not look may not change either
  const auto apart = [&]() -> Result<void> {
    LinuxNftables nftables;
    return nftables.create(table, 1s);
  };
  const auto here = [&]() -> Result<void> {
    const auto others = queues();
    if (others.has_error() || !others.value().empty()) return ok();  // it could do harm
    auto checked = check(table, QueueSpelling::native);
    if (checked.has_error() && checked.error().system_errno() == ENOENT && uses_queue(table)) {
      return check(table, QueueSpelling::xt);
    }
    return checked;
  };
  return ask_apart_or_here(apart, here);
}

Result<void> LinuxNftables::check(const model::NftTable& table, QueueSpelling queue) const {
  TRY(auto messages, table_messages(table, queue));
  const std::string what = "try table " + table.name;
  TRY(auto failures, transact(netfilter_, std::move(messages), what, Ending::drop));
  if (failures.empty()) return ok();
  return transaction_error(failures.front(), what);
}

Result<void> LinuxNftables::can_carry() const {
  if (known_carrier_) return ok();
  auto tried = try_table(sample_carrier());
  if (tried.has_error() && means_missing(tried.error().system_errno())) {
    return Error(Code::unsupported,
                 fmt::format("this kernel cannot carry network faults: needs Linux 5.16 with "
                             "nf_tables, CONFIG_NETFILTER_EGRESS and nft_fwd_netdev ({})",
                             tried.error().message()));
  }
  known_carrier_ = tried.has_value();
  return tried;
}

Result<void> LinuxNftables::can_queue() const {
  if (known_queue_) return ok();
  auto tried = try_table(sample_queue());
  if (tried.has_error() && means_missing(tried.error().system_errno())) {
    return Error(Code::unsupported,
                 fmt::format("this kernel has neither nft_queue nor nft_compat with xt_NFQUEUE "
                             "({})",
                             tried.error().message()));
  }
  known_queue_ = tried.has_value();
  return tried;
}

Result<void> LinuxNftables::create(const model::NftTable& table, Duration lease) {
  if (!is_mark(table.name)) {
    return Error(Code::refused, fmt::format("'{}' is not a name of ours", table.name));
  }
  auto created = create(table, lease, QueueSpelling::native);
  if (created.has_error() && created.error().system_errno() == ENOENT && uses_queue(table)) {
    return create(table, lease, QueueSpelling::xt);
  }
  return created;
}

Result<void> LinuxNftables::create(const model::NftTable& table, Duration lease,
                                   QueueSpelling queue) {
  TRY(auto messages, table_messages(table, queue));
  messages.push_back(add_lease(table.name, table.family, lease));
  const std::string what = "create table " + table.name;
  TRY(auto failures, transact(netfilter_, std::move(messages), what));
  if (!failures.empty()) return transaction_error(failures.front(), what);
  auto owned = check_owner(table);
  if (owned.has_error()) {
    const TableId id{table.name, table.family};
    ignore(remove(std::span(&id, 1), false), "the first error says what is wrong");
  }
  return owned;
}

Result<void> LinuxNftables::check_owner(const model::NftTable& table) {
  Message message = nft_message(NFT_MSG_GETTABLE, 0, table.family);
  message.put_text(NFTA_TABLE_NAME, table.name);
  TRY(auto reply, netfilter_.get(message, "read back table " + table.name));
  TRY(auto port, netfilter_.port());
  const bool owned = (be32_of(reply.find(kGenericHeader, NFTA_TABLE_FLAGS)) & NFT_TABLE_F_OWNER) &&
                     be32_of(reply.find(kGenericHeader, NFTA_TABLE_OWNER)) == port;
  if (owned) return ok();
  return Error(Code::unsupported, "the kernel did not make us the owner of the table (Linux 5.12)");
}

Result<void> LinuxNftables::renew(std::span<const TableId> tables, Duration lease) {
  if (tables.empty()) return ok();
  std::vector<Message> messages;
  for (const TableId& table : tables) {
    // Older kernels keep the old timeout of an element that is there: out and in again.
    messages.push_back(delete_lease(table.name, table.family));
    messages.push_back(add_lease(table.name, table.family, lease));
  }
  TRY(auto failures, transact(netfilter_, std::move(messages), "renew leases"));
  if (failures.empty()) return ok();
  const std::size_t index = std::min(failures.front().index / 2, tables.size() - 1);
  const std::string what = fmt::format("renew the lease of {}", tables[index].name);
  if (failures.front().system_errno == ENOENT) {
    return Error(Code::gone, what + ": it has lapsed, the fault is over", ENOENT);
  }
  return transaction_error(failures.front(), what);
}

Result<void> LinuxNftables::remove(std::span<const TableId> tables, bool keep_chains) {
  std::vector<TableId> left(tables.begin(), tables.end());
  std::optional<Error> problem;
  // A transaction fails as a whole: leave out what the kernel objects to and try again. Each round
  // leaves out at least one.
  while (!left.empty()) {
    std::vector<Message> messages;
    for (const TableId& table : left) {
      messages.push_back(keep_chains ? delete_all_rules(table.name, table.family)
                                     : delete_table(table.name, table.family));
    }
    TRY(auto failures, transact(netfilter_, std::move(messages), "remove tables"));
    if (failures.empty()) break;
    std::set<std::size_t> objected;
    for (const BatchFailure& failure : failures) {
      if (failure.index >= left.size()) return transaction_error(failure, "remove tables");
      objected.insert(failure.index);
      if (failure.system_errno == ENOENT || problem) continue;
      const std::string& name = left[failure.index].name;
      problem = failure.system_errno == EPERM
                    ? Error(Code::denied,
                            fmt::format("table {}: its owner, another process, is "
                                        "still alive",
                                        name),
                            EPERM)
                    : transaction_error(failure, "remove table " + name);
    }
    std::vector<TableId> rest;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (!objected.contains(i)) rest.push_back(left[i]);
    }
    left = std::move(rest);
  }
  if (problem) return *std::move(problem);
  return ok();
}

Result<std::uint64_t> LinuxNftables::matched(const TableId& table) const {
  Message message = nft_message(NFT_MSG_GETOBJ, 0, table.family);
  message.put_text(NFTA_OBJ_TABLE, table.name)
      .put_text(NFTA_OBJ_NAME, kMatchedCounter)
      .put_be32(NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
  TRY(auto reply, netfilter_.get(message, "read the counter of " + table.name));
  return be64_of(find_nested(reply.find(kGenericHeader, NFTA_OBJ_DATA), NFTA_COUNTER_PACKETS));
}

Result<std::vector<MarkedTable>> LinuxNftables::list_marked() const {
  std::vector<MarkedTable> marked;
  for (const auto family : {model::NftFamily::netdev, model::NftFamily::inet}) {
    Message message = nft_message(NFT_MSG_GETTABLE, 0, family);
    TRY(auto replies, netfilter_.dump(message, "list tables"));
    for (const Reply& reply : replies) {
      const std::string name = text_of(reply.find(kGenericHeader, NFTA_TABLE_NAME));
      if (!is_mark(name)) continue;
      // The kernel deletes such a table with its owner: while it is there, that one lives.
      const bool owned =
          (be32_of(reply.find(kGenericHeader, NFTA_TABLE_FLAGS)) & NFT_TABLE_F_OWNER) != 0;
      marked.push_back(MarkedTable{{name, family}, owned});
    }
  }
  return marked;
}

Result<std::vector<std::uint16_t>> LinuxNftables::queues() const {
  // "  1234   4321     0 2 65531 ...": the first number is the queue. thread-self: /proc/net would
  // show the namespace of the process's first thread.
  const auto list = read_file("/proc/thread-self/net/netfilter/nfnetlink_queue");
  std::vector<std::uint16_t> queues;
  if (!list && list.error().code() == Code::gone) return queues;  // the driver is not loaded
  if (!list) return list.error();
  for (const auto line : proc::split(list.value(), '\n')) {
    const std::string row(line);
    queues.push_back(static_cast<std::uint16_t>(std::strtoul(row.c_str(), nullptr, 10)));
  }
  return queues;
}

}  // namespace ordeal::os
