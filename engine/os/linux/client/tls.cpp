#include <fmt/format.h>
#include <boost/asio/ssl.hpp>

#include "engine/os/linux/client/exchange.hpp"

namespace ordeal::os {
namespace {

using TlsStream = asio::ssl::stream<asio::ip::tcp::socket>;

class Tls final : public Connection {
 public:
  explicit Tls(TlsStream stream) : stream_(std::move(stream)) {}
  bool usable() override { return is_quiet(stream_.next_layer()); }
  Task<Exchange> exchange(std::string request, bool head) override {
    return exchange_on(stream_, std::move(request), head);
  }

 private:
  TlsStream stream_;
};

// The system's certificate authorities, read once.
asio::ssl::context& context() {
  static asio::ssl::context shared = [] {
    asio::ssl::context made(asio::ssl::context::tls_client);
    boost::system::error_code problem;
    made.set_default_verify_paths(problem);  // without them every verification fails, with its text
    made.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                         asio::ssl::context::no_tlsv1_1,
                     problem);
    return made;
  }();
  return shared;
}

}  // namespace

Task<Result<std::unique_ptr<Connection>>> tls_connection(asio::ip::tcp::socket socket,
                                                         std::string host, bool insecure) {
  TlsStream stream(std::move(socket), context());
  boost::system::error_code address_problem;
  asio::ip::make_address(host, address_problem);
  if (address_problem) SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());
  if (insecure) {
    stream.set_verify_mode(asio::ssl::verify_none);
  } else {
    stream.set_verify_mode(asio::ssl::verify_peer);
    stream.set_verify_callback(asio::ssl::host_name_verification(host));
  }
  boost::system::error_code problem;
  co_await stream.async_handshake(asio::ssl::stream_base::client,
                                  asio::redirect_error(asio::use_awaitable, problem));
  throw_if_cancelled(problem);
  if (problem) {
    const long verified = SSL_get_verify_result(stream.native_handle());
    if (!insecure && verified != X509_V_OK) {
      co_return Error(Code::failed,
                      fmt::format("TLS: {}", X509_verify_cert_error_string(verified)));
    }
    co_return Error(Code::failed, fmt::format("TLS: {}", problem.message()));
  }
  std::unique_ptr<Connection> out = std::make_unique<Tls>(std::move(stream));
  co_return std::move(out);
}

}  // namespace ordeal::os
