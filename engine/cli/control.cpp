#include "engine/cli/control.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "engine/base/json.hpp"
#include "engine/base/text.hpp"
#include "engine/os/linux/caller.hpp"
#include "engine/os/linux/clock.hpp"
#include "engine/serve/request.hpp"

namespace ordeal::cli {
namespace {

namespace fs = std::filesystem;
using local = asio::local::stream_protocol;
using namespace asio::experimental::awaitable_operators;

constexpr std::string_view kEnding = ".sock";
constexpr const char* kDay = "day";
constexpr std::size_t kLongestLine = 64u << 10;
constexpr Duration kAfterProblem = 100ms;
constexpr Duration kSlowClient = 500ms;  // who asks says it at once; others wait behind it

bool is_day_id(std::string_view name) {
  return name.starts_with('g') && serve::is_run_id("r" + std::string(name.substr(1)));
}

// A run, a day of this folder, or "DAY/day". Nothing else that somebody typed becomes a path.
bool is_socket_name(std::string_view name) {
  if (serve::is_run_id(name) || name == kDay) return true;
  const std::size_t slash = name.find('/');
  return slash != name.npos && is_day_id(name.substr(0, slash)) && name.substr(slash + 1) == kDay;
}

Result<sockaddr_un> address_of(const std::string& directory, const std::string& run) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!is_socket_name(run))
    return Error(Code::gone, printable(run, 60) + ": no run has such a name");
  const std::string path = directory + "/" + run + std::string(kEnding);
  if (path.size() >= sizeof address.sun_path) return Error(Code::invalid, path + ": too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Connects, but not through a link: the folder of a game day belongs to who leads it, and root asks
// there too. 0, or errno.
int connect_to(int fd, const sockaddr_un& address) {
  const os::Fd node(::open(address.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!node || ::fstat(node.get(), &status) != 0) return errno;
  if (!S_ISSOCK(status.st_mode)) return ENOTSOCK;
  sockaddr_un opened{};
  opened.sun_family = AF_UNIX;
  fmt::format_to_n(opened.sun_path, sizeof opened.sun_path - 1, "/proc/self/fd/{}", node.get());
  const auto* to = reinterpret_cast<const sockaddr*>(&opened);
  return ::connect(fd, to, sizeof opened) == 0 ? 0 : errno;
}

// The socket of a run of a game day is in the folder of that day.
std::string find_socket(const std::string& directory, const std::string& run) {
  const std::string name = run + std::string(kEnding);
  std::error_code problem;
  if (!is_socket_name(run)) return directory;
  if (fs::exists(directory + "/" + name, problem)) return directory;
  for (const std::string& day : days_under_control(directory)) {
    const std::string below = directory + "/" + day;
    if (fs::exists(below + "/" + name, problem)) return below;
  }
  return directory;
}

// Not to the end of the stream: a game day may close it only after the run that the answer began.
Result<std::string> read_line(int fd) {
  constexpr int kMostParts = 20;  // it is written at once: who sends byte by byte is not ours
  const timeval next{0, 200'000};
  std::string out;
  for (int parts = 0; out.empty() || out.back() != '\n'; ++parts) {
    if (parts == kMostParts) return Error::system(ETIMEDOUT, "read");
    std::string part(kLongestLine, '\0');
    const ssize_t got = ::recv(fd, part.data(), part.size(), 0);
    if (got < 0) return Error::system(errno, "read");
    if (got == 0) break;
    out.append(part, 0, static_cast<std::size_t>(got));
    if (out.size() > kLongestLine) break;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &next, sizeof next);
  }
  return out;
}

bool may_ask(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::getuid();
}

// Else it passes: too many descriptors, a client that has gone.
bool is_closed(const boost::system::error_code& problem) {
  return problem == asio::error::operation_aborted || problem == asio::error::bad_descriptor ||
         problem == asio::error::not_socket || problem == asio::error::invalid_argument;
}

Task<void> converse(asio::basic_stream_socket<local> client, const Answerer& answer) {
  std::string line;
  boost::system::error_code problem;
  auto token = asio::redirect_error(asio::use_awaitable, problem);
  co_await asio::async_read_until(client, asio::dynamic_buffer(line, kLongestLine), '\n', token);
  if (problem) co_return;
  auto question = json::parse(line, kLongestLine);
  if (question.has_error() || !question.value().is_object()) co_return;
  const std::string reply = json::dump(answer(question.value().get_object())) + "\n";
  co_await asio::async_write(client, asio::buffer(reply), token);
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
  os::LinuxClock clock(executor);
  asio::basic_socket_acceptor<local> acceptor(executor, local(), listener.release());
  for (;;) {
    boost::system::error_code problem;
    auto token = asio::redirect_error(asio::use_awaitable, problem);
    asio::basic_stream_socket<local> client = co_await acceptor.async_accept(token);
    if (is_closed(problem)) throw boost::system::system_error(problem);
    if (problem) {
      co_await clock.sleep(kAfterProblem);
      continue;
    }
    if (!may_ask(client.native_handle())) continue;
    auto talk = converse(std::move(client), answer);
    auto alarm = clock.sleep(kSlowClient);
    co_await (std::move(talk) || std::move(alarm));
  }
}

std::vector<std::string> runs_under_control(const std::string& directory) {
  std::vector<std::string> out;
  std::error_code problem;
  std::vector<std::string> folders = {directory};
  for (const std::string& day : days_under_control(directory)) {
    folders.push_back(directory + "/" + day);
  }
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::directory_iterator(folder, problem)) {
      const fs::path path = entry.path();
      // Beside them are the sockets of ordeal serve and of game days.
      const std::string run = path.stem().string();
      if (path.extension() == kEnding && serve::is_run_id(run)) out.push_back(run);
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> days_under_control(const std::string& directory) {
  std::vector<std::string> out;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(directory, problem)) {
    const std::string name = entry.path().filename().string();
    if (is_day_id(name) && entry.is_directory(problem)) out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool is_under_control(const std::string& directory, const std::string& run) {
  const auto address = address_of(find_socket(directory, run), run);
  if (address.has_error()) return false;
  const os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return true;  // not known: nothing may be called dead for our own lack of descriptors
  const int problem = connect_to(fd.get(), address.value());
  return problem == 0 || problem == EAGAIN;  // EAGAIN: it listens, but is busy or stopped
}

Result<boost::json::object> ask_run(const std::string& directory, const std::string& run,
                                    const boost::json::object& question) {
  TRY(auto address, address_of(find_socket(directory, run), run));
  os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error::system(errno, "socket");
  const timeval patience{2, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (const int problem = connect_to(fd.get(), address); problem != 0) {
    if (problem == ECONNREFUSED) ::unlink(address.sun_path);
    if (problem == ECONNREFUSED || problem == ENOENT) {
      return Error(Code::gone, "run " + run + " does not go on any more");
    }
    if (problem == EACCES) {
      return Error(Code::denied, "only root and who started it are answered: try it with sudo");
    }
    return Error::system(problem, address.sun_path);
  }
  const std::string line = json::dump(question) + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0) {
    return Error::system(errno, run);
  }
  TRY(auto reply, read_line(fd.get()));
  TRY(auto value, json::parse(reply, kLongestLine));
  if (!value.is_object()) return Error(Code::failed, run + ": no answer");
  return value.get_object();
}

Result<Told> ask_newest(const std::string& directory, std::vector<std::string> names,
                        const boost::json::object& question) {
  for (; !names.empty(); names.pop_back()) {
    auto reply = ask_run(directory, names.back(), question);
    if (reply.has_value()) return Told{names.back(), std::move(reply.value())};
    if (reply.error().code() != Code::gone) return std::move(reply.error()).within(names.back());
  }
  return Error(Code::gone, "none goes on here");
}

}  // namespace ordeal::cli
