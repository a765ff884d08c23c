#include "engine/os/linux/client/url.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ordeal::os {
namespace {

std::string one_line(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  return out;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

Result<Authority> parse_authority(std::string_view text, std::uint16_t default_port) {
  const Error bad(Code::invalid, fmt::format("'{}' is not host:port", text));
  Authority out;
  out.port = default_port;
  std::string_view rest = text;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == rest.npos) return bad;
    out.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  } else if (std::count(rest.begin(), rest.end(), ':') > 1) {
    out.host = rest;  // an IPv6 address without port
    rest = {};
  } else {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    out.host = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  if (rest.starts_with(':')) {
    rest.remove_prefix(1);
    const auto [stop, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), out.port);
    if (problem != std::errc{} || stop != rest.data() + rest.size()) return bad;
  } else if (!rest.empty()) {
    return bad;
  }
  if (out.host.empty() || out.port == 0) return bad;
  return out;
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return Error(Code::invalid, fmt::format("'{}' is neither http:// nor https://", text));
  }
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  url.authority = rest.substr(0, end);
  if (url.authority.find('@') != url.authority.npos) {
    return Error(Code::invalid, "a URL must not hold a password: use basic_auth");
  }
  rest.remove_prefix(end);
  rest = rest.substr(0, rest.find('#'));
  TRY(auto place, parse_authority(url.authority, url.tls ? 443 : 80));
  url.host = std::move(place.host);
  url.port = place.port;
  url.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  url.origin = fmt::format("{}://{}:{}", url.tls ? "https" : "http", url.host, url.port);
  return url;
}

std::string request_bytes(const HttpRequest& request, const Url& url) {
  std::string out;
  out.reserve(256 + request.body.size());
  out += one_line(request.method) + " " + one_line(url.target) + " HTTP/1.1\r\n";
  bool host = false;
  bool agent = false;
  for (const auto& [name, value] : request.headers) {
    if (same_name(name, "content-length") || same_name(name, "connection")) continue;
    host = host || same_name(name, "host");
    agent = agent || same_name(name, "user-agent");
    out += one_line(name) + ": " + one_line(value) + "\r\n";
  }
  if (!host) out += "Host: " + one_line(url.authority) + "\r\n";
  if (!agent) out += "User-Agent: ordeal\r\n";
  const bool sends = !request.body.empty() || request.method == "POST" || request.method == "PUT";
  if (sends) out += fmt::format("Content-Length: {}\r\n", request.body.size());
  out += "\r\n";
  out += request.body;
  return out;
}

}  // namespace ordeal::os
