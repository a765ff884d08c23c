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
  Result<void> ask_for_netem() const;
  // The kernel's answer for `link`. An index is never given twice, so that a known one is that link
  // or none; then `known` is forgotten, and it is looked for again.
  template <class Ask>
  auto about(const std::string& link, Ask ask) const -> decltype(ask(0));

  mutable Netlink route_;
  Fd names_;                   // asks for the index of a link
  mutable std::string known_;  // the link that was asked for last, and its index
  mutable int index_ = 0;
  mutable bool known_good_ = false;  // can_netem() answered yes once: it stays so
};

}  // namespace ordeal::os
