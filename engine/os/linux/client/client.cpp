#include "engine/os/linux/client/client.hpp"

#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/system/system_error.hpp>
#include <map>
#include <vector>

#include "engine/os/linux/client/connection.hpp"
#include "engine/os/linux/client/url.hpp"

namespace ordeal::os {

using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;
using namespace asio::experimental::awaitable_operators;

namespace {

void throw_if_cancelled(const error_code& problem) {
  if (problem == asio::error::operation_aborted) throw boost::system::system_error(problem);
}

// "timeout 1s" is the probe's word; here it is only known that the time is over.
Error timed_out() { return Error(Code::timeout, "timeout"); }

}  // namespace

Error network_error(const error_code& problem) {
  namespace error = asio::error;
  if (problem == error::connection_refused) return Error(Code::closed, "refused");
  if (problem == error::connection_reset || problem == error::connection_aborted ||
      problem == error::broken_pipe) {
    return Error(Code::closed, "reset");
  }
  if (problem == error::eof || problem == boost::beast::http::error::end_of_stream ||
      problem == boost::beast::http::error::partial_message ||
      problem == asio::ssl::error::stream_truncated) {
    return Error(Code::closed, "closed");
  }
  if (problem == error::host_not_found || problem == error::no_data) {
    return Error(Code::failed, "name not found");
  }
  if (problem == error::host_not_found_try_again) return Error(Code::failed, "no answer from DNS");
  if (problem == error::host_unreachable || problem == error::network_unreachable) {
    return Error(Code::failed, "unreachable");
  }
  if (problem == error::timed_out) return timed_out();
  // Our own fault: it says nothing about the service.
  if (problem == error::no_descriptors || problem == error::no_buffer_space ||
      problem == boost::system::errc::address_not_available) {
    return Error(Code::busy, "no socket to send from: " + problem.message());
  }
  const bool broken = std::string_view(problem.category().name()) == "beast.http";
  return Error(Code::failed, (broken ? "broken answer: " : "") + problem.message());
}

class LinuxClient::Impl {
 public:
  Impl(asio::any_io_executor executor, Clock& clock, Limits limits)
      : executor_(std::move(executor)), clock_(clock), limits_(limits) {}

  Task<Result<HttpAnswer>> http(HttpRequest request, BootTime deadline);
  Task<Result<void>> tcp_connect(std::string address, BootTime deadline);
  Task<Result<std::string>> udp_exchange(std::string address, std::string query, BootTime deadline);

 private:
  struct Addresses {
    std::vector<asio::ip::address> all;
    BootTime asked{};
  };
  using Idle = std::vector<std::unique_ptr<Connection>>;

  Task<Result<HttpAnswer>> ask(Url url, std::string bytes, bool head, bool insecure);
  Task<Result<std::unique_ptr<Connection>>> open(Url url, bool insecure);
  Task<Result<tcp::socket>> connect(std::string host, std::uint16_t port);
  Task<Result<std::vector<asio::ip::address>>> resolve(std::string host);
  Task<Result<void>> connect_only(std::string address);
  Task<Result<std::string>> exchange_datagram(std::string address, std::string query);

  asio::any_io_executor executor_;
  Clock& clock_;
  Limits limits_;
  std::map<std::string, Idle> idle_;
  std::map<std::string, Addresses> addresses_;
};

Task<Result<std::vector<asio::ip::address>>> LinuxClient::Impl::resolve(std::string host) {
  std::vector<asio::ip::address> out;
  error_code problem;
  const asio::ip::address literal = asio::ip::make_address(host, problem);
  if (!problem) {
    out.push_back(literal);
    co_return std::move(out);
  }
  const auto known = addresses_.find(host);
  if (known != addresses_.end() && clock_.now() - known->second.asked < limits_.resolve_again) {
    out = known->second.all;
    co_return std::move(out);
  }
  tcp::resolver resolver(executor_);
  const auto found =
      co_await resolver.async_resolve(host, "", asio::redirect_error(asio::use_awaitable, problem));
  throw_if_cancelled(problem);
  if (problem) co_return network_error(problem);
  for (const auto& entry : found) out.push_back(entry.endpoint().address());
  addresses_[host] = Addresses{out, clock_.now()};
  co_return std::move(out);
}

Task<Result<tcp::socket>> LinuxClient::Impl::connect(std::string host, std::uint16_t port) {
  CO_TRY(auto addresses, co_await resolve(host));
  Error last(Code::failed, "name not found");
  for (const asio::ip::address& address : addresses) {
    tcp::socket socket(executor_);
    error_code problem;
    const tcp::endpoint endpoint(address, port);
    co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, problem));
    throw_if_cancelled(problem);
    if (!problem) {
      socket.set_option(tcp::no_delay(true), problem);
      co_return std::move(socket);
    }
    last = network_error(problem);
  }
  addresses_.erase(host);  // perhaps it has moved: ask again next time
  co_return last;
}

