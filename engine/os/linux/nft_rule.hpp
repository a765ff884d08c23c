// One rule of ours as nf_tables expressions.
#pragma once

#include <vector>

#include "engine/os/linux/nft_message.hpp"

namespace ordeal::os {

// Appends the messages that make `rule`: one, or two for a reject of any protocol (TCP is answered
// with a reset, the rest with ICMP).
Result<void> add_rule_messages(std::vector<Message>& out, const model::NftTable& table,
                               const model::NftChain& chain, const model::NftRule& rule,
                               QueueSpelling queue);

}  // namespace ordeal::os
