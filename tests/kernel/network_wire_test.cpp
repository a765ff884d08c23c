// A fault of the network judged by what programs see: loss and partition as on a bad wire, and never
// as a device of this host that is busy.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "tests/kernel/network_bed.hpp"

namespace ordeal::kernel {
namespace {

constexpr std::uint8_t kEstablished = 1;
constexpr std::uint8_t kSynSent = 2;

std::string on(const std::string& device, const std::string& first) {
  return fmt::format(R"({{{}, "protocol": ["all"], "direction": "egress", "device": "{}",
                         "allow_whole_interface": false,
                         "remote_port": [{{"first": {}, "last": {}}}]}})",
                     first, device, kPort, kPort);
}

std::string loss_of(int ppm, const std::string& device) {
  return on(device, fmt::format(R"("percent": {}, "correlation": 0)", ppm));
}

sockaddr_in address_of(const char* text) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(kPort);
  ::inet_pton(AF_INET, text, &out.sin_addr);
  return out;
}

// A TCP client that never waits.
class Client {
 public:
  explicit Client(const char* address) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    const sockaddr_in to = address_of(address);
    (void)::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  tcp_info info() const {
    tcp_info out{};
    socklen_t size = sizeof out;
    EXPECT_EQ(::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &out, &size), 0);
    return out;
  }
  int error() const {
    int out = 0;
    socklen_t size = sizeof out;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &out, &size);
    return out;
  }
  template <class Holds>
  bool wait_for(int seconds, Holds holds) const {
    for (int i = 0; i < seconds * 50; ++i) {
      if (holds(info())) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }
  bool connected(int seconds) const {
    return wait_for(seconds, [](const tcp_info& now) { return now.tcpi_state == kEstablished; });
  }
  bool all_acknowledged(int seconds) const {
    return wait_for(seconds, [](const tcp_info& now) {
      return now.tcpi_unacked == 0 && now.tcpi_notsent_bytes == 0;
    });
  }
  // Until the peer has all of it, or the time is up.
  bool sends(std::size_t bytes, int seconds) const {
    const std::string block(16384, 'x');
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (bytes > 0 && std::chrono::steady_clock::now() < end) {
      const auto sent = ::send(fd_, block.data(), std::min(bytes, block.size()), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return false;
      if (sent > 0) bytes -= static_cast<std::size_t>(sent);
      pollfd writable{fd_, POLLOUT, 0};
      ::poll(&writable, 1, 100);
    }
    return bytes == 0 && all_acknowledged(seconds);
  }

 private:
  int fd_;
};

// Dropped in the egress hook, connect() fails after 4 to 6 s and an established connection dies
// after 8 s; on a wire that is cut it takes minutes.
TEST(Wire, ACutIsNoBusyDeviceForTcp) {
  NetworkBed bed;
  const Client before(kPeer4);
  ASSERT_TRUE(before.connected(10));
  Owner owner("network.partition", on("va", R"("action": "drop")"));
  ASSERT_EQ(owner.problem(), "");
  const Client during(kPeer4);
  EXPECT_FALSE(before.sends(1, 1));
  std::this_thread::sleep_for(std::chrono::seconds(9));
  EXPECT_EQ(during.error(), 0);
  EXPECT_EQ(during.info().tcpi_state, kSynSent);
  EXPECT_LE(during.info().tcpi_total_retrans, 6u) << "tried again without backing off";
  EXPECT_EQ(before.error(), 0);
  EXPECT_EQ(before.info().tcpi_state, kEstablished);
  EXPECT_GT(owner.matched(), 2u);
  EXPECT_EQ(owner.revert(), "");
  EXPECT_TRUE(before.all_acknowledged(60));
  EXPECT_TRUE(during.connected(60));
}

TEST(Wire, ACutTellsUdpSendersNothing) {
  NetworkBed bed;
  Owner owner("network.partition", on("va", R"("action": "drop")"));
  ASSERT_EQ(owner.problem(), "");
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int yes = 1;  // as QUIC, ping and resolvers ask for it
  ASSERT_EQ(::setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof yes), 0);
  const sockaddr_in to = address_of(kPeer4);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(::sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to), 1)
        << errno;
  }
  ::close(fd);
  EXPECT_EQ(owner.matched(), 20u);
}

TEST(Wire, LossIsFoundAndSentAgainByTcp) {
  NetworkBed bed;
  for (const bool lo : {false, true}) {
    const char* address = lo ? "127.0.0.1" : kPeer4;
    Owner owner("network.loss", loss_of(100'000, lo ? "lo" : "va"));
    ASSERT_EQ(owner.problem(), "");
    const Client client(address);
    ASSERT_TRUE(client.connected(60));
    EXPECT_TRUE(client.sends(4u << 20, 120)) << address;
    EXPECT_GT(client.info().tcpi_total_retrans, 0u) << address;
    EXPECT_GT(owner.matched(), 0u);
    EXPECT_EQ(owner.revert(), "");
  }
}

}  // namespace
}  // namespace ordeal::kernel
