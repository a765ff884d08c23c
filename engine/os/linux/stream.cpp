#include "engine/os/linux/stream.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>

namespace ordeal::os {
namespace {

using Descriptor = asio::posix::stream_descriptor;

constexpr std::size_t kReadLimit = 64 * 1024;

// What a failed read or write means: our own close() and every way of losing the peer are `closed`;
// cancellation travels on as an exception.
Error problem_of(const Descriptor& descriptor, boost::system::error_code problem,
                 std::string_view what) {
  if (!descriptor.is_open()) return Error(Code::closed, std::string(what) + ": closed");
  if (problem == asio::error::operation_aborted) throw boost::system::system_error(problem);
  if (problem == asio::error::eof) {
    return Error(Code::closed, std::string(what) + ": end of stream");
  }
  return Error::system(problem.value(), what);
}

Task<Result<std::string>> read_from(Descriptor& descriptor, std::size_t limit) {
  if (!descriptor.is_open()) co_return Error(Code::closed, "read: closed");
  std::string bytes(std::min(limit, kReadLimit), '\0');
  boost::system::error_code problem;
  const std::size_t count = co_await descriptor.async_read_some(
      asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, problem));
  if (problem) co_return problem_of(descriptor, problem, "read");
  bytes.resize(count);
  co_return bytes;
}

Task<Result<void>> write_to(Descriptor& descriptor, const std::string& bytes) {
  if (!descriptor.is_open()) co_return Error(Code::closed, "write: closed");
  boost::system::error_code problem;
  co_await asio::async_write(descriptor, asio::buffer(bytes),
                             asio::redirect_error(asio::use_awaitable, problem));
  if (problem) co_return problem_of(descriptor, problem, "write");
  co_return ok();
}

void close_quietly(Descriptor& descriptor) {
  boost::system::error_code ignored;
  descriptor.close(ignored);
}

}  // namespace

FdStream::FdStream(asio::any_io_executor executor, Fd fd)
    : descriptor_(std::move(executor), fd.release()) {}

Task<Result<std::string>> FdStream::read_some(std::size_t limit) {
  return read_from(descriptor_, limit);
}

Task<Result<void>> FdStream::write(std::string bytes) {
  co_return co_await write_to(descriptor_, bytes);
}

void FdStream::close() { close_quietly(descriptor_); }

PipeStream::PipeStream(asio::any_io_executor executor, Fd read, Fd write)
    : read_(executor, read.release()), write_(executor, write.release()) {}

Task<Result<std::string>> PipeStream::read_some(std::size_t limit) {
  return read_from(read_, limit);
}

Task<Result<void>> PipeStream::write(std::string bytes) {
  co_return co_await write_to(write_, bytes);
}

void PipeStream::close() {
  close_quietly(read_);
  close_quietly(write_);
}

Result<std::unique_ptr<Stream>> take_standard_stream(asio::any_io_executor executor) {
  Fd read(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!read) return Error::system(errno, "duplicate stdin");
  Fd write(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!write) return Error::system(errno, "duplicate stdout");
  TRY(const Fd nothing, open_file("/dev/null", O_RDWR));
  if (::dup2(nothing.get(), STDIN_FILENO) < 0) return Error::system(errno, "replace stdin");
  if (::dup2(nothing.get(), STDOUT_FILENO) < 0) return Error::system(errno, "replace stdout");
  return std::make_unique<PipeStream>(std::move(executor), std::move(read), std::move(write));
}

}  // namespace ordeal::os