Task<Result<std::unique_ptr<Connection>>> LinuxClient::Impl::open(Url url, bool insecure) {
  CO_TRY(auto socket, co_await connect(url.host, url.port));
  if (url.tls) {
    co_return co_await tls_connection(std::move(socket), url.host, insecure);
  }
  co_return plain_connection(std::move(socket));
}

Task<Result<HttpAnswer>> LinuxClient::Impl::ask(Url url, std::string bytes, bool head,
                                                bool insecure) {
  Idle& idle = idle_[url.origin + (insecure ? "#insecure" : "")];
  for (;;) {
    std::unique_ptr<Connection> connection;
    if (!idle.empty()) {
      connection = std::move(idle.back());
      idle.pop_back();
      if (!connection->usable()) continue;
    } else {
      CO_TRY(auto fresh, co_await open(url, insecure));
      connection = std::move(fresh);
    }
    Exchange exchange = co_await connection->exchange(bytes, head);
    if (exchange.keep && idle.size() < limits_.idle_per_origin) {
      idle.push_back(std::move(connection));
    }
    co_return std::move(exchange.answer);
  }
}

Task<Result<HttpAnswer>> LinuxClient::Impl::http(HttpRequest request, BootTime deadline) {
  CO_TRY(auto url, parse_url(request.url));
  std::string bytes = request_bytes(request, url);
  Task<Result<HttpAnswer>> asked =
      ask(std::move(url), std::move(bytes), request.method == "HEAD", request.insecure_skip_verify);
  auto first = co_await (std::move(asked) || clock_.sleep_until(deadline));
  if (first.index() == 1) co_return timed_out();
  co_return std::get<0>(std::move(first));
}

Task<Result<void>> LinuxClient::Impl::connect_only(std::string address) {
  CO_TRY(auto place, parse_authority(address, 0));
  CO_TRY(auto socket, co_await connect(place.host, place.port));
  error_code problem;
  socket.close(problem);
  co_return ok();
}

Task<Result<void>> LinuxClient::Impl::tcp_connect(std::string address, BootTime deadline) {
  Task<Result<void>> connected = connect_only(std::move(address));
  auto first = co_await (std::move(connected) || clock_.sleep_until(deadline));
  if (first.index() == 1) co_return timed_out();
  co_return std::get<0>(std::move(first));
}

Task<Result<std::string>> LinuxClient::Impl::exchange_datagram(std::string address,
                                                               std::string query) {
  CO_TRY(auto place, parse_authority(address, 53));
  CO_TRY(auto addresses, co_await resolve(place.host));
  const udp::endpoint server(addresses.front(), place.port);
  error_code problem;
  udp::socket socket(executor_);
  socket.open(server.protocol(), problem);
  // Connected: only this server's answers arrive, and a closed port is told as "refused".
  if (!problem) socket.connect(server, problem);
  if (problem) co_return network_error(problem);
  co_await socket.async_send(asio::buffer(query),
                             asio::redirect_error(asio::use_awaitable, problem));
  throw_if_cancelled(problem);
  if (problem) co_return network_error(problem);
  std::string answer(65536, '\0');
  const std::size_t size = co_await socket.async_receive(
      asio::buffer(answer), asio::redirect_error(asio::use_awaitable, problem));
  throw_if_cancelled(problem);
  if (problem) co_return network_error(problem);
  answer.resize(size);
  co_return std::move(answer);
}

Task<Result<std::string>> LinuxClient::Impl::udp_exchange(std::string address, std::string query,
                                                          BootTime deadline) {
  Task<Result<std::string>> answered = exchange_datagram(std::move(address), std::move(query));
  auto first = co_await (std::move(answered) || clock_.sleep_until(deadline));
  if (first.index() == 1) co_return timed_out();
  co_return std::get<0>(std::move(first));
}

LinuxClient::LinuxClient(asio::any_io_executor executor, Clock& clock)
    : LinuxClient(std::move(executor), clock, Limits()) {}
LinuxClient::LinuxClient(asio::any_io_executor executor, Clock& clock, Limits limits)
    : impl_(std::make_unique<Impl>(std::move(executor), clock, limits)) {}
LinuxClient::~LinuxClient() = default;

Task<Result<HttpAnswer>> LinuxClient::http(HttpRequest request, BootTime deadline) {
  return impl_->http(std::move(request), deadline);
}
Task<Result<void>> LinuxClient::tcp_connect(std::string address, BootTime deadline) {
  return impl_->tcp_connect(std::move(address), deadline);
}
Task<Result<std::string>> LinuxClient::udp_exchange(std::string address, std::string query,
                                                    BootTime deadline) {
  return impl_->udp_exchange(std::move(address), std::move(query), deadline);
}

}  // namespace ordeal::os
