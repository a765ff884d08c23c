// One answer of the API as a value: status, body, or a stream of events to follow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

namespace ordeal::serve {

// The events of one run, from behind `after` on.
struct EventStream {
  std::string run;
  std::int64_t after = 0;
};

struct Answer {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;  // the connection: what follows on it cannot be read
  std::optional<EventStream> stream;
};

Answer json_answer(int status, const boost::json::object& body);

// {"error":{"code":..,"message":..}}: codes are stable and listed in docs/reference/api.md,
// messages are for people.
Answer refusal(int status, std::string_view code, std::string_view message,
               boost::json::object more = {});

// The head of an answer as bytes, up to and with the empty line. Every answer says what a browser
// may do with it; nothing in it comes from a request.
std::string head_of(const Answer& answer, bool keep_alive);

}  // namespace ordeal::serve
