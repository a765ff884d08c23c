// Is what a step carries what a fault's description allows? The reader of experiment files asks it
// of what a person wrote, an executor of what a wire brought: nobody's arithmetic meets a number
// that no description names.
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "engine/base/result.hpp"
#include "engine/model/fault_description.hpp"

namespace ordeal::model {

// Inside the parameter's bounds, in the normalised unit.
bool in_range(const Parameter& parameter, std::int64_t value);
// "1 to 1024", "at least 1MiB".
std::string range_of(const Parameter& parameter);

// `with` is in the normal form of ParameterKind: every name is known, what is required is there,
// every value has its kind and lies in its range, of each group exactly one is given.
// Code::invalid names the parameter and what is expected.
Result<void> check_parameters(const FaultDescription& fault, const boost::json::object& with);

}  // namespace ordeal::model
