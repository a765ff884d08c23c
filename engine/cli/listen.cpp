#include "engine/cli/listen.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "engine/base/text.hpp"
#include "engine/os/linux/caller.hpp"

namespace ordeal::cli {
namespace {

constexpr int kBacklog = SOMAXCONN;       // a flood must not fill it while we look elsewhere
constexpr std::size_t kTokenLength = 64;  // hexadecimal: 256 bits

Error expected_address(const std::string& text) {
  return Error(Code::invalid, fmt::format("--listen {}: expected an address and a port, such as "
                                          "127.0.0.1:8420 or [::1]:8420",
                                          printable(text, 80)));
}

}  // namespace

Result<TcpAddress> parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return expected_address(text);
  const std::string port = text.substr(colon + 1);
  TcpAddress out;
  out.host = text.substr(0, colon);
  const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  constexpr unsigned kHighestPort = 65535;
  if (port.empty() || problem != std::errc{} || end != port.data() + port.size() ||
      out.port > kHighestPort) {
    return expected_address(text);
  }
  if (out.host.starts_with('[') && out.host.ends_with(']')) {
    out.host = out.host.substr(1, out.host.size() - 2);
  } else if (out.host.find(':') != out.host.npos) {
    return expected_address(text);
  }
  if (out.host == "localhost") out.host = "127.0.0.1";
  boost::system::error_code wrong;
  const auto address = asio::ip::make_address(out.host, wrong);
  if (wrong) return expected_address(text);
  out.host = address.to_string();
  out.loopback = address.is_loopback();
  return out;
}

Result<BoundTcp> bind_tcp(const TcpAddress& address) {
  const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(address.host),
                                         static_cast<unsigned short>(address.port));
  const std::string what = fmt::format("listen on {}:{}", address.host, address.port);
  const int family = endpoint.protocol().family();
  BoundTcp out;
  out.socket = os::Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out.socket) return Error::system(errno, what);
  // A restart must not wait for the connections of the server before it.
  const int yes = 1;
  ::setsockopt(out.socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const auto size = static_cast<socklen_t>(endpoint.size());
  if (::bind(out.socket.get(), endpoint.data(), size) != 0 ||
      ::listen(out.socket.get(), kBacklog) != 0) {
    return Error::system(errno, what);
  }
  asio::ip::tcp::endpoint bound;
  auto capacity = static_cast<socklen_t>(bound.capacity());
  if (::getsockname(out.socket.get(), bound.data(), &capacity) != 0) {
    return Error::system(errno, what);
  }
  bound.resize(capacity);
  out.port = bound.port();
  return out;
}

std::optional<unsigned> group_of_the_api() {
  const group* found = ::getgrnam("ordeal");
  if (found == nullptr || found->gr_gid == 0) return std::nullopt;
  return found->gr_gid;
}

Result<os::Fd> bind_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error(Code::invalid, path + ": too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  CHECK_OK(os::make_directories(std::filesystem::path(path).parent_path().string(), 0755));
  os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return Error::system(errno, path);
  ::unlink(path.c_str());
  const auto group = group_of_the_api();
  // Nobody can connect before listen(), and by then the mode is what it shall be.
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      (group && ::chown(path.c_str(), 0, *group) != 0) ||
      ::chmod(path.c_str(), group ? 0660 : 0600) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    return Error::system(errno, path);
  }
  return socket;
}

Result<std::string> token_in(const std::string& path, os::Random& random) {
  auto file = os::open_file(path, O_RDONLY | O_NOFOLLOW);
  if (file.has_error() && file.error().code() == Code::gone) {
    std::string token;
    while (token.size() < kTokenLength) token += fmt::format("{:016x}", random.next());
    TRY(auto made, os::open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    const std::string line = token + "\n";
    if (::write(made.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
        ::fsync(made.get()) != 0) {
      return Error::system(errno, path);
    }
    return token;
  }
  if (file.has_error()) return file.error();
  struct stat status {};
  if (::fstat(file.value().get(), &status) != 0) return Error::system(errno, path);
  constexpr mode_t kOthers = 077;
  if (status.st_uid != ::geteuid() || (status.st_mode & kOthers) != 0) {
    return Error(Code::refused, path + " can be read by others: delete it; a new token is made");
  }
  TRY(auto text, os::read_all(file.value().get(), 4096));
  const std::string token = text.substr(0, text.find_first_of(" \t\r\n"));
  constexpr std::size_t kShortest = 32;
  if (token.size() < kShortest) {
    return Error(Code::refused, path +
                                    " holds no token of at least 32 characters: delete it; "
                                    "a new one is made");
  }
  return token;
}

}  // namespace ordeal::cli
