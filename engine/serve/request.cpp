#include "engine/serve/request.hpp"

#include <charconv>

namespace ordeal::serve {
namespace {

constexpr std::size_t kMostSegments = 8;
constexpr std::size_t kMostParameters = 64;

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

Result<std::string> decode(std::string_view text, bool in_query) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
      const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
      if (!low) return Error(Code::invalid, "broken percent encoding");
      c = static_cast<char>(*high * 16 + *low);
      i += 2;
    } else if (c == '+' && in_query) {
      c = ' ';
    }
    const auto byte = static_cast<unsigned char>(c);
    const bool control = byte < 0x20 || byte == 0x7f;
    if (control && !(in_query && (c == '\n' || c == '\t'))) {
      return Error(Code::invalid, "control characters in the address");
    }
    out += c;
  }
  return out;
}

template <class Take>
Result<void> split(std::string_view text, char separator, Take take) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) {
      CHECK_OK(take(text.substr(0, end)));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ok();
}

}  // namespace

Result<void> read_target(std::string_view target, Request& request) {
  if (!target.starts_with('/')) return Error(Code::invalid, "the address must begin with /");
  target = target.substr(0, target.find('#'));
  const std::size_t mark = std::min(target.find('?'), target.size());
  CHECK_OK(split(target.substr(0, mark), '/', [&request](std::string_view part) -> Result<void> {
    if (request.path.size() == kMostSegments) return Error(Code::invalid, "too long an address");
    TRY(auto segment, decode(part, false));
    request.path.push_back(std::move(segment));
    return ok();
  }));
  if (mark == target.size()) return ok();
  return split(target.substr(mark + 1), '&', [&request](std::string_view part) -> Result<void> {
    if (request.query.size() == kMostParameters) return Error(Code::invalid, "too many parameters");
    const std::size_t equals = std::min(part.find('='), part.size());
    TRY(auto name, decode(part.substr(0, equals), true));
    TRY(auto value, decode(part.substr(std::min(equals + 1, part.size())), true));
    request.query[std::move(name)] = std::move(value);
    return ok();
  });
}

std::string media_type(std::string_view content_type) {
  std::string out(content_type.substr(0, content_type.find(';')));
  while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_run_id(std::string_view text) {
  constexpr std::string_view kShape = "r-0000-0000-xxxx";
  if (text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit = c >= '0' && c <= '9';
    const bool fits = kShape[i] == '0'   ? digit
                      : kShape[i] == 'x' ? digit || (c >= 'a' && c <= 'f')
                                         : c == kShape[i];
    if (!fits) return false;
  }
  return true;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size() || out < 0) {
    return std::nullopt;
  }
  return out;
}

}  // namespace ordeal::serve
