// A tiny server on loopback that answers each connection by a script.
#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "engine/os/clock.hpp"

namespace ordeal::os {

struct Reply {
  std::string bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  Duration delay{};
  bool close = false;  // after the bytes
  bool reset = false;  // instead of an answer
};

class Server {
 public:
  using Script = std::function<Reply(int request)>;  // requests are counted over all connections

  Server(asio::any_io_executor executor, Clock& clock, Script script)
      : executor_(executor), clock_(clock), script_(std::move(script)),
        acceptor_(executor, {asio::ip::address_v4::loopback(), 0}) {
    spawn(accept());
  }

  std::string address() const {
    return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  std::string url() const { return "http://" + address() + "/"; }
  // Ends everything, so that the loop can end.
  void stop() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (asio::ip::tcp::socket* socket : sockets_) socket->close(ignored);
    for (asio::cancellation_signal& signal : signals_) {
      signal.emit(asio::cancellation_type::terminal);
    }
  }
  void close_idle() {
    boost::system::error_code ignored;
    for (asio::ip::tcp::socket* socket : sockets_) socket->shutdown(socket->shutdown_both, ignored);
  }

  int connections = 0;
  int requests = 0;
  std::vector<std::string> heads;

 private:
  void spawn(Task<void> task) {
    signals_.emplace_back();
    asio::co_spawn(executor_, std::move(task),
                   asio::bind_cancellation_slot(signals_.back().slot(), [](std::exception_ptr) {}));
  }
  Task<void> accept() {
    for (;;) {
      boost::system::error_code problem;
      asio::ip::tcp::socket socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, problem));
      if (problem) co_return;
      ++connections;
      spawn(serve(std::move(socket)));
    }
  }
  Task<void> serve(asio::ip::tcp::socket socket) {
    asio::ip::tcp::socket* const self = &socket;
    sockets_.push_back(self);
    std::string buffer;
    boost::system::error_code problem;
    while (!problem) {
      const std::size_t size =
          co_await asio::async_read_until(socket, asio::dynamic_buffer(buffer), "\r\n\r\n",
                                          asio::redirect_error(asio::use_awaitable, problem));
      if (problem) break;
      heads.push_back(buffer.substr(0, size));
      buffer.erase(0, size);
      const Reply reply = script_(requests++);
      if (reply.delay > Duration::zero()) co_await clock_.sleep(reply.delay);
      if (reply.reset) {
        socket.set_option(asio::socket_base::linger(true, 0), problem);
        socket.close(problem);  // the destructor would take the linger back
        break;
      }
      co_await asio::async_write(socket, asio::buffer(reply.bytes),
                                 asio::redirect_error(asio::use_awaitable, problem));
      if (reply.close) break;
    }
    std::erase(sockets_, self);
  }

  asio::any_io_executor executor_;
  Clock& clock_;
  Script script_;
  asio::ip::tcp::acceptor acceptor_;
  std::list<asio::cancellation_signal> signals_;
  std::vector<asio::ip::tcp::socket*> sockets_;
};

}  // namespace ordeal::os
