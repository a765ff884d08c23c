// Our values as nf_tables messages: tables, sets, chains and rules made of about ten expressions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/network.hpp"
#include "engine/os/linux/netlink.hpp"

namespace ordeal::os {

// How this kernel spells "hand the packet to an NFQUEUE".
enum class QueueSpelling {
  native,  // nft_queue
  xt,      // the xt NFQUEUE target through nft_compat
};

inline constexpr const char* kLiveSet = "live";
inline constexpr const char* kMatchedCounter = "matched";

// A message to nf_tables about `table`. `type` is NFT_MSG_*.
Message nft_message(int type, std::uint16_t flags, model::NftFamily family);
// The frame around a transaction.
Message batch_begin();
Message batch_end();

// Everything that makes the table, in order; without the frame and without the lease. Error:
// Code::gone when a device is not there, Code::invalid for an address.
Result<std::vector<Message>> table_messages(const model::NftTable& table, QueueSpelling queue);

Message delete_table(const std::string& table, model::NftFamily family);
Message delete_all_rules(const std::string& table, model::NftFamily family);
Message add_lease(const std::string& table, model::NftFamily family, Duration lease);
Message delete_lease(const std::string& table, model::NftFamily family);

}  // namespace ordeal::os
