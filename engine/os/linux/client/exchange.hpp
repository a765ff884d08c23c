// The exchange over any stream: included by plain.cpp and tls.cpp only.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/system/system_error.hpp>

#include "engine/os/linux/client/connection.hpp"

namespace ordeal::os {

// Keeps the first 64 KiB of a body. Unlike string_body it trusts no Content-Length with memory.
struct CutBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool isRequest, class Fields>
    explicit reader(boost::beast::http::header<isRequest, Fields>&, value_type& body)
        : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, boost::system::error_code& problem) {
      problem = {};
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& problem) {
      problem = {};
      std::size_t taken = 0;
      for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers);
           ++it) {
        const asio::const_buffer buffer(*it);
        const std::size_t room = kBodyLimit - std::min(body_.size(), kBodyLimit);
        body_.append(static_cast<const char*>(buffer.data()), std::min(room, buffer.size()));
        taken += buffer.size();
      }
      return taken;
    }
    void finish(boost::system::error_code& problem) { problem = {}; }

   private:
    value_type& body_;
  };
};

inline void throw_if_cancelled(const boost::system::error_code& problem) {
  if (problem == asio::error::operation_aborted) throw boost::system::system_error(problem);
}

inline constexpr std::size_t kHeaderLimit = 64 * 1024;

// Servers end lines with a bare LF, or leave out the reason and the space before it; browsers and
// curl read that, so it is no failure of the service. The size of the block with its empty line; 0:
// it has not all come.
std::size_t header_size(std::string_view text);
// The block as the standard wants it.
std::string in_strict_form(std::string_view block);
bool is_interim(std::string_view block);

template <class Stream>
Task<Exchange> exchange_on(Stream& stream, std::string request, bool head) {
  namespace http = boost::beast::http;
  Exchange out;
  boost::system::error_code problem;
  co_await asio::async_write(stream, asio::buffer(request),
                             asio::redirect_error(asio::use_awaitable, problem));
  throw_if_cancelled(problem);
  if (problem) {
    out.answer = network_error(problem);
    co_return out;
  }
  boost::beast::flat_buffer buffer(2 * kHeaderLimit);
  std::string block;
  while (block.empty()) {
    const std::string_view seen(static_cast<const char*>(buffer.data().data()), buffer.size());
    const std::size_t size = header_size(seen);
    if (size > 0) {
      // 100 Continue and 103 Early Hints are no answers; 101 is never asked for.
      const std::string lines = in_strict_form(seen.substr(0, size));
      buffer.consume(size);
      if (!is_interim(lines)) block = lines;
      continue;
    }
    if (seen.size() >= kHeaderLimit) {
      out.answer = Error(Code::failed, "broken answer: more than 64 KiB of headers");
      co_return out;
    }
    const std::size_t bytes = co_await stream.async_read_some(
        buffer.prepare(4096), asio::redirect_error(asio::use_awaitable, problem));
    throw_if_cancelled(problem);
    buffer.commit(bytes);
    if (problem) {
      out.answer = network_error(problem);
      co_return out;
    }
  }
  http::parser<false, CutBody> parser;
  parser.body_limit(boost::none);
  parser.header_limit(2 * kHeaderLimit);
  parser.eager(true);
  parser.skip(head);
  parser.put(asio::buffer(block), problem);
  if (problem == http::error::need_more) problem = {};
  while (!problem && !parser.is_done() && parser.get().body().size() < kBodyLimit) {
    co_await http::async_read_some(stream, buffer, parser,
                                   asio::redirect_error(asio::use_awaitable, problem));
    throw_if_cancelled(problem);
  }
  if (problem) {
    out.answer = network_error(problem);
    co_return out;
  }
  HttpAnswer answer;
  answer.status = static_cast<int>(parser.get().result_int());
  out.keep = parser.is_done() && parser.keep_alive() && buffer.size() == 0;
  answer.body = std::move(parser.get().body());
  out.answer = std::move(answer);
  co_return out;
}

}  // namespace ordeal::os
