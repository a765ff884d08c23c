// The condition language, from text to model::Condition. No YAML, no SLIs: what a text means by
// itself. Which list may hold it and whether its SLI can answer is engine/spec/rules.hpp.
// Grammar and semantics: docs/reference/conditions.md.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/experiment.hpp"

namespace ordeal::spec {

struct ConditionProblem {
  std::size_t offset = 0;  // of the offending word in the text, in bytes
  std::string text;
};

// Where the words of a part begin, in bytes. An absent word has the offset of the part.
struct PartOffsets {
  std::size_t measure = 0;
  std::size_t aggregate = 0;
  std::size_t comparison = 0;
  std::size_t bound = 0;
  std::size_t over = 0;
  bool offset_given = false;     // "baseline + 5ms"
  bool aggregate_given = false;  // of host values: "host.cpu.max"
};

struct ParsedCondition {
  model::Condition condition;
  std::vector<PartOffsets> parts;  // as condition.parts
  std::size_t join = 0;            // of the first `and` or `or`
  std::size_t for_ = 0;
  std::size_t within = 0;
};

std::variant<ParsedCondition, ConditionProblem> read_condition(std::string_view text);

// Error: "column 10: expected an aggregate, found 'rate'; did you mean 'throughput'?"
Result<model::Condition> parse_condition(std::string_view text);

// "250ms", "99.5%", "512MiB", "10/s", "3". Error: what was expected.
Result<model::Quantity> parse_quantity(std::string_view text);

// True for the words of the language: no SLI can bear such a name.
bool is_reserved(std::string_view word);
// True for a letter, then letters, digits, _ and -.
bool is_name(std::string_view word);

}  // namespace ordeal::spec
