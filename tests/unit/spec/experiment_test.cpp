// What a sound file becomes: defaults, normalised parameters, variables, service files.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "engine/base/digest.hpp"
#include "engine/spec/keys.hpp"
#include "tests/unit/spec/files.hpp"

namespace ordeal::spec {
namespace {

const std::string kHead =
    "version: 1\nname: x\nhypothesis: y\n"
    "slis: { shop: { http: { url: 'http://127.0.0.1/', rate: 50/s } } }\n"
    "steady_state: [ shop.success >= 99% ]\n"
    "abort_if: [ shop.success < 80% over 3s ]\n";
const std::string kMethod = "method: [ { fault: cpu.load, with: { load: 80% }, duration: 30s } ]\n";

model::Experiment read(const std::string& text,
                       const std::map<std::string, std::string>& vars = {}) {
  Outcome outcome = parse_text(text, vars);
  EXPECT_EQ(lines(outcome.problems), "");
  return outcome.experiment.value_or(model::Experiment{});
}

std::string told(const std::string& text, const std::map<std::string, std::string>& vars = {}) {
  return lines(parse_text(text, vars).problems);
}

std::string with_of(const std::string& step) {
  const model::Experiment e = read(kHead + "method: [ { " + step + ", duration: 30s } ]\n");
  if (e.method.empty()) return "nothing";
  return boost::json::serialize(std::get<model::Step>(e.method[0]).with);
}

TEST(Experiment, FillsInDefaults) {
  const model::Experiment e = read(kHead + kMethod);
  EXPECT_EQ(e.baseline, 10s);
  EXPECT_EQ(e.warmup, 2s);
  EXPECT_EQ(e.recovery.within, 30s);
  EXPECT_EQ(e.recovery.hold, 5s);
  EXPECT_FALSE(e.blast_radius.duration) << "the plan sets it";
  EXPECT_EQ(e.blast_radius.hosts, 1);
  EXPECT_EQ(e.blast_radius.host_share, percent(50));
  EXPECT_FALSE(e.blast_radius_given);
  ASSERT_EQ(e.during.size(), 1u);
  EXPECT_EQ(e.during[0].text, "shop.success >= 99%");
  EXPECT_EQ(std::get<model::Step>(e.method[0]).name, "1-cpu.load");
  EXPECT_EQ(std::get<model::Step>(e.method[0]).path, "method.0");
  EXPECT_EQ(e.sha256, sha256_hex(kHead + kMethod));
  EXPECT_EQ(model::method_duration(e), 30s);
}

TEST(Experiment, BaselineIsAsLongAsItsDataNeeds) {
  EXPECT_EQ(read(kHead + kMethod + "during: [ shop.p99.9 < 2x baseline ]\n").baseline, 20s);
  EXPECT_EQ(read(kHead + kMethod + "expect: [ shop.success < 1% over 15s within 20s ]\n").baseline,
            15s);
  const std::string lag =
      "version: 1\nname: x\nhypothesis: y\nabort_if: none\nsteady_state: [ lag.max < 1s ]\n"
      "slis: { lag: { exec: { argv: [/bin/lag], every: 5s, unit: s } } }\n" +
      kMethod;
  EXPECT_EQ(read(lag).baseline, 25s);
  EXPECT_EQ(read(lag).recovery.hold, 10s);
  EXPECT_EQ(told(lag + "baseline: 20s\n"),
            "test.yaml:8:11: lag has 4 samples in 20s (every 5s), 5 are needed: baseline: 25s\n");
}

TEST(Experiment, HoldsUntilRequestsThatHangHaveTimedOut) {
  const std::string slow =
      "version: 1\nname: x\nhypothesis: y\nabort_if: none\nsteady_state: [ api.success >= 99% ]\n"
      "slis: { api: { http: { url: 'http://127.0.0.1/', timeout: 10s } } }\n" +
      kMethod;
  EXPECT_EQ(read(slow).recovery.hold, 11s);
  EXPECT_EQ(read(slow + "recovery: { within: 30s, hold: 11s }\n").recovery.hold, 11s);
  EXPECT_EQ(told(slow + "recovery: { within: 30s, hold: 10s }\n"),
            "test.yaml:8:32: hold: 10s ends before requests that hang have timed out: hold: 11s\n");
}

TEST(Experiment, NormalisesParameters) {
  EXPECT_EQ(with_of("fault: network.delay, with: { latency: 1.5ms, local_port: [80, '8000-8010'], "
                    "remote_ip: ['::1', 10.0.0.0/24, 10.1.2.3], protocol: tcp }"),
            R"({"latency":1500,"jitter":0,"distribution":"uniform",)"
            R"("local_port":[{"first":80,"last":80},{"first":8000,"last":8010}],)"
            R"("remote_ip":["::1/128","10.0.0.0/24","10.1.2.3/32"],"protocol":["tcp"],)"
            R"("direction":"egress","backend":"auto"})");
  EXPECT_EQ(with_of("fault: memory.load, with: { size: 50%, ramp: 20s }"),
            R"({"size":{"ppm":500000},"of":"host","ramp":20000000,"reserve":268435456,)"
            R"("oom":"stressor"})");
  EXPECT_EQ(with_of("fault: memory.load, with: { size: 1GiB, oom: target }"),
            R"({"size":{"bytes":1073741824},"of":"host","ramp":0,"reserve":268435456,)"
            R"("oom":"target"})");
  EXPECT_EQ(with_of("fault: process.kill, target: { process: { name: x } }, "
                    "with: { signal: SIGTERM, restore: { argv: [/bin/start, x], timeout: 5s } }"),
            R"({"signal":"TERM","restore":{"how":"argv","argv":["/bin/start","x"],)"
            R"("timeout":5000000}})");
  EXPECT_EQ(with_of("fault: cpu.load, with: { load: 12.5%, workers: 2, pin: true }"),
            R"({"load":125000,"of":"host","workers":2,"pin":true})");
}

TEST(Experiment, ReadsTargets) {
  const model::Experiment e = read(
      kHead +
      "method:\n"
      "  - fault: process.kill\n    duration: 10s\n    interval: 2s\n    with: { restore: unit }\n"
      "    target: { process: { exe: /usr/bin/x, local_port: 80, count: { min: 1, max: 4 } }, "
      "mode: fixed_percent, value: 50% }\n");
  const auto& step = std::get<model::Step>(e.method.at(0));
  EXPECT_EQ(step.interval, 2s);
  EXPECT_EQ(step.target.process->exe, "/usr/bin/x");
  EXPECT_EQ(step.target.process->local_port, 80);
  EXPECT_EQ(step.target.process->count_max, 4);
  EXPECT_EQ(step.target.mode, model::Mode::fixed_percent);
  EXPECT_EQ(step.target.value_share, percent(50));
}

TEST(Experiment, ReadsParallelAndWaits) {
  const model::Experiment e =
      read(kHead +
           "method:\n"
           "  - wait: 5s\n"
           "  - parallel:\n"
           "      - { fault: cpu.load, with: { load: 80% }, duration: 30s }\n"
           "      - { name: late, fault: network.loss, with: { percent: 5% }, start_delay: 10s, "
           "duration: 25s, during: none, expect: [ shop.failures > 0 within 25s ] }\n"
           "  - wait: { until: shop.success >= 99% over 5s, within: 1m }\n");
  ASSERT_EQ(e.method.size(), 3u);
  EXPECT_EQ(model::method_duration(e), 100s);
  const std::vector<const model::Step*> steps = model::steps_of(e);
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[1]->path, "method.1.parallel.1");
  EXPECT_EQ(steps[1]->start_delay, 10s);
  EXPECT_TRUE(steps[1]->during.has_value());
  EXPECT_EQ(std::get<model::Wait>(e.method[2]).until->parts[0].over, 5s);
}

// `during` is not judged while a wait goes on, so a wait gives no room to its windows.
TEST(Experiment, AWaitIsNoTimeInWhichFaultsAreActive) {
  const std::string step = "  - { fault: cpu.load, with: { load: 80% }, duration: 4s }\n";
  const std::string text = kHead + "during: [ shop.success >= 9% over 10s ]\nmethod:\n" + step +
                           "  - wait: 16s\n" + step;
  EXPECT_NE(told(text).find("the window 10s is longer than the 8s in which the faults are active"),
            std::string::npos)
      << told(text);
}

TEST(Experiment, ReadsEveryKindOfSli) {
  const std::string slis =
      "version: 1\nname: x\nhypothesis: y\nabort_if: none\nsteady_state: [ web.success >= 9% ]\n"
      "slis:\n"
      "  web:\n"
      "    http: { url: 'https://u/', concurrency: 8, timeout: 2s, method: POST, body: hi,\n"
      "            headers: { X-A: b, Authorization: { env: TOKEN } },\n"
      "            auth: { user: me, password: { file: /run/secret } },\n"
      "            ok_when: { status: [200, 301-302], faster_than: 300ms, body_contains: ok } }\n"
      "    min_samples: 5\n"
      "    on_no_data: inconclusive\n"
      "  db: { tcp: { address: 'db:5432', rate: 30/m } }\n"
      "  name: { dns: { server: '10.0.0.53', name: a.lan, type: AAAA } }\n"
      "  lag: { exec: { argv: [./lag, -v], unit: ms, env: { PGPASSWORD: { env: P } } } }\n"
      "  disk: { host: { disk_used: /var, unit: B, every: 2s } }\n"
      "  app: { process: { unit: app.service, every: 500ms } }\n" +
      kMethod;
  const model::Experiment e = read(slis);
  ASSERT_EQ(e.slis.size(), 6u);
  const auto& http = std::get<model::HttpProbe>(e.slis[0].probe);
  EXPECT_EQ(http.concurrency, 8);
  EXPECT_EQ(http.rate, 0);
  EXPECT_EQ(http.headers.at("Authorization").env, "TOKEN");
  EXPECT_EQ(http.basic_auth->second.file, "/run/secret");
  EXPECT_EQ(http.ok_when.statuses.size(), 2u);
  EXPECT_EQ(e.slis[0].min_samples, 5);
  EXPECT_EQ(e.slis[0].on_no_data, model::OnNoData::inconclusive);
  EXPECT_EQ(model::interval_of(e.slis[0]), 250ms);
  EXPECT_EQ(model::interval_of(e.slis[1]), 2s);
  const auto& exec = std::get<model::ExecProbe>(e.slis[3].probe);
  EXPECT_EQ(exec.argv[0].front(), '/');
  EXPECT_TRUE(exec.argv[0].ends_with("/lag"));
  EXPECT_EQ(e.slis[3].unit, model::Unit::seconds);
  EXPECT_EQ(e.slis[3].scale, 0.001);
  EXPECT_EQ(e.slis[4].unit, model::Unit::bytes);
  EXPECT_EQ(model::timeout_of(e.slis[5]), 500ms);
  EXPECT_EQ(e.effective.find("secret:"), std::string::npos);
}

TEST(Experiment, SubstitutesVariables) {
  const std::string text =
      kHead + "vars: { load: 80%, time: 30s, n: ~ }\nowner: team-${n} $${HOME}\n" +
      "method: [ { fault: cpu.load, with: { load: '${load}', workers: '${n}' }, "
      "duration: '${time}' } ]\n";
  const model::Experiment e = read(text, {{"n", "3"}, {"load", "50%"}});
  EXPECT_EQ(e.owner, "team-3 ${HOME}");
  EXPECT_EQ(boost::json::serialize(std::get<model::Step>(e.method[0]).with),
            R"({"load":500000,"of":"host","workers":3,"pin":false})");
  EXPECT_EQ(told(text), "test.yaml:7:31: variable `n` has no default; give --var n=...\n");
  EXPECT_EQ(told(text, {{"n", "many"}}),
            "test.yaml:9:64: workers: expected a whole number from 1 to 1024, found 'many'\n");
  EXPECT_EQ(told(text, {{"n", "3"}, {"lod", "1%"}}),
            "test.yaml: --var lod: not declared under `vars`; did you mean `load`?\n");
}

const std::string kService =
    "version: 1\nservice: shop\nowner: team-shop\nlinks: { runbook: r, dashboard: d }\n"
    "slis: { shop: { http: { url: 'http://127.0.0.1/', rate: 50/s } },\n"
    "        lag: { exec: { argv: [./lag], unit: s } } }\n"
    "steady_state: [ shop.success >= 99%, lag.value < 5s ]\n"
    "abort_if: [ shop.success < 80% over 3s ]\n";

TEST(Experiment, TakesFromItsService) {
  const std::string own =
      "version: 1\nname: x\nhypothesis: y\nservice: ../services/shop.yaml\nowner: me\n"
      "links: { runbook: mine }\nslis: { own: { tcp: { address: 'a:1', rate: 5/s } } }\n"
      "steady_state: [ own.success >= 90% ]\n" +
      kMethod;
  const auto faults = descriptions();
  const auto read_file = [&](const std::string& path) -> Result<std::string> {
    if (path == "exp/a/x.yaml") return own;
    if (path == "exp/services/shop.yaml") return kService;
    return Error(Code::gone, path + ": no such file");
  };
  const Outcome outcome = parse_experiment({"exp/a/x.yaml", {}, read_file}, faults);
  ASSERT_EQ(lines(outcome.problems), "");
  const model::Experiment& e = *outcome.experiment;
  EXPECT_EQ(e.owner, "me");
  EXPECT_EQ(e.links.at("runbook"), "mine");
  EXPECT_EQ(e.links.at("dashboard"), "d");
  EXPECT_EQ(e.slis.size(), 3u);
  EXPECT_EQ(e.steady_state.size(), 1u);
  EXPECT_EQ(e.steady_state[0].place.file, "exp/a/x.yaml");
  ASSERT_EQ(e.abort_if.size(), 1u);
  EXPECT_EQ(e.abort_if[0].place.file, "exp/services/shop.yaml");
  EXPECT_EQ(e.abort_if[0].place.line, 8);
  const auto& lag = std::get<model::ExecProbe>(e.slis[2].probe);
  EXPECT_TRUE(lag.argv[0].ends_with("/exp/services/lag")) << lag.argv[0];
}

TEST(Experiment, RefusesTheSameSliTwice) {
  const Outcome outcome = parse_texts(
      {{"test.yaml", kHead + "service: shop.yaml\n" + kMethod}, {"shop.yaml", kService}});
  EXPECT_EQ(lines(outcome.problems),
            "test.yaml:4:9: SLI 'shop' is in the service file already, shop.yaml:5; give this one "
            "another name\n");
}

TEST(Experiment, NamesAFileThatCannotBeOpenedOnce) {
  const auto faults = descriptions();
  const auto read_file = [](const std::string& path) -> Result<std::string> {
    return Error::system(ENOENT, "open " + path);
  };
  EXPECT_EQ(lines(parse_experiment({"x.yaml", {}, read_file}, faults).problems),
            "x.yaml: No such file or directory\n");
}

TEST(Experiment, NamesTheServiceFileInItsErrors) {
  const Outcome outcome = parse_texts(
      {{"test.yaml", kHead + "service: s.yaml\n" + kMethod},
       {"s.yaml",
        "version: 1\nservice: s\nslis: { db: { tcp: { adress: 'a:1' } } }\nmethod: []\n"}});
  EXPECT_EQ(lines(outcome.problems),
            "s.yaml:3:22: unknown key `adress` in a tcp SLI; did you mean `address`?\n"
            "s.yaml:4:1: unknown key `method` in a service file; expected version, service, owner, "
            "links, slis, steady_state or abort_if\n");
}

// The stored file says everything: it reads to the same experiment and to itself.
TEST(Experiment, EffectiveFileReadsToItself) {
  for (const char* name : {"01-kill-one-nginx-backend", "05-cpu-starvation-one-service",
                           "06-memory-pressure-oom", "12-ci-smoke"}) {
    const Outcome first = parse_file(std::string("tests/examples/experiments/") + name + ".yaml");
    ASSERT_TRUE(first.experiment) << name;
    const model::Experiment second = read(first.experiment->effective);
    EXPECT_EQ(second.effective, first.experiment->effective) << name;
    EXPECT_EQ(second.steady_state.size(), first.experiment->steady_state.size());
    EXPECT_EQ(model::method_duration(second), model::method_duration(*first.experiment));
  }
}

TEST(Schema, HasTheKeysOfTheReader) {
  const auto faults = descriptions();
  const auto schema = boost::json::parse(json_schema(faults)).as_object();
  for (const Table& table : tables()) {
    if (table.name == "service") continue;
    const auto& object =
        table.name == "experiment" ? schema : schema.at("$defs").at(table.name).as_object();
    std::vector<std::string> keys;
    for (const auto& entry : object.at("properties").as_object()) {
      keys.emplace_back(entry.key());
      EXPECT_TRUE(entry.value().as_object().contains("description"));
    }
    EXPECT_EQ(keys, names_of(table)) << table.name;
    EXPECT_EQ(object.at("additionalProperties"), false);
  }
  const auto& step = schema.at("$defs").at("step").as_object();
  EXPECT_EQ(step.at("allOf").as_array().size(), faults.size());
  const auto& named = step.at("properties").at("fault").at("anyOf").at(0);
  EXPECT_EQ(named.at("enum").as_array().size(), faults.size());
}

// Each reference leads somewhere.
TEST(Schema, IsClosed) {
  const auto schema = boost::json::parse(json_schema({})).as_object();
  const std::string text = boost::json::serialize(schema);
  const std::string mark = "\"#/$defs/";
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(mark, at)) != text.npos; ++at, ++found) {
    const std::size_t start = at + mark.size();
    const std::string name = text.substr(start, text.find('"', start) - start);
    EXPECT_TRUE(schema.at("$defs").as_object().contains(name)) << name;
  }
  EXPECT_GT(found, 15u);
}

}  // namespace
}  // namespace ordeal::spec
