// Goal: front and executor of different versions understand each other.
// Method: a stored frame of every kind, read, compared and written again.
#include <gtest/gtest.h>

#include "engine/wire/message.hpp"
#include "tests/unit/stored_lines.hpp"

namespace ordeal::wire {
namespace {

// The JSON of a frame; what is before it is its length.
std::string text_of(const std::string& frame) {
  FrameReader reader(kFactLimit);
  reader.feed(frame);
  auto text = reader.next();
  EXPECT_TRUE(text.has_value() && text.value());
  return text.has_value() && text.value() ? *text.value() : "";
}

Order order_of(std::int64_t id, OrderBody body) { return {id, std::move(body)}; }

model::StepRequest request() {
  model::StepRequest out;
  out.step = "method.1.parallel.0";
  out.name = "2-process.kill";
  out.fault = "process.kill";
  out.target.process = model::ProcessMatcher{.unit = "shop.service"};
  out.target.unit = "shop.service";
  out.target.mode = model::Mode::fixed_percent;
  out.target.value_count = 2;
  out.target.value_share = percent(50);
  out.target.where = model::Where{{"/usr/local/bin/role", "--short"}, "^primary$"};
  out.with["signal"] = "KILL";
  out.with["grace_period"] = 500'000;
  out.duration = 30s;
  out.seed = 18'446'744'073'709'551'615u;
  out.zero_magnitude = true;
  out.beside = {"method.1.parallel.1"};
  return out;
}

std::vector<Order> orders() {
  const std::string digest(64, 'd');
  return {order_of(1, Hello{1, 1, "1.0.0", "r-1121-0140-7f3a", 7}),
          order_of(2, Prepare{request()}),
          order_of(3, Ready{"method.0", digest}),
          order_of(4, Inject{"method.0", digest, 5s}),
          order_of(5, Renew{5s, 1204}),
          order_of(6, ReadEffect{"method.0"}),
          order_of(7, Revert{{"method.0", "method.1.parallel.0"}}),
          order_of(8, ObserveHost{100ms}),
          order_of(9, CheckHost{}),
          order_of(10, Bye{})};
}

model::HostStep plan() {
  model::HostStep out;
  out.step = "method.0";
  out.name = "1-network.delay";
  out.fault = "network.delay";
  out.token = Token::parse("abcdefgh").value();
  out.backend = "netem via ifb";
  out.summary = {"delay by 80ms what leaves for port 5432"};
  out.warnings = {"the probe `db` crosses this fault"};
  out.targets = {{"4711", "pid 4711 shop"}};
  out.matched = 3;
  out.claims = {{"traffic", "tcp 5432"}};
  model::Change change;
  change.summary = "resume pid 4711";
  change.apply = model::FreezeCgroup{"/system.slice/shop.service"};
  change.undos = {model::ThawCgroup{"/system.slice/shop.service"}};
  change.idle = true;
  out.changes = {change};
  out.effects = {model::CgroupFrozen{"/system.slice/shop.service"}};
  out.duration = 30s;
  out.not_here = "where: it printed replica";
  return out;
}

model::FaultDescription description() {
  model::FaultDescription out;
  out.name = "network.loss";
  out.summary = "A share of the packets never arrives.";
  model::Parameter parameter;
  parameter.name = "percent";
  parameter.kind = model::ParameterKind::percent;
  parameter.summary = "Chance of each packet to be lost.";
  parameter.required = true;
  parameter.default_text = "20%";
  parameter.minimum = 1;
  parameter.maximum = 1'000'000;
  parameter.choices = {"20%", "100%"};
  out.parameters = {parameter};
  out.exactly_one_of = {{"percent", "packets"}};
  out.target = model::TargetKind::host_or_unit;
  out.reversibility = model::Reversibility::restorable;
  out.needs = {"root", "nf_tables"};
  out.repeatable = true;
  out.example = "- fault: network.loss\n";
  return out;
}

HelloFact hello() {
  HelloFact out;
  out.version = "1.0.0";
  out.host = "shop-1";
  out.kernel = "6.1.0-40-amd64";
  out.boot_id = "11111111-0000-4000-8000-000000000001";
  out.machine_id = "0123456789abcdef0123456789abcdef";
  out.token = Token::parse("abcdefgh").value();
  out.faults = {description()};
  out.dirty = {"link ordeal-bcdefghi"};
  out.halted = "maintenance";
  out.unready = "no root";
  out.warnings = {"no systemd"};
  return out;
}

std::vector<Fact> facts() {
  const model::EffectReading effect{model::Seen::yes, "1 204 packets delayed"};
  const UndoResult undo{"delete_table ordeal-abcdefgh",
                        "table gone",
                        "nft delete table netdev ordeal-abcdefgh",
                        2ms,
                        false,
                        true};
  return {{1, 1, hello()},
          {2, 2, Prepared{plan(), std::string(64, 'd')}},
          {3, 3, Refused{RefusalKind::unsupported, "no ifb"}},
          {4, 4, Done{}},
          {5, 5, Injected{"method.0", 12ms, 3ms, effect}},
          {6, 6, EffectRead{"method.0", effect}},
          {7, 7, StepReverted{"method.0", false, 40ms, effect, {undo}, "lease lapsed"}},
          {8, 7, AllReverted{false, 41ms}},
          {9, 0, HostFact{{{"cpu", 12.5}, {"memory_available", 1e9}}}},
          {10, 9,
           HostReport{false,
                      {{"link ordeal-abcdefgh", "ip link delete ordeal-abcdefgh"}},
                      {"qdisc of eth0"},
                      {"ifb"}}},
          {11, 0, Halted{"maintenance"}}};
}

TEST(WireGolden, EveryOrderIsReadAsItWasWritten) {
  test::expect_stored<OrderBody>(
      "wire/v1/orders.jsonl", orders(), [](const Order& order) { return text_of(encode(order)); },
      [](const std::string& line) { return decode_order(line); });
}

TEST(WireGolden, EveryFactIsReadAsItWasWritten) {
  test::expect_stored<FactBody>(
      "wire/v1/facts.jsonl", facts(), [](const Fact& fact) { return text_of(encode(fact)); },
      [](const std::string& line) { return decode_fact(line); });
}

TEST(WireGolden, TheKeepersLineIsReadAsItWasWritten) {
  const KeeperReport report{"worker died (signal 9)",
                            false,
                            {{"thaw_cgroup /a", "thawed", "echo 0 >/a/cgroup.freeze", 1ms}}};
  test::expect_kept("wire/v1/keeper.jsonl", encode(report));
  const auto read = decode_keeper(test::stored_lines("wire/v1/keeper.jsonl").at(0));
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(encode(read.value()), encode(report));
}

TEST(WireGolden, EveryNameInsideIsAsStored) {
  test::expect_golden("wire/v1/names.txt", test::names_of<OrderBody, FactBody, KeeperReport>());
}

TEST(WireGolden, AFrameIsItsLengthAndItsText) {
  const std::string frame = encode(Order{10, Bye{}});
  EXPECT_EQ(frame, std::string("\0\0\0\x1c", 4) + R"({"kind":"bye","id":10,"v":1})");
}

}  // namespace
}  // namespace ordeal::wire
