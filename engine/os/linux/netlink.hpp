// Netlink as plain request and answer. libnl builds the messages; the socket is our own, so that it
// has CLOEXEC from birth: whoever inherits the socket that owns an nf_tables table keeps the table
// alive after our death.
//
// The kernel answers rtnetlink and nf_tables requests inside the send. So a request is a send and a
// non-blocking receive; only when nothing is there yet do we wait, with a deadline.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

struct nl_msg;
struct nlmsghdr;
struct nlattr;

namespace ordeal::os {

// One netlink message under construction. Attributes keep their order.
class Message {
 public:
  static constexpr std::size_t kUsualLimit = 4096;  // bytes: a rule has less than 1000

  // `header` is the fixed part behind nlmsghdr: ifinfomsg, tcmsg, nfgenmsg.
  template <class Header>
  Message(std::uint16_t type, std::uint16_t flags, const Header& header,
          std::size_t limit = kUsualLimit)
      : Message(type, flags,
                std::string_view(reinterpret_cast<const char*>(&header), sizeof header), limit) {}
  Message(Message&& other) noexcept;
  Message(const Message&) = delete;
  Message& operator=(Message&&) = delete;
  ~Message();

  Message& put(int attribute, const void* data, std::size_t size);
  Message& put_text(int attribute, std::string_view text);  // with its terminating zero
  Message& put_u32(int attribute, std::uint32_t value);     // host order, as rtnetlink wants it
  Message& put_be16(int attribute, std::uint16_t value);    // network order, as netfilter wants it
  Message& put_be32(int attribute, std::uint32_t value);
  Message& put_be64(int attribute, std::uint64_t value);
  Message& append(const void* data, std::size_t size);  // no attribute: a bare struct

  // Attributes put while the returned object lives are inside `attribute`.
  class Nest {
   public:
    Nest(nl_msg* message, int attribute);
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;
    ~Nest();

   private:
    nl_msg* message_;
    nlattr* start_;
  };
  [[nodiscard]] Nest nest(int attribute) { return Nest(message_, attribute); }

  nlmsghdr* header() const;

 private:
  Message(std::uint16_t type, std::uint16_t flags, std::string_view fixed, std::size_t limit);

  nl_msg* message_ = nullptr;
};

// What the kernel said. For EPERM: which capability it wants, and how one gets that.
Error netlink_error(int system_errno, std::string_view what, std::string_view words = {});

// A received message, header included.
class Reply {
 public:
  Reply(const char* begin, std::size_t size) : bytes_(begin, begin + size) {}
  const nlmsghdr* header() const { return reinterpret_cast<const nlmsghdr*>(bytes_.data()); }
  template <class T>
  const T* fixed() const {  // the fixed part
    return reinterpret_cast<const T*>(bytes_.data() + 16);
  }
  // An attribute behind a fixed part of `fixed_size` bytes, or null.
  nlattr* find(std::size_t fixed_size, int attribute) const;

 private:
  std::vector<char> bytes_;
};

// The kernel's objection to one message of a batch.
struct BatchFailure {
  std::size_t index = 0;  // of the message; messages.size() when it names none of them
  int system_errno = 0;
  std::string text;  // the kernel's own words, or empty
};

class Netlink {
 public:
  // Opens at the first use, in the network namespace of the thread that uses it first.
  explicit Netlink(int protocol) : protocol_(protocol) {}
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;
  ~Netlink();

  // Sends and waits for the acknowledgement. `what` begins the error text.
  Result<void> request(Message& message, std::string_view what);
  // Sends and returns the one answer.
  Result<Reply> get(Message& message, std::string_view what);
  // Sends with NLM_F_DUMP and returns every answer; repeats a dump that a change interrupted.
  Result<std::vector<Reply>> dump(Message& message, std::string_view what);
  // Sends all in one datagram. Only the last message asks for an acknowledgement.
  Result<std::vector<BatchFailure>> batch(std::span<Message> messages, std::string_view what);
  // The socket's own address: what the kernel calls the owner of a table.
  Result<std::uint32_t> port();

 private:
  Result<void> open();
  Result<void> send(const void* data, std::size_t size, std::string_view what);
  // Reads one datagram into buffer_; an empty view when `wait` is false and nothing is there.
  Result<std::string_view> receive(bool wait, std::string_view what);

  int protocol_;
  int fd_ = -1;
  std::uint32_t sequence_ = 0;
  bool unanswered_ = false;  // something may still come for an earlier request
  std::vector<char> buffer_;
};

// Reading attributes.
const nlattr* find_nested(const nlattr* parent, int attribute);
std::string text_of(const nlattr* attribute);
std::uint32_t u32_of(const nlattr* attribute);
std::uint32_t be32_of(const nlattr* attribute);
std::uint64_t be64_of(const nlattr* attribute);

}  // namespace ordeal::os
