// Tickets open one address for some minutes without the token: a browser that follows a link can
// send no header, and what is in an address stays in its history, where the token must never be.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/units.hpp"

namespace ordeal::serve {

class Tickets {
 public:
  // `key`: a secret that no client knows; another one makes every ticket void.
  explicit Tickets(std::string key) : key_(std::move(key)) {}

  // "SECONDS.DIGEST" for this path, such as "/api/v1/runs/r-1121-0140-7f3a/report.html".
  std::string issue(std::string_view path, BootTime now) const;
  bool open(std::string_view path, std::string_view ticket, BootTime now) const;

 private:
  std::string seal(std::string_view path, std::int64_t until) const;

  std::string key_;
};

}  // namespace ordeal::serve
