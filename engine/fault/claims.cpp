#include "engine/fault/claims.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>

#include "engine/base/text.hpp"

namespace ordeal::fault {
namespace {

constexpr std::string_view kAny = "*";

std::string listed(std::vector<std::string> words, std::string_view separator) {
  if (words.empty()) return std::string(kAny);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return join(words, separator);
}

std::vector<std::string> port_words(const std::vector<model::PortRange>& ports) {
  std::vector<std::string> words;
  for (const model::PortRange& range : ports) {
    words.push_back(range.first == range.last ? fmt::format("{}", range.first)
                                              : fmt::format("{}-{}", range.first, range.last));
  }
  return words;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::optional<model::PortRange> parse_ports(const std::string& word) {
  model::PortRange range;
  const char* end = word.data() + word.size();
  const auto first = std::from_chars(word.data(), end, range.first);
  if (first.ec != std::errc()) return std::nullopt;
  range.last = range.first;
  if (first.ptr == end) return range;
  const auto last = std::from_chars(first.ptr + 1, end, range.last);
  if (*first.ptr != '-' || last.ec != std::errc() || last.ptr != end) return std::nullopt;
  return range;
}

// The value of "name=value"; nothing when the word is another.
std::optional<std::string_view> value_of(std::string_view word, std::string_view name) {
  if (!word.starts_with(name) || word.size() <= name.size() || word[name.size()] != '=') {
    return std::nullopt;
  }
  return word.substr(name.size() + 1);
}

std::optional<Traffic> parse(std::string_view key) {
  const std::vector<std::string> words = split(key, ' ');
  if (words.size() != 6) return std::nullopt;
  Traffic out;
  out.direction = words[0];
  const auto devices = value_of(words[1], "devices");
  const auto protocols = value_of(words[2], "protocols");
  const auto local = value_of(words[3], "local");
  const auto remote = value_of(words[4], "remote");
  const auto addresses = value_of(words[5], "ip");
  if (!devices || !protocols || !local || !remote || !addresses) return std::nullopt;
  if (*devices != kAny) out.devices = split(*devices, '/');
  if (*protocols != kAny) out.protocols = split(*protocols, '/');
  if (*addresses != kAny) out.addresses = split(*addresses, ',');
  for (const auto& [text, ports] :
       {std::pair(*local, &out.local_ports), std::pair(*remote, &out.remote_ports)}) {
    if (text == kAny) continue;
    for (const std::string& word : split(text, '/')) {
      const auto range = parse_ports(word);
      if (!range) return std::nullopt;
      ports->push_back(*range);
    }
  }
  return out;
}

template <class T, class Meets>
bool any_meets(const std::vector<T>& a, const std::vector<T>& b, Meets meets) {
  if (a.empty() || b.empty()) return true;
  return std::any_of(a.begin(), a.end(), [&](const T& one) {
    return std::any_of(b.begin(), b.end(), [&](const T& other) { return meets(one, other); });
  });
}

bool words_meet(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return any_meets(a, b, std::equal_to<>());
}

bool ports_meet(const std::vector<model::PortRange>& a, const std::vector<model::PortRange>& b) {
  return any_meets(a, b, [](model::PortRange one, model::PortRange other) {
    return one.first <= other.last && other.first <= one.last;
  });
}

struct Prefix {
  std::vector<unsigned char> bytes;  // 4 or 16
  std::size_t bits = 0;
};

std::optional<Prefix> parse_prefix(const std::string& text) {
  boost::system::error_code problem;
  const std::size_t slash = text.find('/');
  const auto address = boost::asio::ip::make_address(text.substr(0, slash), problem);
  if (problem) return std::nullopt;
  Prefix out;
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    out.bytes.assign(bytes.begin(), bytes.end());
  } else {
    const auto bytes = address.to_v6().to_bytes();
    out.bytes.assign(bytes.begin(), bytes.end());
  }
  out.bits = out.bytes.size() * 8;
  if (slash != text.npos) {
    std::from_chars(text.data() + slash + 1, text.data() + text.size(), out.bits);
  }
  return out;
}

bool addresses_meet(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return any_meets(a, b, [](const std::string& one, const std::string& other) {
    const auto x = parse_prefix(one);
    const auto y = parse_prefix(other);
    if (!x || !y) return true;
    if (x->bytes.size() != y->bytes.size()) return false;
    const std::size_t bits = std::min({x->bits, y->bits, x->bytes.size() * 8});
    for (std::size_t bit = 0; bit < bits; ++bit) {
      const unsigned mask = 0x80u >> (bit % 8);
      if ((x->bytes[bit / 8] & mask) != (y->bytes[bit / 8] & mask)) return false;
    }
    return true;
  });
}

bool has_loopback(const Traffic& traffic) {
  return traffic.devices.empty() ||
         std::find(traffic.devices.begin(), traffic.devices.end(), "lo") != traffic.devices.end();
}

}  // namespace

std::string traffic_key(const Traffic& traffic) {
  return fmt::format("{} devices={} protocols={} local={} remote={} ip={}", traffic.direction,
                     listed(traffic.devices, "/"), listed(traffic.protocols, "/"),
                     listed(port_words(traffic.local_ports), "/"),
                     listed(port_words(traffic.remote_ports), "/"), listed(traffic.addresses, ","));
}

bool traffic_overlap(std::string_view a, std::string_view b) {
  const auto x = parse(a);
  const auto y = parse(b);
  if (!x || !y) return true;
  if (!words_meet(x->protocols, y->protocols)) return false;
  const bool same_way =
      x->direction == y->direction || x->direction == "both" || y->direction == "both";
  if (same_way && words_meet(x->devices, y->devices) &&
      ports_meet(x->local_ports, y->local_ports) && ports_meet(x->remote_ports, y->remote_ports) &&
      addresses_meet(x->addresses, y->addresses)) {
    return true;
  }
  // On lo the same packet has our port as its source when it leaves and as its destination when it
  // arrives: what is local to one claim is remote to the other.
  const bool other_way = x->direction != y->direction || x->direction == "both";
  return other_way && has_loopback(*x) && has_loopback(*y) &&
         ports_meet(x->local_ports, y->remote_ports) && ports_meet(x->remote_ports, y->local_ports);
}

bool conflicts(const model::Claim& a, const model::Claim& b) {
  if (a.kind != b.kind) return false;
  return a.key == b.key || (a.kind == "traffic" && traffic_overlap(a.key, b.key));
}

}  // namespace ordeal::fault
