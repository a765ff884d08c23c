#include "engine/os/linux/client/exchange.hpp"

namespace ordeal::os {
namespace {

class Plain final : public Connection {
 public:
  explicit Plain(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}
  Task<Exchange> exchange(std::string request, bool head) override {
    return exchange_on(socket_, std::move(request), head);
  }

 private:
  asio::ip::tcp::socket socket_;
};

}  // namespace

std::unique_ptr<Connection> plain_connection(asio::ip::tcp::socket socket) {
  return std::make_unique<Plain>(std::move(socket));
}

}  // namespace ordeal::os
