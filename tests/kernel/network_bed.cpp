#include "tests/kernel/network_bed.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <future>
#include <thread>

namespace ordeal::kernel {
namespace {

double now_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address address_of(const std::string& text, std::uint16_t port) {
  Address out;
  if (text.find(':') != text.npos) {
    auto* six = reinterpret_cast<sockaddr_in6*>(&out.storage);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    ::inet_pton(AF_INET6, text.c_str(), &six->sin6_addr);
    out.size = sizeof *six;
  } else {
    auto* four = reinterpret_cast<sockaddr_in*>(&out.storage);
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    ::inet_pton(AF_INET, text.c_str(), &four->sin_addr);
    out.size = sizeof *four;
  }
  return out;
}

// Thousands of packets wait here while their reader waits for a processor: none may be dropped.
void roomy(int fd) {
  const int bytes = 8 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
}

int socket_to(const std::string& address, std::uint16_t port, int type) {
  const Address to = address_of(address, port);
  const int fd = ::socket(to.storage.ss_family, type | SOCK_CLOEXEC, 0);
  if (type == SOCK_DGRAM) {
    roomy(fd);
    ::connect(fd, to.get(), to.size);
  }
  return fd;
}

bool readable(int fd, int patience_ms) {
  pollfd ready{fd, POLLIN, 0};
  return ::poll(&ready, 1, patience_ms) > 0;
}

// Binds both families to one port.
int bound_socket(int type, std::uint16_t port) {
  const int fd = ::socket(AF_INET6, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const Address any = address_of("::", port);
  EXPECT_EQ(::bind(fd, any.get(), any.size), 0);
  if (type == SOCK_STREAM) ::listen(fd, 64);
  if (type == SOCK_DGRAM) roomy(fd);
  return fd;
}

}  // namespace

// Echoes UDP, and accepts TCP and reads it away, on both ports, in the namespace that was current when it was made.
class NetworkBed::Echo {
 public:
  Echo() {
    for (const std::uint16_t port : {kPort, kOther}) {
      sockets_.push_back(bound_socket(SOCK_DGRAM, port));
      listeners_.push_back(bound_socket(SOCK_STREAM, port));
    }
    thread_ = std::thread([this] { serve(); });
  }
  ~Echo() {
    stop_ = true;
    thread_.join();
    for (const int fd : sockets_) ::close(fd);
    for (const int fd : listeners_) ::close(fd);
    for (const int fd : accepted_) ::close(fd);
  }

 private:
  // False at the end of the connection.
  static bool read_away(int fd) {
    static char bytes[1 << 16];
    return ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0;
  }

  void serve() {
    while (!stop_) {
      std::vector<pollfd> ready;
      for (const auto* fds : {&sockets_, &listeners_, &accepted_}) {
        for (const int fd : *fds) ready.push_back({fd, POLLIN, 0});
      }
      if (::poll(ready.data(), ready.size(), 50) <= 0) continue;
      for (std::size_t i = 0; i < ready.size(); ++i) {
        if (ready[i].revents == 0) continue;
        if (i >= sockets_.size() + listeners_.size()) {
          if (read_away(ready[i].fd)) continue;
          ::close(ready[i].fd);
          std::erase(accepted_, ready[i].fd);
          continue;
        }
        if (i >= sockets_.size()) {
          accepted_.push_back(::accept(ready[i].fd, nullptr, nullptr));
          continue;
        }
        char packet[64];
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        const ssize_t got = ::recvfrom(ready[i].fd, packet, sizeof packet, 0,
                                       reinterpret_cast<sockaddr*>(&from), &size);
        if (got <= 0) continue;
        (void)::sendto(ready[i].fd, packet, static_cast<std::size_t>(got), 0,
                       reinterpret_cast<sockaddr*>(&from), size);
      }
    }
  }

  std::vector<int> sockets_;
  std::vector<int> listeners_;
  std::vector<int> accepted_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

std::string run(const std::vector<std::string>& argv) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], 1);
    ::dup2(ends[1], 2);
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << argv[0] << ": " << output;
  return output;
}

