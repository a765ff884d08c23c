// `vars` and ${name}.
#pragma once

#include <map>
#include <set>
#include <string>

#include "engine/spec/reader.hpp"

namespace ordeal::spec {

class Variables {
 public:
  // Reads `vars` of the file; `given` (--var) wins over its defaults.
  Variables(const Node& root, const std::map<std::string, std::string>& given, Reader& reader);

  // Replaces ${name} in every scalar value, never in keys; $${ is the text ${.
  void substitute(Node& node);
  // Declared and never named is a mistake too.
  void report_unused();

 private:
  struct Variable {
    model::Place place;
    std::optional<std::string> value;
    bool used = false;
  };

  void substitute_text(Node& node);
  std::optional<std::string> value_of(const std::string& name, const Node& node,
                                      std::size_t offset);

  Reader& reader_;
  std::map<std::string, Variable> variables_;
  std::vector<std::string> names_;
  std::size_t added_ = 0;  // bytes of values that were put in
};

}  // namespace ordeal::spec
