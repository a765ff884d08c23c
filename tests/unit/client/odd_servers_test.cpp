// Servers that are not by the book: as curl reads them, so do we.
#include <gmock/gmock.h>

#include "engine/os/linux/client/client.hpp"
#include "tests/unit/client/server.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

struct OddCase {
  const char* name;
  std::string bytes;
  int status;
  std::string body;
};

Result<HttpAnswer> answer_of(const std::string& bytes, int requests = 1) {
  Loop loop;
  LinuxClient client(loop.executor(), loop.clock);
  Server server(loop.executor(), loop.clock, [bytes](int) {
    Reply reply;
    reply.bytes = bytes;
    reply.close = true;
    return reply;
  });
  Result<HttpAnswer> out = Error(Code::failed, "not asked");
  auto ask = [&]() -> Task<void> {
    for (int i = 0; i < requests; ++i) {
      HttpRequest request;
      request.url = server.url();
      out = co_await client.http(std::move(request), loop.clock.now() + 2s);
    }
    server.stop();
  };
  loop.run(ask());
  return out;
}

class Odd : public testing::TestWithParam<OddCase> {};

TEST_P(Odd, IsRead) {
  const auto answer = answer_of(GetParam().bytes);
  ASSERT_TRUE(answer.has_value()) << answer.error().message();
  EXPECT_EQ(answer.value().status, GetParam().status);
  EXPECT_EQ(answer.value().body, GetParam().body);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Odd,
    testing::Values(
        OddCase{"interim_100",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
                "Content-Length: 2\r\n\r\nok",
                200, "ok"},
        OddCase{"interim_103",
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                200, "ok"},
        OddCase{"interim_twice",
                "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\n\r\n"
                "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
                404, ""},
        OddCase{"headers_of_20_kib",
                "HTTP/1.1 200 OK\r\nSet-Cookie: " + std::string(20000, 'x') +
                    "\r\nContent-Length: 2\r\n\r\nok",
                200, "ok"},
        OddCase{"bare_lf", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok"},
        OddCase{"mixed_line_ends", "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok", 200, "ok"},
        OddCase{"no_reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
        OddCase{"empty_reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
        OddCase{"no_length", "HTTP/1.1 200 OK\r\n\r\nok until the end", 200, "ok until the end"},
        OddCase{"http_1_0", "HTTP/1.0 200 OK\r\n\r\nold", 200, "old"},
        OddCase{"no_content", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        OddCase{"chunks",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                "2\r\nok\r\n0\r\n\r\n",
                200, "ok"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(OddServer, OfEndlessHeadersIsGivenUp) {
  const auto answer = answer_of("HTTP/1.1 200 OK\r\nX: " + std::string(300'000, 'x'));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().message(), "broken answer: more than 64 KiB of headers");
}

// The second request on the kept connection is closed unanswered: it was sent, so it has failed.
TEST(OddServer, ThatClosesUnansweredIsNotAskedAgain) {
  Loop loop;
  LinuxClient client(loop.executor(), loop.clock);
  Server server(loop.executor(), loop.clock, [](int request) {
    Reply reply;
    if (request == 1) reply.bytes.clear();
    reply.close = request == 1;
    return reply;
  });
  std::vector<bool> good;
  auto ask = [&]() -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      HttpRequest request;
      request.url = server.url();
      request.method = "POST";
      const auto answer = co_await client.http(std::move(request), loop.clock.now() + 2s);
      good.push_back(answer.has_value());
    }
    server.stop();
  };
  loop.run(ask());
  EXPECT_EQ(good, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(server.requests, 3);
}

}  // namespace
}  // namespace ordeal::os
