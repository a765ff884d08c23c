// Goal: whatever orders come over the wire, nothing outside the policy is done. Judged by what the
// simulated kernel is asked for, not by what the executor says.
//
// ORDEAL_FUZZ_ORDERS=1000000 for a long run; ORDEAL_FUZZ_SEED for another one.
#include <csignal>
#include <cstdlib>
#include <set>

#include "engine/base/json.hpp"
#include "engine/base/text.hpp"
#include "faults/catalogue.hpp"
#include "tests/unit/executor/bench.hpp"

namespace ordeal::executor::test {
namespace {

constexpr int kOrdersOfOneSession = 250;

const std::vector<std::string> kPolicy = {
    "deny = network.loss",
    "max_duration = 30s",
    "max_processes = 2",
    "protect_name = jobs",
    "protect_unit = db.service",
    "protect_path = /data/db",
    "run = /usr/local/bin/shop-start, /usr/bin/systemctl start shop.service",
};

std::string policy_without(const std::string& line, const std::string& instead = "") {
  std::string out;
  for (const std::string& item : kPolicy) out += (item == line ? instead : item) + "\n";
  return out;
}

long long number_of(const char* name, long long standard) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::atoll(value) : standard;
}

void furnish_for_fuzz(sim::Machine& machine) {
  sim::furnish(machine);
  sim::Service docker;
  docker.name = "engine";
  docker.unit = "docker.service";
  machine.add_service(docker);
  sim::Process inner;
  inner.info.name = "inner";
  inner.info.exe = "/opt/inner";
  inner.info.cgroup = "/system.slice/db.service/inner.scope";
  inner.info.unit = "inner.scope";
  machine.add_process(inner);
  sim::Process tool;
  tool.info.name = "tool";
  tool.info.exe = "/data/db/bin/tool";
  tool.info.cgroup = "/system.slice/tool.service";
  tool.info.unit = "tool.service";
  machine.add_process(tool);
  for (const char* program : {"/usr/local/bin/shop-start", "/bin/sh", "/usr/local/bin/jobs-stop"}) {
    machine.commands[program] = [](sim::Machine&, const auto&) { return os::CommandResult{}; };
  }
  machine.path_links["/data/link"] = "/data/db";
}

// What the policy above and the built-in protection mean to this machine, told apart from the code
// that enforces them.
class Judge {
 public:
  explicit Judge(sim::Machine& machine) : machine_(machine) {
    machine_.on_asked = [this](const model::Apply& apply) {
      std::visit([this](const auto& asked) { see(asked); }, apply);
    };
  }

  void begin_order() { hit_.clear(); }
  void blame(const std::string& text) {
    if (first_.empty()) first_ = text;
  }
  const std::string& first() const { return first_; }

 private:
  static bool below(const std::string& path, const std::string& top) {
    return path == top || path.starts_with(top + "/");
  }
  static bool taboo(const std::string& unit) {
    return unit == "db.service" || unit == "docker.service" || unit == "ssh.service";
  }
  bool taboo(const model::ProcessInfo& process) const {
    for (const char* unit : {"db.service", "docker.service", "ssh.service"}) {
      if ((process.cgroup + "/").find(std::string("/") + unit + "/") != std::string::npos) {
        return true;
      }
    }
    return process.name == "jobs" || below(process.exe, "/data/db");
  }

