// Typed reading of a tree. Each function reports what it expected and what it found, and returns
// nothing then; the caller goes on, so that all errors of a file come at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/base/units.hpp"
#include "engine/model/experiment.hpp"
#include "engine/spec/keys.hpp"
#include "engine/spec/yaml.hpp"

namespace ordeal::spec {

// "'abc'", "a list", "nothing".
std::string describe(const Node& node);
// "; did you mean `x`?", or "; expected one of a, b or c", for a word that is none of `words`.
std::string suggest(std::string_view word, std::span<const std::string> words);
// "a|b|c" -> a, b, c
std::vector<std::string> split(std::string_view text, char separator = '|');

// Where a path in `file` leads: it is relative to the folder of that file.
std::string beside(const std::string& file, const std::string& path);
// Letters, digits and - _ . only: names of files and of sockets are made of it. Also "".
bool is_short_name(std::string_view text, std::size_t longest);

class Reader {
 public:
  explicit Reader(Problems& problems) : problems_(problems) {}

  bool full() const { return problems_.full(); }

  void error(const model::Place& place, std::string text) {
    problems_.error(place, std::move(text));
  }

  // The tree of the file with this text; nothing: it could not be read, or is no YAML.
  std::optional<Node> root(const std::string& file, const Result<std::string>& text);
  // Of the file format.
  void version(const Node& node);
  // True when it is a map; unknown, renamed and missing keys are reported.
  bool map(const Node& node, const std::string& what, const Table& table);
  // Items of a list that must not be empty.
  std::optional<std::span<const Node>> list(const Node& node, const std::string& what,
                                            const std::string& of);

  std::optional<std::string> text(const Node& node, const std::string& what);
  std::optional<std::int64_t> integer(const Node& node, const std::string& what,
                                      std::int64_t minimum, std::int64_t maximum);
  std::optional<bool> boolean(const Node& node, const std::string& what);
  std::optional<Duration> duration(const Node& node, const std::string& what);
  // Not 0.
  std::optional<Duration> length(const Node& node, const std::string& what);
  std::optional<Ppm> percent(const Node& node, const std::string& what);
  // Above 0%, at most 100%.
  std::optional<Ppm> share(const Node& node, const std::string& what);
  std::optional<Bytes> bytes(const Node& node, const std::string& what);
  // Per second.
  std::optional<double> rate(const Node& node, const std::string& what);
  std::optional<std::string> choice(const Node& node, const std::string& what,
                                    std::span<const std::string> choices);
  std::optional<std::string> path(const Node& node, const std::string& what);
  std::optional<std::vector<std::string>> texts(const Node& node, const std::string& what);
  std::map<std::string, std::string> text_map(const Node& node, const std::string& what);
  std::optional<model::SecretText> secret(const Node& node, const std::string& what,
                                          bool literal_allowed);

 private:
  bool scalar(const Node& node, const std::string& what, const std::string& expected);
  void unknown_key(const Entry& entry, const Table& table, std::vector<std::string>& meant);

  Problems& problems_;
};

}  // namespace ordeal::spec
