// The files of the specification: those that need only what is there are read, each other one is
// refused at the exact place.
#include <gtest/gtest.h>

#include "tests/unit/spec/files.hpp"

namespace ordeal::spec {
namespace {

const std::string kPrometheus = "SLIs of kind `prometheus` are not there yet; use `http` or `exec`";
const std::string kFaults =
    "process.kill, process.pause, network.delay, network.loss, network.partition, cpu.load, "
    "memory.load, disk.fill, service.stop";

struct Row {
  std::string file;
  std::vector<std::string> told;  // "line:column: text"; empty: read
};

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = {
      {"experiments/01-kill-one-nginx-backend.yaml", {}},
      {"experiments/02-redis-sentinel-failover.yaml", {}},
      {"experiments/03-postgres-replica-lag.yaml", {"7:5: " + kPrometheus}},
      {"experiments/04-log-disk-full.yaml", {"7:17: " + kPrometheus}},
      {"experiments/05-cpu-starvation-one-service.yaml", {}},
      {"experiments/06-memory-pressure-oom.yaml", {}},
      {"experiments/07-dns-outage.yaml", {}},
      {"experiments/08-partition-two-groups.yaml", {}},
      {"experiments/09-clock-skew.yaml",
       {"6:12: " + kPrometheus, "12:12: fault 'time.skew' is not there yet; there are " + kFaults}},
      {"experiments/10-slow-dependency-breaker.yaml", {"11:14: " + kPrometheus}},
      {"experiments/11-alert-must-fire.yaml", {"5:11: " + kPrometheus}},
      {"experiments/12-ci-smoke.yaml", {}},
      {"experiments/13-zone-outage.yaml", {}},
      {"experiments/14-breaking-point.yaml",
       {"12:1: `search` is not there yet: this version runs one method as it is written"}},
      {"experiments/gameday-black-friday.yaml",
       {"2:1: this is a game day file, not an experiment: ordeal gameday run FILE, ordeal gameday "
        "validate FILE"}},
      {"inventory.yaml",
       {"3:1: this is an inventory file, not an experiment: ordeal run --inventory FILE "
        "EXPERIMENT"}},
      {"schedule-staging.yaml",
       {"2:1: this is a schedule file, not an experiment: ordeal serve --schedule FILE, ordeal "
        "schedule validate FILE"}},
      {"services/checkout.yaml",
       {"2:1: this is a service file, not an experiment: an experiment names it with `service: "
        "PATH`"}},
      {"services/shop.yaml",
       {"2:1: this is a service file, not an experiment: an experiment names it with `service: "
        "PATH`"}},
  };
  return kRows;
}

TEST(Examples, AreReadOrRefusedAtTheExactPlace) {
  for (const Row& row : rows()) {
    const std::string path = "tests/examples/" + row.file;
    const std::map<std::string, std::string> vars =
        row.file.find("11-") == std::string::npos
            ? std::map<std::string, std::string>{}
            : std::map<std::string, std::string>{{"url", "http://127.0.0.1:8080"}};
    const Outcome outcome = parse_file(path, vars);
    std::string expected;
    for (const std::string& line : row.told) expected += path + ":" + line + "\n";
    EXPECT_EQ(lines(outcome.problems), expected);
    EXPECT_EQ(outcome.experiment.has_value(), row.told.empty()) << path;
  }
  EXPECT_EQ(rows().size(), 19u);
}

TEST(Examples, MissingVariableIsOneMore) {
  const Outcome outcome = parse_file("tests/examples/experiments/11-alert-must-fire.yaml");
  ASSERT_EQ(outcome.problems.size(), 2u);
  EXPECT_EQ(outcome.problems[1].text, "variable `url` has no default; give --var url=...");
}

}  // namespace
}  // namespace ordeal::spec
