#include "engine/probe/dns.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>

namespace ordeal::probe {
namespace {

constexpr std::array<std::pair<std::string_view, std::uint16_t>, 9> kTypes = {{{"A", 1},
                                                                               {"NS", 2},
                                                                               {"CNAME", 5},
                                                                               {"SOA", 6},
                                                                               {"PTR", 12},
                                                                               {"MX", 15},
                                                                               {"TXT", 16},
                                                                               {"AAAA", 28},
                                                                               {"SRV", 33}}};

std::optional<std::uint16_t> number_of(std::string_view type) {
  for (const auto& [name, number] : kTypes) {
    if (name == type) return number;
  }
  return std::nullopt;
}

void put16(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xff);
}

// Reads forward; anything beyond the end makes it bad, and it stays bad.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool bad() const { return bad_; }
  std::uint16_t take16() {
    const auto high = static_cast<std::uint16_t>(take8());
    return static_cast<std::uint16_t>(high << 8 | take8());
  }
  void skip(std::size_t count) {
    if (bytes_.size() - at_ < count) {
      bad_ = true;
      at_ = bytes_.size();
    } else {
      at_ += count;
    }
  }
  // A name ends with an empty label or with a pointer, which is not followed.
  void skip_name() {
    while (!bad_) {
      const std::uint8_t length = take8();
      if (length == 0) return;
      if ((length & 0xc0) == 0xc0) return skip(1);
      if ((length & 0xc0) != 0) bad_ = true;
      skip(length);
    }
  }

 private:
  std::uint8_t take8() {
    if (at_ >= bytes_.size()) {
      bad_ = true;
      return 0;
    }
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool bad_ = false;
};

std::string code_name(int code) {
  constexpr std::array<const char*, 6> kNames = {"NOERROR",  "FORMERR", "SERVFAIL",
                                                 "NXDOMAIN", "NOTIMP",  "REFUSED"};
  return code < 6 ? kNames[static_cast<std::size_t>(code)] : fmt::format("rcode {}", code);
}

}  // namespace

Result<std::string> dns_query(std::uint16_t id, std::string_view name, std::string_view type) {
  const auto number = number_of(type);
  if (!number) return Error(Code::invalid, fmt::format("DNS type '{}' is not known", type));
  std::string out;
  put16(out, id);
  put16(out, 0x0100);  // recursion desired
  put16(out, 1);       // one question
  put16(out, 0);
  put16(out, 0);
  put16(out, 0);
  std::string_view rest = name;
  if (rest.ends_with('.')) rest.remove_suffix(1);
  while (!rest.empty()) {
    const std::string_view label = rest.substr(0, rest.find('.'));
    if (label.empty() || label.size() > 63) {
      return Error(Code::invalid, fmt::format("'{}' is not a DNS name", name));
    }
    out += static_cast<char>(label.size());
    out += label;
    rest.remove_prefix(std::min(rest.size(), label.size() + 1));
  }
  if (out.size() > 12 + 254) return Error(Code::invalid, fmt::format("'{}' is too long", name));
  out += '\0';
  put16(out, *number);
  put16(out, 1);  // class IN
  return out;
}

Result<void> check_dns_answer(std::string_view answer, std::uint16_t id, std::string_view type) {
  const Error broken(Code::failed, "broken answer");
  Reader reader(answer);
  const std::uint16_t got = reader.take16();
  const std::uint16_t flags = reader.take16();
  const std::uint16_t questions = reader.take16();
  const std::uint16_t answers = reader.take16();
  reader.skip(4);
  if (reader.bad() || got != id || (flags & 0x8000) == 0) return broken;
  if ((flags & 0x000f) != 0) return Error(Code::failed, code_name(flags & 0x000f));
  for (int i = 0; i < questions && !reader.bad(); ++i) {
    reader.skip_name();
    reader.skip(4);
  }
  for (int i = 0; i < answers && !reader.bad(); ++i) {
    reader.skip_name();
    const std::uint16_t record = reader.take16();
    reader.skip(6);  // class, time to live
    const std::uint16_t size = reader.take16();
    reader.skip(size);
    if (!reader.bad() && record == number_of(type)) return ok();
  }
  if (reader.bad()) return broken;
  // Too long for a datagram: the server has answered, the records would come over TCP.
  if ((flags & 0x0200) != 0) return ok();
  return Error(Code::failed, fmt::format("no {} record", type));
}

}  // namespace ordeal::probe
