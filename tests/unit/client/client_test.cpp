#include "engine/os/linux/client/client.hpp"

#include <gmock/gmock.h>

#include <boost/asio/ip/udp.hpp>

#include "engine/os/linux/client/url.hpp"
#include "tests/unit/client/server.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

using testing::HasSubstr;

struct Scene {
  Loop loop;
  LinuxClient client{loop.executor(), loop.clock};
  Server server;
  explicit Scene(Server::Script script) : server(loop.executor(), loop.clock, std::move(script)) {}

  std::vector<Result<HttpAnswer>> get(int times, Duration timeout = 2s,
                                      std::string method = "GET") {
    std::vector<Result<HttpAnswer>> out;
    loop.run(ask(times, timeout, std::move(method), out));
    return out;
  }
  Task<void> ask(int times, Duration timeout, std::string method,
                 std::vector<Result<HttpAnswer>>& out) {
    for (int i = 0; i < times; ++i) {
      HttpRequest request;
      request.url = server.url();
      request.method = method;
      out.push_back(co_await client.http(std::move(request), loop.clock.now() + timeout));
      if (between) co_await between();
    }
    server.stop();
  }
  std::function<Task<void>()> between;
};

Reply plain(int) { return {}; }

TEST(Client, KeepsConnectionsOpen) {
  Scene scene(plain);
  for (const auto& answer : scene.get(20)) {
    ASSERT_TRUE(answer.has_value()) << answer.error().message();
    EXPECT_EQ(answer.value().status, 200);
    EXPECT_EQ(answer.value().body, "ok");
  }
  EXPECT_EQ(scene.server.connections, 1);
}

TEST(Client, StaleConnectionIsNotAFailedRequest) {
  Scene scene(plain);
  scene.between = [&]() -> Task<void> {
    scene.server.close_idle();
    co_await scene.loop.clock.sleep(20ms);
  };
  for (const auto& answer : scene.get(3)) EXPECT_TRUE(answer.has_value());
  EXPECT_EQ(scene.server.connections, 3);
}

TEST(Client, FreshConnectionThatIsClosedIsAFailedRequest) {
  Scene scene([](int) {
    Reply reply;
    reply.bytes.clear();
    reply.close = true;
    return reply;
  });
  const auto answers = scene.get(1);
  ASSERT_TRUE(answers[0].has_error());
  EXPECT_EQ(answers[0].error().code(), Code::closed);
  EXPECT_EQ(answers[0].error().message(), "closed");
  EXPECT_EQ(scene.server.requests, 1);
}

TEST(Client, TimesOutAndDropsTheConnection) {
  Scene scene([](int request) {
    Reply reply;
    if (request == 0) reply.delay = 300ms;
    return reply;
  });
  const BootTime start = scene.loop.clock.now();
  const auto answers = scene.get(2, 100ms);
  EXPECT_LT(scene.loop.since(start), 2s);
  ASSERT_TRUE(answers[0].has_error());
  EXPECT_EQ(answers[0].error().code(), Code::timeout);
  ASSERT_TRUE(answers[1].has_value());
  EXPECT_EQ(scene.server.connections, 2);  // the late answer must not meet the next request
}

TEST(Client, SaysReset) {
  Scene scene([](int) {
    Reply reply;
    reply.reset = true;
    return reply;
  });
  const auto answers = scene.get(1);
  ASSERT_TRUE(answers[0].has_error());
  EXPECT_EQ(answers[0].error().message(), "reset");
}

