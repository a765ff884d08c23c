#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/units.hpp"
#include "engine/os/task.hpp"

namespace ordeal::os {

struct Space {
  Bytes total;
  Bytes available;         // to ordinary users (f_bavail)
  std::string filesystem;  // "ext4", "tmpfs", "overlay", ...
  std::string device;      // "254:0": major:minor
};

// A file or directory as the kernel knows it, whatever its name may come to mean.
struct FileId {
  std::string device;  // as Space has it
  std::uint64_t inode = 0;
  bool operator==(const FileId&) const = default;
};

// A directory, everything read of one and the same descriptor.
struct Folder {
  FileId id;
  std::vector<FileId> above;  // its parent, that one's, and so on to "/"
  Space space;
};

// A file of fixed size for the journal. All I/O runs on one thread of its own; the loop never
// blocks. After a failed sync the file refuses every further write.
class DurableFile {
 public:
  virtual ~DurableFile() = default;
  virtual std::size_t size() const = 0;
  // Writes and syncs (fdatasync), in the order of the calls. Code::timeout when the disk did not
  // answer by the deadline: the write may still happen later.
  virtual Task<Result<void>> write(std::size_t offset, std::string bytes, Duration deadline) = 0;
};

// Who holds a journal. Its owner and whoever undoes what its owner left lock different bytes, and
// whoever only wants to know asks without taking any: nobody is ever taken for somebody else.
enum class Holder {
  nobody,
  owner,      // it lives, or is stuck
  recoverer,  // its owner is dead, and somebody puts things back
};

// Files of ours: journals, the halt latch, claims. Paths are absolute.
class Files {
 public:
  virtual ~Files() = default;
  virtual Result<std::string> read(const std::string& path, std::size_t limit) const = 0;
  // Like read, of a file that only root can have written: Code::refused when others may write to it
  // or to a directory above it. The simulator has no other users.
  virtual Result<std::string> read_trusted(const std::string& path, std::size_t limit) const {
    return read(path, limit);
  }
  virtual Result<std::vector<std::string>> list(const std::string& directory) const = 0;
  virtual Result<Space> space(const std::string& path) const = 0;
  // True also when nobody can tell.
  virtual bool exists(const std::string& path) const = 0;
  // Opens the directory from "/" on without passing any symbolic link, which somebody could turn
  // elsewhere between a check and a use. Code::refused names the path to write instead.
  virtual Result<Folder> folder(const std::string& path) const = 0;
  // What the path names now, through links; also a file. The same by whichever path, in whichever
  // mount namespace.
  virtual Result<FileId> identity(const std::string& path) const = 0;

  // Creates the directory (0700, root) with parents.
  virtual Result<void> make_directory(const std::string& path) = 0;
  // Temporary name, write, sync, rename, sync of the directory.
  virtual Result<void> write_atomically(const std::string& path, const std::string& bytes) = 0;
  virtual Result<void> remove(const std::string& path) = 0;

  // Creates `path`, writes `size` zeros, syncs it and its directory, takes the owner's lock.
  virtual Result<std::unique_ptr<DurableFile>> create_durable(const std::string& path,
                                                              std::size_t size) = 0;
  // Opens one whose owner is dead and takes the recoverer's lock. Code::busy: its owner lives (or
  // is stuck), or somebody else recovers it.
  virtual Result<std::unique_ptr<DurableFile>> open_durable(const std::string& path) = 0;
  virtual Result<Holder> holder(const std::string& path) const = 0;
  // Reads without any lock.
  virtual Result<std::string> read_durable(const std::string& path) const = 0;

  // A lock that is held while the returned object lives; waits at most `wait`.
  virtual Task<Result<std::shared_ptr<void>>> lock(std::string path, Duration wait) = 0;
  // Returns when `path` exists (at once if it does).
  virtual Task<void> wait_for_file(std::string path) = 0;
};

// cgroup v2, and what v1 offers where v2 has no controllers. Paths are relative to the unified
// mount: "/system.slice/nginx.service".
class Cgroups {
 public:
  virtual ~Cgroups() = default;
  // Path of a unit's cgroup, or Code::gone.
  virtual Result<std::string> of_unit(const std::string& unit) const = 0;
  virtual Result<bool> populated(const std::string& cgroup) const = 0;
  // A unit without a cgroup, or with an empty one, does not run. Error: nobody can tell.
  Result<bool> unit_runs(const std::string& unit) const {
    auto cgroup = of_unit(unit);
    auto runs = cgroup.has_value() ? populated(cgroup.value()) : Result<bool>(cgroup.error());
    if (runs.has_error() && runs.error().code() == Code::gone) return false;
    return runs;
  }
  virtual Result<bool> frozen(const std::string& cgroup) const = 0;
  // May we freeze it? In most containers cgroups can only be read. Error: why not.
  virtual Result<void> can_freeze(const std::string& cgroup) const {
    TRY(const bool now, frozen(cgroup));
    ignore(now, "only whether it can be read is asked");
    return ok();
  }
  virtual Result<std::vector<std::int64_t>> processes(const std::string& cgroup) const = 0;
  // Cores the cgroup may use (cpu.max, v1 quota); empty: no limit.
  virtual Result<std::optional<Ppm>> cpu_limit(const std::string& cgroup) const = 0;
  // Smallest memory limit of the cgroup and its ancestors; empty: no limit. `used` beside it.
  struct Memory {
    std::optional<Bytes> limit;
    Bytes used;
  };
  virtual Result<Memory> memory(const std::string& cgroup) const = 0;
  // Writes cgroup.freeze and waits until cgroup.events says so, at most 2 s.
  virtual Task<Result<void>> set_frozen(std::string cgroup, bool frozen) = 0;
};

struct HostValues {
  double cpu = 0;               // percent busy since the last reading
  double memory_available = 0;  // bytes
  double memory_total = 0;
  double swap_used = 0;  // percent
  double load1 = 0;
  std::optional<double> cpu_pressure, memory_pressure, io_pressure;  // percent "some", avg10
  int cpus = 1;                                                      // online and in our affinity
};

class Machine {
 public:
  virtual ~Machine() = default;
  virtual Result<HostValues> values() const = 0;
  virtual std::string kernel() const = 0;
  // User 0, which in a container may still lack capabilities.
  virtual bool is_root() const { return true; }
  // Free space is part of Files; devices that hold the state directory are policy.
};

}  // namespace ordeal::os
