#include "engine/os/linux/netlink.hpp"

#include <endian.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/base/assert.hpp"

namespace ordeal::os {
namespace {

constexpr std::size_t kReceiveLimit = 64u << 10;
constexpr int kSendBuffer = 4 << 20;
constexpr int kAnswerDeadlineMs = 2000;
constexpr int kDumpAttempts = 8;

// The kernel's explanation behind an error (NETLINK_EXT_ACK), or empty.
std::string explanation(const nlmsghdr* header) {
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return "";
  const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(header));
  std::size_t skip = sizeof(nlmsgerr);
  // Without NLM_F_CAPPED the answer repeats the whole request behind the error.
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) skip += error->msg.nlmsg_len - sizeof(nlmsghdr);
  const int size = static_cast<int>(header->nlmsg_len - NLMSG_HDRLEN - NLMSG_ALIGN(skip));
  if (size <= 0) return "";
  const auto* first =
      reinterpret_cast<const nlattr*>(reinterpret_cast<const char*>(error) + NLMSG_ALIGN(skip));
  return text_of(nla_find(first, size, NLMSGERR_ATTR_MSG));
}

// Calls `each` for every message of a datagram until it returns false.
template <class F>
bool for_each_message(std::string_view datagram, F each) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(datagram.data());
  int left = static_cast<int>(datagram.size());
  while (NLMSG_OK(header, static_cast<unsigned>(left))) {
    if (!each(header)) return false;
    header = NLMSG_NEXT(header, left);
  }
  return true;
}

}  // namespace

Error netlink_error(int system_errno, std::string_view what, std::string_view words) {
  const Error error = Error::system(system_errno, what);
  std::string text = error.message();
  if (!words.empty()) text += fmt::format(" ({})", words);
  if (system_errno == EPERM) {
    text +=
        ": it needs CAP_NET_ADMIN in this network: be root, give a container --cap-add "
        "NET_ADMIN, a user namespace a network of its own";
  }
  return Error(error.code(), std::move(text), system_errno);
}

Message::Message(std::uint16_t type, std::uint16_t flags, std::string_view fixed, size_t limit) {
  message_ = nlmsg_alloc_size(limit);
  ORDEAL_ASSERT(message_ != nullptr);
  nlmsghdr* start = nlmsg_put(message_, 0, 0, type, 0, NLM_F_REQUEST | flags);
  ORDEAL_ASSERT(start != nullptr);
  append(fixed.data(), fixed.size());
}

Message::Message(Message&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}

Message::~Message() {
  if (message_ != nullptr) nlmsg_free(message_);
}

Message& Message::put(int attribute, const void* data, std::size_t size) {
  ORDEAL_ASSERT(nla_put(message_, attribute, static_cast<int>(size), data) == 0);
  return *this;
}

Message& Message::put_text(int attribute, std::string_view text) {
  const std::string terminated(text);
  return put(attribute, terminated.c_str(), terminated.size() + 1);
}

Message& Message::put_u32(int attribute, std::uint32_t value) {
  return put(attribute, &value, sizeof value);
}

Message& Message::put_be16(int attribute, std::uint16_t value) {
  const std::uint16_t wire = htobe16(value);
  return put(attribute, &wire, sizeof wire);
}

Message& Message::put_be32(int attribute, std::uint32_t value) {
  const std::uint32_t wire = htobe32(value);
  return put(attribute, &wire, sizeof wire);
}

Message& Message::put_be64(int attribute, std::uint64_t value) {
  const std::uint64_t wire = htobe64(value);
  return put(attribute, &wire, sizeof wire);
}

Message& Message::append(const void* data, std::size_t size) {
  ORDEAL_ASSERT(nlmsg_append(message_, const_cast<void*>(data), size, NLMSG_ALIGNTO) == 0);
  return *this;
}

nlmsghdr* Message::header() const { return nlmsg_hdr(message_); }

