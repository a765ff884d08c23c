// Loss, partition, leases, and the death of the owner: what nf_tables alone does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "engine/os/linux/links.hpp"
#include "engine/os/linux/nftables.hpp"
#include "tests/kernel/network_bed.hpp"

namespace ordeal::kernel {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string shared(const std::string& direction, const std::string& more) {
  return fmt::format(
      R"("protocol": ["all"], "direction": "{}", "allow_whole_interface": false, {})", direction,
      more);
}

const char* const kPortOnLo = R"("remote_port": [{"first": 5432, "last": 5432}], "device": "lo")";
const char* const kPortOnVeth = R"("remote_port": [{"first": 5432, "last": 5432}], "device": "va")";

std::string loss_with(int ppm, const std::string& traffic, int correlation = 0) {
  return fmt::format(R"({{"percent": {}, "correlation": {}, {}}})", ppm, correlation,
                     shared("egress", traffic));
}

std::string partition_with(const std::string& action, const std::string& traffic,
                           const std::string& direction = "egress") {
  return fmt::format(R"({{"action": "{}", {}}})", action, shared(direction, traffic));
}

bool passes(const std::string& address) { return round_trips(address, kPort, 1).lost == 0; }

// Milliseconds until packets pass, at most `limit`.
int until_passes(const std::string& address, int limit) {
  for (int waited = 0; waited < limit; waited += 20) {
    if (echoed(address, kPort, 1) == 1) return waited;
  }
  return limit;
}

TEST(Loss, LosesItsShareAndNothingElse) {
  NetworkBed bed;
  ASSERT_EQ(echoed("127.0.0.1", kPort, 2000), 2000);
  Owner owner("network.loss", loss_with(300'000, kPortOnLo));
  ASSERT_EQ(owner.problem(), "");
  const int back = echoed("127.0.0.1", kPort, 2000);
  EXPECT_NEAR(back, 1400, 82);  // four standard deviations
  EXPECT_NEAR(echoed("::1", kPort, 2000), 1400, 82);
  EXPECT_EQ(echoed("127.0.0.1", kOther, 500), 500);
  EXPECT_NEAR(static_cast<double>(owner.matched()), 1200, 116) << "counted is what was lost";
  EXPECT_EQ(owner.revert(), "");
  EXPECT_EQ(echoed("127.0.0.1", kPort, 500), 500);
}

TEST(Loss, WithCorrelationComesInBursts) {
  NetworkBed bed;
  Owner owner("network.loss", loss_with(300'000, kPortOnVeth, 250'000));
  if (!owner.problem().empty()) GTEST_SKIP() << owner.problem();
  // Four standard deviations; they grow by sqrt((1 + c) / (1 - c)). netem's own correlation loses a
  // sixth of what is asked here.
  EXPECT_NEAR(echoed(kPeer4, kPort, 2000), 1400, 106);
  EXPECT_EQ(owner.revert(), "");
}

TEST(Loss, OfNothingMeetsPackets) {
  NetworkBed bed;
  Owner owner("network.loss", loss_with(300'000, kPortOnLo), 60s, true);
  ASSERT_EQ(owner.problem(), "");
  EXPECT_EQ(echoed("127.0.0.1", kPort, 500), 500);
  EXPECT_EQ(owner.matched(), 500u);
}

TEST(PartitionDrop, IsSilentForSendersAndCallers) {
  NetworkBed bed;
  for (const char* direction : {"egress", "ingress"}) {
    Owner owner("network.partition", partition_with("drop", kPortOnVeth, direction));
    ASSERT_EQ(owner.problem(), "");
    EXPECT_EQ(echoed(kPeer4, kPort, 20), 0);  // and no send failed
    EXPECT_EQ(echoed(kPeer6, kPort, 20), 0);
    EXPECT_EQ(connect_result(kPeer4, kPort, 300ms), ETIMEDOUT);
    EXPECT_EQ(connect_result(kPeer6, kPort, 300ms), ETIMEDOUT);
    EXPECT_EQ(connect_result(kPeer4, kOther, 3s), 0);
    EXPECT_EQ(owner.revert(), "");
    EXPECT_TRUE(passes(kPeer4));
    EXPECT_EQ(connect_result(kPeer6, kPort, 3s), 0);
  }
}

TEST(PartitionReject, FailsCallersAtOnce) {
  NetworkBed bed;
  Owner owner("network.partition", partition_with("reject", kPortOnVeth));
  ASSERT_EQ(owner.problem(), "");
  EXPECT_EQ(connect_result(kPeer4, kPort, 3s), ECONNREFUSED);
  EXPECT_EQ(connect_result(kPeer6, kPort, 3s), ECONNREFUSED);
  EXPECT_EQ(connect_result(kPeer4, kOther, 3s), 0);
  EXPECT_GT(owner.matched(), 0u);
  EXPECT_EQ(owner.revert(), "");
  EXPECT_EQ(connect_result(kPeer4, kPort, 3s), 0);
}

// The partition's own resets arrive through the very chains that reject.
TEST(PartitionReject, LetsItsOwnAnswersPassOnLo) {
  NetworkBed bed;
  Owner owner("network.partition",
              partition_with("reject", R"("remote_ip": ["127.0.0.1/32", "::1/128"])", "both"));
  ASSERT_EQ(owner.problem(), "");
  EXPECT_EQ(connect_result("127.0.0.1", kPort, 3s), ECONNREFUSED);
  EXPECT_EQ(connect_result("::1", kPort, 3s), ECONNREFUSED);
  EXPECT_EQ(connect_result(kPeer4, kPort, 3s), 0);
  EXPECT_EQ(owner.revert(), "");
}

TEST(Lease, EndsTheFaultOfAStoppedOwner) {
  NetworkBed bed;
  Owner owner("network.partition", partition_with("drop", kPortOnLo), 3s);
  ASSERT_EQ(owner.problem(), "");
  owner.kill(SIGSTOP);
  EXPECT_EQ(echoed("127.0.0.1", kPort, 3), 0);
  std::this_thread::sleep_for(3s);
  EXPECT_TRUE(passes("127.0.0.1"));
  EXPECT_TRUE(passes("::1"));
  owner.kill(SIGCONT);
  EXPECT_THAT(owner.renew(), HasSubstr("lapsed"));
  EXPECT_TRUE(passes("127.0.0.1"));
  EXPECT_EQ(owner.revert(), "");
}

TEST(Lease, IsPushedForwardByRenewals) {
  NetworkBed bed;
  Owner owner("network.partition", partition_with("drop", kPortOnLo), 3s);
  ASSERT_EQ(owner.problem(), "");
  for (int i = 0; i < 4; ++i) {
    std::this_thread::sleep_for(1s);
    EXPECT_EQ(owner.renew(), "");
  }
  EXPECT_EQ(echoed("127.0.0.1", kPort, 3), 0);
}

TEST(OwnersDeath, EndsEveryFaultWithinASecond) {
  NetworkBed bed;
  const double before = undisturbed("127.0.0.1", kPort);
  Owner drop("network.partition", partition_with("drop", kPortOnVeth));
  Owner delay("network.delay",
              R"({"latency": 100000, "jitter": 0, "correlation": 0, "distribution": "uniform",
                  "backend": "auto", "protocol": ["all"], "direction": "egress", "device": "lo",
                  "remote_port": [{"first": 5432, "last": 5432}],
                  "allow_whole_interface": false})");
  ASSERT_EQ(drop.problem() + delay.problem(), "");
  EXPECT_GT(round_trips("127.0.0.1", kPort, 5).median - before, 90);
  for (Owner* owner : {&drop, &delay}) {
    owner->kill(SIGKILL);
    owner->wait_dead();
  }
  EXPECT_LT(until_passes(kPeer4, 1000), 1000);
  std::this_thread::sleep_for(1s);
  EXPECT_LT(best_of("127.0.0.1", kPort, before + 1).median - before, 1);
  EXPECT_EQ(run({"nft", "list", "ruleset"}), "");
  // An ifb that carries nothing may be left: recovery finds it by its mark.
  os::LinuxLinks links;
  std::vector<std::string> left;
  const auto now = links.list();
  for (const os::LinkInfo& link : now.value()) {
    if (link.name.starts_with("ordeal-")) left.push_back(link.name);
  }
  EXPECT_TRUE(links.remove_all(left).has_value());
  EXPECT_THAT(run({"ip", "-o", "link"}), ::testing::Not(HasSubstr("ordeal-")));
}

TEST(Tables, BelongToTheirOwnerAlone) {
  NetworkBed bed;
  Owner owner("network.partition", partition_with("drop", kPortOnLo));
  ASSERT_EQ(owner.problem(), "");
  os::LinuxNftables stranger;
  const auto marked = stranger.list_marked();
  ASSERT_TRUE(marked.has_value());
  ASSERT_THAT(marked.value(), SizeIs(1));
  const std::vector<os::TableId> tables(marked.value().begin(), marked.value().end());
  const auto removed = stranger.remove(tables, false);
  ASSERT_TRUE(removed.has_error());
  EXPECT_EQ(removed.error().code(), Code::denied);
  EXPECT_EQ(echoed("127.0.0.1", kPort, 3), 0);
}

model::NftTable empty_table(const std::string& name) {
  model::NftTable table;
  table.name = name;
  return table;
}

TEST(Tables, AreRemovedTogetherWhateverIsGoneAlready) {
  NetworkBed bed;
  os::LinuxNftables nftables;
  ASSERT_TRUE(nftables.create(empty_table("ordeal-aaaaaaab"), 5s).has_value());
  ASSERT_TRUE(nftables.create(empty_table("ordeal-aaaaaaac"), 5s).has_value());
  const auto twice = nftables.create(empty_table("ordeal-aaaaaaac"), 5s);
  ASSERT_TRUE(twice.has_error());
  EXPECT_EQ(twice.error().code(), Code::busy);
  const std::vector<os::TableId> all = {
      {"ordeal-aaaaaaab"}, {"ordeal-zzzzzzzz"}, {"ordeal-aaaaaaac"}};
  const auto removed = nftables.remove(all, false);
  EXPECT_TRUE(removed.has_value()) << removed.error().message();
  EXPECT_THAT(nftables.list_marked().value(), IsEmpty());
  EXPECT_EQ(nftables.matched(all[0]).error().code(), Code::gone);
  EXPECT_EQ(nftables.create(empty_table("theirs"), 5s).error().code(), Code::refused);
}

TEST(Links, AreOursOrRefused) {
  NetworkBed bed;
  os::LinuxLinks links;
  if (const auto can = links.can_ifb(); can.has_error()) GTEST_SKIP() << can.error().message();
  EXPECT_EQ(links.remove("va").error().code(), Code::refused);
  EXPECT_EQ(links.remove("ordeal-aaaaaaab").error().code(), Code::gone);
  std::vector<std::string> names;
  for (const char c : {'b', 'c', 'd'}) {
    names.push_back(std::string("ordeal-aaaaaaa") + c);
    ASSERT_TRUE(links.add_ifb(names.back()).has_value());
  }
  EXPECT_EQ(links.add_ifb(names[0]).error().code(), Code::busy);
  EXPECT_TRUE(links.remove(names[0]).has_value());
  ASSERT_TRUE(links.add_ifb("ordeal-aaaaaaae").has_value());
  EXPECT_TRUE(links.remove_all(names).has_value());  // one of them is gone
  const std::string left = run({"ip", "-o", "link"});
  EXPECT_THAT(left, ::testing::Not(HasSubstr("ordeal-aaaaaaac")));
  EXPECT_THAT(left, HasSubstr("ordeal-aaaaaaae"));  // not named
  // The driver came without its two default devices, unless it was built in.
  const auto now = links.list();
  for (const os::LinkInfo& link : now.value()) {
    EXPECT_NE(link.name, "ifb0");
    EXPECT_EQ(link.up, true) << link.name;
  }
}

}  // namespace
}  // namespace ordeal::kernel
