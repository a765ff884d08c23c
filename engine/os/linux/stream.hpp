#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>

#include "engine/os/linux/fd.hpp"
#include "engine/os/stream.hpp"

namespace ordeal::os {

// A stream over one descriptor for both directions, such as an end of a socketpair.
// One reader and one writer at a time. SIGPIPE must be ignored by the process.
class FdStream final : public Stream {
 public:
  FdStream(asio::any_io_executor executor, Fd fd);

  Task<Result<std::string>> read_some(std::size_t limit) override;
  Task<Result<void>> write(std::string bytes) override;
  void close() override;

 private:
  asio::posix::stream_descriptor descriptor_;
};

// A stream over a pair of pipes: stdin and stdout, or the two ends of a child.
class PipeStream final : public Stream {
 public:
  PipeStream(asio::any_io_executor executor, Fd read, Fd write);

  Task<Result<std::string>> read_some(std::size_t limit) override;
  Task<Result<void>> write(std::string bytes) override;
  void close() override;

 private:
  asio::posix::stream_descriptor read_;
  asio::posix::stream_descriptor write_;
};

// Our stdin and stdout, which it takes over: /dev/null stands in their places from then on, so that
// a stray print cannot break the protocol.
Result<std::unique_ptr<Stream>> take_standard_stream(asio::any_io_executor executor);

}  // namespace ordeal::os
