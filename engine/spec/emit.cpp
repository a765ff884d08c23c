// Writes a tree as YAML: the effective file that a run stores.
#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "engine/spec/yaml.hpp"

namespace ordeal::spec {
namespace {

// Plain when no YAML reader of any version can take it for something else than this text.
bool reads_plain(const std::string& text) {
  if (text.empty() || text.size() > 200 || text.front() == ' ' || text.back() == ' ') return false;
  const auto first = static_cast<unsigned char>(text.front());
  if (!std::isalnum(first) && first != '/') return false;
  for (const std::string_view word :
       {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}) {
    const bool same = std::equal(text.begin(), text.end(), word.begin(), word.end(),
                                 [](char a, char b) { return std::tolower(a) == b; });
    if (same) return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view(" ./_-+%<>=()@").find(c) != std::string_view::npos;
  });
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string scalar(const Node& node) {
  if (node.is_null()) return "~";
  // true, false and numbers were plain words; they stay what they were.
  if (node.plain && (node.text == "true" || node.text == "false")) return node.text;
  return reads_plain(node.text) ? node.text : quoted(node.text);
}

void write(std::string& out, const Node& node, std::size_t indent);

void write_value(std::string& out, const Node& node, std::size_t indent) {
  if (node.is_list() && node.items.empty()) {
    out += " []\n";
  } else if (node.is_map() && node.entries.empty()) {
    out += " {}\n";
  } else if (node.is_list() || node.is_map()) {
    out += "\n";
    write(out, node, indent);
  } else {
    out += " " + scalar(node) + "\n";
  }
}

void write(std::string& out, const Node& node, std::size_t indent) {
  const std::string space(indent, ' ');
  for (const Entry& entry : node.entries) {
    out += space + scalar(scalar_node(entry.key, {})) + ":";
    write_value(out, entry.value, indent + 2);
  }
  for (const Node& item : node.items) {
    out += space + "-";
    if (item.is_map() && !item.entries.empty()) {
      // The first key stands behind the dash.
      std::string inner;
      write(inner, item, indent + 2);
      out += " " + inner.substr(indent + 2);
    } else {
      write_value(out, item, indent + 2);
    }
  }
}

}  // namespace

std::string to_yaml(const Node& node) {
  std::string out;
  if (node.is_list() || node.is_map()) {
    write(out, node, 0);
  } else {
    out = scalar(node) + "\n";
  }
  return out;
}

}  // namespace ordeal::spec
