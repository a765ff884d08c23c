#include "engine/base/json.hpp"
#include "engine/wire/message.hpp"

namespace ordeal::wire {
namespace {

constexpr int kVersion = 1;

std::string frame(boost::json::object object) {
  object["v"] = kVersion;
  const std::string text = json::dump(object);
  const auto size = static_cast<std::uint32_t>(text.size());
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(size >> shift));
  return out + text;
}

// Takes a member out of the envelope, so that the rest is the body alone.
Result<std::int64_t> take_number(boost::json::object& object, const char* name) {
  const auto* found = object.if_contains(name);
  if (found == nullptr) return Error(Code::invalid, fmt::format("frame without {}", name));
  TRY(auto number, json::decode<std::int64_t>(*found, json::Unknown::refused, name));
  object.erase(name);
  return number;
}

// What is checked as a whole text would be used up to there: by the kernel, as a path or argument.
bool holds_nul(const boost::json::value& value) {
  if (const auto* text = value.if_string()) return text->find('\0') != text->npos;
  if (const auto* items = value.if_array()) {
    return std::any_of(items->begin(), items->end(), holds_nul);
  }
  const auto* members = value.if_object();
  return members != nullptr &&
         std::any_of(members->begin(), members->end(),
                     [](const auto& member) { return holds_nul(member.value()); });
}

Result<boost::json::object> open(std::string_view text, std::size_t limit) {
  TRY(auto value, json::parse(text, limit));
  if (!value.is_object()) return Error(Code::invalid, "frame is not an object");
  boost::json::object object = value.get_object();
  TRY(auto version, take_number(object, "v"));
  if (version != kVersion) {
    return Error(Code::invalid,
                 fmt::format("frame of version {}, {} is spoken", version, kVersion));
  }
  return object;
}

}  // namespace

std::string encode(const Order& order) {
  boost::json::object object = json::encode(order.body).as_object();
  object["id"] = order.id;
  return frame(std::move(object));
}

std::string encode(const Fact& fact) {
  boost::json::object object = json::encode(fact.body).as_object();
  object["seq"] = fact.seq;
  object["re"] = fact.re;
  return frame(std::move(object));
}

Result<Order> decode_order(std::string_view text) {
  TRY(auto object, open(text, kOrderLimit));
  if (holds_nul(object)) return Error(Code::invalid, "an order with a NUL in a text");
  Order order;
  TRY(auto id, take_number(object, "id"));
  TRY(auto body, json::decode<OrderBody>(object, json::Unknown::refused, "order"));
  order.id = id;
  order.body = std::move(body);
  return order;
}

Result<Fact> decode_fact(std::string_view text) {
  TRY(auto object, open(text, kFactLimit));
  Fact fact;
  TRY(auto seq, take_number(object, "seq"));
  TRY(auto re, take_number(object, "re"));
  TRY(auto body, json::decode<FactBody>(object, json::Unknown::ignored, "fact"));
  fact.seq = seq;
  fact.re = re;
  fact.body = std::move(body);
  return fact;
}

std::string encode(const KeeperReport& report) {
  // The member `keeper` comes first, so that a reader knows the line by its beginning.
  return json::dump(json::encode(report)) + "\n";
}

Result<KeeperReport> decode_keeper(std::string_view line) {
  TRY(auto value, json::parse(line, kFactLimit));
  return json::decode<KeeperReport>(value, json::Unknown::ignored, "keeper");
}

Result<std::optional<std::string>> FrameReader::next() {
  constexpr std::size_t kHeader = 4;
  const std::string_view rest = std::string_view(buffer_).substr(taken_);
  if (rest.size() < kHeader) return std::optional<std::string>();
  std::size_t size = 0;
  for (std::size_t i = 0; i < kHeader; ++i) {
    size = size << 8 | static_cast<unsigned char>(rest[i]);
  }
  if (size > limit_) {
    return Error(Code::invalid, fmt::format("frame of {} bytes, {} allowed", size, limit_));
  }
  if (rest.size() < kHeader + size) return std::optional<std::string>();
  taken_ += kHeader + size;
  return std::optional<std::string>(rest.substr(kHeader, size));
}

RefusalKind refusal_of(Code code) {
  switch (code) {
    case Code::invalid: return RefusalKind::invalid;
    case Code::refused: return RefusalKind::refused;
    case Code::denied: return RefusalKind::denied;
    case Code::unsupported: return RefusalKind::unsupported;
    case Code::gone: return RefusalKind::gone;
    case Code::busy: return RefusalKind::busy;
    case Code::timeout: return RefusalKind::timeout;
    case Code::closed:
    case Code::failed: return RefusalKind::failed;
  }
  return RefusalKind::failed;
}

Code code_of(RefusalKind kind) {
  switch (kind) {
    case RefusalKind::invalid: return Code::invalid;
    case RefusalKind::refused: return Code::refused;
    case RefusalKind::denied: return Code::denied;
    case RefusalKind::unsupported: return Code::unsupported;
    case RefusalKind::gone: return Code::gone;
    case RefusalKind::busy: return Code::busy;
    case RefusalKind::timeout: return Code::timeout;
    case RefusalKind::failed: return Code::failed;
  }
  return Code::failed;
}

}  // namespace ordeal::wire
