// YAML, the strict part of it that a person can foresee: maps, lists and scalars, one document.
// Anchors, aliases, tags, merge keys, further documents, duplicate keys and keys that are not plain
// words are errors at their place. The only file that knows yaml-cpp is yaml.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/model/place.hpp"
#include "engine/spec/problem.hpp"

namespace ordeal::spec {

// What a file may be at most. A bomb is refused long before it costs anything.
inline constexpr std::size_t kMostBytes = 256 * 1024;
inline constexpr int kMostDepth = 32;  // maps and lists inside each other; the document's own is 1
inline constexpr int kMostNodes = 20'000;
inline constexpr std::size_t kLongestScalar = 16 * 1024;

struct Entry;

struct Node {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  std::string text;    // of a scalar
  bool plain = true;   // written without quotes
  model::Place place;  // where the value begins; of an absent one: its key
  // Column of the first character of `text` when it stands in the file exactly as here; else 0.
  int text_column = 0;
  // Named a variable without a value: reported there, and not again where the value is used.
  bool broken = false;
  std::vector<Node> items;     // of a list
  std::vector<Entry> entries;  // of a map, in the order of the file

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }
  const Entry* find(std::string_view key) const;
  bool has_broken() const;  // this, or anything in it
  // Where the byte at `offset` of the text stands, or where the scalar begins.
  model::Place place_at(std::size_t offset) const;
};

struct Entry {
  std::string key;
  model::Place place;  // of the key
  Node value;
};

Node scalar_node(std::string text, const model::Place& place);

// The document, or a null node; whatever is wrong goes to `problems`.
Node parse_yaml(const std::string& file, const std::string& text, Problems& problems);

// Block style; parse_yaml() reads the same tree from it.
std::string to_yaml(const Node& node);

}  // namespace ordeal::spec
