// The HTTP server: connections with limits and deadlines around Api::answer. HTTP/1.1, no TLS:
// beyond this machine a reverse proxy speaks that.
//
// A connection has a place among those who *wait* (nobody knows yet who it is, or what it wants
// next), those who *have the word* (let in by the door), or those who *stop things* (halt, abort).
// Each has room of its own. Who waits may be many and slow: when all their places are taken, the
// one who waits longest has to go. So neither strangers nor slow readers keep anybody from a halt.
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
  std::size_t waiting = 64;   // connections of one listener
  std::size_t speaking = 64;  // that were let in
  std::size_t stopping = 16;  // that halt or abort
  Duration idle = 60s;        // between two requests
  Duration head = 5s;         // from the first byte of a request
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

  struct Head;  // of a request, as it was parsed

  std::optional<Answer> give_the_word(Connection& connection, const Request& request);
  std::optional<Answer> look_at(Connection& connection, const Head& head, Request& request);
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
