// Steps that make sense on the furnished machine (furnish in machine.hpp), one for every way
// in which a fault of the catalogue does its work: what the campaign and the contract tests ask for.
#pragma once

#include <span>
#include <string>

#include "engine/base/units.hpp"

namespace ordeal::sim {

struct Wish {
  const char* fault;
  const char* target;  // YAML; empty: the host
  const char* with;    // YAML
};

std::span<const Wish> wishes();

// The step as an item of `method:`, indented.
std::string step_yaml(const Wish& wish, Duration duration, const std::string& indent);
// A whole experiment file about the furnished machine's services.
std::string experiment_yaml(const std::string& method);

}  // namespace ordeal::sim