TEST(Client, CutsBodiesAt64KiB) {
  Scene scene([](int) {
    Reply reply;
    reply.bytes =
        "HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n" + std::string(200'000, 'x');
    return reply;
  });
  const auto answers = scene.get(1);
  ASSERT_TRUE(answers[0].has_value()) << answers[0].error().message();
  EXPECT_EQ(answers[0].value().body.size(), 65536U);
}

TEST(Client, ReadsChunkedAndHonoursClose) {
  Scene scene([](int) {
    Reply reply;
    reply.bytes =
        "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    return reply;
  });
  const auto answers = scene.get(2);
  EXPECT_EQ(answers[0].value().body, "abcde");
  EXPECT_EQ(answers[1].value().status, 503);
  EXPECT_EQ(scene.server.connections, 2);
}

TEST(Client, HeadHasNoBody) {
  Scene scene([](int) {
    Reply reply;
    reply.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    return reply;
  });
  const auto answers = scene.get(2, 1s, "HEAD");
  EXPECT_TRUE(answers[1].has_value());
  EXPECT_EQ(scene.server.connections, 1);
}

TEST(Client, GarbageIsABrokenAnswer) {
  Scene scene([](int) {
    Reply reply;
    reply.bytes = "SSH-2.0-OpenSSH_9.2\r\n\r\n";
    return reply;
  });
  const auto answers = scene.get(1);
  ASSERT_TRUE(answers[0].has_error());
  EXPECT_THAT(answers[0].error().message(), HasSubstr("broken answer"));
}

TEST(Client, RefusedAndUnknownNames) {
  Loop loop;
  LinuxClient client(loop.executor(), loop.clock);
  HttpRequest request;
  request.url = "http://127.0.0.1:1/";
  const auto refused = loop.run(client.http(request, loop.clock.now() + 2s));
  EXPECT_EQ(refused.error().message(), "refused");
  EXPECT_EQ(refused.error().code(), Code::closed);
  request.url = "http://name.invalid/";
  const auto unknown = loop.run(client.http(request, loop.clock.now() + 10s));
  EXPECT_EQ(unknown.error().code(), Code::failed);
  const auto connected = loop.run(client.tcp_connect("127.0.0.1:1", loop.clock.now() + 2s));
  EXPECT_EQ(connected.error().message(), "refused");
}

TEST(Client, TlsToAPlainServerFails) {
  Scene scene(plain);
  HttpRequest request;
  request.url = "https://" + scene.server.address() + "/";
  std::optional<Result<HttpAnswer>> answer;
  scene.loop.run(
      [](Scene& in, HttpRequest asked, std::optional<Result<HttpAnswer>>& out) -> Task<void> {
        out = co_await in.client.http(std::move(asked), in.loop.clock.now() + 500ms);
        in.server.stop();
      }(scene, request, answer));
  ASSERT_TRUE(answer->has_error());
}

TEST(Client, UdpExchangeReturnsTheAnswerAndTimesOut) {
  Loop loop;
  LinuxClient client(loop.executor(), loop.clock);
  using asio::ip::udp;
  udp::socket server(loop.executor(), udp::endpoint(asio::ip::address_v4::loopback(), 0));
  const std::string address = "127.0.0.1:" + std::to_string(server.local_endpoint().port());
  std::optional<Result<std::string>> first;
  std::optional<Result<std::string>> second;
  auto answer_once = [&]() -> Task<void> {
    std::string bytes(100, '\0');
    udp::endpoint from;
    boost::system::error_code problem;
    const std::size_t size = co_await server.async_receive_from(
        asio::buffer(bytes), from, asio::redirect_error(asio::use_awaitable, problem));
    bytes.resize(size);
    bytes += "!";
    server.send_to(asio::buffer(bytes), from);
  };
  auto ask = [&]() -> Task<void> {
    first = co_await client.udp_exchange(address, "hello", loop.clock.now() + 1s);
    second = co_await client.udp_exchange(address, "hello", loop.clock.now() + 50ms);
  };
  asio::co_spawn(loop.context, answer_once(), asio::detached);
  loop.run(ask());
  EXPECT_EQ(first->value(), "hello!");
  EXPECT_EQ(second->error().code(), Code::timeout);
}

TEST(Url, Parts) {
  const Url url = parse_url("https://[::1]:8443/a/b?c=d#e").value();
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a/b?c=d");
  EXPECT_EQ(url.authority, "[::1]:8443");
  EXPECT_EQ(parse_url("http://shop").value().target, "/");
  EXPECT_EQ(parse_url("http://shop?x").value().target, "/?x");
  EXPECT_EQ(parse_url("http://shop").value().port, 80);
  for (const char* bad :
       {"shop", "ftp://shop", "http://", "http://a:b/", "http://u:p@shop/", "http://shop:99999/"}) {
    EXPECT_TRUE(parse_url(bad).has_error()) << bad;
  }
}

TEST(Request, CannotBeSplitByAHeader) {
  HttpRequest request;
  request.headers["X-Trace"] = "1\r\nHost: evil";
  const std::string bytes = request_bytes(request, parse_url("http://shop/").value());
  EXPECT_THAT(bytes, HasSubstr("X-Trace: 1Host: evil\r\n"));
  EXPECT_THAT(bytes, HasSubstr("\r\nHost: shop\r\n"));
}

}  // namespace
}  // namespace ordeal::os
