#include "engine/os/linux/files.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "engine/base/text.hpp"
#include "engine/os/linux/durable_file.hpp"
#include "engine/os/linux/suspend.hpp"

namespace ordeal::os {
namespace {

constexpr std::size_t kJournalLimit = 64u << 20;
constexpr Duration kLockPoll = 20ms;
constexpr Duration kWatchRetry = 500ms;

struct FilesystemName {
  std::uint32_t magic;
  const char* name;
};
// statfs(2) and linux/magic.h.
constexpr std::array kFilesystems = {
    FilesystemName{0xef53, "ext4"},         FilesystemName{0x58465342, "xfs"},
    FilesystemName{0x9123683e, "btrfs"},    FilesystemName{0x01021994, "tmpfs"},
    FilesystemName{0x858458f6, "ramfs"},    FilesystemName{0x794c7630, "overlay"},
    FilesystemName{0x6969, "nfs"},          FilesystemName{0xff534d42, "cifs"},
    FilesystemName{0xfe534d42, "smb2"},     FilesystemName{0x2fc12fc1, "zfs"},
    FilesystemName{0xf2f52010, "f2fs"},     FilesystemName{0x73717368, "squashfs"},
    FilesystemName{0x4d44, "vfat"},         FilesystemName{0x2011bab0, "exfat"},
    FilesystemName{0x65735546, "fuse"},     FilesystemName{0x01021997, "9p"},
    FilesystemName{0x6a656a63, "virtiofs"}, FilesystemName{0x00c0ffee, "hostfs"},
    FilesystemName{0x9fa0, "proc"},         FilesystemName{0x62656572, "sysfs"},
    FilesystemName{0x63677270, "cgroup2"},  FilesystemName{0xe0f5e1e2, "erofs"},
    FilesystemName{0xca451a4e, "bcachefs"}, FilesystemName{0x3153464a, "jfs"},
    FilesystemName{0x00c36400, "ceph"},     FilesystemName{0x5346414f, "afs"},
    FilesystemName{0x6b414653, "afs"},      FilesystemName{0x01161970, "gfs2"},
    FilesystemName{0x7461636f, "ocfs2"},    FilesystemName{0x0bd00bd0, "lustre"},
};

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> sync_directory(const std::string& directory) {
  TRY(const Fd fd, open_file(directory, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return Error::system(errno, "sync " + directory);
  return ok();
}

Result<void> write_all(const Fd& fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::system(errno, "write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return ok();
}

// Overwriting in place must not copy: file systems that can are asked to; the others say no.
void forbid_copy_on_write(const Fd& fd) {
  int flags = 0;
  if (::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0) return;
  flags |= FS_NOCOW_FL;
  ::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags);
}

Result<void> fill_durable(const Fd& fd, std::size_t size, const std::string& path) {
  forbid_copy_on_write(fd);
  CHECK_OK(take_lock(fd, path));
  // Written, not allocated: an allocated extent is converted at its first write, on the hot path.
  CHECK_OK(write_all(fd, std::string(size, '\0'), path));
  if (::fsync(fd.get()) != 0) return Error::system(errno, "sync " + path);
  return ok();
}

// Filled and locked before it has a name, so that whoever sees it sees a journal with an owner.
Result<Fd> create_unseen(const std::string& path, std::size_t size) {
  TRY(Fd fd, open_file(parent_of(path), O_TMPFILE | O_RDWR, 0600));
  CHECK_OK(fill_durable(fd, size, path));
  const std::string self = fmt::format("/proc/self/fd/{}", fd.get());
  if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return Error::system(errno, "create " + path);
  }
  return fd;
}

Result<Fd> create_in_place(const std::string& path, std::size_t size) {
  TRY(Fd fd, open_file(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0600));
  auto filled = fill_durable(fd, size, path);
  if (filled) return fd;
  ::unlink(path.c_str());
  return std::move(filled.error());
}

Result<void> make_one(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return ok();
  return Error::system(errno, "create directory " + path);
}

// Follows the path upwards to a directory that exists.
std::string nearest_directory(std::string path) {
  struct stat entry {};
  do {
    path = parent_of(path);
  } while (path.size() > 1 && (::stat(path.c_str(), &entry) != 0 || !S_ISDIR(entry.st_mode)));
  return path;
}

Result<Fd> open_at(const Fd& folder, const char* name) {
  Fd fd(::openat(folder.get(), name, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Error::system(errno, name);
  return fd;
}

std::string device_of(const struct stat& entry) {
  return fmt::format("{}:{}", ::major(entry.st_dev), ::minor(entry.st_dev));
}

Result<FileId> identity_of(const Fd& fd) {
  struct stat entry {};
  if (::fstat(fd.get(), &entry) != 0) return Error::system(errno, "stat");
  return FileId{device_of(entry), entry.st_ino};
}

Result<Space> space_of(const Fd& fd) {
  struct statvfs volume {};
  struct statfs kind {};
  if (::fstatvfs(fd.get(), &volume) != 0 || ::fstatfs(fd.get(), &kind) != 0) {
    return Error::system(errno, "statvfs");
  }
  TRY(auto id, identity_of(fd));
  Space space;
  const auto block = static_cast<std::int64_t>(volume.f_frsize);
  space.total = Bytes{block * static_cast<std::int64_t>(volume.f_blocks)};
  space.available = Bytes{block * static_cast<std::int64_t>(volume.f_bavail)};
  const auto magic = static_cast<std::uint32_t>(kind.f_type);
  const auto found = std::find_if(kFilesystems.begin(), kFilesystems.end(),
                                  [&](const FilesystemName& f) { return f.magic == magic; });
  space.filesystem = found != kFilesystems.end() ? found->name : fmt::format("{:#x}", magic);
  space.device = std::move(id.device);
  return space;
}

// 0, or why it cannot be looked at.
int look_for(const std::string& path) {
  struct stat entry {};
  return ::lstat(path.c_str(), &entry) == 0 ? 0 : errno;
}

// What to write for a path that leads through links; the path itself when nobody can tell.
std::string resolved(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  return real ? std::string(real.get()) : path;
}

Result<Fd> open_without_links(const std::string& path) {
  if (!is_plain_path(path)) {
    return Error(Code::refused,
                 fmt::format("{} is not a plain absolute path; write {}", path, resolved(path)));
  }
  // Step by step, and not by openat2: systemd's RestrictSUIDSGID= makes that one "not implemented".
  TRY(Fd at, open_file("/", O_PATH | O_DIRECTORY));
  for (std::size_t begin = 1; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    constexpr int kNoLink = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    Fd next(::openat(at.get(), name.c_str(), kNoLink));
    if (!next) {
      const int problem = errno;
      struct stat entry {};
      const bool link = ::fstatat(at.get(), name.c_str(), &entry, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISLNK(entry.st_mode);
      if (!link) return Error::system(problem, "open " + path);
      return Error(Code::refused,
                   fmt::format("{} leads through a symbolic link, which may be turned "
                               "elsewhere; write {}",
                               path, resolved(path)));
    }
    at = std::move(next);
    begin = end + 1;
  }
  return at;
}

// By "..", from the descriptor itself, so they are those of the directory and not of a name.
Result<std::vector<FileId>> ids_above(const Fd& folder, FileId below) {
  std::vector<FileId> out;
  TRY(Fd at, open_at(folder, ".."));
  while (true) {
    TRY(auto id, identity_of(at));
    if (id == below) return out;  // ".." of "/" is "/"
    out.push_back(id);
    below = std::move(id);
    TRY(Fd parent, open_at(at, ".."));
    at = std::move(parent);
  }
}

}  // namespace

LinuxFiles::LinuxFiles(asio::any_io_executor executor, Clock& clock)
    : executor_(std::move(executor)), clock_(clock) {}

Result<std::string> LinuxFiles::read(const std::string& path, std::size_t limit) const {
  TRY(const Fd found, open_file(path, O_PATH));
  struct stat entry {};
  if (::fstat(found.get(), &entry) != 0) return Error::system(errno, path);
  if (!S_ISREG(entry.st_mode)) return Error(Code::invalid, path + " is no file");
  TRY(std::string text, read_file(fmt::format("/proc/self/fd/{}", found.get()), limit + 1));
  if (text.size() <= limit) return text;
  return Error(Code::invalid, fmt::format("{} is longer than {} bytes", path, limit));
}

Result<std::string> LinuxFiles::read_trusted(const std::string& path, std::size_t limit) const {
  if (!path.starts_with('/')) return Error(Code::invalid, path + " is not an absolute path");
  for (std::string place = path;; place = parent_of(place)) {
    struct stat entry {};
    if (::lstat(place.c_str(), &entry) != 0) return Error::system(errno, place);
    const bool sticky_directory = S_ISDIR(entry.st_mode) && (entry.st_mode & S_ISVTX) != 0;
    const bool others_write = (entry.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky_directory;
    if (entry.st_uid != 0 || others_write || S_ISLNK(entry.st_mode)) {
      return Error(Code::refused, place + " may be written to by others than root");
    }
    if (place == "/") break;
  }
  return read(path, limit);
}

Result<std::vector<std::string>> LinuxFiles::list(const std::string& directory) const {
  return names_in(directory);
}

Result<Space> LinuxFiles::space(const std::string& path) const {
  TRY(const Fd fd, within("space of " + path, open_file(path, O_PATH)));
  return within("space of " + path, space_of(fd));
}

bool LinuxFiles::exists(const std::string& path) const {
  const int problem = look_for(path);
  return problem != ENOENT && problem != ENOTDIR;
}

Result<Folder> LinuxFiles::folder(const std::string& path) const {
  TRY(const Fd fd, open_without_links(path));
  Folder out;
  TRY(auto space, within("space of " + path, space_of(fd)));
  TRY(auto id, within(path, identity_of(fd)));
  out.space = std::move(space);
  out.id = std::move(id);
  TRY(auto above, within("above " + path, ids_above(fd, out.id)));
  out.above = std::move(above);
  return out;
}

Result<FileId> LinuxFiles::identity(const std::string& path) const {
  TRY(const Fd fd, open_file(path, O_PATH));
  return within(path, identity_of(fd));
}

Result<void> LinuxFiles::make_directory(const std::string& path) {
  for (auto slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    CHECK_OK(make_one(path.substr(0, slash)));
  }
  CHECK_OK(make_one(path));
  struct stat entry {};
  if (::stat(path.c_str(), &entry) != 0) return Error::system(errno, path);
  if (!S_ISDIR(entry.st_mode)) return Error(Code::refused, path + " is no directory");
  if (entry.st_uid != ::geteuid() || (entry.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error(Code::refused, path + " may be written to by others than us");
  }
  return ok();
}

Result<void> LinuxFiles::write_atomically(const std::string& path, const std::string& bytes) {
  const std::string temporary = fmt::format("{}.new-{}-{}", path, ::getpid(), ++temporary_);
  TRY(Fd fd, open_file(temporary, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600));
  auto written = write_all(fd, bytes, temporary);
  if (written && ::fsync(fd.get()) != 0) written = Error::system(errno, "sync " + temporary);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = Error::system(errno, "rename to " + path);
  }
  if (written) return sync_directory(parent_of(path));
  ::unlink(temporary.c_str());
  return written;
}

Result<void> LinuxFiles::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return Error::system(errno, "remove " + path);
  return ok();
}

Result<std::unique_ptr<DurableFile>> LinuxFiles::create_durable(const std::string& path,
                                                                std::size_t size) {
  Result<Fd> made = create_unseen(path, size);
  // Some file systems (NFS, 9p, hostfs) have no nameless files.
  const int problem = made ? 0 : made.error().system_errno();
  if (problem == EOPNOTSUPP || problem == EISDIR || problem == EINVAL) {
    made = create_in_place(path, size);
  }
  TRY(Fd fd, std::move(made));
  CHECK_OK(sync_directory(parent_of(path)));
  return std::make_unique<LinuxDurableFile>(executor_, clock_, std::move(fd), size);
}

Result<std::unique_ptr<DurableFile>> LinuxFiles::open_durable(const std::string& path) {
  TRY(Fd fd, open_file(path, O_RDWR | O_NOFOLLOW));
  CHECK_OK(take_lock(fd, path, LockedByte::recoverer));
  // An owner never comes back: whoever finds it dead now is right for ever.
  TRY(const bool owned, is_locked(fd, path, LockedByte::owner));
  if (owned) return Error(Code::busy, path + " is locked by its owner");
  struct stat entry {};
  if (::fstat(fd.get(), &entry) != 0) return Error::system(errno, path);
  const auto size = static_cast<std::size_t>(entry.st_size);
  return std::make_unique<LinuxDurableFile>(executor_, clock_, std::move(fd), size);
}

Result<Holder> LinuxFiles::holder(const std::string& path) const {
  TRY(const Fd fd, open_file(path, O_RDONLY | O_NOFOLLOW));
  TRY(const bool owned, is_locked(fd, path, LockedByte::owner));
  if (owned) return Holder::owner;
  TRY(const bool recovered, is_locked(fd, path, LockedByte::recoverer));
  return recovered ? Holder::recoverer : Holder::nobody;
}

Result<std::string> LinuxFiles::read_durable(const std::string& path) const {
  return read(path, kJournalLimit);
}

Task<Result<std::shared_ptr<void>>> LinuxFiles::lock(std::string path, Duration wait) {
  CO_TRY(Fd fd, open_file(path, O_CREAT | O_RDWR | O_NOFOLLOW, 0600));
  const BootTime deadline = clock_.now() + wait;
  for (;;) {
    Result<void> taken = take_lock(fd, path);
    if (taken) break;
    if (taken.error().code() != Code::busy || clock_.now() >= deadline) {
      co_return std::move(taken.error());
    }
    co_await clock_.sleep_until(std::min(deadline, clock_.now() + kLockPoll));
  }
  std::shared_ptr<void> held = std::make_shared<Fd>(std::move(fd));
  co_return held;
}

Task<void> LinuxFiles::wait_for_file(std::string path) {
  // In a folder that we may not look into nothing shows up.
  const auto shows_up = [this, &path] { return exists(path) && look_for(path) != EACCES; };
  while (!shows_up()) {
    // A new watch each time, since the directories above may come and go.
    Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    const std::string directory = nearest_directory(path);
    constexpr std::uint32_t kEvents = IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
    if (!watch || ::inotify_add_watch(watch.get(), directory.c_str(), kEvents) < 0) {
      co_await clock_.sleep(kWatchRetry);  // out of watches: look now and then
      continue;
    }
    // Whatever happened before the watch was there makes no event.
    if (shows_up() || nearest_directory(path) != directory) continue;
    asio::posix::stream_descriptor events(executor_, watch.release());
    co_await wait_readable(events);
  }
}

}  // namespace ordeal::os
