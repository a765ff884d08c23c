// Where `ordeal serve` listens: the unix socket of root, and on request a TCP address; and the
// token that opens the latter.
#pragma once

#include <optional>
#include <string>

#include "engine/base/result.hpp"
#include "engine/os/clock.hpp"
#include "engine/os/linux/fd.hpp"

namespace ordeal::cli {

struct TcpAddress {
  std::string host;  // an IP address, without brackets
  unsigned port = 0;
  bool loopback = false;
};
// "127.0.0.1:8420", "[::1]:8420", "localhost:8420". Errors: what is expected.
Result<TcpAddress> parse_address(const std::string& text);

struct BoundTcp {
  os::Fd socket;
  unsigned port = 0;  // the one that the kernel chose for 0
};
Result<BoundTcp> bind_tcp(const TcpAddress& address);

// The group that may speak to the API as root may: `ordeal`, which the package makes and puts
// nobody into. Nothing: there is none, or it is root's.
std::optional<unsigned> group_of_the_api();

// Mode 0600, or 0660 for that group. Replaces what a dead server left; the caller has made sure
// that no other one lives.
Result<os::Fd> bind_unix(const std::string& path);

// The token in this file; made (0600) when there is none. Errors: others can read it; too short.
Result<std::string> token_in(const std::string& path, os::Random& random);

}  // namespace ordeal::cli
