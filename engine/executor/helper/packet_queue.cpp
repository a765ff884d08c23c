#include "engine/executor/helper/packet_queue.hpp"

#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ordeal::helper {
namespace {

constexpr std::size_t kReceiveLimit = 256u << 10;
constexpr int kSocketBuffer = 32 << 20;  // packets' notices while we are not scheduled
constexpr std::size_t kVerdictsPerSend = 512;

struct Header {
  nlmsghdr message;
  nfgenmsg generic;
};

template <class Body>
struct Attribute {
  nlattr header;
  Body body;
};

struct Verdict {
  Header header;
  Attribute<nfqnl_msg_verdict_hdr> verdict;
};
static_assert(sizeof(Verdict) == 32);

Header header_of(int type, std::uint16_t flags, std::uint16_t queue, std::size_t size) {
  Header header{};
  header.message.nlmsg_len = static_cast<std::uint32_t>(size);
  header.message.nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_QUEUE << 8 | type);
  header.message.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  header.generic.version = NFNETLINK_V0;
  header.generic.res_id = htobe16(queue);
  return header;
}

// A configuration message; the kernel applies all of its attributes at once.
class Configuration {
 public:
  Configuration(std::uint16_t queue, std::uint16_t flags) {
    const Header header = header_of(NFQNL_MSG_CONFIG, flags, queue, sizeof header);
    append(&header, sizeof header);
  }
  template <class Value>
  void put(std::uint16_t attribute, const Value& value) {
    const nlattr head{NLA_HDRLEN + sizeof value, attribute};
    append(&head, sizeof head);
    append(&value, sizeof value);
    bytes_.resize(NLA_ALIGN(bytes_.size()));
    const auto size = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &size, sizeof size);  // nlmsg_len is the first member
  }
  bool send(int fd) const { return ::send(fd, bytes_.data(), bytes_.size(), 0) >= 0; }

 private:
  void append(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
  }
  std::vector<char> bytes_;
};

Verdict verdict_of(int type, std::uint16_t queue, std::uint32_t id) {
  Verdict out{};
  out.header = header_of(type, 0, queue, sizeof out);
  out.verdict.header = {sizeof out.verdict, NFQA_VERDICT_HDR};
  out.verdict.body.verdict = htobe32(NF_ACCEPT);
  out.verdict.body.id = htobe32(id);
  return out;
}

// The id inside a packet notice; false for any other message.
bool read_id(const nlmsghdr* message, std::uint32_t& id) {
  if (message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) return false;
  const auto* bytes = reinterpret_cast<const char*>(message);
  std::size_t at = sizeof(Header);
  while (at + sizeof(nlattr) <= message->nlmsg_len) {
    nlattr attribute;
    std::memcpy(&attribute, bytes + at, sizeof attribute);
    if (attribute.nla_len < sizeof attribute) return false;
    if ((attribute.nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR) {
      nfqnl_msg_packet_hdr packet;
      std::memcpy(&packet, bytes + at + sizeof attribute, sizeof packet);
      id = be32toh(packet.packet_id);
      return true;
    }
    at += NLA_ALIGN(attribute.nla_len);
  }
  return false;
}

// The kernel has answered inside the send; its acknowledgement precedes every packet.
Result<void> read_answer(int fd) {
  struct {
    nlmsghdr header;
    int problem;
    char rest[256];
  } answer{};
  if (::recv(fd, &answer, sizeof answer, MSG_DONTWAIT) < 0) {
    return Error::system(errno, "bind NFQUEUE");
  }
  if (answer.header.nlmsg_type != NLMSG_ERROR || answer.problem == 0) return ok();
  return Error::system(-answer.problem, "bind NFQUEUE");
}

}  // namespace

PacketQueue::~PacketQueue() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> PacketQueue::open(std::uint16_t number, std::uint32_t limit) {
  fd_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd_ < 0) return Error::system(errno, "open netlink");
  number_ = number;
  buffer_.resize(kReceiveLimit);
  const int on = 1;
  // A lost notice is a packet that nobody would ever let go: rather a large buffer and fail open.
  (void)::setsockopt(fd_, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
  (void)::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
  (void)::setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);

  Configuration configuration(number, NLM_F_ACK);
  nfqnl_msg_config_cmd command{};
  command.command = NFQNL_CFG_CMD_BIND;
  configuration.put(NFQA_CFG_CMD, command);
  nfqnl_msg_config_params copy{};
  copy.copy_mode = NFQNL_COPY_META;
  configuration.put(NFQA_CFG_PARAMS, copy);
  configuration.put(NFQA_CFG_QUEUE_MAXLEN, htobe32(limit));
  const std::uint32_t flags = htobe32(NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO);
  configuration.put(NFQA_CFG_MASK, flags);
  configuration.put(NFQA_CFG_FLAGS, flags);
  if (!configuration.send(fd_)) return Error::system(errno, "bind NFQUEUE");
  return read_answer(fd_);
}

std::vector<std::uint32_t> PacketQueue::receive() {
  std::vector<std::uint32_t> ids;
  for (;;) {
    const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ids;
    auto left = static_cast<unsigned>(got);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
    for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      std::uint32_t id = 0;
      if (read_id(message, id)) ids.push_back(id);
    }
  }
}

void PacketQueue::release(std::span<const std::uint32_t> ids, bool ordered) {
  if (ids.empty()) return;
  if (ordered) {
    const Verdict verdict = verdict_of(NFQNL_MSG_VERDICT_BATCH, number_, ids.back());
    (void)::send(fd_, &verdict, sizeof verdict, 0);
    return;
  }
  while (!ids.empty()) {
    const auto some = ids.first(std::min(ids.size(), kVerdictsPerSend));
    verdicts_.clear();
    for (const std::uint32_t id : some) {
      const Verdict verdict = verdict_of(NFQNL_MSG_VERDICT, number_, id);
      const auto* bytes = reinterpret_cast<const char*>(&verdict);
      verdicts_.insert(verdicts_.end(), bytes, bytes + sizeof verdict);
    }
    (void)::send(fd_, verdicts_.data(), verdicts_.size(), 0);
    ids = ids.subspan(some.size());
  }
}

void PacketQueue::pass_everything() {
  // A queue of length 0 is always full, and a full queue lets packets pass.
  Configuration configuration(number_, 0);
  configuration.put(NFQA_CFG_QUEUE_MAXLEN, std::uint32_t{0});
  (void)configuration.send(fd_);
}

}  // namespace ordeal::helper
