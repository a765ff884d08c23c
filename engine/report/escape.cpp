#include "engine/report/escape.hpp"

#include <limits>

#include "engine/base/digest.hpp"
#include "engine/base/text.hpp"

namespace ordeal::report {
namespace {

constexpr std::size_t kWhole = std::numeric_limits<std::size_t>::max();

// Printable, but with its lines kept.
std::string printable_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\n\t"), text.size());
    out += printable(text.substr(0, end), kWhole);
    if (end == text.size()) break;
    out.push_back(text[end]);
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string out;
  std::size_t from = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, from)) {
    out += text.substr(from, at - from);
    out += with;
    from = at + what.size();
  }
  out += text.substr(from);
  return out;
}

}  // namespace

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : printable_lines(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

std::string breakable(std::string_view name) {
  std::string out;
  for (const char c : xml(name)) {
    out.push_back(c);
    if (c == '.' || c == '_') out += "<wbr>";
  }
  return out;
}

std::string markdown(std::string_view text) {
  std::string out;
  for (const char c : printable(text, kWhole)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '@': out += "&#64;"; break;  // mentions nobody
      case '\\':
      case '`':
      case '*':
      case '_':
      case '[':
      case ']':
      case '|':
      case '~':
      case '#':
      case '!':
        out.push_back('\\');
        out.push_back(c);
        break;
      default: out.push_back(c);
    }
  }
  // A bare address would become a link.
  return replaced(out, "://", ":&#47;&#47;");
}

std::string github_data(std::string_view text) {
  std::string out = replaced(printable_lines(text), "%", "%25");
  return replaced(out, "\n", "%0A");
}

std::string github_property(std::string_view text) {
  return replaced(replaced(github_data(text), ":", "%3A"), ",", "%2C");
}

std::string script_json(std::string json) {
  // "</script>" and "<!--" end or change a script element, whatever is inside a string.
  json = replaced(json, "<", "\\u003c");
  json = replaced(json, "\xe2\x80\xa8", "\\u2028");
  return replaced(json, "\xe2\x80\xa9", "\\u2029");
}

std::string csp_hash(std::string_view text) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string hex = sha256_hex(text);
  const auto nibble = [](char c) -> unsigned {
    return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
  };
  std::string out = "'sha256-";
  // Three hexadecimal digits are two letters; 64 digits leave one digit over.
  for (std::size_t i = 0; i + 2 < hex.size(); i += 3) {
    const unsigned bits = nibble(hex[i]) << 8 | nibble(hex[i + 1]) << 4 | nibble(hex[i + 2]);
    out.push_back(kLetters[bits >> 6]);
    out.push_back(kLetters[bits & 63]);
  }
  out.push_back(kLetters[nibble(hex.back()) << 2]);
  return out + "='";
}

}  // namespace ordeal::report
