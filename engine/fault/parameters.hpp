// Reads a step's normalised `with` into a fault's own described struct.
#pragma once

#include "engine/base/json.hpp"
#include "engine/fault/fault.hpp"

namespace ordeal::fault {

// "2GiB" or "50%": exactly one is set.
struct BytesOrShare {
  std::optional<Bytes> bytes;
  std::optional<Ppm> ppm;
};
BOOST_DESCRIBE_STRUCT(BytesOrShare, (), (bytes, ppm))

// ParameterKind::restore
struct Restore {
  std::string how;  // "unit", "supervisor", "none", "argv"
  std::vector<std::string> argv;
  std::optional<Duration> timeout;
};
BOOST_DESCRIBE_STRUCT(Restore, (), (how, argv, timeout))

template <class Parameters>
Result<Parameters> parameters(const model::StepRequest& request) {
  return within("with", json::decode<Parameters>(request.with));
}

}  // namespace ordeal::fault
