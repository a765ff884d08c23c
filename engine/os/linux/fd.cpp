#include "engine/os/linux/fd.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace ordeal::os {

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error::system(errno, "pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<Fd> open_file(const std::string& path, int flags, unsigned mode) {
  for (;;) {
    Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (fd) return fd;
    if (errno != EINTR) return Error::system(errno, "open " + path);
  }
}

Result<std::string> read_all(int fd, std::size_t limit) {
  std::string text;
  std::size_t size = 0;
  while (size < limit) {
    text.resize(std::min(limit, std::max<std::size_t>(4096, 2 * size)));
    const ssize_t count = ::read(fd, text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::system(errno, "read");
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  text.resize(size);
  return text;
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  TRY(const Fd fd, open_file(path, O_RDONLY));
  return within(path, read_all(fd.get(), limit));
}

Result<std::vector<std::string>> names_in(const std::string& directory, Entries which) {
  DIR* open = ::opendir(directory.c_str());
  if (open == nullptr) return Error::system(errno, "list " + directory);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(open);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (which == Entries::all || entry->d_type == DT_DIR) names.emplace_back(name);
  }
  const int problem = errno;
  ::closedir(open);
  if (problem != 0) return Error::system(problem, "list " + directory);
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  TRY(const Fd fd, open_file(path, O_WRONLY));
  // Kernel files take a value in one write or not at all.
  if (::write(fd.get(), text.data(), text.size()) < 0) return Error::system(errno, "write " + path);
  return ok();
}

}  // namespace ordeal::os
