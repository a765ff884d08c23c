#include "tests/unit/faults/bench.hpp"

namespace ordeal {

namespace network {
fault::Fault delay();
fault::Fault loss();
fault::Fault partition();
}  // namespace network

namespace unit_faults {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string shared(const std::string& more) {
  return R"("protocol": ["all"], "direction": "egress", "allow_whole_interface": false)" +
         (more.empty() ? "" : ", " + more);
}

std::string delay_with(
    const std::string& more, const std::string& backend = "auto",
    const std::string& traffic = R"("remote_port": [{"first":5432,"last":5432}])") {
  return R"({"latency": 200000, "jitter": 0, "correlation": 0, "distribution": "uniform",
             "backend": ")" +
         backend + "\", " + traffic + ", " + more + "}";
}

std::string delay_of(const std::string& traffic) { return delay_with(shared(""), "auto", traffic); }

std::string loss_with(const std::string& more, int correlation = 0) {
  return R"({"percent": 200000, "correlation": )" + std::to_string(correlation) + ", " +
         shared(more) + "}";
}

std::string partition_with(const std::string& action, const std::string& more) {
  return R"({"action": ")" + action + "\", " + shared(more) + "}";
}

const char* const kPort = R"("remote_port": [{"first": 5432, "last": 5432}])";

model::NftTable table_of(const model::HostStep& step) {
  const auto tables = applies_of<model::CreateTable>(step);
  EXPECT_THAT(tables, SizeIs(1));
  return tables.empty() ? model::NftTable() : tables[0].table;
}

std::vector<model::NftRule> leased(const model::NftChain& chain) {
  std::vector<model::NftRule> out;
  for (const model::NftRule& rule : chain.rules) {
    if (rule.leased) out.push_back(rule);
  }
  return out;
}

TEST(NetworkDelay, RefusesAJitterThatTheKernelWouldCut) {
  Bench bench;
  std::string with = delay_with(shared(""));
  with.replace(with.find("\"jitter\": 0"), 11, "\"jitter\": 3000000");
  EXPECT_THAT(bench.refusal(network::delay(), with),
              HasSubstr("with.jitter: 3s, netem has 2.147s at most"));
}

TEST(NetworkDelay, SendsOnlyWhatLeavesForThePortThroughAnIfb) {
  Bench bench;
  const model::HostStep step = bench.planned(network::delay(), delay_with(shared("")));
  EXPECT_EQ(step.backend, "netem via ifb");
  const auto ifbs = applies_of<model::CreateIfb>(step);
  ASSERT_THAT(ifbs, SizeIs(1));
  EXPECT_EQ(ifbs[0].link, bench.token.mark());
  EXPECT_EQ(ifbs[0].netem.latency, 200ms);
  EXPECT_TRUE(step.changes[0].idle);
  EXPECT_FALSE(step.changes[1].idle);
  const model::NftTable table = table_of(step);
  EXPECT_EQ(table.family, model::NftFamily::netdev);
  ASSERT_THAT(table.chains, SizeIs(2));  // lo and eth0
  EXPECT_EQ(table.chains[0].device, "eth0");
  EXPECT_EQ(table.chains[0].hook, model::NftHook::egress);
  const auto rules = leased(table.chains[0]);
  ASSERT_THAT(rules, SizeIs(4));  // both families, tcp and udp
  for (const model::NftRule& rule : rules) {
    EXPECT_TRUE(rule.counted);
    EXPECT_FALSE(rule.match.source_port);
    ASSERT_TRUE(rule.match.destination_port);
    EXPECT_EQ(rule.match.destination_port->first, 5432);
    EXPECT_EQ(std::get<model::NftForward>(rule.verdict).device, bench.token.mark());
  }
  EXPECT_THAT(undos_of<model::DeleteLink>(step), SizeIs(1));
  EXPECT_THAT(undos_of<model::DeleteTable>(step), SizeIs(1));
  ASSERT_THAT(effects_of<model::TrafficMatched>(step), SizeIs(1));
  EXPECT_EQ(effects_of<model::TrafficMatched>(step)[0].table, table.name);
}

TEST(NetworkDelay, SaysWhatARoundTripAndANewConnectionPay) {
  Bench bench;
  const model::HostStep step = bench.planned(network::delay(), delay_with(shared("")));
  EXPECT_THAT(step.summary[0], HasSubstr("adds 200ms to each round trip (egress)"));
  EXPECT_THAT(step.summary[1], AllOf(HasSubstr("two round trips"), HasSubstr("400ms")));
  std::string both = shared("");
  both.replace(both.find("egress"), 6, "both");
  const model::HostStep twice = bench.planned(network::delay(), delay_with(both));
  EXPECT_THAT(twice.summary[0], HasSubstr("adds 400ms to each round trip (both)"));
  EXPECT_THAT(table_of(twice).chains, SizeIs(4));
}

TEST(NetworkDelay, IngressTurnsPortsAndAddressesAround) {
  Bench bench;
  std::string ingress =
      shared(R"("remote_ip": ["10.0.0.0/24"], "local_port": [{"first": 80, "last": 90}])");
  ingress.replace(ingress.find("egress"), 6, "ingress");
  const model::HostStep step = bench.planned(network::delay(), delay_with(ingress, "auto", kPort));
  const auto rules = leased(table_of(step).chains[0]);
  ASSERT_THAT(rules, SizeIs(2));  // IPv4 only: the address says so
  EXPECT_EQ(rules[0].match.family, model::IpFamily::ip);
  EXPECT_EQ(rules[0].match.source, "10.0.0.0/24");
  EXPECT_FALSE(rules[0].match.destination);
  EXPECT_EQ(rules[0].match.source_port->first, 5432);
  EXPECT_EQ(rules[0].match.destination_port->last, 90);
}

TEST(NetworkDelay, HoldsEnoughPacketsForTheDelay) {
  Bench bench;
  const auto limit = [&](const std::string& latency) {
    std::string with = delay_with(shared(""));
    with.replace(with.find("200000"), 6, latency);
    return applies_of<model::CreateIfb>(bench.planned(network::delay(), with))[0].netem.limit;
  };
  EXPECT_EQ(limit("100"), 1000u);
  EXPECT_EQ(limit("100000"), 150'000u);
  EXPECT_EQ(limit("5000000"), 200'000u);
}

TEST(NetworkDelay, RefusesTheWholeInterfaceUnlessTold) {
  Bench bench;
  EXPECT_THAT(bench.refusal(network::delay(), delay_of(R"("limit": 5000)")),
              AllOf(StartsWith("refused"), HasSubstr("allow_whole_interface")));
  std::string told = delay_of(R"("limit": 5000)");
  told.replace(told.find("false"), 5, "true");
  EXPECT_THAT(table_of(bench.planned(network::delay(), told)).chains, SizeIs(2));
  EXPECT_THAT(table_of(bench.planned(network::delay(), delay_of(R"("device": "lo")"))).chains,
              SizeIs(1));
}

TEST(NetworkDelay, SparesTheSshSessionAndTheHostsOwnNeeds) {
  Bench bench;
  bench.machine.exempt_flows = {{"::ffff:10.0.0.5", 22, "::ffff:10.0.0.9", 50000, "your session"}};
  const model::HostStep step = bench.planned(network::delay(), delay_with(shared("")));
  const model::NftTable table = table_of(step);
  const auto& rules = table.chains[0].rules;  // eth0; on lo both halves are spared
  ASSERT_GE(rules.size(), 4u);
  EXPECT_TRUE(std::holds_alternative<model::NftAccept>(rules[0].verdict));
  EXPECT_EQ(rules[0].match.family, model::IpFamily::ip);
  EXPECT_EQ(rules[0].match.source, "10.0.0.5/32");
  EXPECT_EQ(rules[0].match.destination_port->first, 50000);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(std::holds_alternative<model::NftAccept>(rules[static_cast<size_t>(i)].verdict));
    EXPECT_FALSE(rules[static_cast<size_t>(i)].leased);
  }
  EXPECT_EQ(rules[3].match.icmp_type->first, 133);
  EXPECT_THAT(step.summary,
              Contains(HasSubstr("never touched: your session from 10.0.0.9 port 50000, DHCP")));
}

TEST(NetworkDelay, SaysThatNoSessionWasFoundAndSparesWhatIsExcepted) {
  Bench bench;
  const model::HostStep step = bench.planned(
      network::delay(), delay_with(shared(R"("except_ip": ["10.0.0.9/32", "fd00::/8"])")));
  EXPECT_THAT(step.summary,
              Contains(HasSubstr("never touched: no ssh session (none was found: see except_ip), "
                                 "10.0.0.9/32, fd00::/8, DHCP")));
  const model::NftTable table = table_of(step);
  const auto& rules = table.chains[0].rules;
  ASSERT_GE(rules.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<model::NftAccept>(rules[0].verdict));
  EXPECT_EQ(rules[0].match.family, model::IpFamily::ip);
  EXPECT_EQ(rules[0].match.destination, "10.0.0.9/32");
  EXPECT_EQ(rules[1].match.family, model::IpFamily::ip6);
  EXPECT_EQ(rules[1].match.destination, "fd00::/8");
  EXPECT_FALSE(rules[0].leased);
}

TEST(NetworkDelay, LeavesOutDevicesThatAreDownEnslavedOrOurs) {
  Bench bench;
  os::LinkInfo port;
  port.name = "port0";
  port.up = port.has_address = port.enslaved = true;
  bench.machine.add_link(port);
  os::LinkInfo ours;
  ours.name = "ordeal-zzzzzzzz";
  ours.up = ours.has_address = true;
  bench.machine.add_link(ours);
  EXPECT_THAT(table_of(bench.planned(network::delay(), delay_with(shared("")))).chains, SizeIs(2));
  EXPECT_THAT(bench.refusal(network::delay(), delay_of(R"("device": "eth7")")),
              AllOf(StartsWith("gone"), HasSubstr("there is eth0, lo, port0")));
}

TEST(NetworkDelay, WithoutNetemOnLoTheQueueMeetsTheSamePackets) {
  Bench bench;
  bench.machine.netem_possible = false;
  const model::HostStep step =
      bench.planned(network::delay(), delay_with(shared(R"("device": "lo")")));
  EXPECT_EQ(step.backend, "nfqueue");
  EXPECT_THAT(step.warnings, Contains(HasSubstr("nfqueue instead of netem")));
  const model::NftTable table = table_of(step);
  EXPECT_EQ(table.family, model::NftFamily::inet);
  ASSERT_THAT(table.chains, SizeIs(1));
  EXPECT_EQ(table.chains[0].hook, model::NftHook::input);
  EXPECT_EQ(table.chains[0].device, "lo");
  const auto rules = leased(table.chains[0]);
  EXPECT_EQ(rules[0].match.destination_port->first, 5432);
  const auto helpers = applies_of<model::SpawnHelper>(step);
  ASSERT_THAT(helpers, SizeIs(1));
  EXPECT_EQ(helpers[0].role, "shaper");
  ASSERT_THAT(effects_of<model::TrafficMatched>(step), SizeIs(1));
  EXPECT_EQ(effects_of<model::TrafficMatched>(step)[0].holder, helpers[0].mark);
  EXPECT_EQ(helpers[0].arguments.at("queue").to_number<int>(),
            std::get<model::NftQueue>(rules[0].verdict).number);
  // Until the helper listens the rule lets packets pass, so it may come last.
  EXPECT_TRUE(std::holds_alternative<model::SpawnHelper>(step.changes.back().apply));
  ASSERT_THAT(undos_of<model::KillHelper>(step), SizeIs(1));
  EXPECT_TRUE(undos_of<model::KillHelper>(step)[0].network);
  EXPECT_GT(undos_of<model::KillHelper>(step)[0].grace, 0ms);
}

TEST(NetworkDelay, WithoutNetemTowardsOthersTheRepliesAreHeld) {
  Bench bench;
  const model::HostStep step =
      bench.planned(network::delay(), delay_with(shared(R"("device": "eth0")"), "nfqueue"));
  EXPECT_EQ(leased(table_of(step).chains[0])[0].match.source_port->first, 5432);
  EXPECT_THAT(step.summary, Contains(HasSubstr("applied to replies")));
}

TEST(NetworkDelay, TheQueueRefusesWhatItCannotDo) {
  Bench bench;
  std::string shaped = delay_with(shared(R"("device": "lo")"), "nfqueue");
  shaped.replace(shaped.find("uniform"), 7, "normal");
  shaped.replace(shaped.find("\"jitter\": 0"), 11, "\"jitter\": 9");
  EXPECT_THAT(bench.refusal(network::delay(), shaped), HasSubstr("need netem"));
  std::string both = delay_with(shared(""), "nfqueue");
  both.replace(both.find("egress"), 6, "both");
  EXPECT_THAT(bench.refusal(network::delay(), both),
              AllOf(StartsWith("unsupported"), HasSubstr("only where they arrive")));
  bench.machine.netem_possible = false;
  EXPECT_THAT(bench.refusal(network::delay(), delay_with(shared(""), "netem")),
              StartsWith("unsupported"));
  bench.machine.queue_possible = false;
  EXPECT_THAT(bench.refusal(network::delay(), delay_with(shared(""))), HasSubstr("; and "));
}

TEST(NetworkDelay, TakesAQueueThatNobodyUses) {
  Bench bench;
  const auto number = [&] {
    const auto step =
        bench.planned(network::delay(), delay_with(shared(R"("device": "lo")"), "nfqueue"));
    return std::get<model::NftQueue>(leased(table_of(step).chains[0])[0].verdict).number;
  };
  const std::uint16_t first = number();
  EXPECT_EQ(number(), first);
  bench.machine.foreign_queues = {first};
  EXPECT_NE(number(), first);
  EXPECT_THAT(bench.planned(network::delay(), delay_with(shared(""))).warnings,
              Contains(HasSubstr("is in use here")));
}

TEST(NetworkDelay, ControlMakesTheSameObjectsWithoutDelay) {
  Bench bench;
  bench.request.zero_magnitude = true;
  const model::HostStep step = bench.planned(network::delay(), delay_with(shared("")));
  EXPECT_EQ(applies_of<model::CreateIfb>(step)[0].netem.latency, 0ms);
  EXPECT_THAT(table_of(step).chains, SizeIs(2));
  EXPECT_THAT(effects_of<model::TrafficMatched>(step), SizeIs(1));
}

TEST(NetworkDelay, RefusesTooManyRulesAndPortsOfIcmp) {
  Bench bench;
  std::string ports;
  for (int port = 1; port <= 99; ++port) {
    ports +=
        fmt::format(R"({}{{"first": {}, "last": {}}})", port > 1 ? "," : "", port * 2, port * 2);
  }
  EXPECT_THAT(bench.refusal(network::delay(), delay_of("\"remote_port\": [" + ports + "]")),
              AllOf(StartsWith("refused"), HasSubstr("256 at most")));
  std::string icmp = delay_with(shared(""));
  icmp.replace(icmp.find("[\"all\"]"), 7, "[\"icmp\"]");
  EXPECT_THAT(bench.refusal(network::delay(), icmp), HasSubstr("icmp has no ports"));
}

// A drop in the egress hook reaches the sender as local congestion, which is no loss for TCP.
TEST(NetworkLoss, TakesWhatLeavesIntoAHoleAndDropsWhatArrives) {
  Bench bench;
  const model::HostStep step = bench.planned(network::loss(), loss_with(kPort));
  EXPECT_EQ(step.backend, "nf_tables");
  EXPECT_THAT(applies_of<model::CreateIfb>(step), IsEmpty());
  ASSERT_THAT(applies_of<model::CreateHole>(step), SizeIs(1));
  bool lo = false;
  for (const model::NftChain& chain : table_of(step).chains) {
    const bool loopback = chain.device == "lo";
    lo = lo || loopback;
    EXPECT_EQ(chain.hook, loopback ? model::NftHook::ingress : model::NftHook::egress);
    const model::NftRule rule = leased(chain)[0];
    EXPECT_EQ(rule.match.destination_port->first, 5432) << chain.name;
    const auto* lose = std::get_if<model::NftLose>(&rule.verdict);
    const auto* drop = std::get_if<model::NftDrop>(&rule.verdict);
    ASSERT_EQ(lose != nullptr, !loopback);
    EXPECT_EQ(lose != nullptr ? lose->share : drop->share, percent(20));
  }
  EXPECT_TRUE(lo);
  EXPECT_THAT(step.summary[0], HasSubstr("loses 20% of the packets"));
}

TEST(NetworkLoss, SaysWhatAKernelWithoutIfbDoes) {
  Bench bench;
  bench.machine.ifb_possible = false;
  const model::HostStep step = bench.planned(network::loss(), loss_with(kPort));
  EXPECT_THAT(applies_of<model::CreateHole>(step), IsEmpty());
  EXPECT_THAT(step.warnings, Contains(HasSubstr("TCP tries again every 0.5 s")));
}

TEST(NetworkLoss, CorrelationNeedsNetem) {
  Bench bench;
  const model::HostStep step = bench.planned(network::loss(), loss_with(kPort, 250000));
  const auto ifbs = applies_of<model::CreateIfb>(step);
  ASSERT_THAT(ifbs, SizeIs(1));
  EXPECT_EQ(ifbs[0].netem.loss, percent(20));
  EXPECT_EQ(ifbs[0].netem.loss_correlation, percent(25));
  bench.machine.netem_possible = false;
  EXPECT_THAT(bench.refusal(network::loss(), loss_with(kPort, 250000)), StartsWith("unsupported"));
}

TEST(NetworkPartition, DropsAtTheDeviceSoThatSendersSeeNoError) {
  Bench bench;
  const model::HostStep step = bench.planned(network::partition(), partition_with("drop", kPort));
  const model::NftTable table = table_of(step);
  EXPECT_EQ(table.family, model::NftFamily::netdev);
  EXPECT_EQ(std::get<model::NftLose>(leased(table.chains[0])[0].verdict).share, percent(100));
}

TEST(NetworkPartition, RejectsAboveTheDevicesAndLetsItsOwnAnswersPass) {
  Bench bench;
  const model::HostStep step = bench.planned(network::partition(), partition_with("reject", kPort));
  const model::NftTable table = table_of(step);
  EXPECT_EQ(table.family, model::NftFamily::inet);
  ASSERT_THAT(table.chains, SizeIs(1));
  EXPECT_EQ(table.chains[0].hook, model::NftHook::output);
  EXPECT_EQ(table.chains[0].device, "");
  bool passes = false;
  for (const model::NftRule& rule : table.chains[0].rules) {
    if (rule.leased) break;
    passes = passes || (rule.match.icmp_type && rule.match.icmp_type->first == 3);
  }
  EXPECT_TRUE(passes);
  EXPECT_TRUE(std::holds_alternative<model::NftReject>(leased(table.chains[0])[0].verdict));
  bench.request.zero_magnitude = true;
  const auto control = bench.planned(network::partition(), partition_with("reject", kPort));
  EXPECT_EQ(std::get<model::NftDrop>(leased(table_of(control).chains[0])[0].verdict).share.value,
            0);
}

TEST(NetworkPartition, LoopbackAddressesNeedOnlyLo) {
  Bench bench;
  const model::HostStep step = bench.planned(
      network::partition(), partition_with("drop", R"("remote_ip": ["127.0.0.1/32", "::1/128"])"));
  const model::NftTable table = table_of(step);
  ASSERT_THAT(table.chains, SizeIs(1));
  EXPECT_EQ(table.chains[0].device, "lo");
  EXPECT_THAT(leased(table.chains[0]), SizeIs(2));  // one for each family, any protocol
  EXPECT_THAT(step.warnings, Contains(HasSubstr("on lo both halves")));
}

TEST(NetworkFaults, ClaimTheTrafficThatTheyMeet) {
  Bench bench;
  const model::HostStep step = bench.planned(network::loss(), loss_with(kPort));
  EXPECT_THAT(claims_of(step),
              ElementsAre("traffic egress devices=eth0/lo protocols=tcp/udp local=* remote=5432 "
                          "ip=*"));
}

}  // namespace
}  // namespace unit_faults
}  // namespace ordeal
