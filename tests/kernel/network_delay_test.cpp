#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "engine/os/linux/links.hpp"
#include "engine/os/linux/nftables.hpp"
#include "engine/os/linux/qdiscs.hpp"
#include "tests/kernel/network_bed.hpp"

namespace ordeal::kernel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Why this kernel cannot carry netem; empty: it can.
std::string without_netem() {
  for (const Result<void>& answer : {os::LinuxQdiscs().can_netem(), os::LinuxLinks().can_ifb(),
                                     os::LinuxNftables().can_carry()}) {
    if (answer.has_error()) return answer.error().message();
  }
  return "";
}

std::string delay_with(const std::string& backend, const std::string& device,
                       const std::string& direction, const std::string& extra = "") {
  return fmt::format(
      R"({{"latency": 100000, "jitter": 0, "correlation": 0, "distribution": "uniform",
          "backend": "{}", "protocol": ["all"], "direction": "{}", "device": "{}",
          "remote_port": [{{"first": 5432, "last": 5432}}], "allow_whole_interface": false{}}})",
      backend, direction, device, extra);
}

// Traffic control of somebody else on `va`, in the places where a lesser tool would put its own.
class Foreign {
 public:
  Foreign() {
    tc({"qdisc", "add", "dev", "va", "root", "handle", "1:", "htb", "default", "10"});
    tc({"class", "add", "dev", "va", "parent", "1:", "classid", "1:10", "htb", "rate", "100mbit"});
    tc({"qdisc", "add", "dev", "va", "ingress"});
    before_ = read();
    EXPECT_THAT(before_, HasSubstr("htb 1: dev va root"));
    EXPECT_THAT(before_, HasSubstr("ingress ffff: dev va"));
  }
  void expect_same() const { EXPECT_EQ(read(), before_); }

 private:
  static std::string tc(std::vector<std::string> words) {
    words.insert(words.begin(), "tc");
    return run(words);
  }
  // All of it but what stands on devices of ours.
  static std::string read() {
    std::istringstream all(tc({"qdisc", "show"}) + tc({"class", "show", "dev", "va"}) +
                           tc({"filter", "show", "dev", "va", "parent", "ffff:"}));
    std::string out;
    for (std::string line; std::getline(all, line);) {
      if (line.find("dev ordeal-") == line.npos) out += line + "\n";
    }
    return out;
  }

  std::string before_;
};

struct Case {
  const char* backend;
  const char* device;
  const char* direction;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.backend << " " << one.device << " " << one.direction;
}

// How far from 100 ms. Where each instruction is emulated, a packet's way through a process takes
// milliseconds that have nothing to do with us; the kernel's own timers are as good as ever.
double bar(const char* backend) { return emulated() && std::string(backend) == "nfqueue" ? 5 : 2; }

class Delay : public ::testing::TestWithParam<Case> {};

// 100 ms are seen as 100 +- 2 ms by both families; other traffic sees nothing; traffic control that
// belongs to others reads the same before, during and after; then all is gone.
TEST_P(Delay, IsAddedToWhatIsNamedAndToNothingElse) {
  const auto [backend, device, direction] = GetParam();
  const std::string reason = without_netem();
  if (std::string(backend) == "netem" && !reason.empty()) GTEST_SKIP() << reason;
  NetworkBed bed;
  const Foreign foreign;
  const bool lo = std::string(device) == "lo";
  const std::vector<std::string> addresses =
      lo ? std::vector<std::string>{"127.0.0.1", "::1"} : std::vector<std::string>{kPeer4, kPeer6};
  std::vector<double> before;
  for (const std::string& address : addresses) {
    before.push_back(undisturbed(address, kPort));
    before.push_back(undisturbed(address, kOther));
  }
  Owner owner("network.delay", delay_with(backend, device, direction));
  ASSERT_EQ(owner.problem(), "");
  EXPECT_THAT(owner.backend(), HasSubstr(backend));
  EXPECT_EQ(owner.matched(), 0u);
  std::uint64_t sent = 0;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const RoundTrips met = best_of(addresses[i], kPort, before[2 * i] + 100 + bar(backend));
    const RoundTrips unmet = best_of(addresses[i], kOther, before[2 * i + 1] + 1);
    sent += static_cast<std::uint64_t>(met.sent);
    std::printf("%s %s %s %s: %.3f to %.3f ms, other port %.3f to %.3f ms (%d pings)\n", backend,
                device, direction, addresses[i].c_str(), before[2 * i], met.median,
                before[2 * i + 1], unmet.median, met.sent);
    EXPECT_EQ(met.lost + unmet.lost, 0);
    EXPECT_NEAR(met.median - before[2 * i], 100, bar(backend)) << addresses[i];
    EXPECT_LT(unmet.median - before[2 * i + 1], 1) << addresses[i];
  }
  EXPECT_EQ(owner.matched(), sent);
  foreign.expect_same();
  EXPECT_EQ(owner.revert(), "");
  EXPECT_LT(best_of(addresses[0], kPort, before[0] + 1).median - before[0], 1);
  foreign.expect_same();
  EXPECT_THAT(run({"ip", "-o", "link"}), Not(HasSubstr("ordeal-")));
  EXPECT_EQ(run({"nft", "list", "ruleset"}), "");
}

