#include "engine/os/linux/stream.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <functional>

#include "engine/os/linux/proc.hpp"
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
    server_port = ntohs(address.sin_port);
    client = Fd(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(client.get(), any, size), 0);
    accepted = Fd(::accept(server.get(), nullptr, nullptr));
    ::getsockname(client.get(), any, &size);
    client_port = ntohs(address.sin_port);
  }
  Fd client;
  Fd accepted;
  std::uint16_t client_port = 0;
  std::uint16_t server_port = 0;
};

std::string flows_seen() {
  std::string answer;
  for (const auto& flow : LinuxSockets().exempt_flows()) {
    answer += fmt::format("{} {} {} {}\n", flow.local_address, flow.remote_address,
                          flow.remote_port, flow.why);
  }
  return answer;
}

// In a child named sshd that alone holds `connection`: what `below` says in a child of that one.
std::string seen_below_sshd(Connection& connection, const std::function<std::string()>& below) {
  Pipe pipe = make_pipe().value();
  const pid_t server = ::fork();
  if (server == 0) {
    ::prctl(PR_SET_NAME, "sshd");
    connection.client.reset();
    const pid_t session = ::fork();
    if (session == 0) {
      connection.accepted.reset();
      const std::string answer = below();
      ignore(::write(pipe.write.get(), answer.data(), answer.size()), "the test reads nothing");
      ::_exit(0);
    }
    ::waitpid(session, nullptr, 0);
    ::_exit(0);
  }
  pipe.write.reset();
  const std::string answer = read_all(pipe.read.get(), 4096).value();
  ::waitpid(server, nullptr, 0);
  return answer;
}

// A process named sshd holds the connection; its child asks what must be spared.
TEST(LinuxSockets, FindsTheSshSessionThroughItsAncestors) {
  Connection connection;
  EXPECT_THAT(seen_below_sshd(connection, flows_seen),
              testing::HasSubstr(fmt::format("127.0.0.1 127.0.0.1 {} your ssh session\n",
                                             connection.client_port)));
}

// As from inside tmux: who asks stands beside the session, not below it.
TEST(LinuxSockets, FindsTheSshSessionsOfTheSameUserWhenNoneIsAbove) {
  const auto above = proc::ancestors();
  if (!above || above.value().size() < 2) {
    GTEST_SKIP() << "we are the first process here: whose sessions are ours?";
  }
  Connection connection;
  Pipe hold = make_pipe().value();
  const pid_t server = ::fork();
  if (server == 0) {
    ::prctl(PR_SET_NAME, "sshd");
    connection.client.reset();
    hold.write.reset();
    const pid_t session = ::fork();
    if (session == 0) {
      ::prctl(PR_SET_NAME, "shell");
      connection.accepted.reset();
    }
    char nothing = 0;
    ignore(::read(hold.read.get(), &nothing, 1), "it closes");
    if (session > 0) ::waitpid(session, nullptr, 0);
    ::_exit(0);
  }
  connection.accepted.reset();
  hold.read.reset();
  const std::string wanted =
      fmt::format("127.0.0.1 127.0.0.1 {} an ssh session of yours\n", connection.client_port);
  std::string answer;
  for (int i = 0; i < 200 && answer.find(wanted) == answer.npos; ++i) {
    ::usleep(10'000);  // until it bears its name
    answer = flows_seen();
  }
  hold.write.reset();
  ::waitpid(server, nullptr, 0);
  EXPECT_THAT(answer, testing::HasSubstr(wanted));
}

// Nothing is kept that is not open, nor what no session of ours could be.
TEST(LinuxSockets, BelievesAnEnvironmentOnlyWhatIsOpen) {
  Connection connection;
  const auto seen_with = [](const std::string& told) {
    Pipe pipe = make_pipe().value();
    const pid_t shell = ::fork();
    if (shell == 0) {
      // What /proc shows is the environment of the last exec.
      ::setenv("ORDEAL_TEST_PRINTS_FLOWS", std::to_string(pipe.write.get()).c_str(), 1);
      ::fcntl(pipe.write.get(), F_SETFD, 0);
      ::setenv("SSH_CONNECTION", told.c_str(), 1);
      ::execl("/proc/self/exe", "unit_os",
              "--gtest_filter=LinuxSockets.BelievesAnEnvironmentOnlyWhatIsOpen", nullptr);
      ::_exit(1);
    }
    pipe.write.reset();
    const std::string answer = read_all(pipe.read.get(), 4096).value();
    ::waitpid(shell, nullptr, 0);
    return answer;
  };
  if (const char* to = ::getenv("ORDEAL_TEST_PRINTS_FLOWS")) {
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string answer = flows_seen();
      ignore(::write(std::atoi(to), answer.data(), answer.size()), "the test reads nothing");
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    return;
  }
  const std::string port = std::to_string(connection.client_port);
  const std::string server = std::to_string(connection.server_port);
  EXPECT_THAT(seen_with("127.0.0.1 " + port + " 127.0.0.1 " + server),
              testing::HasSubstr("127.0.0.1 127.0.0.1 " + port + " your ssh session\n"));
  for (const std::string& told : {"127.0.0.1 " + port + " 127.0.0.1 1", "127.0.0.1 " + port,
                                  std::string("127.0.0.1 x 127.0.0.1 22"), std::string()}) {
    EXPECT_THAT(seen_with(told), testing::Not(testing::HasSubstr(" " + port + " "))) << told;
  }
}

}  // namespace
}  // namespace ordeal::os