RoundTrips round_trips(const std::string& address, std::uint16_t port, int count) {
  constexpr double kInterval = 23;  // no divisor of a delay: answers do not meet departures
  constexpr double kPatience = 3000;
  const int fd = socket_to(address, port, SOCK_DGRAM);
  std::vector<double> departed;
  std::vector<double> times;
  const double begun = now_ms();
  const auto due = [&] { return begun + kInterval * (static_cast<double>(departed.size()) + 1); };
  const auto all_sent = [&] { return departed.size() == static_cast<std::size_t>(count); };
  while (times.size() < static_cast<std::size_t>(count)) {
    const double now = now_ms();
    if (!all_sent() && now >= due()) {
      const auto number = static_cast<int>(departed.size());
      departed.push_back(now_ms());
      (void)!::send(fd, &number, sizeof number, 0);
    }
    const double until = all_sent() ? departed.back() + kPatience : due();
    if (all_sent() && now >= until) break;
    const int wait = static_cast<int>(std::ceil(std::max(until - now_ms(), 0.0)));
    int answer = -1;
    if (!readable(fd, wait) || ::recv(fd, &answer, sizeof answer, 0) != sizeof answer) continue;
    if (answer >= 0 && static_cast<std::size_t>(answer) < departed.size()) {
      times.push_back(now_ms() - departed[static_cast<std::size_t>(answer)]);
    }
  }
  ::close(fd);
  std::sort(times.begin(), times.end());
  RoundTrips out;
  out.sent = count;
  out.lost = count - static_cast<int>(times.size());
  if (!times.empty()) out.median = times[times.size() / 2];
  return out;
}

RoundTrips best_of(const std::string& address, std::uint16_t port, double goal, int batches) {
  RoundTrips best = round_trips(address, port);
  for (int i = 1; i < batches && best.median > goal && best.lost == 0; ++i) {
    const RoundTrips next = round_trips(address, port);
    best.median = std::min(best.median, next.median);
    best.sent += next.sent;
    best.lost += next.lost;
  }
  return best;
}

bool emulated() { return std::getenv("LANE_EMULATED") != nullptr; }

double undisturbed(const std::string& address, std::uint16_t port) {
  return best_of(address, port, emulated() ? 1.0 : 0.5, 6).median;
}

int echoed(const std::string& address, std::uint16_t port, int count) {
  const int fd = socket_to(address, port, SOCK_DGRAM);
  int back = 0;
  int packet = 0;
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(::send(fd, &i, sizeof i, 0), static_cast<ssize_t>(sizeof i)) << "loss is silent";
    while (readable(fd, i % 8 == 0 ? 1 : 0) && ::recv(fd, &packet, sizeof packet, 0) > 0) ++back;
  }
  while (readable(fd, 300) && ::recv(fd, &packet, sizeof packet, 0) > 0) ++back;
  ::close(fd);
  return back;
}

int connect_result(const std::string& address, std::uint16_t port, Duration patience) {
  const int fd = socket_to(address, port, SOCK_STREAM);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  const Address to = address_of(address, port);
  int problem = ::connect(fd, to.get(), to.size) == 0 ? 0 : errno;
  if (problem == EINPROGRESS) {
    pollfd ready{fd, POLLOUT, 0};
    problem = ETIMEDOUT;
    if (::poll(&ready, 1, static_cast<int>(patience.count() / 1000)) > 0) {
      socklen_t size = sizeof problem;
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    }
  }
  ::close(fd);
  return problem;
}

NetworkBed::NetworkBed() {
  // The peer first: this thread passes through its namespace and leaves an echo server there.
  EXPECT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
  const int there = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  run({"ip", "link", "set", "lo", "up"});
  EXPECT_EQ(::unshare(CLONE_NEWNET), 0);
  const int here = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  run({"ip", "link", "set", "lo", "up"});
  const std::string peer = fmt::format("/proc/{}/fd/{}", ::getpid(), there);
  run({"ip", "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", peer});
  const auto address = [](const char* device, const char* four, const char* six) {
    run({"ip", "addr", "add", four, "dev", device});
    run({"ip", "addr", "add", six, "dev", device, "nodad"});
    run({"ip", "link", "set", device, "up"});
  };
  address("va", "10.99.0.1/24", "fd99::1/64");
  EXPECT_EQ(::setns(there, CLONE_NEWNET), 0);
  address("vb", "10.99.0.2/24", "fd99::2/64");
  peer_ = std::make_unique<Echo>();
  EXPECT_EQ(::setns(here, CLONE_NEWNET), 0);
  local_ = std::make_unique<Echo>();
  ::close(there);
  ::close(here);
  // Neighbours are found once, before anything is measured.
  for (const char* to : {kPeer4, kPeer6}) round_trips(to, kOther, 3);
}

NetworkBed::~NetworkBed() = default;

}  // namespace ordeal::kernel
