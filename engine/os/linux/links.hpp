#pragma once

#include <string>
#include <vector>

#include "engine/os/linux/netlink.hpp"
#include "engine/os/network.hpp"

namespace ordeal::os {

class LinuxLinks final : public Links {
 public:
  LinuxLinks();
  Result<std::vector<LinkInfo>> list() const override;
  Result<void> may_change() const override;
  Result<void> can_ifb() const override;
  Result<void> add_ifb(const std::string& name) override;
  Result<void> add_hole(const std::string& name) override;
  void belong_to(const std::string& alias) override { alias_ = alias; }
  Result<void> remove(const std::string& name) override;
  Result<void> remove_all(std::span<const std::string> names) override;
  std::vector<std::string> loaded_modules() const override;

 private:
  Result<void> ask_for_driver() const;
  Result<void> remove_index(int index);

  mutable Netlink route_;
  std::vector<std::string> modules_before_;
  std::string alias_;
};

}  // namespace ordeal::os
