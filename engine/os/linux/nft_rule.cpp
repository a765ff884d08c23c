// The order of expressions in a rule: device (inet only), family and lease, protocol, addresses,
// ports, counter, chance, verdict. So the counter counts what the fault is meant for, also when it
// then lets a packet through by chance or by a magnitude of zero.
#include "engine/os/linux/nft_rule.hpp"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::os {
namespace {

constexpr std::uint32_t kRegister = NFT_REG_1;
constexpr std::uint32_t kWhole = 1'000'000;  // numgen draws parts per million

// Writes expressions into a rule message; NFTA_RULE_EXPRESSIONS is open around it.
class Expressions {
 public:
  explicit Expressions(Message& message) : message_(message) {}

  // Puts one expression; `fill` writes its attributes.
  template <class F>
  void add(const char* name, F fill) {
    const Message::Nest element = message_.nest(NFTA_LIST_ELEM);
    message_.put_text(NFTA_EXPR_NAME, name);
    const Message::Nest data = message_.nest(NFTA_EXPR_DATA);
    fill();
  }
  void value(int attribute, const void* data, std::size_t size) {
    const Message::Nest nest = message_.nest(attribute);
    message_.put(NFTA_DATA_VALUE, data, size);
  }

  void meta(std::uint32_t key) {
    add("meta", [&] { message_.put_be32(NFTA_META_DREG, kRegister).put_be32(NFTA_META_KEY, key); });
  }
  void compare(std::uint32_t operation, const void* data, std::size_t size) {
    add("cmp", [&] {
      message_.put_be32(NFTA_CMP_SREG, kRegister).put_be32(NFTA_CMP_OP, operation);
      value(NFTA_CMP_DATA, data, size);
    });
  }
  void equal(const void* data, std::size_t size) { compare(NFT_CMP_EQ, data, size); }
  void range(const void* first, const void* last, std::size_t size) {
    add("range", [&] {
      message_.put_be32(NFTA_RANGE_SREG, kRegister).put_be32(NFTA_RANGE_OP, NFT_RANGE_EQ);
      value(NFTA_RANGE_FROM_DATA, first, size);
      value(NFTA_RANGE_TO_DATA, last, size);
    });
  }
  void payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size) {
    add("payload", [&] {
      message_.put_be32(NFTA_PAYLOAD_DREG, kRegister)
          .put_be32(NFTA_PAYLOAD_BASE, base)
          .put_be32(NFTA_PAYLOAD_OFFSET, offset)
          .put_be32(NFTA_PAYLOAD_LEN, size);
    });
  }
  void mask(const void* bits, std::uint32_t size) {
    const std::array<char, 16> zero{};
    add("bitwise", [&] {
      message_.put_be32(NFTA_BITWISE_SREG, kRegister)
          .put_be32(NFTA_BITWISE_DREG, kRegister)
          .put_be32(NFTA_BITWISE_LEN, size);
      value(NFTA_BITWISE_MASK, bits, size);
      value(NFTA_BITWISE_XOR, zero.data(), size);
    });
  }
  void verdict(std::uint32_t code) {
    add("immediate", [&] {
      message_.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
      const Message::Nest data = message_.nest(NFTA_IMMEDIATE_DATA);
      const Message::Nest word = message_.nest(NFTA_DATA_VERDICT);
      message_.put_be32(NFTA_VERDICT_CODE, code);
    });
  }
  Message& message() { return message_; }

 private:
  Message& message_;
};

void match_family(Expressions& out, const model::NftRule& rule) {
  const std::uint16_t ethertype = htons(rule.match.family == model::IpFamily::ip ? 0x0800 : 0x86dd);
  out.meta(NFT_META_PROTOCOL);
  out.equal(&ethertype, sizeof ethertype);
  if (!rule.leased) return;
  out.add("lookup", [&] {
    out.message().put_text(NFTA_LOOKUP_SET, kLiveSet).put_be32(NFTA_LOOKUP_SREG, kRegister);
  });
}

