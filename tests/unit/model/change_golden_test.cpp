// Goal: what a journal or a plan of another version holds is read, and means what it meant then.
// Method: a stored line of every kind, read, compared and written again.
#include <gtest/gtest.h>

#include <csignal>

#include "engine/model/change.hpp"
#include "tests/unit/stored_lines.hpp"

namespace ordeal::model {
namespace {

template <class Variant>
void expect_stored_changes(const std::string& name, const std::vector<Variant>& expected) {
  test::expect_stored<Variant>(
      "change/v1/" + name, expected,
      [](const Variant& value) { return json::dump(json::encode(value)); },
      [](const std::string& line) -> Result<Variant> {
        TRY(auto value, json::parse(line));
        return json::decode<Variant>(value);
      });
}

ProcessMatcher matcher() {
  return {.unit = "shop.service",
          .name = "shop",
          .exe = "/usr/bin/shop",
          .argv = "*--serve*",
          .user = "www-data",
          .local_port = 8080,
          .pid_file = "/run/shop.pid",
          .count_min = 1,
          .count_max = 8};
}

// Every verdict, and every criterion of a match.
NftTable table() {
  NftMatch match{.family = IpFamily::ip6,
                 .protocol = 6,
                 .source = "::1/128",
                 .destination = "2001:db8::/32",
                 .source_port = PortRange{1024, 65535},
                 .destination_port = PortRange{5432, 5433},
                 .icmp_type = PortRange{128, 129}};
  NftChain chain{"out", NftHook::egress, "eth0", {}};
  chain.rules.push_back({match, NftAccept{}, false, false});
  chain.rules.push_back({match, NftDrop{percent(20)}, true, true});
  chain.rules.push_back({match, NftForward{"ordeal-abcdefgh"}, true, true});
  chain.rules.push_back({match, NftQueue{4711}, true, true});
  chain.rules.push_back({match, NftReject{}, true, true});
  return {"ordeal-abcdefgh", NftFamily::netdev, {chain}};
}

// Verdicts that came later.
NftTable losing_table() {
  NftChain chain{"out", NftHook::egress, "eth0", {}};
  chain.rules.push_back({NftMatch{}, NftLose{"ordeal-abcdefgh", percent(20)}, true, true});
  return {"ordeal-abcdefgh", NftFamily::netdev, {chain}};
}

std::vector<Apply> applies() {
  CreateIfb ifb;
  ifb.link = "ordeal-abcdefgh";
  ifb.netem = {80ms, 5ms, percent(25), Distribution::normal, percent(1), percent(30), 4000};
  SpawnHelper helper;
  helper.mark = "ordeal-abcdefgh";
  helper.role = "cpu";
  helper.arguments["workers"] = 2;
  helper.arguments["reach"] = "no";
  helper.cgroup = "/system.slice/shop.service";
  return {ifb,
          CreateTable{table()},
          SignalProcess{{4711, 123456789}, SIGTERM, 5s},
          FreezeCgroup{"/system.slice/shop.service"},
          helper,
          StopUnit{"shop.service"},
          RunCommand{Command{{"/usr/local/bin/stop", "it's"}, 5s}},
          CreateHole{"ordeal-abcdefgh"},
          CreateTable{losing_table()}};
}

std::vector<Undo> undos() {
  return {DeleteLink{"ordeal-abcdefgh"},
          DeleteTable{"ordeal-abcdefgh", NftFamily::inet},
          ResumeProcess{{4711, 123456789}},
          ThawCgroup{"/system.slice/shop.service"},
          KillHelper{"ordeal-abcdefgh", 200ms, true},
          StartUnit{"shop.service"},
          RunUndoCommand{Command{{"/usr/local/bin/start", "it's"}, 5s}},
          ExpectProcesses{matcher(), 3, 10s, {{4711, 123456789}}},
          NotUndoable{"restore: none"}};
}

std::vector<Effect> effects() {
  return {ProcessesGone{{{4711, 123456789}}},
          ProcessesStopped{{{4711, 123456789}, {4712, 123456790}}},
          CgroupFrozen{"/system.slice/shop.service"},
          TrafficMatched{"ordeal-abcdefgh", NftFamily::inet, "delayed", "ordeal-abcdefgh"},
          CpuBurned{"ordeal-abcdefgh", percent(160)},
          MemoryHeld{"ordeal-abcdefgh", Bytes{1 << 30}, 2s, true},
          DiskFilled{"/data", "ordeal-abcdefgh", Bytes{1'000'000'000}, Bytes{900'000'000}},
          UnitInactive{"shop.service"},
          NoProcessMatches{matcher()}};
}

TEST(ChangeGolden, EveryUndoIsReadAsItWasWritten) { expect_stored_changes("undo.jsonl", undos()); }

TEST(ChangeGolden, EveryApplyIsReadAsItWasWritten) {
  expect_stored_changes("apply.jsonl", applies());
}

TEST(ChangeGolden, EveryEffectIsReadAsItWasWritten) {
  expect_stored_changes("effect.jsonl", effects());
}

}  // namespace
}  // namespace ordeal::model
