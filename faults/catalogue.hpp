// Every fault that this build knows, in the order in which `ordeal faults` prints them.
#pragma once

#include "engine/fault/fault.hpp"

namespace ordeal {

fault::Catalogue catalogue();

}  // namespace ordeal