// "10.0.0.0/24" at `offset` of the IP header.
Result<void> match_address(Expressions& out, model::IpFamily family, const std::string& text,
                           std::uint32_t offset) {
  const std::size_t slash = text.find('/');
  const std::uint32_t size = family == model::IpFamily::ip ? 4 : 16;
  const int domain = family == model::IpFamily::ip ? AF_INET : AF_INET6;
  std::array<unsigned char, 16> bytes{};
  const std::string address = text.substr(0, slash);
  unsigned long bits = size * 8;
  if (slash != text.npos) bits = std::strtoul(text.c_str() + slash + 1, nullptr, 10);
  if (::inet_pton(domain, address.c_str(), bytes.data()) != 1 || bits > size * 8) {
    return Error(Code::invalid, fmt::format("'{}' is no address of that family", printable(text)));
  }
  if (bits == 0) return ok();
  std::array<unsigned char, 16> mask{};
  for (unsigned long bit = 0; bit < bits; ++bit) mask[bit / 8] |= 0x80 >> (bit % 8);
  for (std::size_t i = 0; i < size; ++i) bytes[i] &= mask[i];
  out.payload(NFT_PAYLOAD_NETWORK_HEADER, offset, size);
  if (bits < size * 8) out.mask(mask.data(), size);
  out.equal(bytes.data(), size);
  return ok();
}

void match_ports(Expressions& out, model::PortRange ports, std::uint32_t offset) {
  const std::uint16_t first = htons(ports.first);
  const std::uint16_t last = htons(ports.last);
  out.payload(NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof first);
  if (first == last) {
    out.equal(&first, sizeof first);
  } else {
    out.range(&first, &last, sizeof first);
  }
}

Result<void> match_packet(Expressions& out, const model::NftMatch& match,
                          std::optional<std::uint8_t> protocol) {
  if (protocol) {
    // Not the header's own field: meta l4proto also sees behind IPv6 extension headers.
    out.meta(NFT_META_L4PROTO);
    out.equal(&*protocol, sizeof *protocol);
  }
  const bool four = match.family == model::IpFamily::ip;
  if (match.source) {
    CHECK_OK(match_address(out, match.family, *match.source, four ? 12 : 8));
  }
  if (match.destination) {
    CHECK_OK(match_address(out, match.family, *match.destination, four ? 16 : 24));
  }
  if (match.source_port) match_ports(out, *match.source_port, 0);
  if (match.destination_port) match_ports(out, *match.destination_port, 2);
  if (match.icmp_type) {
    const auto first = static_cast<std::uint8_t>(match.icmp_type->first);
    const auto last = static_cast<std::uint8_t>(match.icmp_type->last);
    out.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
    out.range(&first, &last, 1);
  }
  return ok();
}

// A reject answers TCP with a reset and the rest with ICMP: two rules when both are meant.
enum class Answer { none, reset, icmp };

void match_answer(Expressions& out, Answer answer) {
  if (answer == Answer::reset) {
    // A reset is never answered and never held back: it may be the one that this very rule sent.
    const std::uint8_t flag = 0x04;
    const std::uint8_t none = 0;
    out.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
    out.mask(&flag, 1);
    out.equal(&none, 1);
  } else if (answer == Answer::icmp) {
    const std::uint8_t tcp = IPPROTO_TCP;
    out.meta(NFT_META_L4PROTO);
    out.compare(NFT_CMP_NEQ, &tcp, sizeof tcp);
  }
}

void match_chance(Expressions& out, Ppm share) {
  if (share.value >= static_cast<std::int64_t>(kWhole)) return;
  const std::uint32_t threshold = htonl(static_cast<std::uint32_t>(share.value));
  out.add("numgen", [&] {
    out.message()
        .put_be32(NFTA_NG_DREG, kRegister)
        .put_be32(NFTA_NG_MODULUS, kWhole)
        .put_be32(NFTA_NG_TYPE, NFT_NG_RANDOM)
        .put_be32(NFTA_NG_OFFSET, 0);
  });
  // Comparisons are bytewise: the number has to be in network order first.
  out.add("byteorder", [&] {
    out.message()
        .put_be32(NFTA_BYTEORDER_SREG, kRegister)
        .put_be32(NFTA_BYTEORDER_DREG, kRegister)
        .put_be32(NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON)
        .put_be32(NFTA_BYTEORDER_LEN, 4)
        .put_be32(NFTA_BYTEORDER_SIZE, 4);
  });
  out.compare(NFT_CMP_LT, &threshold, sizeof threshold);
}

// Of the packets that a rule matches, how many its verdict is for.
Ppm share_of(const model::NftVerdict& verdict) {
  if (const auto* drop = std::get_if<model::NftDrop>(&verdict)) return drop->share;
  if (const auto* lose = std::get_if<model::NftLose>(&verdict)) return lose->share;
  return percent(100);
}

Result<void> forward(Expressions& out, const std::string& device) {
  const std::uint32_t index = ::if_nametoindex(device.c_str());
  if (index == 0) return Error::system(errno, "find link " + device);
  out.add("immediate", [&] {
    out.message().put_be32(NFTA_IMMEDIATE_DREG, kRegister);
    out.value(NFTA_IMMEDIATE_DATA, &index, sizeof index);
  });
  out.add("fwd", [&] { out.message().put_be32(NFTA_FWD_SREG_DEV, kRegister); });
  return ok();
}

