// Which hosts a selector means: criteria, modes, limits, and that a seed repeats its picks.
#include "engine/fleet/select.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace ordeal::fleet {
namespace {

using model::HostSelector;
using model::LabelRule;
using model::Mode;
using How = model::LabelRule::How;

// Roles app and db in three zones: "app-a-0", "app-b-1", ...
model::Inventory inventory(int of_each = 2) {
  model::Inventory out;
  out.file = "hosts.yaml";
  for (const std::string role : {"app", "db"}) {
    for (const std::string zone : {"a", "b", "c"}) {
      for (int i = 0; i < of_each; ++i) {
        model::InventoryHost host;
        host.name = role + "-" + zone + "-" + std::to_string(i);
        host.labels = {{"role", role}, {"zone", zone}};
        if (role == "db") host.labels["gpu"] = "big";
        out.hosts.push_back(host);
      }
    }
  }
  return out;
}

HostSelector by_role(const std::string& role, Mode mode = Mode::all) {
  HostSelector out;
  out.labels.push_back({"role", How::in, {role}});
  out.mode = mode;
  return out;
}

std::vector<std::string> names(const std::vector<const model::InventoryHost*>& hosts) {
  std::vector<std::string> out;
  for (const auto* host : hosts) out.push_back(host->name);
  return out;
}

std::vector<std::string> names(const Selection& selection) {
  std::vector<std::string> out;
  for (const PickedHost& picked : selection.picked) out.push_back(picked.host->name);
  return out;
}

std::vector<std::string> picked(const model::Inventory& hosts, const HostSelector& selector,
                                std::uint64_t seed = 7, const std::string& step = "method.0") {
  const auto selection = pick(candidates(hosts, selector), selector, seed, step);
  EXPECT_TRUE(selection.has_value()) << selection.error().message();
  return selection.has_value() ? names(selection.value()) : std::vector<std::string>{};
}

std::string refusal(const model::Inventory& hosts, const HostSelector& selector) {
  const auto selection = pick(candidates(hosts, selector), selector, 7, "method.0");
  EXPECT_TRUE(selection.has_error());
  if (selection.has_value()) return "";
  EXPECT_EQ(selection.error().code(), Code::refused);
  return selection.error().message();
}

TEST(Candidates, MeetEveryCriterion) {
  const model::Inventory hosts = inventory(1);
  const auto found = [&](const HostSelector& selector) {
    return names(candidates(hosts, selector));
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(found({}).size(), 6u) << "no criterion picks every host";
  HostSelector selector;
  selector.names = {"db-a-0", "app-b-0"};
  EXPECT_EQ(found(selector), (Names{"app-b-0", "db-a-0"})) << "in the inventory's order";
  selector.labels = {{"role", How::in, {"app"}}};
  EXPECT_EQ(found(selector), Names{"app-b-0"});
  selector = {};
  selector.labels = {{"zone", How::in, {"a", "c"}}, {"role", How::in, {"db"}}};
  EXPECT_EQ(found(selector), (Names{"db-a-0", "db-c-0"}));
  selector.exclude = {"db-a-0"};
  EXPECT_EQ(found(selector), Names{"db-c-0"});
  selector = {};
  selector.labels = {{"zone", How::not_in, {"a"}}, {"gpu", How::absent, {}}};
  EXPECT_EQ(found(selector), (Names{"app-b-0", "app-c-0"}));
  selector.labels = {{"gpu", How::exists, {}}};
  EXPECT_EQ(found(selector), (Names{"db-a-0", "db-b-0", "db-c-0"}));
  selector.labels = {{"gpu", How::not_in, {"big"}}};
  EXPECT_EQ(found(selector), (Names{"app-a-0", "app-b-0", "app-c-0"}))
      << "a host without the label has none of its values";
}

TEST(Pick, EachModeTakesSoMany) {
  const model::Inventory hosts = inventory();  // six of each role
  EXPECT_EQ(picked(hosts, by_role("app")).size(), 6u);
  EXPECT_EQ(picked(hosts, by_role("app", Mode::one)).size(), 1u);
  HostSelector fixed = by_role("app", Mode::fixed);
  fixed.value_count = 4;
  EXPECT_EQ(picked(hosts, fixed).size(), 4u);
  HostSelector share = by_role("app", Mode::fixed_percent);
  share.value_share = percent(50);
  EXPECT_EQ(picked(hosts, share).size(), 3u);
  share.value_share = percent(49);
  EXPECT_EQ(picked(hosts, share).size(), 2u) << "49% of 6 rounds down";
  share.value_share = percent(100);
  EXPECT_EQ(picked(hosts, share).size(), 6u);
}

TEST(Pick, RandomShareIsFromOneToTheMost) {
  const model::Inventory hosts = inventory();
  HostSelector selector = by_role("app", Mode::random_max_percent);
  selector.value_share = percent(50);
  std::map<std::size_t, int> sizes;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) ++sizes[picked(hosts, selector, seed).size()];
  EXPECT_EQ(sizes.size(), 3u);
  for (const auto& [size, count] : sizes) {
    EXPECT_TRUE(size >= 1 && size <= 3);
    EXPECT_GT(count, 60) << "each about a third of the time";
  }
}

TEST(Pick, RepeatsWithTheSeedAndChangesWithIt) {
  const model::Inventory hosts = inventory();
  const HostSelector selector = by_role("app", Mode::one);
  std::map<std::string, int> times;
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    const auto first = picked(hosts, selector, seed);
    EXPECT_EQ(first, picked(hosts, selector, seed));
    ++times[first.at(0)];
  }
  EXPECT_EQ(times.size(), 6u) << "every host has its turn";
  for (const auto& [name, count] : times) EXPECT_GT(count, 50) << name;
  std::set<std::string> by_step;
  for (int step = 0; step < 40; ++step) {
    by_step.insert(picked(hosts, selector, 7, "method." + std::to_string(step)).at(0));
  }
  EXPECT_GT(by_step.size(), 3u) << "steps of one run pick apart";
}

