#pragma once

#include "engine/os/host_files.hpp"

namespace ordeal::os {

class LinuxMachine final : public Machine {
 public:
  LinuxMachine();

  // `cpu` is the share since the last call, or since this object was made.
  Result<HostValues> values() const override;
  std::string kernel() const override;
  bool is_root() const override;

 private:
  struct CpuTime {
    std::int64_t busy = 0;
    std::int64_t total = 0;
  };
  static Result<CpuTime> read_cpu();

  mutable CpuTime last_;
  mutable double last_share_ = 0;
};

}  // namespace ordeal::os