Message::Nest::Nest(nl_msg* message, int attribute)
    : message_(message), start_(nla_nest_start(message, attribute)) {
  ORDEAL_ASSERT(start_ != nullptr);
}

Message::Nest::~Nest() { nla_nest_end(message_, start_); }

nlattr* Reply::find(std::size_t fixed_size, int attribute) const {
  return nlmsg_find_attr(const_cast<nlmsghdr*>(header()), static_cast<int>(fixed_size), attribute);
}

Netlink::~Netlink() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> Netlink::open() {
  if (fd_ >= 0) return ok();
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol_);
  if (fd < 0) return Error::system(errno, "open netlink");
  const int on = 1;
  // Errors in words, without a copy of the request. Both are comforts: older kernels lack them.
  (void)::setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  (void)::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  // A table with hundreds of rules is one datagram.
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer) != 0) {
    (void)::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int problem = errno;
    ::close(fd);
    return Error::system(problem, "bind netlink");
  }
  fd_ = fd;
  buffer_.resize(kReceiveLimit);
  return ok();
}

Result<std::uint32_t> Netlink::port() {
  CHECK_OK(open());
  sockaddr_nl address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return Error::system(errno, "read the netlink address");
  }
  return address.nl_pid;
}

Result<void> Netlink::send(const void* data, std::size_t size, std::string_view what) {
  CHECK_OK(within(what, open()));
  // Whatever an earlier request that was not answered in time left behind is not our answer.
  if (std::exchange(unanswered_, true)) {
    while (::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT) > 0) {
    }
  }
  if (::send(fd_, data, size, 0) < 0) return Error::system(errno, what);
  return ok();
}

Result<std::string_view> Netlink::receive(bool wait, std::string_view what) {
  for (;;) {
    const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got >= 0) {
      if (static_cast<std::size_t>(got) > buffer_.size()) {
        return Error(Code::failed, fmt::format("{}: an answer of {} bytes", what, got));
      }
      return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Error::system(errno, what);
    if (!wait) return std::string_view();
    pollfd ready{fd_, POLLIN, 0};
    const int count = ::poll(&ready, 1, kAnswerDeadlineMs);
    if (count < 0 && errno != EINTR) return Error::system(errno, what);
    if (count == 0) {
      return Error(Code::timeout, fmt::format("{}: the kernel did not answer in 2 s", what));
    }
  }
}

Result<void> Netlink::request(Message& message, std::string_view what) {
  TRY(auto failures, batch(std::span(&message, 1), what));
  if (failures.empty()) return ok();
  return netlink_error(failures.front().system_errno, what, failures.front().text);
}

Result<Reply> Netlink::get(Message& message, std::string_view what) {
  nlmsghdr* header = message.header();
  header->nlmsg_seq = ++sequence_;
  CHECK_OK(send(header, header->nlmsg_len, what));
  for (;;) {
    TRY(auto datagram, receive(true, what));
    std::optional<Reply> answer;
    std::optional<Error> problem;
    for_each_message(datagram, [&](const nlmsghdr* reply) {
      if (reply->nlmsg_seq != sequence_) return true;
      if (reply->nlmsg_type != NLMSG_ERROR) {
        answer.emplace(reinterpret_cast<const char*>(reply), reply->nlmsg_len);
        return false;
      }
      const int error = -static_cast<const nlmsgerr*>(nlmsg_data(reply))->error;
      problem = netlink_error(error, what, explanation(reply));
      return false;
    });
    unanswered_ = !problem && !answer;
    if (problem) return *std::move(problem);
    if (answer) return *std::move(answer);
  }
}

