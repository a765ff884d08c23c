#include "engine/os/linux/stream.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "engine/os/linux/sockets.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

using namespace asio::experimental::awaitable_operators;

struct Pair : Loop {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    left = std::make_unique<FdStream>(executor(), Fd(ends[0]));
    right = std::make_unique<FdStream>(executor(), Fd(ends[1]));
  }
  std::unique_ptr<Stream> left;
  std::unique_ptr<Stream> right;
};

Task<std::string> read_exactly(Stream& stream, std::size_t size) {
  std::string all;
  while (all.size() < size) {
    Result<std::string> some = co_await stream.read_some(size - all.size());
    if (!some) break;
    all += some.value();
  }
  co_return all;
}

// More than any socket buffer: the writer has to wait for the reader.
TEST(FdStream, CarriesMoreThanTheKernelBuffers) {
  Pair pair;
  const std::string sent(3 << 20, 'x');
  const auto both = [&]() -> Task<void> {
    Task<Result<void>> writes = pair.left->write(sent);
    Task<std::string> reads = read_exactly(*pair.right, sent.size());
    const auto done = co_await (std::move(writes) && std::move(reads));
    EXPECT_TRUE(std::get<0>(done));
    EXPECT_EQ(std::get<1>(done), sent);
  };
  pair.run(both());
}

TEST(FdStream, ReadsNoMoreThanTheLimit) {
  Pair pair;
  ASSERT_TRUE(pair.run(pair.left->write("abcdef")));
  EXPECT_EQ(pair.run(pair.right->read_some(4)).value(), "abcd");
  EXPECT_EQ(pair.run(pair.right->read_some(4)).value(), "ef");
}

TEST(FdStream, EndOfThePeerIsClosed) {
  Pair pair;
  ASSERT_TRUE(pair.run(pair.left->write("last")));
  pair.left->close();
  EXPECT_EQ(pair.run(pair.right->read_some(100)).value(), "last");
  EXPECT_EQ(pair.run(pair.right->read_some(100)).error().code(), Code::closed);
  EXPECT_EQ(pair.run(pair.right->write("x")).error().code(), Code::closed);  // EPIPE
  EXPECT_EQ(pair.run(pair.left->read_some(1)).error().code(), Code::closed);
  EXPECT_EQ(pair.run(pair.left->write("x")).error().code(), Code::closed);
}

TEST(FdStream, OwnCloseEndsAReadUnderWay) {
  Pair pair;
  const auto closes = [&]() -> Task<void> {
    co_await pair.clock.sleep(20ms);
    pair.left->close();
  };
  const auto both = [&]() -> Task<void> {
    Task<Result<std::string>> reads = pair.left->read_some(10);
    Task<void> later = closes();
    const Result<std::string> got = co_await (std::move(reads) && std::move(later));
    EXPECT_FALSE(got);
    if (!got) {
      EXPECT_EQ(got.error().code(), Code::closed);
    }
  };
  pair.run(both());
}

TEST(FdStream, CancelledReadLosesNothing) {
  Pair pair;
  const auto race = [&]() -> Task<void> {
    Task<Result<std::string>> reads = pair.left->read_some(10);
    Task<void> moment = pair.clock.sleep(20ms);
    const auto first = co_await (std::move(reads) || std::move(moment));
    EXPECT_EQ(first.index(), 1u);
  };
  pair.run(race());
  ASSERT_TRUE(pair.run(pair.right->write("later")));
  EXPECT_EQ(pair.run(pair.left->read_some(10)).value(), "later");
}

TEST(PipeStream, ReadsOnePipeAndWritesTheOther) {
  Loop loop;
  Pipe to = make_pipe().value();
  Pipe from = make_pipe().value();
  PipeStream near(loop.executor(), std::move(from.read), std::move(to.write));
  PipeStream far(loop.executor(), std::move(to.read), std::move(from.write));
  ASSERT_TRUE(loop.run(near.write("question")));
  EXPECT_EQ(loop.run(far.read_some(100)).value(), "question");
  ASSERT_TRUE(loop.run(far.write("answer")));
  EXPECT_EQ(loop.run(near.read_some(100)).value(), "answer");
  far.close();
  EXPECT_EQ(loop.run(near.read_some(100)).error().code(), Code::closed);
  EXPECT_EQ(loop.run(near.write("x")).error().code(), Code::closed);
}

// A connection over loopback: {client, accepted}, and the port of the client.
struct Connection {
  Connection() {
    const Fd server(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(server.get(), any, size), 0);
    EXPECT_EQ(::listen(server.get(), 1), 0);
    ::getsockname(server.get(), any, &size);
    client = Fd(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(client.get(), any, size), 0);
    accepted = Fd(::accept(server.get(), nullptr, nullptr));
    ::getsockname(client.get(), any, &size);
    client_port = ntohs(address.sin_port);
  }
  Fd client;
  Fd accepted;
  std::uint16_t client_port = 0;
};

// A process named sshd holds the connection; its child asks what must be spared.
TEST(LinuxSockets, FindsTheSshSessionThroughItsAncestors) {
  EXPECT_TRUE(LinuxSockets().exempt_flows().empty() || ::getenv("SSH_CONNECTION") != nullptr);
  Connection connection;
  Pipe pipe = make_pipe().value();
  const pid_t server = ::fork();
  if (server == 0) {
    ::prctl(PR_SET_NAME, "sshd");
    connection.client.reset();
    const pid_t session = ::fork();
    if (session == 0) {
      connection.accepted.reset();
      std::string answer;
      for (const auto& flow : LinuxSockets().exempt_flows()) {
        answer += fmt::format("{} {} {} {}\n", flow.local_address, flow.remote_address,
                              flow.remote_port, flow.why);
      }
      ignore(::write(pipe.write.get(), answer.data(), answer.size()), "the test reads nothing");
      ::_exit(0);
    }
    ::waitpid(session, nullptr, 0);
    ::_exit(0);
  }
  pipe.write.reset();
  const std::string answer = read_all(pipe.read.get(), 4096).value();
  ::waitpid(server, nullptr, 0);
  EXPECT_NE(
      answer.find(fmt::format("127.0.0.1 127.0.0.1 {} your ssh session\n", connection.client_port)),
      std::string::npos)
      << answer;
}

}  // namespace
}  // namespace ordeal::os
