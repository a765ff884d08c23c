#include "engine/cli/root.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <cstdio>

#include <fmt/format.h>

#include "engine/os/linux/proc.hpp"

namespace ordeal::cli {
namespace {

constexpr std::size_t kLongest = 64u << 20;

Result<void> send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Error::system(errno, "send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return ok();
}

Result<void> receive_all(int fd, char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::recv(fd, to, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {  // who waited beside others left it so
      pollfd readable{fd, POLLIN, 0};
      ::poll(&readable, 1, -1);
      continue;
    }
    if (got < 0) return Error::system(errno, "recv");
    if (got == 0) return Error(Code::closed, "the process that keeps root has ended");
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return ok();
}

// A text behind its length.
Result<void> send_text(int fd, std::string_view text) {
  const std::uint64_t size = text.size();
  CHECK_OK(send_all(fd, std::string_view(reinterpret_cast<const char*>(&size), sizeof size)));
  return send_all(fd, text);
}

Result<std::string> receive_text(int fd) {
  std::uint64_t size = 0;
  CHECK_OK(receive_all(fd, reinterpret_cast<char*>(&size), sizeof size));
  if (size > kLongest) return Error(Code::invalid, "too long a text");
  std::string out(size, '\0');
  CHECK_OK(receive_all(fd, out.data(), out.size()));
  return out;
}

[[noreturn]] void answer_until_closed(int fd, const RootSide::Answer& answer) {
  for (;;) {
    const auto question = receive_text(fd);
    if (question.has_error()) ::_exit(0);
    std::string text = answer(question.value());
    std::fflush(nullptr);
    if (send_text(fd, text).has_error()) ::_exit(0);
  }
}

}  // namespace

Result<RootSide> RootSide::start(const Answer& answer) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Error::system(errno, "socketpair");
  }
  os::Fd ours(ends[0]);
  os::Fd theirs(ends[1]);
  std::fflush(nullptr);  // else it would be printed twice
  const pid_t child = ::fork();
  if (child < 0) return Error::system(errno, "fork");
  if (child == 0) {
    ours.reset();  // so that it sees our end
    answer_until_closed(theirs.get(), answer);
  }
  return RootSide(std::move(ours));
}

Result<std::string> RootSide::ask(const std::string& question) {
  CHECK_OK(send_text(fd_.get(), question));
  return receive_text(fd_.get());
}

Task<Result<std::string>> RootSide::ask_beside(std::string question) {
  CO_CHECK_OK(send_text(fd_.get(), question));
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::posix::basic_stream_descriptor<asio::any_io_executor> readable(executor, fd_.get());
  boost::system::error_code problem;
  auto token = asio::redirect_error(asio::use_awaitable, problem);
  co_await readable.async_wait(asio::posix::descriptor_base::wait_read, token);
  readable.release();  // it stays ours
  if (problem) co_return Error::system(problem.value(), "wait");
  co_return receive_text(fd_.get());  // what is answered comes at once
}

// The answer's first line is the exit code and how long the output is; then come output and errors.
// Or "!" and why there is none.
Result<RootSide> keep_executor_question(std::vector<std::string> arguments, Duration within) {
  return RootSide::start([arguments, within](const std::string&) {
    const auto answer = ask_executor(arguments, within);
    if (answer.has_error()) return "!" + answer.error().message();
    const ToolAnswer& tool = answer.value();
    return fmt::format("{} {}\n{}{}", tool.exit_code, tool.output.size(), tool.output, tool.errors);
  });
}

Task<Result<ToolAnswer>> ask_kept_executor(RootSide& side) {
  CO_TRY(const auto text, co_await side.ask_beside(""));
  if (text.starts_with('!')) co_return Error(Code::failed, text.substr(1));
  const std::size_t end = std::min(text.find('\n'), text.size());
  const auto head = os::proc::words(std::string_view(text).substr(0, end));
  const auto code = head.size() == 2 ? os::proc::parse_number<int>(head[0]) : std::nullopt;
  const auto size = head.size() == 2 ? os::proc::parse_number<std::size_t>(head[1]) : std::nullopt;
  if (!code || !size || *size >= text.size() - end) {
    co_return Error(Code::failed, "the process that keeps root said nothing");
  }
  ToolAnswer out;
  out.exit_code = *code;
  out.output = text.substr(end + 1, *size);
  out.errors = text.substr(end + 1 + *size);
  co_return out;
}

}  // namespace ordeal::cli
