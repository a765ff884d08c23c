#pragma once

#include "engine/os/network.hpp"

namespace ordeal::os {

class LinuxSockets final : public Sockets {
 public:
  std::vector<ExemptFlow> exempt_flows() const override;
};

}  // namespace ordeal::os
