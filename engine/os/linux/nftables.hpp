#pragma once

#include <string>
#include <vector>

#include "engine/os/linux/netlink.hpp"
#include "engine/os/linux/nft_message.hpp"
#include "engine/os/network.hpp"

namespace ordeal::os {

class LinuxNftables final : public Nftables {
 public:
  LinuxNftables();
  Result<void> can_carry() const override;
  Result<void> create(const model::NftTable& table, Duration lease) override;
  Result<void> renew(std::span<const TableId> tables, Duration lease) override;
  Result<void> remove(std::span<const TableId> tables, bool keep_chains) override;
  Result<std::uint64_t> matched(const TableId& table) const override;
  Result<std::vector<MarkedTable>> list_marked() const override;
  Result<std::vector<std::uint16_t>> queues() const override;
  Result<void> can_queue() const override;

 private:
  Result<void> try_table(const model::NftTable& table) const;
  Result<void> check(const model::NftTable& table, QueueSpelling queue) const;
  Result<void> create(const model::NftTable& table, Duration lease, QueueSpelling queue);
  // The kernel must say that the table is ours: without the owner flag it would outlive us.
  Result<void> check_owner(const model::NftTable& table);

  mutable Netlink netfilter_;
  mutable bool known_carrier_ = false;  // a yes stays a yes
  mutable bool known_queue_ = false;
};

}  // namespace ordeal::os
