#include "engine/cli/control.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <filesystem>

#include "engine/base/json.hpp"
#include "engine/os/linux/caller.hpp"

namespace ordeal::cli {
namespace {

namespace fs = std::filesystem;
using local = asio::local::stream_protocol;

constexpr std::string_view kEnding = ".sock";
constexpr std::size_t kLongestLine = 64u << 10;

Result<sockaddr_un> address_of(const std::string& directory, const std::string& run) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = directory + "/" + run + std::string(kEnding);
  if (path.size() >= sizeof address.sun_path) return Error(Code::invalid, path + ": too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool may_ask(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::getuid();
}

}  // namespace

Result<os::Fd> bind_control(const std::string& directory, const std::string& run, unsigned uid,
                            unsigned gid) {
  CHECK_OK(os::make_directories(directory, 0755));
  TRY(auto address, address_of(directory, run));
  os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error::system(errno, "socket");
  ::unlink(address.sun_path);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return Error::system(errno, address.sun_path);
  }
  if (::chmod(address.sun_path, 0600) != 0) return Error::system(errno, address.sun_path);
  if (::geteuid() == 0 && ::chown(address.sun_path, uid, gid) != 0) {
    return Error::system(errno, address.sun_path);
  }
  constexpr int kBacklog = 8;
  if (::listen(fd.get(), kBacklog) != 0) return Error::system(errno, address.sun_path);
  return fd;
}

Task<void> serve_control(os::Fd listener, Answerer answer) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::basic_socket_acceptor<local> acceptor(executor, local(), listener.release());
  for (;;) {
    asio::basic_stream_socket<local> client =
        co_await acceptor.async_accept(asio::use_awaitable);
    if (!may_ask(client.native_handle())) continue;
    std::string line;
    boost::system::error_code problem;
    auto token = asio::redirect_error(asio::use_awaitable, problem);
    co_await asio::async_read_until(client, asio::dynamic_buffer(line, kLongestLine), '\n', token);
    if (problem) continue;
    auto question = json::parse(line, kLongestLine);
    if (question.has_error() || !question.value().is_object()) continue;
    const std::string reply = json::dump(answer(question.value().get_object())) + "\n";
    co_await asio::async_write(client, asio::buffer(reply), token);
  }
}

std::vector<std::string> runs_under_control(const std::string& directory) {
  std::vector<std::string> out;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(directory, problem)) {
    const fs::path path = entry.path();
    // Beside them is the socket of ordeal serve.
    const std::string run = path.stem().string();
    if (path.extension() == kEnding && run.starts_with("r-")) out.push_back(run);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool is_under_control(const std::string& directory, const std::string& run) {
  const auto address = address_of(directory, run);
  if (address.has_error()) return false;
  const os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return true;  // not known: nothing may be called dead for our own lack of descriptors
  const auto* to = reinterpret_cast<const sockaddr*>(&address.value());
  if (::connect(fd.get(), to, sizeof address.value()) == 0) return true;
  return errno == EAGAIN;  // it listens, but is busy or stopped
}

Result<boost::json::object> ask_run(const std::string& directory, const std::string& run,
                                    const boost::json::object& question) {
  TRY(auto address, address_of(directory, run));
  os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error::system(errno, "socket");
  const timeval patience{2, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int problem = errno;
    if (problem == ECONNREFUSED) ::unlink(address.sun_path);
    if (problem == ECONNREFUSED || problem == ENOENT) {
      return Error(Code::gone, "run " + run + " does not go on any more");
    }
    return Error::system(problem, address.sun_path);
  }
  const std::string line = json::dump(question) + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0) {
    return Error::system(errno, run);
  }
  TRY(auto reply, os::read_all(fd.get(), kLongestLine));
  TRY(auto value, json::parse(reply, kLongestLine));
  if (!value.is_object()) return Error(Code::failed, run + ": no answer");
  return value.get_object();
}

}  // namespace ordeal::cli
