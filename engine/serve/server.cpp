// The only file with Beast.
#include "engine/serve/server.hpp"

#include <algorithm>
#include <list>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "engine/serve/sse.hpp"

namespace ordeal::serve {

namespace http = boost::beast::http;
using namespace asio::experimental::awaitable_operators;
using boost::system::error_code;

namespace {

using Any = asio::generic::stream_protocol;
using Socket = asio::basic_stream_socket<Any, asio::any_io_executor>;
using Acceptor = asio::basic_socket_acceptor<Any, asio::any_io_executor>;
using Parser = http::request_parser<http::string_body>;

constexpr Duration kTick = 500ms;     // of the deadlines: they are seconds
constexpr Duration kLook = 100ms;     // for new events
constexpr Duration kSignOfLife = 2s;  // to a stream that has nothing to say
constexpr std::size_t kLingerBytes = 4u << 20;

std::string_view text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

Claims claims_of(const Parser& parser) {
  const auto& head = parser.get();
  Claims out;
  out.method = text_of(head.method_string());
  out.host = text_of(head[http::field::host]);
  out.origin = text_of(head[http::field::origin]);
  out.fetch_site = text_of(head["Sec-Fetch-Site"]);
  out.fetch_mode = text_of(head["Sec-Fetch-Mode"]);
  out.authorization = text_of(head[http::field::authorization]);
  out.content_type = text_of(head[http::field::content_type]);
  for (const char* name :
       {"Host", "Origin", "Authorization", "Content-Type", "Sec-Fetch-Site", "Sec-Fetch-Mode"}) {
    out.repeated = out.repeated || head.count(name) > 1;
  }
  return out;
}

Answer answer_to(const error_code& problem) {
  Answer out;
  if (problem == http::error::header_limit) {
    out = refusal(431, "header_too_large", "the head of a request may have 8 KiB");
  } else if (problem == http::error::body_limit) {
    out = refusal(413, "body_too_large", "the body of a request may have 1 MiB");
  } else {
    out = refusal(400, "bad_request", "this is no HTTP/1.1 request: " + problem.message());
  }
  out.close = true;
  return out;
}

}  // namespace

struct Server::Room {
  enum class Place { waits, speaks, stops, goes };
  struct Guest {
    asio::cancellation_signal signal;
    Place place = Place::waits;
  };
  using Guests = std::list<Guest>;

  std::size_t count(Place place) const {
    return static_cast<std::size_t>(
        std::count_if(guests.begin(), guests.end(),
                      [place](const Guest& guest) { return guest.place == place; }));
  }
  void dismiss_longest_waiting() {
    const auto longest = std::find_if(guests.begin(), guests.end(), [](const Guest& guest) {
      return guest.place == Place::waits;
    });
    if (longest == guests.end()) return;
    longest->place = Place::goes;
    longest->signal.emit(asio::cancellation_type::terminal);
  }

  Door door;
  Guests guests;  // those who wait stand in the order in which they began to
  os::Event left;
};

struct Server::Head {
  const Parser& parser;
};

class Server::Connection {
 public:
  Connection(Socket connected, std::shared_ptr<Room> room)
      : socket(std::move(connected)), room_(std::move(room)) {}

  const Door& door() const { return room_->door; }
  Room& room() { return *room_; }

  void wait_again() {
    if (guest->place == Room::Place::goes) return;
    guest->place = Room::Place::waits;
    room_->guests.splice(room_->guests.end(), room_->guests, guest);
  }

  Socket socket;
  boost::beast::flat_buffer buffer{64u << 10};
  BootTime deadline{};
  Room::Guests::iterator guest;

