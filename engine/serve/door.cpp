#include "engine/serve/door.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/serve/request.hpp"

namespace ordeal::serve {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool knows(const Door& door, std::string_view host) {
  return std::find(door.hosts.begin(), door.hosts.end(), lower(host)) != door.hosts.end();
}

// "http://127.0.0.1:8420": https when a proxy in front of us speaks it.
bool is_own_origin(const Door& door, std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) return knows(door, origin.substr(scheme.size()));
  }
  return false;
}

bool has_token(const Claims& claims, const Door& door) {
  constexpr std::string_view kScheme = "bearer ";
  if (door.token.empty() || claims.authorization.size() <= kScheme.size()) return false;
  if (lower(claims.authorization.substr(0, kScheme.size())) != kScheme) return false;
  return same_secret(claims.authorization.substr(kScheme.size()), door.token);
}

}  // namespace

bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

std::optional<Answer> turned_away(const Claims& claims, const Door& door) {
  if (claims.repeated) {
    return refusal(400, "repeated_header", "a header that decides who may came more than once");
  }
  if (!door.trusted && !knows(door, claims.host)) {
    return refusal(403, "host_refused",
                   "this server is not known by the name in the Host header; see --allow-host");
  }
  const bool foreign_origin =
      !claims.origin.empty() && (door.trusted || !is_own_origin(door, claims.origin));
  // Opening a page by a link changes nothing, and no page can look into one that it opened.
  const bool link = claims.method == "GET" && claims.fetch_mode == "navigate";
  const bool foreign_page = claims.fetch_site == "cross-site" || claims.fetch_site == "same-site";
  if (foreign_origin || (foreign_page && !link)) {
    return refusal(403, "origin_refused", "this request was made by a page of another site");
  }
  const bool reads = claims.method == "GET";
  if (!reads && claims.method != "POST" && claims.method != "DELETE") {
    return refusal(405, "method_not_allowed", "GET, POST or DELETE");
  }
  if (!door.trusted && !(reads && claims.open) && !has_token(claims, door)) {
    Answer out =
        refusal(401, "token_required",
                claims.authorization.empty()
                    ? "this needs the token, reading too: Authorization: Bearer TOKEN; ordeal "
                      "serve says where it is when it starts"
                    : "this is not the token");
    out.headers.emplace_back("WWW-Authenticate", "Bearer");
    return out;
  }
  const std::string type = media_type(claims.content_type);
  if (claims.method == "POST" && type != "application/json" && type != "application/yaml") {
    return refusal(415, "media_type", "Content-Type: application/json or application/yaml");
  }
  return std::nullopt;
}

std::vector<std::string> names_of(std::string_view address, unsigned port) {
  std::vector<std::string> out;
  const bool six = address.find(':') != address.npos;
  for (const std::string& name :
       {six ? fmt::format("[{}]", address) : std::string(address), std::string("localhost")}) {
    out.push_back(fmt::format("{}:{}", lower(name), port));
    constexpr unsigned kHttp = 80;
    if (port == kHttp) out.push_back(lower(name));
  }
  return out;
}

}  // namespace ordeal::serve
