#include "engine/probe/probes.hpp"

#include <gmock/gmock.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/system/system_error.hpp>
#include <cstdlib>
#include <fstream>

#include "engine/os/linux/client/client.hpp"
#include "engine/probe/dns.hpp"
#include "engine/probe/secrets.hpp"
#include "tests/unit/client/server.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::probe {
namespace {

using namespace asio::experimental::awaitable_operators;
using os::Reply;

// Seams that only answer what the probes ask; everything else is never called.
class FakeProcesses : public os::Processes {
 public:
  std::vector<model::ProcessInfo> alive;
  Result<os::CommandResult> result = os::CommandResult{};
  std::map<std::string, std::string> environment;

  Result<std::vector<model::ProcessInfo>> list() const override { return alive; }
  Result<model::ProcessInfo> find(model::ProcessId) const override { return no(); }
  Result<os::ProcessUsage> usage(model::ProcessId) const override { return no(); }
  Result<std::vector<std::int64_t>> holders_of_port(std::uint16_t) const override { return no(); }
  std::string protected_because(const model::ProcessInfo&) const override { return {}; }
  Result<std::string> boot_id() const override { return no(); }
  Result<std::string> machine_id() const override { return no(); }
  std::string host_name() const override { return {}; }
  bool systemd_is_pid1() const override { return false; }
  Result<void> signal(model::ProcessId, int) override { return no(); }
  Task<Result<void>> wait_gone(model::ProcessId, BootTime) override { co_return no(); }
  Task<Result<model::ProcessId>> spawn_helper(model::SpawnHelper) override { co_return no(); }
  Result<std::vector<model::ProcessId>> find_marked(const std::string&) const override {
    return no();
  }
  Result<std::vector<os::Helper>> helpers() const override { return no(); }
  Task<Result<os::CommandResult>> run(model::Command,
                                      std::map<std::string, std::string> given) override {
    environment = std::move(given);
    co_return result;
  }

 private:
  static Error no() { return Error(Code::failed, "not asked for"); }
};

class FakeFiles : public os::Files {
 public:
  Result<os::Space> free = os::Space{Bytes{1000}, Bytes{250}, "tmpfs", "0:1"};
  Result<std::string> read(const std::string&, std::size_t) const override { return no(); }
  Result<std::vector<std::string>> list(const std::string&) const override { return no(); }
  Result<os::Space> space(const std::string&) const override { return free; }
  Result<os::Folder> folder(const std::string&) const override { return os::Folder(); }
  Result<os::FileId> identity(const std::string&) const override { return os::FileId(); }
  bool exists(const std::string&) const override { return false; }
  Result<os::Holder> holder(const std::string&) const override { return no(); }
  Result<void> make_directory(const std::string&) override { return no(); }
  Result<void> write_atomically(const std::string&, const std::string&) override { return no(); }
  Result<void> remove(const std::string&) override { return no(); }
  Result<std::unique_ptr<os::DurableFile>> create_durable(const std::string&,
                                                          std::size_t) override {
    return no();
  }
  Result<std::unique_ptr<os::DurableFile>> open_durable(const std::string&) override {
    return no();
  }
  Result<std::string> read_durable(const std::string&) const override { return no(); }
  Task<Result<std::shared_ptr<void>>> lock(std::string, Duration) override { co_return no(); }
  Task<void> wait_for_file(std::string) override { co_return; }

 private:
  static Error no() { return Error(Code::failed, "not asked for"); }
};

struct Scene {
  os::Loop loop;
  os::LinuxClient client{loop.executor(), loop.clock};
  FakeProcesses processes;
  FakeFiles files;
  std::vector<model::Sli> slis;
  std::vector<Sample> samples;
  std::function<void(const Sample&)> on_sample;

