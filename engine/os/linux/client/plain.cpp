#include <sys/socket.h>

#include <cerrno>

#include "engine/os/linux/client/exchange.hpp"

namespace ordeal::os {
namespace {

class Plain final : public Connection {
 public:
  explicit Plain(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}
  bool usable() override { return is_quiet(socket_); }
  Task<Exchange> exchange(std::string request, bool head) override {
    return exchange_on(socket_, std::move(request), head);
  }

 private:
  asio::ip::tcp::socket socket_;
};

}  // namespace

std::size_t header_size(std::string_view text) {
  std::size_t line = 0;
  for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n', line)) {
    const std::string_view here = text.substr(line, end - line);
    // An empty line before the status line is left over from the answer before.
    if ((here.empty() || here == "\r") && line > 0) return end + 1;
    line = end + 1;
  }
  return 0;
}

std::string in_strict_form(std::string_view block) {
  std::string out;
  bool status = true;
  while (!block.empty()) {
    const std::size_t end = block.find('\n');
    std::string_view line = block.substr(0, end);
    block.remove_prefix(std::min(end, block.size() - 1) + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out += line;
    // "HTTP/1.1 200": the space after the code is there even when no reason is.
    const bool bare = status && line.starts_with("HTTP/1.") && line.size() == 12;
    if (bare) out += ' ';
    out += "\r\n";
    status = false;
  }
  return out;
}

bool is_interim(std::string_view block) {
  const bool numbered = block.starts_with("HTTP/1.") && block.size() > 12;
  return numbered && block[9] == '1' && block.substr(9, 3) != "101";
}

// Nothing to read, not even the end of the stream or a reset.
bool is_quiet(asio::ip::tcp::socket& socket) {
  char byte = 0;
  const ssize_t got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

std::unique_ptr<Connection> plain_connection(asio::ip::tcp::socket socket) {
  return std::make_unique<Plain>(std::move(socket));
}

}  // namespace ordeal::os