// The order of the file, and hosts that come and go, change nobody else's rank.
TEST(Pick, IsStableWhenTheInventoryChanges) {
  HostSelector fixed = by_role("app", Mode::fixed);
  fixed.value_count = 3;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    model::Inventory hosts = inventory();
    const auto before = picked(hosts, fixed, seed);
    std::reverse(hosts.hosts.begin(), hosts.hosts.end());
    auto reversed = picked(hosts, fixed, seed);
    std::reverse(reversed.begin(), reversed.end());
    EXPECT_EQ(reversed, before);
    model::InventoryHost more;
    more.name = "app-new";
    more.labels = {{"role", "app"}};
    hosts.hosts.push_back(more);
    const auto after = picked(hosts, fixed, seed);
    const auto kept = std::count_if(before.begin(), before.end(), [&](const std::string& name) {
      return std::find(after.begin(), after.end(), name) != after.end();
    });
    const bool took_part = std::find(after.begin(), after.end(), "app-new") != after.end();
    EXPECT_EQ(kept, took_part ? 2 : 3) << "the new host displaces one at most";
  }
}

TEST(Pick, AtMostSoManyOfAZone) {
  const model::Inventory hosts = inventory();
  HostSelector selector = by_role("app");
  selector.at_most_per = "zone";
  selector.at_most = 1;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::set<char> zones;
    const auto found = picked(hosts, selector, seed);
    for (const std::string& name : found) zones.insert(name[4]);
    EXPECT_EQ(found.size(), 3u);
    EXPECT_EQ(zones.size(), 3u);
  }
  selector.at_most_per = "rack";
  EXPECT_EQ(picked(hosts, selector).size(), 1u) << "without the label they count as one group";
  selector.at_most_per = "zone";
  selector.mode = Mode::fixed;
  selector.value_count = 4;
  EXPECT_EQ(refusal(hosts, selector),
            "4 hosts are wanted of 6 that match role=app; at most 1 per zone leaves 3");
}

TEST(Pick, SaysWhy) {
  const model::Inventory hosts = inventory(1);
  const auto why = [&](const HostSelector& selector) {
    return pick(candidates(hosts, selector), selector, 7, "method.0").value().picked.at(0).why;
  };
  EXPECT_EQ(why(by_role("app")), "role=app");
  EXPECT_EQ(why(by_role("app", Mode::one)), "role=app; 1 of 3 by the seed");
  HostSelector selector = by_role("app");
  selector.at_most_per = "role";
  selector.at_most = 2;
  EXPECT_EQ(why(selector), "role=app; 2 of 3 by the seed, at most 2 per role");
  selector = {};
  EXPECT_EQ(why(selector), "every host");
  selector.names = {"app-a-0", "db-a-0"};
  selector.labels = {{"zone", How::in, {"a", "b"}},
                     {"gpu", How::absent, {}},
                     {"role", How::not_in, {"db"}},
                     {"role", How::exists, {}}};
  selector.exclude = {"db-a-0"};
  EXPECT_EQ(why(selector),
            "names app-a-0, db-a-0, zone in [a, b], no gpu, role not in [db], role exists, without "
            "db-a-0");
}

TEST(Pick, RefusesWhatCannotBe) {
  const model::Inventory hosts = inventory(1);
  HostSelector selector = by_role("app", Mode::fixed);
  selector.value_count = 4;
  EXPECT_EQ(refusal(hosts, selector), "4 hosts are wanted, 3 match role=app");
  selector = by_role("app", Mode::fixed_percent);
  selector.value_share = percent(33);
  EXPECT_EQ(refusal(hosts, selector),
            "no host is picked: 3 match role=app; 33% of 3 rounds down to none");
  selector.mode = Mode::random_max_percent;
  EXPECT_EQ(refusal(hosts, selector),
            "no host is picked: 3 match role=app; 33% of 3 rounds down to none");
  EXPECT_EQ(refusal(hosts, by_role("cache")), "no host matches role=cache");
}

TEST(NoHost, NamesWhatThereIs) {
  model::Inventory hosts = inventory(1);
  const auto told = [&](const HostSelector& selector) {
    return no_host(hosts, selector).message();
  };
  EXPECT_EQ(told(by_role("cache")),
            "no host matches role=cache: no host has role=cache; there are app, db");
  HostSelector selector;
  selector.names = {"app-a-O"};
  EXPECT_EQ(told(selector),
            "no host matches name app-a-O: no host is called 'app-a-O'; did you mean `app-a-0`?");
  selector = by_role("app");
  selector.labels.push_back({"gpu", How::exists, {}});
  EXPECT_EQ(told(selector), "no host matches role=app, gpu exists");
  hosts = {};
  EXPECT_EQ(told(by_role("app")),
            "no host matches role=app: no host has a label `role`; there is none");
}

}  // namespace
}  // namespace ordeal::fleet
