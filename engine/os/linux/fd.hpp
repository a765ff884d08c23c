#pragma once

#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.hpp"

namespace ordeal::os {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int value) : value_(value) {}
  Fd(Fd&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Fd() { reset(); }

  explicit operator bool() const { return value_ >= 0; }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }
  void reset() {
    if (value_ >= 0) ::close(release());
  }

 private:
  int value_ = -1;
};

struct Pipe {
  Fd read;
  Fd write;
};
// Close-on-exec at both ends.
Result<Pipe> make_pipe();

// Opens close-on-exec. Error: "open PATH: why".
Result<Fd> open_file(const std::string& path, int flags, unsigned mode = 0);
// Everything up to `limit` bytes, from where the descriptor stands.
Result<std::string> read_all(int fd, std::size_t limit);
// Small kernel files: /proc, /sys.
Result<std::string> read_file(const std::string& path, std::size_t limit = 1u << 20);
// Names in a directory without "." and "..", sorted; only those of directories when asked so.
// Either all of them or an error: a list that broke off would show what is there as missing.
enum class Entries { all, directories };
Result<std::vector<std::string>> names_in(const std::string& directory,
                                          Entries which = Entries::all);
Result<void> write_file(const std::string& path, const std::string& text);

}  // namespace ordeal::os
