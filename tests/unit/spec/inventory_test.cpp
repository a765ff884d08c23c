// Inventory files: those that are read, and tests/broken/inventories: what each is told, exactly.
// ORDEAL_WRITE_EXPECTED=1 writes the expected files anew, to be read before a commit.
#include "engine/spec/inventory.hpp"

#include <gtest/gtest.h>

#include "tests/unit/spec/files.hpp"

namespace ordeal::spec {
namespace {

InventoryOutcome parse_inventory_text(const std::string& text) {
  const auto read = [&](const std::string& path) -> Result<std::string> {
    if (path == "folder/test.yaml") return text;
    return Error(Code::gone, path + ": no such file");
  };
  return parse_inventory({"folder/test.yaml", read});
}

model::Inventory inventory_of(const std::string& text) {
  const InventoryOutcome outcome = parse_inventory_text(text);
  EXPECT_EQ(lines(outcome.problems), "");
  return outcome.inventory.value_or(model::Inventory{});
}

constexpr const char* kBroken = "tests/broken/inventories";

class BrokenInventory : public testing::TestWithParam<std::string> {};

TEST_P(BrokenInventory, IsToldExactly) {
  const InventoryOutcome outcome = parse_inventory({GetParam() + ".yaml", read_source});
  EXPECT_FALSE(outcome.inventory.has_value());
  expect_told_exactly(GetParam(), outcome.problems);
}

INSTANTIATE_TEST_SUITE_P(Files, BrokenInventory, testing::ValuesIn(broken_files(kBroken)),
                         test_name);

TEST(BrokenInventories, AreAtLeastFifteen) { EXPECT_GE(broken_files(kBroken).size(), 15u); }

TEST(InventoryFile, IsReadInWhole) {
  const InventoryOutcome outcome = parse_inventory({"tests/examples/inventory.yaml", read_source});
  EXPECT_EQ(lines(outcome.problems), "");
  ASSERT_TRUE(outcome.inventory);
  const model::Inventory& inventory = *outcome.inventory;
  EXPECT_EQ(inventory.file, "tests/examples/inventory.yaml");
  EXPECT_TRUE(inventory.ssh_config.starts_with('/')) << inventory.ssh_config;
  EXPECT_TRUE(inventory.ssh_config.ends_with("/tests/examples/ssh_config"));
  ASSERT_EQ(inventory.hosts.size(), 10u);
  const model::InventoryHost& app = inventory.hosts[0];
  EXPECT_EQ(app.name, "app-1");
  EXPECT_EQ(app.ssh->user, "ops");
  EXPECT_EQ(app.ssh->host, "10.0.0.11");
  EXPECT_EQ(app.ssh->port, 22);
  EXPECT_EQ(app.labels, (std::map<std::string, std::string>{{"role", "app"}, {"zone", "a"}}));
  EXPECT_TRUE(app.sudo);
  EXPECT_EQ(app.ip, std::vector<std::string>{"10.0.0.11"});
  EXPECT_EQ(app.place.line, 4);
  EXPECT_FALSE(inventory.hosts[1].ssh->port.has_value());
  const model::InventoryHost& cache = inventory.hosts[3];
  EXPECT_FALSE(cache.sudo) << "root needs none";
  EXPECT_EQ(cache.ip, std::vector<std::string>{"10.0.0.21"});
  EXPECT_TRUE(inventory.hosts[4].sudo);
  EXPECT_EQ(inventory.hosts[4].ip, (std::vector<std::string>{"10.0.0.22", "fd00::22"}));
  EXPECT_EQ(inventory.hosts[5].ssh->host, "fd00::31");
  EXPECT_EQ(inventory.hosts[5].ip, std::vector<std::string>{"fd00::31"});
  EXPECT_EQ(to_string(*inventory.hosts[5].ssh), "ssh://ops@[fd00::31]:2222");
  EXPECT_FALSE(inventory.hosts[7].sudo);
  EXPECT_TRUE(inventory.hosts[7].ip.empty()) << "a name is not looked up";
  EXPECT_FALSE(inventory.hosts[9].ssh.has_value());
}

// A host's name, user and address stand in a command line of ssh.
TEST(InventoryFile, RefusesWhatCouldBeAnOption) {
  const std::vector<std::string> addresses = {"-oProxyCommand=reboot",
                                              "ssh://-oProxyCommand=reboot",
                                              "ssh://-l@host",
                                              "ssh://user@-oHost",
                                              "ssh://a b",
                                              "ssh://a;reboot",
                                              "ssh://$(reboot)",
                                              "ssh://`reboot`",
                                              "ssh://a\\x0ab",
                                              "ssh://a|b",
                                              "ssh://user:secret@host",
                                              "ssh://host:22/path",
                                              "ssh://host:0",
                                              "ssh://host:65536",
                                              "ssh://host:-1",
                                              "ssh://host:+22",
                                              "ssh://host: 22",
                                              "ssh://",
                                              "ssh://@host",
                                              "ssh://[::1",
                                              "ssh://[10.0.0.1]",
                                              "ssh://::1",
                                              "ssh://[fe80::1%eth0]",
                                              "telnet://host",
                                              "ssh://a,b",
                                              "ssh://a%h",
                                              "ssh://user@host@other",
                                              "ssh://host:22:23",
                                              "ssh://[::1]22",
                                              "SSH://host"};
  for (const std::string& address : addresses) {
    const InventoryOutcome outcome =
        parse_inventory_text("version: 1\nhosts:\n  a: { address: \"" + address + "\" }\n");
    EXPECT_EQ(outcome.problems.size(), 1u) << address << "\n" << lines(outcome.problems);
  }
  for (const std::string name :
       {"-a", "a b", "a;b", "a/b", "$a", "a\\tb", "..", "_a", "a,b", "ä"}) {
    const InventoryOutcome outcome =
        parse_inventory_text("version: 1\nhosts:\n  \"" + name + "\": { address: local }\n");
    EXPECT_EQ(outcome.problems.size(), 1u) << name << "\n" << lines(outcome.problems);
  }
}

TEST(InventoryFile, TakesEveryGoodAddress) {
  for (const std::string address :
       {"local", "ssh://host", "ssh://host.example.org:2222", "ssh://u@10.0.0.1", "ssh://[::1]",
        "ssh://_svc@host", "ssh://a_b.lan", "ssh://first.last@h-1"}) {
    inventory_of("version: 1\nhosts:\n  a: { address: \"" + address + "\" }\n");
  }
}

TEST(InventoryFile, HasASchemaWithEveryKey) {
  const std::string schema = json_schema_of_inventories();
  for (const Table& keys : inventory_tables()) {
    for (const Key& key : keys.keys) {
      EXPECT_NE(schema.find("\"" + std::string(key.name) + "\""), schema.npos);
    }
  }
}

// The page names every key, and its examples are read.
TEST(InventoryFile, PageIsRight) {
  const std::string page = read_source("docs/reference/inventory.md").value();
  for (const Table& keys : inventory_tables()) {
    for (const Key& key : keys.keys) {
      EXPECT_NE(page.find("`" + std::string(key.name)), page.npos) << key.name;
    }
  }
  std::size_t found = 0;
  const std::string open = "```yaml\nversion: 1\nhosts:";
  for (std::size_t at = 0; (at = page.find(open, at)) != page.npos;) {
    const std::size_t start = at + 8;
    at = page.find("```", start);
    inventory_of(page.substr(start, at - start));
    ++found;
  }
  EXPECT_EQ(found, 1u);
}

// ---- Does an experiment fit?

const std::string kHead = R"(version: 1
name: a
hypothesis: b
slis: { shop: { http: { url: "http://127.0.0.1/", rate: 50/s } } }
steady_state: [ shop.success >= 99% ]
abort_if: [ shop.success < 80% over 3s ]
method:
)";

const std::string kHosts = R"(version: 1
hosts:
  app-1: { address: "ssh://10.0.0.1", labels: { role: app, zone: a } }
  app-2: { address: "ssh://10.0.0.2", labels: { role: app, zone: b } }
  db-1: { address: "ssh://10.0.0.3", labels: { role: db, zone: a, gpu: big, env: payments } }
)";

