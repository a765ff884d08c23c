#include "engine/serve/answer.hpp"

#include <fmt/format.h>

#include "engine/base/json.hpp"

namespace ordeal::serve {
namespace {

// No inline script or style, nothing from elsewhere, in nobody's frame.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const char* phrase_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
  }
}

bool has(const Answer& answer, std::string_view name) {
  for (const auto& header : answer.headers) {
    if (header.first == name) return true;
  }
  return false;
}

}  // namespace

Answer json_answer(int status, const boost::json::object& body) {
  Answer out;
  out.status = status;
  out.body = json::dump(body) + "\n";
  return out;
}

Answer refusal(int status, std::string_view code, std::string_view message,
               boost::json::object more) {
  more["code"] = boost::json::string(code);
  more["message"] = boost::json::string(message);
  boost::json::object out;
  out["error"] = std::move(more);
  return json_answer(status, out);
}

std::string head_of(const Answer& answer, bool keep_alive) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", answer.status, phrase_of(answer.status));
  const auto add = [&out](std::string_view name, std::string_view value) {
    out += fmt::format("{}: {}\r\n", name, value);
  };
  const bool bodyless = answer.status == 204 || answer.status == 304;
  if (!bodyless) add("Content-Type", answer.type);
  // A stream has no length: it ends with the connection.
  if (!answer.stream && !bodyless) add("Content-Length", std::to_string(answer.body.size()));
  add("Connection", keep_alive ? "keep-alive" : "close");
  if (!has(answer, "Cache-Control")) add("Cache-Control", "no-store");
  if (!has(answer, "Content-Security-Policy")) add("Content-Security-Policy", kPolicy);
  add("X-Content-Type-Options", "nosniff");
  add("X-Frame-Options", "DENY");
  add("Referrer-Policy", "no-referrer");
  add("Cross-Origin-Resource-Policy", "same-origin");
  add("Cross-Origin-Opener-Policy", "same-origin");
  for (const auto& [name, value] : answer.headers) add(name, value);
  return out + "\r\n";
}

}  // namespace ordeal::serve
