#pragma once

#include <map>

#include "engine/os/clock.hpp"
#include "engine/os/host_files.hpp"

namespace ordeal::os {

// Where the hierarchies are mounted: cgroup2 and, by controller, v1.
struct CgroupMounts {
  std::string unified;  // "/sys/fs/cgroup" or "/sys/fs/cgroup/unified"; empty: none
  std::map<std::string, std::string> v1;
};
// From the text of /proc/self/mountinfo.
CgroupMounts parse_cgroup_mounts(std::string_view mountinfo);

class LinuxCgroups final : public Cgroups {
 public:
  explicit LinuxCgroups(Clock& clock);
  LinuxCgroups(Clock& clock, CgroupMounts mounts);

  Result<std::string> of_unit(const std::string& unit) const override;
  Result<bool> populated(const std::string& cgroup) const override;
  Result<bool> frozen(const std::string& cgroup) const override;
  Result<void> can_freeze(const std::string& cgroup) const override;
  Result<std::vector<std::int64_t>> processes(const std::string& cgroup) const override;
  Result<std::optional<Ppm>> cpu_limit(const std::string& cgroup) const override;
  Result<Memory> memory(const std::string& cgroup) const override;
  // Code::refused for a cgroup that holds this process: nobody could thaw it.
  Task<Result<void>> set_frozen(std::string cgroup, bool frozen) override;

  // The cgroup.procs files through which a process enters the cgroup: that of the unified
  // hierarchy and, where the same path exists there, of v1's cpu, cpuacct and memory.
  Result<std::vector<std::string>> entrances(const std::string& cgroup) const;
  const CgroupMounts& mounts() const { return mounts_; }

 private:
  Result<std::string> directory_of(const std::string& cgroup) const;
  Result<bool> event(const std::string& cgroup, std::string_view key) const;
  // Directories of the cgroup and its ancestors in the hierarchy of a v1 controller, or none.
  std::vector<std::string> v1_chain(const std::string& controller, const std::string& cgroup) const;

  Clock& clock_;
  CgroupMounts mounts_;
};

}  // namespace ordeal::os
