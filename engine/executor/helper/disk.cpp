// Takes space on a file system and holds it: one file without a name, which the kernel frees when
// we die, however we die. Reserved in steps; before each the free space is read again, so that the
// floor holds although others write too.
// Source: open(2) O_TMPFILE, fallocate(2), statvfs(3).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "engine/base/json.hpp"
#include "engine/executor/helper/enter.hpp"
#include "engine/executor/helper/fill.hpp"
#include "engine/executor/helper/hold.hpp"
#include "engine/executor/helper/roles.hpp"

namespace ordeal::helper {
namespace {

struct Orders {
  std::string path;
  std::string device;  // "major:minor" and inode of the directory that was planned
  std::uint64_t inode = 0;
  std::int64_t bytes = 0;
  std::int64_t floor = 0;
};
BOOST_DESCRIBE_STRUCT(Orders, (), (path, device, inode, bytes, floor))

constexpr std::int64_t kReserveStep = 1ll << 30;  // fallocate takes 1 ms for it
constexpr std::int64_t kWriteStep = 1 << 20;

// The directory that was planned and checked, and none that has taken its name since: a link may
// have been turned. From here on everything goes by this descriptor.
Result<int> open_planned(const Orders& orders) {
  const int fd = ::open(orders.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Error::system(errno, "open " + orders.path);
  struct stat entry {};
  if (::fstat(fd, &entry) != 0) return Error::system(errno, "stat " + orders.path);
  const std::string device = fmt::format("{}:{}", ::major(entry.st_dev), ::minor(entry.st_dev));
  if (device == orders.device && entry.st_ino == orders.inode) return fd;
  return Error(Code::refused, orders.path + " is another directory than was planned");
}

// A file that has no name, or loses it at once.
int open_nameless(int folder) {
  const int fd = ::openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  const std::string name = fmt::format(".ordeal-fill-{}", ::getpid());
  constexpr int kFlags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC;
  const int named = ::openat(folder, name.c_str(), kFlags, 0600);
  if (named >= 0) ::unlinkat(folder, name.c_str(), 0);
  return named;
}

std::int64_t available(int fd) {
  struct statvfs space {};
  if (::fstatvfs(fd, &space) != 0) return 0;
  return static_cast<std::int64_t>(space.f_bavail) * static_cast<std::int64_t>(space.f_frsize);
}

// Where fallocate is missing. Data that compressing file systems cannot shrink.
bool write_noise(int fd, std::int64_t offset, std::int64_t size) {
  static std::vector<char> block(static_cast<std::size_t>(kWriteStep));
  fill_pages(block.data(), static_cast<std::size_t>(size),
             static_cast<std::uint64_t>(offset) / kPageBytes, kPageBytes);
  for (std::int64_t done = 0; done < size;) {
    const ssize_t count =
        ::pwrite(fd, block.data() + done, static_cast<std::size_t>(size - done), offset + done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += count;
  }
  // Some file systems know how full they are only after the data is on the disk.
  return offset / kWriteStep % 64 != 63 || ::fdatasync(fd) == 0;
}

// Takes what was ordered, or less: until the floor, or until somebody else has taken the rest.
void fill(int fd, const Orders& orders) {
  bool reserves = true;
  for (std::int64_t held = 0; held < orders.bytes;) {
    const std::int64_t room = available(fd) - orders.floor;
    const std::int64_t step = reserves ? kReserveStep : kWriteStep;
    const std::int64_t size = std::min({step, orders.bytes - held, room});
    if (size <= 0) return;
    if (reserves && ::fallocate(fd, 0, held, size) != 0) {
      if (errno == EINTR) continue;
      if (errno != EOPNOTSUPP && errno != ENOSYS) return;
      reserves = false;
      continue;
    }
    if (!reserves && !write_noise(fd, held, size)) return;
    held += size;
  }
}

}  // namespace

int run_disk(const boost::json::object& arguments) {
  const auto decoded = json::decode<Orders>(arguments);
  if (decoded.has_error()) {
    helper_error(decoded.error().message());
    return 1;
  }
  const Orders& orders = decoded.value();
  const auto folder = open_planned(orders);
  if (folder.has_error()) {
    helper_error(folder.error().message());
    return 1;
  }
  const int fd = open_nameless(folder.value());
  if (fd < 0) {
    helper_error(fmt::format("create a file in {}: {}", orders.path, std::strerror(errno)));
    return 1;
  }
  end_on_term();
  helper_ready();
  fill(fd, orders);
  hold();
}

}  // namespace ordeal::helper