void hand_to_queue(Expressions& out, std::uint16_t number, QueueSpelling spelling) {
  if (spelling == QueueSpelling::native) {
    out.add("queue", [&] {
      out.message()
          .put_be16(NFTA_QUEUE_NUM, number)
          .put_be16(NFTA_QUEUE_TOTAL, 1)
          .put_be16(NFTA_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
    });
    return;
  }
  alignas(8) xt_NFQ_info_v3 info{};
  info.queuenum = number;
  info.queues_total = 1;
  info.flags = NFQ_FLAG_BYPASS;
  out.add("target", [&] {
    out.message().put_text(NFTA_TARGET_NAME, "NFQUEUE").put_be32(NFTA_TARGET_REV, 3);
    out.message().put(NFTA_TARGET_INFO, &info, sizeof info);
  });
}

void reject(Expressions& out, bool reset) {
  out.add("reject", [&] {
    out.message().put_be32(NFTA_REJECT_TYPE, reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
    const std::uint8_t code = NFT_REJECT_ICMPX_ADMIN_PROHIBITED;
    if (!reset) out.message().put(NFTA_REJECT_ICMP_CODE, &code, sizeof code);
  });
}

Result<void> conclude(Expressions& out, const model::NftVerdict& verdict, QueueSpelling queue,
                      Answer answer) {
  if (std::holds_alternative<model::NftDrop>(verdict)) {
    out.verdict(NF_DROP);
  } else if (const auto* to = std::get_if<model::NftForward>(&verdict)) {
    CHECK_OK(forward(out, to->device));
  } else if (const auto* lose = std::get_if<model::NftLose>(&verdict)) {
    CHECK_OK(forward(out, lose->device));
  } else if (const auto* held = std::get_if<model::NftQueue>(&verdict)) {
    hand_to_queue(out, held->number, queue);
  } else if (std::holds_alternative<model::NftReject>(verdict)) {
    reject(out, answer == Answer::reset);
  } else {
    out.verdict(NF_ACCEPT);
  }
  return ok();
}

Result<Message> rule_message(const model::NftTable& table, const model::NftChain& chain,
                             const model::NftRule& rule, QueueSpelling queue,
                             std::optional<std::uint8_t> protocol, Answer answer) {
  Message message = nft_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, table.family);
  message.put_text(NFTA_RULE_TABLE, table.name).put_text(NFTA_RULE_CHAIN, chain.name);
  {
    const Message::Nest list = message.nest(NFTA_RULE_EXPRESSIONS);
    Expressions out(message);
    if (table.family == model::NftFamily::inet && !chain.device.empty()) {
      std::array<char, IFNAMSIZ> name{};
      std::strncpy(name.data(), chain.device.c_str(), name.size() - 1);
      out.meta(chain.hook == model::NftHook::output ? NFT_META_OIFNAME : NFT_META_IIFNAME);
      out.equal(name.data(), name.size());
    }
    match_family(out, rule);
    CHECK_OK(match_packet(out, rule.match, protocol));
    match_answer(out, answer);
    // Counted is what is lost; with a share of nothing (--control), what is met.
    const Ppm share = share_of(rule.verdict);
    if (share.value > 0) match_chance(out, share);
    if (rule.counted) {
      out.add("objref", [&] {
        message.put_be32(NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER)
            .put_text(NFTA_OBJREF_IMM_NAME, kMatchedCounter);
      });
    }
    if (share.value == 0) match_chance(out, share);
    CHECK_OK(conclude(out, rule.verdict, queue, answer));
  }
  return message;
}

}  // namespace

Result<void> add_rule_messages(std::vector<Message>& out, const model::NftTable& table,
                               const model::NftChain& chain, const model::NftRule& rule,
                               QueueSpelling queue) {
  const auto& protocol = rule.match.protocol;
  Answer answer = Answer::none;
  if (std::holds_alternative<model::NftReject>(rule.verdict)) {
    answer = protocol == IPPROTO_TCP ? Answer::reset : Answer::icmp;
    if (!protocol) {
      TRY(auto reset, rule_message(table, chain, rule, queue, IPPROTO_TCP, Answer::reset));
      out.push_back(std::move(reset));
    }
  }
  TRY(auto message, rule_message(table, chain, rule, queue, protocol, answer));
  out.push_back(std::move(message));
  return ok();
}

}  // namespace ordeal::os
