#pragma once

#include <string>

#include "engine/os/linux/fd.hpp"
#include "engine/os/linux/netlink.hpp"
#include "engine/os/network.hpp"

namespace ordeal::os {

class LinuxQdiscs final : public Qdiscs {
 public:
  LinuxQdiscs();
  Result<void> can_netem() const override;
  Result<void> add_netem(const std::string& link, const model::Netem& netem) override;
  Result<QdiscStats> stats(const std::string& link) const override;

 private:
  mutable Netlink route_;
  Fd names_;  // asks for the index of a link
  mutable bool known_good_ = false;  // can_netem() answered yes once: it stays so
};

}  // namespace ordeal::os