Result<std::vector<Reply>> Netlink::dump(Message& message, std::string_view what) {
  nlmsghdr* header = message.header();
  header->nlmsg_flags |= NLM_F_DUMP;
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    header->nlmsg_seq = ++sequence_;
    CHECK_OK(send(header, header->nlmsg_len, what));
    std::vector<Reply> answers;
    bool done = false;
    bool interrupted = false;
    int error = 0;
    while (!done) {
      TRY(auto datagram, receive(true, what));
      for_each_message(datagram, [&](const nlmsghdr* reply) {
        if (reply->nlmsg_seq != sequence_) return true;
        interrupted = interrupted || (reply->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (reply->nlmsg_type == NLMSG_DONE || reply->nlmsg_type == NLMSG_ERROR) {
          // Both begin with an error number; DONE has 0 or the error that cut the dump short.
          if (nlmsg_datalen(reply) >= 4) error = -*static_cast<const int*>(nlmsg_data(reply));
          done = true;
          return false;
        }
        answers.emplace_back(reinterpret_cast<const char*>(reply), reply->nlmsg_len);
        return true;
      });
    }
    if (error == EINTR) interrupted = true;
    if (error != 0 && !interrupted) return netlink_error(error, what);
    if (!interrupted) return answers;
  }
  return Error(Code::busy,
               fmt::format("{}: it changed during every one of {} readings", what, kDumpAttempts));
}

Result<std::vector<BatchFailure>> Netlink::batch(std::span<Message> messages,
                                                 std::string_view what) {
  const std::uint32_t first = sequence_ + 1;
  std::string all;
  for (Message& message : messages) {
    nlmsghdr* header = message.header();
    header->nlmsg_seq = ++sequence_;
    // nf_tables acknowledges messages between BEGIN and END; END itself only on new kernels.
    const bool last = &message == &messages.back();
    const bool before_last = messages.size() > 1 && &message == &messages.back() - 1;
    if (messages.size() == 1 ? last : before_last) header->nlmsg_flags |= NLM_F_ACK;
    if (messages.size() == 1) break;  // sent as it is
    all.append(reinterpret_cast<const char*>(header), NLMSG_ALIGN(header->nlmsg_len));
  }
  const nlmsghdr* only = messages.front().header();
  CHECK_OK(all.empty() ? send(only, only->nlmsg_len, what) : send(all.data(), all.size(), what));
  std::vector<BatchFailure> failures;
  bool answered = false;
  for (;;) {
    TRY(auto datagram, receive(!answered, what));
    if (datagram.empty()) return failures;
    for_each_message(datagram, [&](const nlmsghdr* reply) {
      const std::size_t index = reply->nlmsg_seq - first;
      if (reply->nlmsg_type != NLMSG_ERROR || index >= messages.size()) return true;
      answered = true;
      const int error = -static_cast<const nlmsgerr*>(nlmsg_data(reply))->error;
      if (error != 0) failures.push_back({index, error, explanation(reply)});
      return true;
    });
    unanswered_ = !(answered && messages.size() == 1);
    if (!unanswered_) return failures;
  }
}

const nlattr* find_nested(const nlattr* parent, int attribute) {
  if (parent == nullptr) return nullptr;
  return nla_find(static_cast<const nlattr*>(nla_data(parent)), nla_len(parent), attribute);
}

std::string text_of(const nlattr* attribute) {
  if (attribute == nullptr) return "";
  const auto* begin = static_cast<const char*>(nla_data(attribute));
  return std::string(begin, ::strnlen(begin, static_cast<std::size_t>(nla_len(attribute))));
}

std::uint32_t u32_of(const nlattr* attribute) {
  std::uint32_t value = 0;
  if (attribute != nullptr && nla_len(attribute) >= 4) {
    std::memcpy(&value, nla_data(attribute), sizeof value);
  }
  return value;
}

std::uint32_t be32_of(const nlattr* attribute) { return be32toh(u32_of(attribute)); }

std::uint64_t be64_of(const nlattr* attribute) {
  std::uint64_t value = 0;
  if (attribute != nullptr && nla_len(attribute) >= 8) {
    std::memcpy(&value, nla_data(attribute), sizeof value);
  }
  return be64toh(value);
}

}  // namespace ordeal::os