  void see(const model::CreateIfb&) {}
  void see(const model::CreateHole&) {}
  void see(const model::CreateTable&) {}
  void see(const model::StopUnit&) {}  // goes by way of systemctl
  void see(const model::SignalProcess& asked) {
    if (asked.signal == SIGCONT || asked.signal == 0) return;
    const sim::Process* process = machine_.find(asked.process.pid);
    if (process == nullptr || process->info.id != asked.process) return;
    if (taboo(process->info)) blame("a signal to " + process->info.name);
    hit_.insert(asked.process.pid);
    if (hit_.size() > 2) blame("more than two processes in one step");
  }
  void see(const model::FreezeCgroup& asked) {
    for (const auto& [pid, process] : machine_.processes) {
      const bool hit = below(process.info.cgroup, asked.cgroup) && taboo(process.info);
      if (hit) blame("frozen: " + process.info.name);
    }
  }
  void see(const model::SpawnHelper& asked) {
    const auto number = [&](const char* name) {
      return asked.arguments.at(name).to_number<std::int64_t>();
    };
    if (asked.cgroup) {
      for (const auto& [pid, process] : machine_.processes) {
        const bool of_unit = !process.info.unit.empty() && process.info.name != "jobs" &&
                             process.info.exe != "/data/db/bin/tool";
        if (of_unit && taboo(process.info) && below(process.info.cgroup, *asked.cgroup)) {
          blame("a load in " + *asked.cgroup);
        }
      }
    }
    if (asked.role == "cpu" && (number("workers") < 1 || number("workers") > 1024 ||
                                number("load") < 0 || number("load") > 1'000'000)) {
      blame("a cpu load out of range");
    }
    if (asked.role == "memory" && number("bytes") < 0) blame("less than no memory");
    if (asked.role != "disk") return;
    const std::string path(asked.arguments.at("path").as_string());
    const std::string real = machine_.real_path(path);
    if (below(real, "/data/db")) blame("filled: " + path);
    if (machine_.mount_of(real) == "/") blame("the journal's file system is filled: " + path);
    if (number("bytes") < 0 || number("floor") < (1 << 20)) blame("a fill out of range");
  }
  void see(const model::RunCommand& asked) {
    const std::vector<std::string>& argv = asked.command.argv;
    if (argv.size() == 5 && argv[0] == "/usr/bin/systemctl" && argv[1] == "--no-ask-password") {
      if (taboo(argv[4])) blame(argv[2] + " " + argv[4]);
      return;
    }
    static const std::vector<std::string> kStart = {"/usr/bin/systemctl", "start", "shop.service"};
    const bool allowed =
        argv == kStart || (!argv.empty() && argv[0] == "/usr/local/bin/shop-start");
    if (!allowed) blame("run: " + join(argv, " "));
  }

  sim::Machine& machine_;
  std::set<std::int64_t> hit_;
  std::string first_;
};

class Orders {
 public:
  Orders(sim::Prng& prng, sim::Machine& machine) : prng_(prng), machine_(machine) {}

  model::StepRequest request() {
    model::StepRequest out;
    out.step = step();
    out.name = "fuzz";
    out.seed = prng_.next();
    out.duration = pick<Duration>({1s, 5s, 29s, 30s, 31s, 600s, -1s, Duration::max()}, 4);
    out.zero_magnitude = prng_.below(20) == 0;
    const std::size_t shape = prng_.below(shapes().size());
    const Shape& wish = shapes()[shape];
    out.fault = prng_.below(25) == 0 ? shapes()[prng_.below(shapes().size())].fault : wish.fault;
    out.with = json::parse(wish.with).value().as_object();
    if (wish.process != (prng_.below(30) == 0)) out.target.process = matcher();
    if (wish.unit != (prng_.below(30) == 0)) out.target.unit = unit();
    if (out.target.process && prng_.below(3) == 0) how_many(out.target);
    if (prng_.below(20) == 0) {
      model::Where where;
      where.exec = argv();
      where.stdout_pattern = ".*";
      out.target.where = std::move(where);
    }
    for (int i = static_cast<int>(prng_.below(3)); i > 0; --i) mutate(out.with);
    return out;
  }

  std::string step() { return "method." + std::to_string(prng_.below(6)); }
  Duration lease() { return pick<Duration>({2s, 5s, 60s, 61s, 0s, -1s, Duration::max()}, 2); }

  // Somebody turns a link while the executor looks.
  void turn_links() {
    if (prng_.below(6) != 0) return;
    machine_.path_links.erase("/data/spot");
    const std::string to = pick<std::string>({"/data/db", "/var/lib", "/", "/data/other"}, 0);
    if (prng_.below(2) == 0) machine_.path_links["/data/spot"] = to;
  }

