// Takes space on a file system and holds it: one file without a name, which the kernel frees when
// we die, however we die. Reserved in steps; before each the free space is read again, so that the
// floor holds although others write too.
// Source: open(2) O_TMPFILE, fallocate(2), statvfs(3).
#include <fcntl.h>
#include <sys/statvfs.h>
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
  std::int64_t bytes = 0;
  std::int64_t floor = 0;
};
BOOST_DESCRIBE_STRUCT(Orders, (), (path, bytes, floor))

constexpr std::int64_t kReserveStep = 1ll << 30;  // fallocate takes 1 ms for it
constexpr std::int64_t kWriteStep = 1 << 20;

// A file that has no name, or loses it at once.
int open_nameless(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  std::string name = directory + "/.ordeal-fill-XXXXXX";
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
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
  const int fd = open_nameless(orders.path);
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