std::string fit(const std::string& method, const model::Inventory& inventory) {
  const Outcome outcome = parse_text(kHead + method);
  EXPECT_EQ(lines(outcome.problems), "");
  return outcome.experiment ? lines(check_hosts(*outcome.experiment, inventory)) : "";
}

std::string step_for(const std::string& hosts, const std::string& more = "") {
  return "  - { fault: cpu.load, target: { hosts: " + hosts +
         " }, with: { load: 50% }, duration: 30s" + more + " }\n";
}

TEST(CheckHosts, KnowsWhatIsThere) {
  const model::Inventory hosts = inventory_of(kHosts);
  EXPECT_EQ(fit(step_for("{ labels: { role: app, zone: { in: [a, z] }, gpu: { exists: false } }, "
                         "exclude: [app-2], at_most: { per: zone, value: 1 } }",
                         ", abort_if: [ 'host(zone=b).cpu > 95% over 3s' ]"),
                hosts),
            "");
}

TEST(CheckHosts, TellsWhatNobodyHas) {
  const model::Inventory hosts = inventory_of(kHosts);
  const std::string at = "test.yaml:8:41: ";
  EXPECT_EQ(fit(step_for("{ names: [ap-1] }"), hosts),
            at + "no host is called 'ap-1'; did you mean `app-1`?\n");
  EXPECT_EQ(fit(step_for("{ names: [frontend] }"), hosts),
            at + "no host is called 'frontend'; there are app-1, app-2, db-1\n");
  EXPECT_EQ(fit(step_for("{ labels: { rol: app } }"), hosts),
            at + "no host has a label `rol`; did you mean `role`?\n");
  EXPECT_EQ(fit(step_for("{ labels: { role: cache } }"), hosts),
            at + "no host has role=cache; there are app, db\n");
  EXPECT_EQ(fit(step_for("{ labels: { rol: { not_in: [db] } } }"), hosts),
            at + "no host has a label `rol`; did you mean `role`?\n");
  EXPECT_EQ(fit(step_for("{ labels: { disk: { not_in: [sdd] } } }"), hosts),
            at + "no host has a label `disk`; there are env, gpu, role, zone\n");
  EXPECT_EQ(fit(step_for("{ labels: { zone: q } }"), hosts),
            at + "no host has zone=q; there are a, b\n");
  EXPECT_EQ(fit(step_for("{ labels: { env: { not_in: [payment] } } }"), hosts),
            at + "no host has env=payment; did you mean `payments`?\n");
  EXPECT_EQ(fit(step_for("{ exclude: [db-2] }"), hosts),
            at + "no host is called 'db-2'; did you mean `db-1`?\n");
  EXPECT_EQ(fit(step_for("{ at_most: { per: rack, value: 1 } }"), hosts),
            at + "at_most.per: no host has a label `rack`; there are env, gpu, role, zone\n");
  EXPECT_EQ(fit(step_for("{ labels: { role: app } }",
                         ", expect: [ 'host(app-3).cpu > 9% over 5s "
                         "within 20s' ]"),
                hosts),
            "test.yaml:8:116: host(...): no host is called 'app-3'; did you mean `app-1`?\n");
}

TEST(CheckHosts, WithAnInventoryEveryStepSaysWhere) {
  const std::string method = "  - { fault: cpu.load, with: { load: 50% }, duration: 30s }\n";
  EXPECT_EQ(fit(method, inventory_of(kHosts)),
            "test.yaml:8:5: 1-cpu.load: with an inventory each step says on which hosts: target: "
            "{ hosts: { ... } }\n");
  EXPECT_EQ(fit(method, local_inventory()), "");
}

TEST(CheckHosts, WithoutAnInventoryNamesMeanNothing) {
  EXPECT_EQ(fit(step_for("{ labels: { role: app } }"), local_inventory()),
            "test.yaml:8:41: hosts are named here, and there is no inventory: --inventory FILE\n");
  EXPECT_EQ(fit(step_for("{}"), local_inventory()),
            "test.yaml:8:41: hosts are named here, and there is no inventory: --inventory FILE\n");
  EXPECT_EQ(fit("  - { fault: network.partition, between: [ {}, {} ], duration: 30s }\n",
                local_inventory()),
            "test.yaml:8:44: hosts are named here, and there is no inventory: --inventory FILE\n");
}

}  // namespace
}  // namespace ordeal::spec