 private:
  std::shared_ptr<Room> room_;
};

Task<bool> Server::write(std::shared_ptr<Connection> connection, std::string bytes) {
  connection->deadline = api_.clock().now() + limits_.writing;
  error_code problem;
  co_await asio::async_write(connection->socket, asio::buffer(bytes),
                             asio::redirect_error(asio::use_awaitable, problem));
  co_return !problem;
}

Task<bool> Server::send(std::shared_ptr<Connection> connection, Answer answer, bool keep_alive) {
  const bool keep = keep_alive && !answer.close && !answer.stream;
  std::string bytes = head_of(answer, keep);
  if (answer.status != 204 && answer.status != 304) bytes += answer.body;
  const bool sent = co_await write(connection, std::move(bytes));
  co_return sent&& keep;
}

// Every event of the run from `after` on, until it has ended or the reader is gone.
Task<void> Server::follow(std::shared_ptr<Connection> connection, EventStream stream) {
  GrowingFile file(api_.runs().events_path(stream.run));
  Resume resume;
  resume.after = stream.after;
  BootTime said = api_.clock().now();
  bool alive = true;
  std::string frames = "retry: 1000\n\n";
  for (;;) {
    if (!frames.empty()) {
      const bool sent = co_await write(connection, std::move(frames));
      if (!sent) co_return;
      said = api_.clock().now();
    }
    const auto lines = file.take();
    if (lines.has_error()) {
      co_await write(connection, own_frame("failed", "{}"));
      co_return;
    }
    frames = to_frames(lines.value(), resume);
    if (!lines.value().empty() && !resume.ended) continue;
    // Ends that the reader must tell from a broken connection, which it would take up again.
    if (resume.ended || !alive) {
      frames += own_frame(resume.ended ? "end" : "unfinished", "{}");
      co_await write(connection, std::move(frames));
      co_return;
    }
    if (api_.clock().now() - said >= kSignOfLife) {
      frames =
          own_frame("alive", fmt::format("{{\"now\":\"{}\"}}", format_wall(api_.clock().wall())));
      // Looked up before the file is read once more: its last words are then in it.
      alive = api_.runs().lives(stream.run);
    }
    connection->deadline = api_.clock().now() + limits_.writing;
    co_await api_.clock().sleep(kLook);
  }
}

// Takes what the other side still sends, so that closing does not throw our answer away.
Task<void> Server::linger(std::shared_ptr<Connection> connection) {
  error_code problem;
  connection->socket.shutdown(asio::socket_base::shutdown_send, problem);
  connection->deadline = api_.clock().now() + 2s;
  std::array<char, 8192> waste;
  std::size_t taken = 0;
  while (!problem && taken < kLingerBytes) {
    taken += co_await connection->socket.async_read_some(
        asio::buffer(waste), asio::redirect_error(asio::use_awaitable, problem));
  }
}

// A place for what was let in; or that there is none. What anybody may read stays among those who
// wait.
std::optional<Answer> Server::give_the_word(Connection& connection, const Request& request) {
  Room& room = connection.room();
  if (connection.guest->place == Room::Place::goes) return std::nullopt;
  if (!connection.door().trusted && api_.is_open(request)) return std::nullopt;
  const bool stops = Api::stops_things(request);
  const Room::Place place = stops ? Room::Place::stops : Room::Place::speaks;
  if (room.count(place) >= (stops ? limits_.stopping : limits_.speaking)) {
    Answer busy = refusal(503, "too_many_connections", "try again in a moment");
    busy.headers.emplace_back("Retry-After", "1");
    busy.close = true;  // its body stays unread
    return busy;
  }
  connection.guest->place = place;
  return std::nullopt;
}

// What the head says; or why it is not let in.
std::optional<Answer> Server::look_at(Connection& connection, const Head& parsed,
                                      Request& request) {
  const auto& head = parsed.parser.get();
  request.method = text_of(head.method_string());
  request.content_type = media_type(text_of(head[http::field::content_type]));
  request.if_none_match = text_of(head[http::field::if_none_match]);
  request.last_event_id = text_of(head["Last-Event-ID"]);
  const auto read = read_target(text_of(head.target()), request);
  Claims claims = claims_of(parsed.parser);
  claims.open = read.has_value() && api_.is_open(request);
  std::optional<Answer> away = turned_away(claims, connection.door());
  if (!away && read.has_error()) away = refusal(400, "bad_request", read.error().message());
  if (!away) away = give_the_word(connection, request);
  if (away) away->close = true;  // its body stays unread
  return away;
}

// One request and its answer. False: the connection is over.
Task<bool> Server::exchange(std::shared_ptr<Connection> connection) {
  error_code problem;
  Socket& socket = connection->socket;
  auto& buffer = connection->buffer;
  if (buffer.size() == 0) {
    connection->deadline = api_.clock().now() + limits_.idle;
    const std::size_t size = co_await socket.async_read_some(
        buffer.prepare(4096), asio::redirect_error(asio::use_awaitable, problem));
    if (problem) co_return false;
    buffer.commit(size);
  }
  connection->deadline = api_.clock().now() + limits_.head;
  Parser parser;
  parser.header_limit(limits_.head_bytes);
  parser.body_limit(limits_.body_bytes);
  co_await http::async_read_header(socket, buffer, parser,
                                   asio::redirect_error(asio::use_awaitable, problem));
  if (problem == http::error::end_of_stream) co_return false;
  Request request;
  std::optional<Answer> away =
      problem ? answer_to(problem) : look_at(*connection, Head{parser}, request);
  if (!away && text_of(parser.get()[http::field::expect]) == "100-continue") {
    const bool sent = co_await write(connection, "HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) co_return false;
  }
  if (!away) {
    connection->deadline = api_.clock().now() + limits_.body;
    co_await http::async_read(socket, buffer, parser,
                              asio::redirect_error(asio::use_awaitable, problem));
    if (problem) away = answer_to(problem);
  }
  const bool keep_alive = parser.is_done() && parser.keep_alive();
  if (away) {
    const bool keep = co_await send(connection, std::move(*away), keep_alive);
    if (!keep) co_await linger(connection);
    co_return keep;
  }
  request.body = std::move(parser.get().body());
  connection->deadline = api_.clock().now() + limits_.answering;
  Answer answer = co_await api_.answer(std::move(request));
  std::optional<EventStream> stream = answer.stream;
  const bool keep = co_await send(connection, std::move(answer), keep_alive);
  if (stream) co_await follow(connection, std::move(*stream));
  co_return keep;
}

Task<void> Server::converse(std::shared_ptr<Connection> connection) {
  bool more = true;
  while (more) {
    more = co_await exchange(connection);
    connection->wait_again();
  }
}

Task<void> Server::watch(std::shared_ptr<Connection> connection) {
  while (api_.clock().now() < connection->deadline) co_await api_.clock().sleep(kTick);
}

Task<void> Server::attend(std::shared_ptr<Connection> connection) {
  connection->deadline = api_.clock().now() + limits_.idle;
  co_await (converse(connection) || watch(connection));
}

// A connection's end, also by an exception, is its own affair.
void Server::admit(std::shared_ptr<Connection> connection, std::shared_ptr<Room> room) {
  const asio::any_io_executor executor = connection->socket.get_executor();
  if (room->count(Room::Place::waits) >= limits_.waiting) room->dismiss_longest_waiting();
  const auto guest = room->guests.emplace(room->guests.end());
  connection->guest = guest;
  auto leave = [executor, room, guest](std::exception_ptr) {
    asio::post(executor, [room, guest] {  // not from inside its own signal
      room->guests.erase(guest);
      room->left.notify();
    });
  };
  asio::co_spawn(executor, attend(std::move(connection)),
                 asio::bind_cancellation_slot(guest->signal.slot(), std::move(leave)));
}

Task<void> Server::serve(Listener listener) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const Any protocol =
      listener.tcp ? Any(asio::ip::tcp::v4()) : Any(asio::local::stream_protocol());
  Acceptor acceptor(executor, protocol, listener.descriptor);
  const auto room = std::make_shared<Room>();
  room->door = std::move(listener.door);
  co_await asio::this_coro::throw_if_cancelled(false);
  while ((co_await asio::this_coro::cancellation_state).cancelled() ==
         asio::cancellation_type::none) {
    error_code problem;
    Socket socket(executor);
    co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, problem));
    if (problem) {  // cancelled, no descriptors left, or the client is gone already
      if (problem == asio::error::no_descriptors) co_await api_.clock().sleep(kLook);
      continue;
    }
    if (listener.tcp) socket.set_option(asio::ip::tcp::no_delay(true), problem);
    admit(std::make_shared<Connection>(std::move(socket), room), room);
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  for (auto& guest : room->guests) guest.signal.emit(asio::cancellation_type::terminal);
  while (!room->guests.empty()) co_await room->left.wait();
}

}  // namespace ordeal::serve
