#pragma once

#include "engine/os/clock.hpp"
#include "engine/os/host_files.hpp"
#include "engine/os/linux/fd.hpp"

namespace ordeal::os {

// Locks of the open file, by byte: they end when the last descriptor of it does, whichever process
// or thread that is in. Versions before lock all bytes at once.
enum class LockedByte { owner, recoverer };
// Code::busy when somebody else has it.
Result<void> take_lock(const Fd& fd, const std::string& path, LockedByte byte = LockedByte::owner);
// Whether somebody else has it; takes nothing.
Result<bool> is_locked(const Fd& fd, const std::string& path, LockedByte byte);

// A file of fixed size whose writes run on a thread of its own: a disk that hangs hangs that
// thread, never the loop.
class LinuxDurableFile final : public DurableFile {
 public:
  using Sync = int(int fd);
  // `sync` is fdatasync; a test has a disk of its own, as slow as it likes.
  LinuxDurableFile(asio::any_io_executor executor, Clock& clock, Fd fd, std::size_t size,
                   Sync* sync = nullptr);
  // Does not wait for a disk that hangs: the thread then keeps the file, and its lock, until the
  // disk answers.
  ~LinuxDurableFile() override;
  LinuxDurableFile(const LinuxDurableFile&) = delete;
  LinuxDurableFile& operator=(const LinuxDurableFile&) = delete;

  std::size_t size() const override { return size_; }
  Task<Result<void>> write(std::size_t offset, std::string bytes, Duration deadline) override;

 private:
  struct Job;
  class Writer;
  Task<void> finished(std::shared_ptr<Job> job);

  Clock& clock_;
  std::size_t size_;
  std::shared_ptr<Writer> writer_;
};

}  // namespace ordeal::os