  template <class Probe>
  void add(Probe probe) {
    model::Sli sli;
    sli.name = "sli" + std::to_string(slis.size());
    sli.probe = std::move(probe);
    slis.push_back(std::move(sli));
  }
  // Cancelled after `time`, as the end of a run does.
  void run(Duration time, os::Server* server = nullptr) { loop.run(run_and_stop(time, server)); }
  Task<void> run_and_stop(Duration time, os::Server* server) {
    SampleSink sink = [this](Sample sample) {
      if (on_sample) on_sample(sample);
      samples.push_back(std::move(sample));
    };
    Tools tools{loop.clock, client, processes, files};
    Task<void> probes = run_probes(tools, slis, std::move(sink));
    Task<void> end = loop.clock.sleep(time);
    co_await (std::move(probes) || std::move(end));
    if (server != nullptr) server->stop();
  }
};

model::HttpProbe http(const os::Server& server, double rate, Duration timeout = 1s) {
  model::HttpProbe probe;
  probe.url = server.url();
  probe.rate = rate;
  probe.timeout = timeout;
  return probe;
}

TEST(OpenLoop, KeepsItsSchedule) {
  Scene scene;
  os::Server server(scene.loop.executor(), scene.loop.clock, [](int) { return Reply(); });
  scene.add(http(server, 50));
  scene.run(1s, &server);
  EXPECT_GE(scene.samples.size(), 45U);
  EXPECT_LE(scene.samples.size(), 51U);
  for (std::size_t i = 1; i < scene.samples.size(); ++i) {
    EXPECT_EQ(scene.samples[i].scheduled - scene.samples[i - 1].scheduled, 20ms);
    EXPECT_EQ(scene.samples[i].seq, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(scene.samples[i].latency, scene.samples[i].completed - scene.samples[i].scheduled);
  }
}

// Goal: no coordinated omission. Method: one answer takes 400 ms; the requests after it go out on
// time over other connections.
TEST(OpenLoop, ASlowAnswerDelaysNobodyElse) {
  Scene scene;
  os::Server server(scene.loop.executor(), scene.loop.clock, [](int request) {
    Reply reply;
    if (request == 5) reply.delay = 400ms;
    return reply;
  });
  scene.add(http(server, 50));
  scene.run(1s, &server);
  int slow = 0;
  int good = 0;
  for (const Sample& sample : scene.samples) {
    slow += sample.latency > 350ms ? 1 : 0;
    good += sample.ok ? 1 : 0;
  }
  EXPECT_EQ(slow, 1);
  EXPECT_GE(good, 40);
}

// Every request waits for the end of the stall: the later it was scheduled, the shorter.
TEST(OpenLoop, LatencyCountsFromTheScheduledMoment) {
  Scene scene;
  const BootTime stall_end = scene.loop.clock.now() + 600ms;
  os::Server server(scene.loop.executor(), scene.loop.clock, [&](int) {
    Reply reply;
    reply.delay = std::max<Duration>(stall_end - scene.loop.clock.now(), 0us);
    return reply;
  });
  scene.add(http(server, 20, 2s));
  scene.run(1s, &server);
  int waited = 0;
  for (const Sample& sample : scene.samples) {
    if (sample.no_data || sample.scheduled > stall_end - 50ms) continue;
    ++waited;
    EXPECT_GE(sample.scheduled + sample.latency, stall_end);
    EXPECT_LE(sample.scheduled + sample.latency, stall_end + 200ms);
  }
  EXPECT_GE(waited, 8);
}

TEST(OpenLoop, TimeoutsAreFailedSamplesAtTheTimeout) {
  Scene scene;
  os::Server server(scene.loop.executor(), scene.loop.clock, [](int) {
    Reply reply;
    reply.delay = 5s;
    return reply;
  });
  scene.add(http(server, 20, 200ms));
  scene.run(700ms, &server);
  ASSERT_GE(scene.samples.size(), 6U);
  for (const Sample& sample : scene.samples) {
    if (sample.no_data) continue;
    EXPECT_FALSE(sample.ok);
    EXPECT_EQ(sample.problem, "timeout 200ms");
    EXPECT_GE(sample.latency, 200ms);
    EXPECT_LE(sample.latency, 400ms);
  }
}

// Goal: our own slowness never blames the service. Method: the loop's thread is blocked for 300 ms.
TEST(OpenLoop, OurOwnLatenessIsNoData) {
  Scene scene;
  os::Server server(scene.loop.executor(), scene.loop.clock, [](int) { return Reply(); });
  scene.add(http(server, 50));
  scene.on_sample = [&](const Sample& sample) {
    if (sample.seq != 10) return;
    const BootTime until = scene.loop.clock.now() + 300ms;
    while (scene.loop.clock.now() < until) {
    }
  };
  scene.run(1s, &server);
  int late = 0;
  for (const Sample& sample : scene.samples) {
    if (!sample.no_data) continue;
    ++late;
    EXPECT_EQ(sample.problem, "ordeal could not keep its rate");
  }
  EXPECT_GE(late, 10);
  EXPECT_LE(late, 30);
}

TEST(ClosedLoop, KeepsItsRequestsUnderWay) {
  Scene scene;
  os::Server server(scene.loop.executor(), scene.loop.clock, [](int) {
    Reply reply;
    reply.delay = 50ms;
    return reply;
  });
  model::HttpProbe probe = http(server, 0);
  probe.concurrency = 4;
  scene.add(probe);
  scene.run(600ms, &server);
  EXPECT_EQ(server.connections, 4);
  EXPECT_GE(scene.samples.size(), 16U);
  EXPECT_LE(scene.samples.size(), 48U);
}

TEST(OkWhen, NamesWhatWasWrong) {
  struct Case {
    model::OkWhen wanted;
    const char* problem;
  };
  model::OkWhen status;
  status.status_max = 199;
  status.status_min = 100;
  model::OkWhen list;
  list.statuses = {{201, 201}, {300, 310}};
  model::OkWhen body;
  body.body_contains = "healthy";
  model::OkWhen fast;
  fast.faster_than = 1us;
  model::OkWhen fine;
  fine.body_contains = "ok";
  for (const Case& one : {Case{status, "status 200"}, Case{list, "status 200"},
                          Case{body, "body without the text of body_contains"},
                          Case{fast, "slower than 1us"}, Case{fine, ""}}) {
    Scene scene;
    os::Server server(scene.loop.executor(), scene.loop.clock, [](int) { return Reply(); });
    model::HttpProbe probe = http(server, 20);
    probe.ok_when = one.wanted;
    scene.add(probe);
    scene.run(200ms, &server);
    // On a busy machine we may be late, which says nothing about the answer.
    std::erase_if(scene.samples, [](const Sample& sample) { return sample.no_data; });
    ASSERT_FALSE(scene.samples.empty());
    EXPECT_EQ(scene.samples.back().problem, one.problem);
    EXPECT_EQ(scene.samples.back().ok, scene.samples.back().problem.empty());
  }
}

TEST(Secrets, ReachTheServerAndNobodyElse) {
  ::setenv("ORDEAL_TEST_TOKEN", "hunter2", 1);
  Scene scene;
  os::Server server(scene.loop.executor(), scene.loop.clock, [](int) {
    Reply reply;
    reply.bytes = "HTTP/1.1 500 hunter2\r\nContent-Length: 7\r\n\r\nhunter2";
    return reply;
  });
  model::HttpProbe probe = http(server, 20);
  probe.headers["X-Token"].env = "ORDEAL_TEST_TOKEN";
  model::SecretText user;
  user.text = "me";
  model::SecretText password;
  password.env = "ORDEAL_TEST_TOKEN";
  probe.basic_auth.emplace(user, password);
  scene.add(probe);
  scene.run(200ms, &server);
  ASSERT_FALSE(server.heads.empty());
  EXPECT_NE(server.heads[0].find("X-Token: hunter2\r\n"), std::string::npos);
  EXPECT_NE(server.heads[0].find("Authorization: Basic bWU6aHVudGVyMg==\r\n"), std::string::npos);
  for (const Sample& sample : scene.samples) {
    EXPECT_EQ(sample.problem.find("hunter2"), std::string::npos);
  }
}

TEST(Secrets, MissingOnesAreNamedBeforeAnythingStarts) {
  model::Sli sli;
  sli.name = "shop";
  model::HttpProbe probe;
  probe.headers["X-Token"].env = "ORDEAL_TEST_NOT_SET";
  sli.probe = probe;
  const Result<void> checked = check_secrets({sli});
  ASSERT_TRUE(checked.has_error());
  EXPECT_EQ(checked.error().message(),
            "SLI shop: the environment variable ORDEAL_TEST_NOT_SET is not set");
}

struct ExecCase {
  const char* output;
  int exit_code;
  bool timed_out;
  bool ok_mode;
  bool no_data;
  bool ok;
  std::optional<double> value;
};
class Exec : public testing::TestWithParam<ExecCase> {};

TEST_P(Exec, IsReadStrictly) {
  const ExecCase& one = GetParam();
  Scene scene;
  model::ExecProbe probe;
  probe.argv = {"/bin/true"};
  probe.ok_mode = one.ok_mode;
  probe.every = 50ms;
  scene.add(probe);
  os::CommandResult result;
  result.output = one.output;
  result.exit_code = one.exit_code;
  result.timed_out = one.timed_out;
  scene.processes.result = result;
  scene.run(30ms);
  ASSERT_EQ(scene.samples.size(), 1U);
  EXPECT_EQ(scene.samples[0].no_data, one.no_data);
  EXPECT_EQ(scene.samples[0].ok, one.ok);
  EXPECT_EQ(scene.samples[0].value, one.value);
}
INSTANTIATE_TEST_SUITE_P(Table, Exec,
                         testing::Values(ExecCase{"42\n", 0, false, false, false, true, 42.0},
                                         ExecCase{" -1.5e3 ", 0, false, false, false, true,
                                                  -1500.0},
                                         ExecCase{"nan\n", 0, false, false, true, false, {}},
                                         ExecCase{"", 0, false, false, true, false, {}},
                                         ExecCase{"12 apples", 0, false, false, true, false, {}},
                                         ExecCase{"42", 1, false, false, true, false, {}},
                                         ExecCase{"42", 0, true, false, true, false, {}},
                                         ExecCase{"", 0, false, true, false, true, 1.0},
                                         ExecCase{"", 1, false, true, false, false, 0.0},
                                         ExecCase{"", 0, true, true, false, false, 0.0}));

TEST(Exec, AnswersInTheUnitOfItsSli) {
  Scene scene;
  model::ExecProbe probe;
  probe.argv = {"/bin/true"};
  probe.every = 50ms;
  scene.add(probe);
  scene.slis.back().scale = 1e-3;
  os::CommandResult result;
  result.output = "250\n";
  scene.processes.result = result;
  scene.run(30ms);
  ASSERT_EQ(scene.samples.size(), 1U);
  EXPECT_EQ(scene.samples[0].value, 0.25);
}

model::ProcessInfo worker(std::int64_t pid) {
  model::ProcessInfo out;
  out.id = {pid, pid * 10};
  out.name = "worker";
  out.state = 'S';
  return out;
}

TEST(Process, CountsRestartsButNotMoreWorkers) {
  Scene scene;
  model::ProcessProbe probe;
  probe.matcher.name = "worker";
  probe.every = 10ms;
  scene.add(probe);
  scene.processes.alive = {worker(1), worker(2)};
  scene.on_sample = [&](const Sample& sample) {
    if (sample.seq == 2) scene.processes.alive = {worker(1), worker(2), worker(3)};  // one more
    if (sample.seq == 4) scene.processes.alive = {worker(1), worker(3)};             // 2 dies
    if (sample.seq == 6) scene.processes.alive = {worker(1), worker(3), worker(4)};  // and is back
    if (sample.seq == 8) scene.processes.alive = {};
  };
  scene.run(300ms);
  ASSERT_GE(scene.samples.size(), 9U);
  EXPECT_EQ(scene.samples[3].value, 3.0);
  EXPECT_EQ(scene.samples[3].restarts, 0.0);
  EXPECT_EQ(scene.samples[5].restarts, 0.0);
  EXPECT_EQ(scene.samples[7].restarts, 1.0);
  EXPECT_TRUE(scene.samples[7].ok);
  EXPECT_FALSE(scene.samples[8].ok);
  EXPECT_EQ(scene.samples[8].value, 0.0);
}

TEST(Host, ReadsSpaceInTheUnitOfTheSli) {
  Scene scene;
  model::HostProbe probe;
  probe.path = "/var";
  for (const auto what : {model::HostProbe::What::disk_free, model::HostProbe::What::disk_used}) {
    for (const auto unit : {model::Unit::bytes, model::Unit::percent}) {
      probe.what = what;
      scene.add(probe);
      scene.slis.back().unit = unit;
    }
  }
  scene.run(30ms);
  ASSERT_EQ(scene.samples.size(), 4U);
  EXPECT_EQ(scene.samples[0].value, 250.0);  // of 1000 bytes
  EXPECT_EQ(scene.samples[1].value, 25.0);
  EXPECT_EQ(scene.samples[2].value, 750.0);
  EXPECT_EQ(scene.samples[3].value, 75.0);
}

// ---- DNS ---------------------------------------------------------------------------------------

std::string answer_to(std::string query, int flags, std::vector<std::string> records) {
  query[2] = static_cast<char>(flags >> 8);
  query[3] = static_cast<char>(flags & 0xff);
  query[7] = static_cast<char>(records.size());
  for (const std::string& record : records) query += record;
  return query;
}
std::string record(int type, std::string data) {
  std::string out("\xc0\x0c\x00", 3);
  out += static_cast<char>(type);
  out += std::string("\x00\x01\x00\x00\x00\x3c\x00", 7);
  out += static_cast<char>(data.size());
  return out + data;
}

TEST(Dns, QueryIsAsInTheRfc) {
  const std::string query = dns_query(0x1234, "a.bc.", "AAAA").value();
  EXPECT_EQ(query, std::string("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                               "\x01"
                               "a\x02"
                               "bc\x00\x00\x1c\x00\x01",
                               12 + 6 + 4));
  EXPECT_TRUE(dns_query(1, "a..b", "A").has_error());
  EXPECT_TRUE(dns_query(1, std::string(64, 'x'), "A").has_error());
  EXPECT_TRUE(dns_query(1, "a", "NAPTR").has_error());
}

TEST(Dns, AnswersAreJudged) {
  const std::string query = dns_query(7, "shop.example", "A").value();
  const std::string a = record(1, "\x7f\x01\x01\x01");
  const std::string cname = record(5, std::string("\x01x\x00", 3));
  const auto check = [](std::string_view answer) {
    const Result<void> result = check_dns_answer(answer, 7, "A");
    return result.has_error() ? result.error().message() : std::string("good");
  };
  EXPECT_EQ(check(answer_to(query, 0x8180, {a})), "good");
  EXPECT_EQ(check(answer_to(query, 0x8180, {cname, a})), "good");
  EXPECT_EQ(check(answer_to(query, 0x8180, {cname})), "no A record");
  EXPECT_EQ(check(answer_to(query, 0x8180, {})), "no A record");
  EXPECT_EQ(check(answer_to(query, 0x8183, {})), "NXDOMAIN");
  EXPECT_EQ(check(answer_to(query, 0x8182, {})), "SERVFAIL");
  EXPECT_EQ(check(answer_to(query, 0x8380, {})), "good");  // truncated
  EXPECT_EQ(check(query), "broken answer");                // not an answer
  EXPECT_EQ(check(dns_query(8, "shop.example", "A").value()), "broken answer");
  // Every cut of an answer is broken, and reads nothing beyond its end.
  const std::string whole = answer_to(query, 0x8180, {a});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(check(std::string(whole, 0, size)), "broken answer") << size;
  }
}

}  // namespace
}  // namespace ordeal::probe
