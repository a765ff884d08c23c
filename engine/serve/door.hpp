// Who may come in, decided from the head of a request alone, before its body is read.
//
// Over the unix socket the file's mode has decided already. Over TCP anybody on this machine can
// connect, and so can every web page in a browser on it. So:
//   - the Host must be a name that we know (a page of another name that now resolves to loopback);
//   - an Origin, where there is one, must be ours, and what another site's page asks for in the
//     background is not answered (a link that a person follows is);
//   - everything but the files of the page itself, which are the same everywhere, needs the token.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/serve/answer.hpp"

namespace ordeal::serve {

struct Door {
  bool trusted = false;            // the unix socket
  std::vector<std::string> hosts;  // "127.0.0.1:8420", lower case
  std::string token;               // empty: nobody has it
};

// What a request says about itself.
struct Claims {
  std::string_view method;
  std::string_view host;
  std::string_view origin;      // empty: none
  std::string_view fetch_site;  // Sec-Fetch-Site; empty: none
  std::string_view fetch_mode;  // Sec-Fetch-Mode; empty: none
  std::string_view authorization;
  std::string_view content_type;
  bool open = false;      // what it asks for needs no token: of the page, or a ticket opens it
  bool repeated = false;  // one of these headers came twice: which one is meant is not known
};

// Why it is not let in, or nothing.
std::optional<Answer> turned_away(const Claims& claims, const Door& door);

// Compares in a time that depends on the lengths alone.
bool same_secret(std::string_view a, std::string_view b);

// How browsers may name a listener at this address: "127.0.0.1:8420" also as "localhost:8420".
std::vector<std::string> names_of(std::string_view address, unsigned port);

}  // namespace ordeal::serve
