// The HTTP server: connections with limits and deadlines around Api::answer. HTTP/1.1, no TLS:
// beyond this machine a reverse proxy speaks that.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/os/event.hpp"
#include "engine/serve/api.hpp"
#include "engine/serve/door.hpp"

namespace ordeal::serve {

// What anybody who can connect may use up. An engineer's page needs two connections.
struct Limits {
  std::uint32_t head_bytes = 8u << 10;
  std::uint64_t body_bytes = 1u << 20;
  std::size_t connections = 64;  // of one listener
  Duration idle = 60s;           // between two requests
  Duration head = 5s;            // from the first byte of a request
  Duration body = 15s;
  Duration answering = 180s;  // services that start again may take long
  Duration writing = 20s;     // a reader that takes nothing
};

// A bound, listening socket: who binds it decides who may connect.
struct Listener {
  int descriptor = -1;  // owned from here on
  bool tcp = false;
  Door door;
};

class Server {
 public:
  Server(Api& api, Limits limits = {}) : api_(api), limits_(limits) {}

  // Accepts until cancelled; returns when the last connection is over.
  Task<void> serve(Listener listener);

 private:
  class Connection;
  struct Room;  // of one listener

  void admit(std::shared_ptr<Connection> connection, std::shared_ptr<Room> room);
  Task<void> converse(std::shared_ptr<Connection> connection);
  Task<void> watch(std::shared_ptr<Connection> connection);
  Task<void> attend(std::shared_ptr<Connection> connection);
  Task<bool> exchange(std::shared_ptr<Connection> connection);
  Task<bool> send(std::shared_ptr<Connection> connection, Answer answer, bool keep_alive);
  Task<bool> write(std::shared_ptr<Connection> connection, std::string bytes);
  Task<void> follow(std::shared_ptr<Connection> connection, EventStream stream);
  Task<void> linger(std::shared_ptr<Connection> connection);

  Api& api_;
  Limits limits_;
};

}  // namespace ordeal::serve