 private:
  struct Shape {
    std::string fault;
    bool process;
    bool unit;
    std::string with;
  };
  static const std::vector<Shape>& shapes() {
    static const std::string kKill = R"({"signal": "KILL", "restore_within": 1000000, "restore": )";
    static const std::vector<Shape> kShapes = {
        {"process.kill", true, false, kKill + R"({"how": "supervisor", "argv": []}})"},
        {"process.kill", true, false, kKill + R"({"how": "unit", "argv": []}})"},
        {"process.kill", true, false, kKill + R"({"how": "none", "argv": []}})"},
        {"process.kill", true, false,
         kKill + R"({"how": "argv", "argv": ["/usr/local/bin/shop-start"]}})"},
        {"process.pause", true, false, R"({"method": "auto"})"},
        {"process.pause", true, false, R"({"method": "signal"})"},
        {"cpu.load", false, false, R"({"load": 500000, "of": "host", "mode": "add"})"},
        {"cpu.load", false, true, R"({"load": 500000, "of": "unit", "mode": "add"})"},
        {"memory.load", false, true,
         R"({"size": {"bytes": 1048576}, "of": "unit", "ramp": 0, "oom": "stressor"})"},
        {"disk.fill", false, false, R"({"path": "/data/spot", "size": 1048576})"},
        {"disk.fill", false, false, R"({"path": "/data", "percent": 500000})"},
        {"service.stop", false, true, R"({"timeout": 1000000, "restore_within": 1000000})"},
        {"service.stop", true, false,
         R"({"timeout": 1000000, "restore_within": 1000000,
             "stop": ["/usr/local/bin/jobs-stop"], "start": ["/usr/local/bin/shop-start"]})"},
        {"network.loss", false, false,
         R"({"percent": 200000, "local_port": [{"first": 8080, "last": 8080}],
             "protocol": ["tcp"], "direction": "egress", "allow_whole_interface": false,
             "correlation": 0})"},
    };
    return kShapes;
  }

  // One of them; the first `usual` ones half of the time.
  template <class T>
  T pick(const std::vector<T>& all, std::size_t usual) {
    if (usual > 0 && prng_.below(2) == 0) return all[prng_.below(usual)];
    return all[prng_.below(all.size())];
  }

  std::string unit() {
    return pick<std::string>(
        {"shop.service", "db.service", "docker.service", "ssh.service", "system.slice",
         "../db.service", "db.service/inner.scope", "inner.scope", "*", "", "tool.service"},
        1);
  }

  model::ProcessMatcher matcher() {
    model::ProcessMatcher out;
    switch (prng_.below(6)) {
      case 0: out.unit = unit(); break;
      case 1:
        out.name =
            pick<std::string>({"shop", "jobs", "postgres", "inner", "tool", "engine", "sshd"}, 1);
        break;
      case 2:
        out.exe = pick<std::string>({"/opt/inner", "/data/db/bin/tool", "/opt/../opt/x"}, 0);
        break;
      case 3: out.local_port = pick<std::uint16_t>({8080, 5432, 22, 0}, 0); break;
      case 4: out.argv = pick<std::string>({"*", "*shop*", "?*"}, 0); break;
      default: out.user = pick<std::string>({"33", "0", "root", "-1"}, 0); break;
    }
    return out;
  }

  void how_many(model::Target& target) {
    target.mode = static_cast<model::Mode>(prng_.below(5));
    target.value_count = pick<std::int64_t>({1, 2, 3, 0, -1, INT64_MAX, INT64_MIN}, 2);
    target.value_share = Ppm{pick<std::int64_t>({500'000, 1'000'000, 0, -1, INT64_MAX}, 2)};
  }

  std::vector<std::string> argv() {
    return pick<std::vector<std::string>>(
        {{"/usr/local/bin/shop-start"},
         {"/usr/bin/systemctl", "start", "shop.service"},
         {"/usr/bin/systemctl", "stop", "db.service"},
         {"/usr/bin/systemctl", "start", "shop.service", "db.service"},
         {"/bin/sh", "-c", "true"},
         {"/usr/local/bin/../../../bin/sh"},
         {"//bin/sh"},
         {std::string("/bin/sh\0/shop-start", 19)},
         {"shop-start"},
         {""},
         {}},
        2);
  }

  boost::json::value hostile() {
    switch (prng_.below(6)) {
      case 0:
        return pick<std::int64_t>({0, -1, 1, 1 << 20, 1'000'000, INT64_MAX, INT64_MIN, 1ll << 50},
                                  0);
      case 1:
        return boost::json::value(boost::json::string(pick<std::string>({"/data/db",
                                                                         "/data//db",
                                                                         "/data/x/../db",
                                                                         "/data/link",
                                                                         "/data/link/deep",
                                                                         "/var/lib",
                                                                         "/proc/self/root/data/db",
                                                                         "/data/spot/x",
                                                                         "/data/spot",
                                                                         "/data/other",
                                                                         "/",
                                                                         "data",
                                                                         "host",
                                                                         "unit",
                                                                         "core",
                                                                         "auto",
                                                                         "KILL",
                                                                         "STOP",
                                                                         "reach",
                                                                         ""},
                                                                        0)));
      case 2: {
        boost::json::array words;
        for (const std::string& word : argv()) words.push_back(boost::json::string(word));
        return words;
      }
      case 3: {
        boost::json::array words;
        for (const std::string& word : argv()) words.push_back(boost::json::string(word));
        return boost::json::object{{"how", "argv"}, {"argv", words}};
      }
      case 4:
        return boost::json::object{{prng_.below(2) == 0 ? "bytes" : "ppm",
                                    pick<std::int64_t>({1 << 20, -1, 0, INT64_MAX}, 1)}};
      default: return nullptr;
    }
  }

  void mutate(boost::json::object& with) {
    static const std::vector<std::string> kMore = {"workers",      "floor", "reserve",
                                                   "grace_period", "limit", "unheard"};
    if (with.empty() || prng_.below(4) == 0) {
      with[kMore[prng_.below(kMore.size())]] = hostile();
      return;
    }
    std::vector<std::string> names;
    for (const auto& member : with) names.emplace_back(member.key());
    const std::string name = names[prng_.below(names.size())];
    // Half of them of the kind that the parameter has, or no hostile one would get far.
    if (prng_.below(2) == 0) {
      for (int i = 0; i < 12; ++i) {
        auto value = hostile();
        if (value.kind() != with.at(name).kind()) continue;
        with[name] = std::move(value);
        return;
      }
    }
    with[name] = hostile();
    if (prng_.below(8) == 0) with.erase(name);
  }

  sim::Prng& prng_;
  sim::Machine& machine_;
};

struct Told {
  std::string violation;
  std::map<std::string, long long> answers;
};

// An order that cannot even be read is refused without its number.
wire::FactBody answer_of(sim::World& world, Pair& pair, std::int64_t id) {
  const wire::Fact* found = nullptr;
  world.run_until(
      [&] {
        for (const wire::Fact& fact : pair.facts) {
          const bool unread = fact.re == 0 && std::holds_alternative<wire::Refused>(fact.body);
          if (fact.re == id || unread) found = &fact;
        }
        return found != nullptr;
      },
      std::chrono::minutes(10));
  EXPECT_NE(found, nullptr) << "no answer to order " << id;
  return found == nullptr ? wire::FactBody{wire::Refused{}} : found->body;
}

// One executor's life under random orders.
Told session(std::uint64_t seed, const std::string& policy, long long orders) {
  sim::World world(seed);
  sim::Machine machine(world);
  furnish_for_fuzz(machine);
  machine.disk.files["/etc/ordeal/policy.conf"].cache = policy;
  Judge judge(machine);
  sim::Prng prng(seed * 7919 + 1);
  Orders make(prng, machine);
  Pair pair(machine, "r-fuzz", catalogue());
  std::map<std::string, std::string> digests;
  std::map<std::string, model::StepRequest> asked;
  Told out;
  for (long long i = 0; i < orders && judge.first().empty(); ++i) {
    make.turn_links();
    pair.facts.clear();
    judge.begin_order();
    const std::string step = make.step();
    const std::uint64_t dice = prng.below(100);
    wire::OrderBody order;
    const model::StepRequest request = make.request();
    if (dice < 50) {
      order = wire::Prepare{request};
    } else if (dice < 82) {
      order = wire::Inject{step, prng.below(30) == 0 ? "0" : digests[step], make.lease()};
    } else if (dice < 87) {
      order = wire::Ready{step, digests[step]};
    } else if (dice < 90) {
      order = wire::Renew{make.lease(), static_cast<std::int64_t>(i)};
    } else if (dice < 97) {
      order = wire::Revert{prng.below(2) == 0 ? std::vector<std::string>{step}
                                              : std::vector<std::string>{}};
    } else {
      order = wire::ReadEffect{step};
    }
    const wire::FactBody body = answer_of(world, pair, pair.send(std::move(order)));
    if (const auto* prepared = std::get_if<wire::Prepared>(&body)) {
      digests[request.step] = prepared->digest;
      asked[request.step] = request;
    }
    if (const auto* injected = std::get_if<wire::Injected>(&body)) {
      const model::StepRequest& done = asked[injected->step];
      if (done.fault == "network.loss") judge.blame("network.loss is denied");
      if (done.duration > 30s || done.duration < 0s) judge.blame("a step that is too long");
    }
    std::string text = std::visit([](const auto& fact) { return std::string(fact.kKind); }, body);
    if (const auto* refused = std::get_if<wire::Refused>(&body)) {
      if (refused->text.find("internal error") != std::string::npos) judge.blame(refused->text);
      if (refused->text.find("leaving") != std::string::npos) break;
    }
    ++out.answers[text];
  }
  out.violation = judge.first();
  if (out.violation.empty()) out.violation = world.first_violation();
  if (!out.violation.empty()) out.violation += fmt::format(" (seed {})", seed);
  return out;
}

Told campaign(const std::string& policy, long long orders) {
  const auto first = static_cast<std::uint64_t>(number_of("ORDEAL_FUZZ_SEED", 1));
  Told out;
  for (long long done = 0; done < orders && out.violation.empty(); done += kOrdersOfOneSession) {
    const auto seed = first + static_cast<std::uint64_t>(done / kOrdersOfOneSession);
    const Told one = session(seed, policy, kOrdersOfOneSession);
    out.violation = one.violation;
    for (const auto& [kind, count] : one.answers) out.answers[kind] += count;
  }
  return out;
}

TEST(PolicyFuzz, NothingOutsideThePolicyIsDone) {
  const long long orders = number_of("ORDEAL_FUZZ_ORDERS", 4000);
  const auto begun = std::chrono::steady_clock::now();
  const Told told = campaign(policy_without(""), orders);
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  EXPECT_EQ(told.violation, "");
  std::string counts;
  for (const auto& [kind, count] : told.answers) counts += fmt::format(", {} {}", kind, count);
  fmt::print("measured: {} orders in {:.1f} s, {:.0f}/s{}\n", orders, took,
             static_cast<double>(orders) / took, counts);
  EXPECT_GT(told.answers.at("injected"), orders / 100) << "too little was ever done";
}

// A judge that never says no proves nothing: each line of the policy is left out once.
TEST(PolicyFuzz, FindsEachLineThatIsNotEnforced) {
  const std::string run = kPolicy.back();
  for (const std::string& line : kPolicy) {
    const std::string hole = policy_without(line, line == run ? "run = *" : "");
    EXPECT_NE(campaign(hole, 20'000).violation, "") << line;
  }
}

}  // namespace
}  // namespace ordeal::executor::test
