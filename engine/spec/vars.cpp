#include "engine/spec/vars.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/spec/condition.hpp"

namespace ordeal::spec {
namespace {

// A value of 16 KiB that is named thousands of times would be a file of gigabytes.
std::string too_much(std::size_t size) {
  if (size > kLongestScalar) {
    return fmt::format("with its variables a text of {} bytes; at most {} are read", size,
                       kLongestScalar);
  }
  return fmt::format("the values of variables make this file more than {} bytes longer",
                     kMostBytes);
}

}  // namespace

Variables::Variables(const Node& root, const std::map<std::string, std::string>& given,
                     Reader& reader)
    : reader_(reader) {
  const Entry* vars = root.find("vars");
  if (vars != nullptr && !vars->value.is_map()) {
    reader_.error(
        vars->value.place,
        fmt::format("vars: expected a map of names and defaults, found {}", describe(vars->value)));
  } else if (vars != nullptr) {
    for (const Entry& entry : vars->value.entries) {
      Variable& variable = variables_[entry.key];
      variable.place = entry.place;
      if (!is_name(entry.key)) {
        reader_.error(entry.place, fmt::format("'{}' is no name for a variable: a letter, then "
                                               "letters, digits, _ and -",
                                               printable(entry.key, 60)));
      }
      if (entry.value.is_scalar()) {
        variable.value = entry.value.text;
      } else if (!entry.value.is_null()) {
        reader_.error(entry.value.place, fmt::format("vars.{}: expected one value or ~, found {}",
                                                     entry.key, describe(entry.value)));
        variable.value = "";
      }
    }
  }
  for (const auto& [name, variable] : variables_) names_.push_back(name);
  for (const auto& [name, value] : given) {
    const auto found = variables_.find(name);
    if (found != variables_.end()) {
      found->second.value = value;
    } else {
      reader_.error({root.place.file, 0, 0},
                    fmt::format("--var {}: not declared under `vars`{}", printable(name, 60),
                                names_.empty() ? "" : suggest(name, names_)));
    }
  }
  for (auto& [name, variable] : variables_) {
    if (variable.value) continue;
    reader_.error(variable.place,
                  fmt::format("variable `{}` has no default; give --var {}=...", name, name));
    variable.used = true;
  }
}

std::optional<std::string> Variables::value_of(const std::string& name, const Node& node,
                                               std::size_t offset) {
  const auto found = variables_.find(name);
  if (found == variables_.end()) {
    const std::string near = nearest_word(name, names_);
    const std::string hint = near.empty() ? "; for the text itself write $${" + name + "}"
                                          : fmt::format("; did you mean `{}`?", near);
    reader_.error(node.place_at(offset), fmt::format("variable `{}` is not declared under `vars`{}",
                                                     printable(name, 60), hint));
    return std::nullopt;
  }
  found->second.used = true;
  return found->second.value;
}

void Variables::substitute_text(Node& node) {
  std::string out;
  std::size_t at = 0;
  bool changed = false;
  while (at < node.text.size() && !reader_.full() && added_ <= kMostBytes) {
    const std::size_t dollar = node.text.find("${", at);
    out += node.text.substr(at, dollar - at);
    if (dollar == node.text.npos) break;
    changed = true;
    if (!out.empty() && out.back() == '$') {  // $${
      out += "{";
      at = dollar + 2;
      continue;
    }
    const std::size_t close = node.text.find('}', dollar);
    if (close == node.text.npos) {
      return reader_.error(node.place_at(dollar), "`${` is not closed with `}`");
    }
    const auto value = value_of(node.text.substr(dollar + 2, close - dollar - 2), node, dollar);
    node.broken = node.broken || !value;
    out += value.value_or("");
    at = close + 1;
    added_ += value ? value->size() : 0;
    if (out.size() > kLongestScalar || added_ > kMostBytes) {
      node.broken = true;
      return reader_.error(node.place_at(dollar), too_much(out.size()));
    }
  }
  if (!changed) return;
  node.text = std::move(out);
  node.text_column = 0;  // columns inside mean nothing any more
}

void Variables::substitute(Node& node) {
  if (node.is_scalar()) substitute_text(node);
  for (Node& item : node.items) substitute(item);
  for (Entry& entry : node.entries) substitute(entry.value);
}

void Variables::report_unused() {
  for (const auto& [name, variable] : variables_) {
    if (!variable.used) {
      reader_.error(variable.place, fmt::format("variable `{}` is never used; write ${{{}}} "
                                                "somewhere or remove it",
                                                name, name));
    }
  }
}

}  // namespace ordeal::spec