INSTANTIATE_TEST_SUITE_P(Netem, Delay,
                         ::testing::Values(Case{"netem", "lo", "egress"},
                                           Case{"netem", "lo", "ingress"},
                                           Case{"netem", "va", "egress"},
                                           Case{"netem", "va", "ingress"}));
INSTANTIATE_TEST_SUITE_P(Nfqueue, Delay,
                         ::testing::Values(Case{"nfqueue", "lo", "egress"},
                                           Case{"nfqueue", "lo", "ingress"},
                                           Case{"nfqueue", "va", "egress"},
                                           Case{"nfqueue", "va", "ingress"}));

TEST(DelayBothWays, IsPaidTwice) {
  const std::string reason = without_netem();
  if (!reason.empty()) GTEST_SKIP() << reason;
  NetworkBed bed;
  const double before = undisturbed(kPeer4, kPort);
  Owner owner("network.delay", delay_with("netem", "va", "both"));
  ASSERT_EQ(owner.problem(), "");
  EXPECT_NEAR(best_of(kPeer4, kPort, before + 203).median - before, 200, 3);
  EXPECT_EQ(owner.revert(), "");
}

TEST(DelayControl, MeetsPacketsAndDelaysNone) {
  NetworkBed bed;
  const double before = undisturbed("127.0.0.1", kPort);
  Owner owner("network.delay", delay_with("auto", "lo", "egress"), 60s, true);
  ASSERT_EQ(owner.problem(), "");
  const RoundTrips control = best_of("127.0.0.1", kPort, before + 2);
  EXPECT_LT(control.median - before, 2);
  EXPECT_EQ(owner.matched(), static_cast<std::uint64_t>(control.sent));
  EXPECT_EQ(owner.revert(), "");
}

TEST(DelayReverted, LosesNoPacketThatIsStillHeld) {
  for (const char* backend : {"netem", "nfqueue"}) {
    if (std::string(backend) == "netem" && !without_netem().empty()) continue;
    NetworkBed bed;
    Owner owner("network.delay", delay_with(backend, "lo", "egress"));
    ASSERT_EQ(owner.problem(), "");
    std::thread reverter([&] {
      std::this_thread::sleep_for(150ms);
      EXPECT_EQ(owner.revert(), "");
    });
    // Sent over 300 ms, so that the revert falls into the middle of it.
    int back = 0;
    for (int burst = 0; burst < 30; ++burst) {
      back += round_trips("127.0.0.1", kPort, 1).lost == 0 ? 1 : 0;
      std::this_thread::sleep_for(10ms);
    }
    reverter.join();
    EXPECT_EQ(back, 30) << backend;
  }
}

// What nft, which is not ours, reads of our messages.
TEST(DelayTable, ReadsBackAsItWasMeant) {
  if (!without_netem().empty()) GTEST_SKIP() << without_netem();
  NetworkBed bed;
  Owner owner("network.delay", delay_with("netem", "va", "egress",
                                          R"(, "remote_ip": ["10.99.0.0/24", "fd99::2/128"],
                             "local_port": [{"first": 1000, "last": 65535}])"));
  ASSERT_EQ(owner.problem(), "");
  const std::string rules = run({"nft", "list", "ruleset"});
  EXPECT_THAT(rules, HasSubstr("flags owner"));
  EXPECT_THAT(rules, HasSubstr("hook egress device \"va\""));
  EXPECT_THAT(rules, HasSubstr("ip daddr 10.99.0.0/24"));
  EXPECT_THAT(rules, HasSubstr("tcp sport 1000-65535 tcp dport 5432"));
  EXPECT_THAT(rules, HasSubstr("udp dport 67-68 accept"));
  EXPECT_THAT(rules, HasSubstr("fwd to \"ordeal-"));
  EXPECT_THAT(rules, HasSubstr("timeout"));
  const std::string qdiscs = run({"tc", "qdisc", "show"});
  EXPECT_THAT(qdiscs, HasSubstr("netem dea: dev ordeal-"));
  EXPECT_THAT(qdiscs, HasSubstr("limit 150000 delay 100ms"));
  EXPECT_EQ(owner.revert(), "");
}

TEST(NetemShape, IsWhatTcReads) {
  if (!without_netem().empty()) GTEST_SKIP() << without_netem();
  NetworkBed bed;
  os::LinuxLinks links;
  os::LinuxQdiscs qdiscs;
  model::Netem netem;
  netem.latency = 50ms;
  netem.jitter = 10ms;
  netem.correlation = percent(25);
  netem.distribution = model::Distribution::paretonormal;
  netem.loss = Ppm{3'000};
  netem.loss_correlation = percent(50);
  netem.limit = 77;
  ASSERT_TRUE(links.add_ifb("ordeal-aaaaaaab").has_value());
  const auto added = qdiscs.add_netem("ordeal-aaaaaaab", netem);
  ASSERT_TRUE(added.has_value()) << added.error().message();
  EXPECT_THAT(run({"tc", "qdisc", "show", "dev", "ordeal-aaaaaaab"}),
              HasSubstr("limit 77 delay 50ms  10ms 25% loss gemodel p 0.15% r 49.85% 1-h 100%"));
  EXPECT_TRUE(qdiscs.stats("ordeal-aaaaaaab").has_value());
}

}  // namespace
}  // namespace ordeal::kernel
