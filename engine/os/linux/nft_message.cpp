#include "engine/os/linux/nft_message.hpp"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <fmt/format.h>

#include "engine/os/linux/nft_rule.hpp"

namespace ordeal::os {
namespace {

constexpr std::uint32_t kTypeEthertype = 10;  // nft's own number of the type, for its listings
constexpr std::uint32_t kSetId = 1;
constexpr std::uint16_t kEtherIp = 0x0800;
constexpr std::uint16_t kEtherIp6 = 0x86dd;

std::uint8_t family_number(model::NftFamily family) {
  return family == model::NftFamily::netdev ? NFPROTO_NETDEV : NFPROTO_INET;
}

Message frame(int type) {
  nfgenmsg header{};
  header.nfgen_family = AF_UNSPEC;
  header.version = NFNETLINK_V0;
  header.res_id = htobe16(NFNL_SUBSYS_NFTABLES);
  return Message(static_cast<std::uint16_t>(type), 0, header);
}

Message new_table(const model::NftTable& table) {
  Message message = nft_message(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, table.family);
  message.put_text(NFTA_TABLE_NAME, table.name).put_be32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
  return message;
}

Message new_live_set(const model::NftTable& table) {
  Message message = nft_message(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, table.family);
  message.put_text(NFTA_SET_TABLE, table.name)
      .put_text(NFTA_SET_NAME, kLiveSet)
      .put_be32(NFTA_SET_FLAGS, NFT_SET_TIMEOUT)
      .put_be32(NFTA_SET_KEY_TYPE, kTypeEthertype)
      .put_be32(NFTA_SET_KEY_LEN, 2)
      .put_be32(NFTA_SET_ID, kSetId);
  return message;
}

Message new_counter(const model::NftTable& table) {
  Message message = nft_message(NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL, table.family);
  message.put_text(NFTA_OBJ_TABLE, table.name)
      .put_text(NFTA_OBJ_NAME, kMatchedCounter)
      .put_be32(NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
  const Message::Nest data = message.nest(NFTA_OBJ_DATA);
  message.put_be64(NFTA_COUNTER_BYTES, 0).put_be64(NFTA_COUNTER_PACKETS, 0);
  return message;
}

std::uint32_t hook_number(model::NftHook hook) {
  switch (hook) {
    case model::NftHook::ingress: return NF_NETDEV_INGRESS;
    case model::NftHook::egress: return NF_NETDEV_EGRESS;
    case model::NftHook::input: return NF_INET_LOCAL_IN;
    case model::NftHook::output: return NF_INET_LOCAL_OUT;
  }
  return NF_NETDEV_INGRESS;
}

Message new_chain(const model::NftTable& table, const model::NftChain& chain) {
  Message message = nft_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, table.family);
  message.put_text(NFTA_CHAIN_TABLE, table.name)
      .put_text(NFTA_CHAIN_NAME, chain.name)
      .put_text(NFTA_CHAIN_TYPE, "filter")
      .put_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
  const Message::Nest hook = message.nest(NFTA_CHAIN_HOOK);
  message.put_be32(NFTA_HOOK_HOOKNUM, hook_number(chain.hook)).put_be32(NFTA_HOOK_PRIORITY, 0);
  if (table.family == model::NftFamily::netdev) message.put_text(NFTA_HOOK_DEV, chain.device);
  return message;
}

Message lease_message(int type, std::uint16_t flags, const std::string& table,
                      model::NftFamily family, std::optional<Duration> lease) {
  Message message = nft_message(type, flags, family);
  message.put_text(NFTA_SET_ELEM_LIST_TABLE, table)
      .put_text(NFTA_SET_ELEM_LIST_SET, kLiveSet)
      .put_be32(NFTA_SET_ELEM_LIST_SET_ID, kSetId);
  const Message::Nest list = message.nest(NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const std::uint16_t ethertype : {kEtherIp, kEtherIp6}) {
    const Message::Nest element = message.nest(NFTA_LIST_ELEM);
    {
      const Message::Nest key = message.nest(NFTA_SET_ELEM_KEY);
      message.put_be16(NFTA_DATA_VALUE, ethertype);
    }
    if (!lease) continue;
    const auto whole = std::chrono::ceil<std::chrono::milliseconds>(*lease).count();
    message.put_be64(NFTA_SET_ELEM_TIMEOUT, static_cast<std::uint64_t>(std::max<long>(whole, 1)));
  }
  return message;
}

}  // namespace

Message nft_message(int type, std::uint16_t flags, model::NftFamily family) {
  nfgenmsg header{};
  header.nfgen_family = family_number(family);
  header.version = NFNETLINK_V0;
  return Message(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags, header);
}

Message batch_begin() { return frame(NFNL_MSG_BATCH_BEGIN); }
Message batch_end() { return frame(NFNL_MSG_BATCH_END); }

Result<std::vector<Message>> table_messages(const model::NftTable& table, QueueSpelling queue) {
  std::vector<Message> out;
  out.push_back(new_table(table));
  out.push_back(new_live_set(table));
  out.push_back(new_counter(table));
  for (const model::NftChain& chain : table.chains) {
    out.push_back(new_chain(table, chain));
    for (const model::NftRule& rule : chain.rules) {
      CHECK_OK(within("chain " + chain.name, add_rule_messages(out, table, chain, rule, queue)));
    }
  }
  return out;
}

Message delete_table(const std::string& table, model::NftFamily family) {
  Message message = nft_message(NFT_MSG_DELTABLE, 0, family);
  message.put_text(NFTA_TABLE_NAME, table);
  return message;
}

Message delete_all_rules(const std::string& table, model::NftFamily family) {
  Message message = nft_message(NFT_MSG_DELRULE, 0, family);
  message.put_text(NFTA_RULE_TABLE, table);
  return message;
}

Message add_lease(const std::string& table, model::NftFamily family, Duration lease) {
  return lease_message(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, table, family, lease);
}

Message delete_lease(const std::string& table, model::NftFamily family) {
  return lease_message(NFT_MSG_DELSETELEM, 0, table, family, std::nullopt);
}

}  // namespace ordeal::os
