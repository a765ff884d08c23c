// One HTTP connection, plain or TLS. Beast is instantiated in plain.cpp and tls.cpp only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "engine/os/client.hpp"
#include "engine/os/task.hpp"

namespace ordeal::os {

inline constexpr std::size_t kBodyLimit = 64 * 1024;

// An error in a short word or two, as a sample's problem shows it.
Error network_error(const boost::system::error_code& problem);

struct Exchange {
  Result<HttpAnswer> answer = Error(Code::failed, "not asked");
  bool keep = false;  // the connection can serve another request
};

class Connection {
 public:
  virtual ~Connection() = default;
  // It lay idle, and the server has neither closed it nor said anything unasked.
  virtual bool usable() = 0;
  // Sends the bytes of one request and reads one answer. Cancellation travels as an exception; the
  // connection is of no use after it.
  virtual Task<Exchange> exchange(std::string request, bool head) = 0;
};

bool is_quiet(asio::ip::tcp::socket& socket);
std::unique_ptr<Connection> plain_connection(asio::ip::tcp::socket socket);
// Handshake with verification of chain and name unless `insecure`.
Task<Result<std::unique_ptr<Connection>>> tls_connection(asio::ip::tcp::socket socket,
                                                         std::string host, bool insecure);

}  // namespace ordeal::os
