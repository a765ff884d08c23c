// A private network with real packets: a namespace of our own with `lo`, and a peer behind a veth
// pair; an echo server; round trips as a program sees them; and an owner process that plans and
// applies a fault exactly as the worker does, so that it can be stopped and killed.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/model/change.hpp"

namespace ordeal::kernel {

inline constexpr std::uint16_t kPort = 5432;   // what the faults name
inline constexpr std::uint16_t kOther = 5433;  // what they must leave alone
inline constexpr const char* kPeer4 = "10.99.0.2";
inline constexpr const char* kPeer6 = "fd99::2";

// The output of a program, standard error included. Fails the test when it cannot be started.
std::string run(const std::vector<std::string>& argv);

struct RoundTrips {
  double median = 0;  // milliseconds, of those that came back
  int sent = 0;
  int lost = 0;
};

// UDP echo, one every 23 ms without waiting for answers, as ping does: each finds everybody asleep,
// delayed or not. Waits three seconds for the last.
RoundTrips round_trips(const std::string& address, std::uint16_t port, int count = 50);
// The smallest median of at most `batches` batches of 50; stops when it is `goal` or less. A busy
// machine only ever adds time, so the smallest is nearest to what the kernel did.
RoundTrips best_of(const std::string& address, std::uint16_t port, double goal, int batches = 20);
// Whether each instruction is emulated, so that work takes about ten times as long.
bool emulated();
// The median round trip without any fault, in milliseconds.
double undisturbed(const std::string& address, std::uint16_t port);
// How many of `count` packets come back when nobody waits in between.
int echoed(const std::string& address, std::uint16_t port, int count);
// errno of a TCP connect; 0 when it connects; ETIMEDOUT after `patience`.
int connect_result(const std::string& address, std::uint16_t port, Duration patience);

// One test's network. Enters a new namespace; the peer's lives as long as this object.
class NetworkBed {
 public:
  NetworkBed();
  ~NetworkBed();
  NetworkBed(const NetworkBed&) = delete;
  NetworkBed& operator=(const NetworkBed&) = delete;

 private:
  class Echo;
  std::unique_ptr<Echo> local_;
  std::unique_ptr<Echo> peer_;
};

// A child process with a LinuxHost of its own.
class Owner {
 public:
  // Plans and applies. `with` as the spec hands it over. `started()` is empty when all went well.
  Owner(const std::string& fault, const std::string& with, Duration lease = 60s,
        bool control = false);
  ~Owner();
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  const std::string& problem() const { return problem_; }
  std::string backend() const { return backend_; }
  std::uint64_t matched();
  std::string renew();   // empty, or the error
  std::string revert();  // empty, or what could not be undone; idle leftovers are removed too
  void kill(int signal);
  void wait_dead();

 private:
  std::string ask(char order);

  pid_t pid_ = -1;
  int orders_ = -1;
  int answers_ = -1;
  std::string problem_;
  std::string backend_;
};

}  // namespace ordeal::kernel
