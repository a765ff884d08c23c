// What a run would do without a net, which a person must have said yes to.
#pragma once

#include <string>

#include "engine/model/experiment.hpp"

namespace ordeal::cli {

// "nothing stops it early (abort_if: none)", or empty.
std::string without_net(const model::Experiment& experiment);

}  // namespace ordeal::cli
