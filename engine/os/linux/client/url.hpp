#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/os/client.hpp"

namespace ordeal::os {

struct Authority {
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 0;
};
// "host:port", "[::1]:53", "host" when a default port is given (not 0).
Result<Authority> parse_authority(std::string_view text, std::uint16_t default_port);

struct Url {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  std::string authority;  // as written: the Host header
  std::string target;     // path and query
  std::string origin;     // "http://host:port"
};
Result<Url> parse_url(std::string_view text);

// The request in the form of HTTP/1.1. Line ends in what a user wrote are dropped: a header can
// never smuggle a second request.
std::string request_bytes(const HttpRequest& request, const Url& url);

}  // namespace ordeal::os
