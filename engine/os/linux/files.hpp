#pragma once

#include "engine/os/clock.hpp"
#include "engine/os/host_files.hpp"

namespace ordeal::os {

class LinuxFiles final : public Files {
 public:
  LinuxFiles(asio::any_io_executor executor, Clock& clock);

  // Error Code::invalid when the file is longer than `limit`: half a policy is no policy. Nothing
  // but a regular file is opened: a pipe would hold us for ever, a device might do something.
  Result<std::string> read(const std::string& path, std::size_t limit) const override;
  Result<std::string> read_trusted(const std::string& path, std::size_t limit) const override;
  // Names, sorted, without "." and "..".
  Result<std::vector<std::string>> list(const std::string& directory) const override;
  Result<Space> space(const std::string& path) const override;
  bool exists(const std::string& path) const override;
  Result<Folder> folder(const std::string& path) const override;
  Result<FileId> identity(const std::string& path) const override;

  // Code::refused when it exists but belongs to somebody else or others may write to it.
  Result<void> make_directory(const std::string& path) override;
  Result<void> write_atomically(const std::string& path, const std::string& bytes) override;
  Result<void> remove(const std::string& path) override;

  Result<std::unique_ptr<DurableFile>> create_durable(const std::string& path,
                                                      std::size_t size) override;
  Result<std::unique_ptr<DurableFile>> open_durable(const std::string& path) override;
  Result<Holder> holder(const std::string& path) const override;
  Result<std::string> read_durable(const std::string& path) const override;

  Task<Result<std::shared_ptr<void>>> lock(std::string path, Duration wait) override;
  Task<void> wait_for_file(std::string path) override;

 private:
  asio::any_io_executor executor_;
  Clock& clock_;
  std::uint64_t temporary_ = 0;
};

}  // namespace ordeal::os
