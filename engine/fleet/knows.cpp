#include "engine/fleet/knows.hpp"

#include <algorithm>

#include "engine/base/text.hpp"

namespace ordeal::fleet {
namespace {

bool in_range(const model::Parameter& parameter, const boost::json::value& value) {
  if (!value.is_int64()) return true;
  const std::int64_t number = value.get_int64();
  return number >= parameter.minimum.value_or(number) &&
         number <= parameter.maximum.value_or(number);
}

bool is_choice(const model::Parameter& parameter, const boost::json::value& value) {
  const auto known = [&parameter](const boost::json::value& word) {
    return word.is_string() && std::find(parameter.choices.begin(), parameter.choices.end(),
                                         word.get_string()) != parameter.choices.end();
  };
  if (parameter.kind == model::ParameterKind::choice) return known(value);
  if (parameter.kind != model::ParameterKind::choices || !value.is_array()) return true;
  return std::all_of(value.get_array().begin(), value.get_array().end(), known);
}

// What of the step this description does not have; empty: nothing.
std::string unknown_in(const model::FaultDescription& fault, const model::Step& step) {
  for (const auto& [name, value] : step.with) {
    const auto found =
        std::find_if(fault.parameters.begin(), fault.parameters.end(),
                     [name = std::string_view(name)](const auto& one) { return one.name == name; });
    if (found == fault.parameters.end()) return printable(fault.name + "." + std::string(name));
    if (!in_range(*found, value) || !is_choice(*found, value)) {
      return printable(
          fmt::format("{}: {}: {}", fault.name, found->name, boost::json::serialize(value)));
    }
  }
  return {};
}

}  // namespace

Result<void> knows(const wire::HelloFact& hello, const model::Step& step) {
  std::string unknown = step.fault;
  for (const model::FaultDescription& fault : hello.faults) {
    if (fault.name == step.fault) unknown = unknown_in(fault, step);
  }
  if (unknown.empty()) return ok();
  return Error(
      Code::refused,
      fmt::format("{}: ordeal-executor {} there does not know {}: install the same "
                  "version as here ({})",
                  printable(hello.host), printable(hello.version, 40), unknown, ORDEAL_VERSION));
}

}  // namespace ordeal::fleet
