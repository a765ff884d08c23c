#include "engine/serve/tickets.hpp"

#include <fmt/format.h>

#include "engine/base/digest.hpp"
#include "engine/serve/door.hpp"
#include "engine/serve/request.hpp"

namespace ordeal::serve {
namespace {

constexpr Duration kLife = 5min;  // so that a reader may load it again

std::int64_t seconds_of(BootTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

// Twice, with the key before each: a digest of the key and a text alone could be made longer.
std::string Tickets::seal(std::string_view path, std::int64_t until) const {
  return sha256_hex(key_ + sha256_hex(fmt::format("{}{} {}", key_, until, path)));
}

std::string Tickets::issue(std::string_view path, BootTime now) const {
  const std::int64_t until = seconds_of(now + kLife);
  return fmt::format("{}.{}", until, seal(path, until));
}

bool Tickets::open(std::string_view path, std::string_view ticket, BootTime now) const {
  const std::size_t dot = std::min(ticket.find('.'), ticket.size());
  const auto until = whole_number(ticket.substr(0, dot));
  if (dot == ticket.size() || !until || *until < seconds_of(now)) return false;
  return same_secret(ticket.substr(dot + 1), seal(path, *until));
}

}  // namespace ordeal::serve
