// The condition language as one table: what is read, as what, and what is refused, with the exact
// words. The 25 of the reference page stand in front.
#include "engine/spec/condition.hpp"

#include <gtest/gtest.h>

#include "engine/spec/context.hpp"
#include "tests/unit/spec/files.hpp"

namespace ordeal::spec {
namespace {

std::string text_of(const model::Part& part) {
  std::string out = part.negated ? "not " : "";
  out += part.measure.sli;
  for (const model::HostPick& pick : part.measure.hosts) {
    out += "(" + pick.name + (pick.value.empty() ? "" : "=" + pick.value) + ")";
  }
  if (part.measure.host_value) out += "." + to_string(*part.measure.host_value);
  out += "." + to_string(part.measure.aggregate);
  if (part.flag) return out;
  out += " " + to_string(part.comparison) + " ";
  const std::string quantity = model::format_quantity(part.bound.quantity);
  if (part.bound.relative) {
    out += fmt::format("{}x baseline + {}", part.bound.factor, quantity);
  } else {
    out += quantity;
  }
  if (part.over) out += " over " + format_duration(*part.over);
  return out;
}

// One spelling for each meaning, so that a table can say what was understood.
std::string meaning(const model::Condition& condition) {
  std::string out;
  for (const model::Part& part : condition.parts) {
    if (!out.empty()) out += condition.join == model::Join::all_of ? " and " : " or ";
    out += text_of(part);
  }
  if (condition.for_) out += " for " + format_duration(*condition.for_);
  if (condition.within) out += " within " + format_duration(*condition.within);
  return out;
}

struct Row {
  const char* text;
  const char* expected;
};

constexpr Row kRead[] = {
    {"checkout.success >= 99.5%", "checkout.success >= 99.5%"},
    {"checkout.p95 <= 250ms over 10s", "checkout.p95 <= 250ms over 10s"},
    {"checkout.p99.9 < 1s", "checkout.p99.9 < 1s"},
    {"checkout.p95 <= 1.5x baseline", "checkout.p95 <= 1.5x baseline + 0"},
    {"checkout.p95 <= 1.5x baseline + 5ms", "checkout.p95 <= 1.5x baseline + 5ms"},
    {"checkout.p95 <= baseline + 20ms", "checkout.p95 <= 1x baseline + 20ms"},
    {"checkout.throughput >= 0.9x baseline", "checkout.throughput >= 0.9x baseline + 0"},
    {"checkout.failures == 0", "checkout.failures == 0"},
    {"checkout.outage <= 15s", "checkout.outage <= 15s"},
    {"checkout.downtime <= 1m30s", "checkout.downtime <= 1m30s"},
    {"lag.max < 5s", "lag.max < 5s"},
    {"queue.mean <= 100 over 30s", "queue.mean <= 100 over 30s"},
    {"worker.up", "worker.up"},
    {"not page.firing", "not page.firing"},
    {"primary.up or standby.up", "primary.up or standby.up"},
    {"checkout.success < 80% over 3s", "checkout.success < 80% over 3s"},
    {"lag.value > 30s for 10s", "lag.value > 30s for 10s"},
    {"host.memory_available < 5%", "host.memory_available.value < 5%"},
    {"host(zone=b).cpu > 95% over 30s", "host(zone=b).cpu.mean > 95% over 30s"},
    {"host(db-1).memory_available < 512MiB", "host(db-1).memory_available.value < 512 MiB"},
    {"checkout.error > 5% over 5s and checkout.throughput > 10/s over 5s",
     "checkout.error > 5% over 5s and checkout.throughput > 10/s over 5s"},
    {"page.firing within 5m", "page.firing within 5m"},
    {"queue.value > 100 within 30s", "queue.value > 100 within 30s"},
    {"checkout.success >= 99% over 5s for 20s within 45s",
     "checkout.success >= 99% over 5s for 20s within 45s"},
    {"checkout.success >= 99% over 10s", "checkout.success >= 99% over 10s"},
    // Spaces, further units, further host forms.
    {"  a.p50<=1.5x baseline-5ms ", "a.p50 <= 1.5x baseline + -5ms"},
    {"a.p95 <= baseline+20ms over 1m30s", "a.p95 <= 1x baseline + 20ms over 1m30s"},
    {"a.throughput >= 30/m", "a.throughput >= 0.5/s"},
    {"a.value > -5", "a.value > -5"},
    {"a.mean < 10MB/s over 10s", "a.mean < 9.54 MiB/s over 10s"},
    {"host.cpu.max > 99% over 5s", "host.cpu.max > 99% over 5s"},
    {"host(a, b).load1 > 50", "host(a)(b).load1.value > 50"},
    {"sli-with_all-2.count != 3", "sli-with_all-2.count != 3"},
};

constexpr Row kRefused[] = {
    {"checkout.rate > 10/s",
     "column 10: expected an aggregate, found 'rate'; did you mean 'throughput'?"},
    {"a.up and b.up or c.up", "column 15: and/or are not mixed; write two conditions"},
    {"not checkout.success < 99%", "column 1: turn the comparison round instead"},
    {"page.firing == 1",
     "column 13: a flag has no comparison; write `page.firing` or `not page.firing`"},
    {"", "column 1: expected a condition such as `shop.success >= 99%`"},
    {"p95 <= 300ms", "column 1: expected the name of an SLI, found 'p95'; of what? write shop.p95"},
    {"baseline.p95 < 1s", "column 1: expected the name of an SLI, found 'baseline'"},
    {"shop >= 99%", "column 5: expected `.` and an aggregate after 'shop', such as shop.success"},
    {"shop.last > 3", "column 6: expected an aggregate, found 'last'; did you mean 'value'?"},
    {"shop.p(95) < 1s", "column 6: expected an aggregate, found 'p(95)'; write p95"},
    {"shop.p75 < 1s",
     "column 6: expected an aggregate, found 'p75'; the percentiles are p50, p90, p95, p99 and "
     "p99.9"},
    {"shop.p999 < 1s", "column 6: expected an aggregate, found 'p999'; did you mean 'p99.9'?"},
    {"shop.sucess > 1%",
     "column 6: expected an aggregate, found 'sucess'; did you mean 'success'?"},
    {"shop.success => 99%",
     "column 14: expected <, <=, >, >=, == or !=, found '=>'; did you mean '>='?"},
    {"shop.success 99%", "column 14: expected <, <=, >, >=, == or !=, found '99%'"},
    {"shop.p95 <= 250 ms", "column 13: no space before the unit: write 250ms"},
    {"shop.p95 <= 1.5 x baseline", "column 13: write 1.5x, without a space"},
    {"shop.p95 <= baseline * 1.5", "column 22: write the factor in front: 1.5x baseline"},
    {"shop.p95 <= 1.5x", "column 17: expected `baseline` after '1.5x', found nothing"},
    {"shop.p95 <=", "column 12: expected a bound such as 99%, 250ms or 1.5x baseline"},
    {"shop.p95 <= fast",
     "column 13: expected a bound such as 99%, 250ms, 512MiB, 10/s or 3, found 'fast'"},
    {"shop.p95 <= 1s over 10", "column 21: '10' has no unit: write 10s or 10ms"},
    {"shop.p95 <= 1s over 0s", "column 21: `over` needs a duration above 0"},
    {"shop.p95 <= 1s within 5s for 3s", "column 26: `for` comes before `within`"},
    {"shop.p95 <= 1s for 5s over 3s",
     "column 23: `over` comes before `for` and `within`, right behind its bound"},
    {"shop.p95 <= 1s ower 3s",
     "column 16: expected and, or, over, for, within or the end, found 'ower'; did you mean "
     "'over'?"},
    {"shop.up over 3s",
     "column 9: shop.up takes no `over`: a flag is true or false at each sample"},
    {"host[zone=a].cpu > 1%",
     "column 5: write host(...) with round brackets: [ ] is a list in YAML"},
    {"host(zone=a", "column 12: expected `)`, found nothing; in a [..] list quote the condition"},
    {"host.memory < 1%",
     "column 6: expected a host value, found 'memory'; it is one of cpu, memory_available, "
     "memory_used, swap_used, load1, cpu_pressure, memory_pressure or io_pressure"},
    {"host.cpu.p95 < 1%", "column 10: expected mean, min or max, found 'p95'"},
};

TEST(Condition, MeansWhatTheTableSays) {
  for (const Row& row : kRead) {
    const auto condition = parse_condition(row.text);
    ASSERT_TRUE(condition) << row.text << ": " << condition.error().message();
    EXPECT_EQ(meaning(condition.value()), row.expected) << row.text;
    EXPECT_EQ(condition.value().text, row.text);
  }
}

TEST(Condition, IsRefusedInTheseWords) {
  for (const Row& row : kRefused) {
    const auto condition = parse_condition(row.text);
    ASSERT_FALSE(condition) << row.text << " was read as " << meaning(condition.value());
    EXPECT_EQ(condition.error().message(), row.expected) << row.text;
  }
}

// Any prefix of a good text is read or refused, never worse (ASan and UBSan look on).
TEST(Condition, EveryPrefixIsAnswered) {
  for (const Row& row : kRead) {
    const std::string text = row.text;
    for (std::size_t end = 0; end <= text.size(); ++end) {
      const auto condition = parse_condition(text.substr(0, end));
      if (condition) continue;
      EXPECT_TRUE(condition.error().message().starts_with("column "));
    }
  }
}

// ---- In its list: one experiment around one condition.

struct ListRow {
  const char* list;
  const char* text;
  const char* expected;  // without the place; empty: read
};

constexpr ListRow kInLists[] = {
    {"steady_state", "shop.p95 <= 300ms for 10s", "`for` is not used in steady_state"},
    {"steady_state", "shop.success >= 99% within 10s", "`within` is not used in steady_state"},
    {"abort_if", "shop.success < 80%", "shop.success needs `over`, such as `over 5s`"},
    {"abort_if", "shop.failures > 100", ""},
    {"abort_if", "few.failures > 3 over 15s", ""},
    {"abort_if", "few.failures > 3 over 10s",
     "few.failures has 10 samples in 10s (1/s), 12 are needed: over 12s"},
    {"abort_if", "loop.success < 80% over 5s", ""},
    {"abort_if", "loop.p95 > 1s over 3s", ""},
    {"abort_if", "loop.success < 80% over 3s",
     "loop.success has 12 samples in 3s (concurrency: 8 while every request waits for its timeout, "
     "2s), 20 are needed: over 5s"},
    {"abort_if", "host.memory_available < 5%", ""},
    {"abort_if", "host.cpu.max > 95%", "host.cpu.max needs `over`, such as `over 5s`"},
    {"abort_if", "host.cpu.max > 95% over 5s", ""},
    {"abort_if", "queue.value > 100 for 10s", ""},
    {"abort_if", "queue.value > 100 for 1s",
     "`for 1s` needs at least two samples, and queue.value has one every 1s: for 2s"},
    {"abort_if", "worker.up or shop.outage > 5s",
     "`or` is not used in abort_if, where any line stops the run; write two lines"},
    {"abort_if", "not worker.up", ""},
    {"abort_if", "shop.success >= 0% over 5s",
     "shop.success >= 0% is always true: every run would abort: it lies between 0% and 100%"},
    {"abort_if", "shop.p95 > 2s over 5s",
     "shop.p95 > 2s can never be crossed: with `timeout: 1s` no good answer takes longer"},
    {"expect", "queue.value > 100", "expect needs `within`: by when must it be true?"},
    {"expect", "queue.value > 100 within 30s", ""},
    {"expect", "shop.success >= 99% over 5s for 20s within 24s",
     "cannot be true before 25s (its `over` and `for` together), but is wanted within 24s"},
    {"expect", "shop.success >= 99% over 5s for 20s within 25s", ""},
    {"expect", "shop.failures >= 0 within 5s",
     "shop.failures >= 0 is always true: it proves nothing: it is never below 0"},
    {"during", "shop.p95 <= 1.5x baseline + 5%",
     "shop.p95: expected a duration such as 250ms, found '1.5x baseline + 5%'"},
    {"during", "shop.p95 <= 5", "shop.p95: expected a duration such as 250ms, found '5'"},
    {"during", "shop.failures <= 1.5", "shop.failures: expected a whole number, found '1.5'"},
    {"during", "shop.failures <= 2x baseline",
     "shop.failures has no baseline: it grows with the length of the phase; write a number"},
    {"during", "shop.p95 == baseline", "two measurements are never equal; use <= or >="},
    {"during", "shop.success == 100%", ""},
    {"during", "shop.success == 99%",
     "== and != are for whole numbers, 0% and 100%; use <= or >= here"},
    {"during", "shop.success <= 100%",
     "shop.success <= 100% can never be broken: it lies between 0% and 100%"},
    {"during", "shop.success > 100%",
     "shop.success > 100% can never hold: it lies between 0% and 100%"},
    {"during", "shop.throughput >= 60/s",
     "shop.throughput >= 60/s can never hold: with `rate: 50/s` it lies between 0/s and 50/s"},
    {"during", "shop.outage <= 2s over 5s",
     "shop.outage takes no `over`: it counts since the phase began"},
    {"during", "shop.outage <= 1m",
     "shop.outage <= 1m can never be broken: the faults are active for 30s"},
    {"during", "queue.value < 5 over 5s",
     "queue.value takes no `over`: it is the latest sample; use mean, min or max"},
    {"during", "queue.success > 5%",
     "queue has no `success`: it is an exec SLI, which has value, mean, min, max, p50, p90, p95, "
     "p99, p99.9"},
    {"during", "worker.firing",
     "worker has no `firing`: it is a process SLI, which has up, count, restarts, success, error, "
     "failures, outage, downtime"},
    {"during", "shop.p99.9 < 900ms", ""},
    {"during", "slow.p99 < 900ms",
     "slow.p99 has 60 samples in 30s (2/s), 100 are needed: a duration of at least 50s"},
    {"during", "shop.success >= 99% over 40s",
     "the window 40s is longer than the 30s in which the faults are active"},
    {"during", "slow.success >= 90% over 3s",
     "slow.success has 6 samples in 3s (2/s), 20 are needed: over 10s"},
    {"during", "disk.value > 10%", ""},
    {"during", "disk.value > 10MiB",
     "disk.value: expected a percentage such as 10%, found '10MiB'"},
    {"during", "lag.max < 5s", ""},
    {"during", "lag.max < 5", "lag.max: expected a duration such as 250ms, found '5'"},
    {"during", "job.up", ""},
    {"during", "job.p95 < 1s",
     "job has no `p95`: it is an exec SLI with `mode: ok`, which has up, success, error, failures, "
     "outage, downtime"},
    {"during", "host(zone=b).cpu < 5%", ""},
    {"abort_if", "host(zone=b, app-1.lan).memory_available < 512MiB", ""},
    {"abort_if", "host(zone=b, rack=r/1).memory_available < 200s",
     "host(zone=b, rack=r/1).memory_available: expected a percentage such as 95% or a size such as "
     "512MiB, found '200s'"},
    {"during", "host.cpu < 512MiB", "host.cpu: expected a percentage such as 95%, found '512MiB'"},
};

std::string around(const std::string& list, const std::string& text) {
  const auto item = [&](const std::string& name, const std::string& otherwise) {
    return name + ": [ '" + (list == name ? text : otherwise) + "' ]\n";
  };
  std::string out =
      "version: 1\nname: x\nhypothesis: y\nslis:\n"
      "  shop: { http: { url: 'http://127.0.0.1/', rate: 50/s } }\n"
      "  slow: { http: { url: 'http://127.0.0.1/', rate: 2/s } }\n"
      "  loop: { http: { url: 'http://127.0.0.1/', concurrency: 8, timeout: 2s } }\n"
      "  few: { http: { url: 'http://127.0.0.1/', rate: 1/s }, min_samples: 12 }\n"
      "  queue: { exec: { argv: [/bin/depth] } }\n"
      "  lag: { exec: { argv: [/bin/lag], unit: ms } }\n"
      "  job: { exec: { argv: [/bin/job], mode: ok } }\n"
      "  worker: { process: { unit: worker.service } }\n"
      "  disk: { host: { disk_free: /var } }\n"
      "method: [ { fault: cpu.load, with: { load: 80% }, duration: 30s } ]\n";
  out += item("steady_state", "shop.success >= 90%");
  out += item("abort_if", "shop.success < 80% over 3s");
  if (list == "during") out += item(list, "");
  if (list == "expect") out += item(list, "");
  return out;
}

TEST(Condition, IsJudgedInItsList) {
  for (const ListRow& row : kInLists) {
    const Outcome outcome = parse_text(around(row.list, row.text));
    std::string told;
    for (const Problem& problem : outcome.problems) told += problem.text;
    EXPECT_EQ(told, row.expected) << row.list << ": " << row.text;
  }
}

TEST(Condition, LintsAreWarnings) {
  const auto warnings = [](const char* list, const char* text) {
    std::string out;
    for (const Problem& warning : parse_text(around(list, text)).warnings) {
      const bool unused = warning.text.find("no condition uses it") != std::string::npos;
      if (!unused) out += warning.text;
    }
    return out;
  };
  EXPECT_EQ(warnings("during", "shop.p95 <= 300ms"),
            "shop.p95 counts good answers only: without a bound on shop.success, dropping slow "
            "requests would look like speed");
  EXPECT_EQ(warnings("during", "shop.p95 <= 300ms and shop.success >= 99%"), "");
  EXPECT_EQ(warnings("during", "shop.success >= 99.9% over 10s"),
            "one failed request of 500 in 10s breaks this: 99.8%");
  EXPECT_EQ(warnings("during", "shop.success >= 99.8% over 10s"), "");
  EXPECT_EQ(warnings("during", "shop.success >= 90% and shop.p99 < 1ms over 10s"),
            "shop.p99 over 500 samples is mostly noise: 1000 would be better; or use p95, or leave "
            "`over` out");
  EXPECT_EQ(
      warnings("during", "shop.throughput > 40/s"),
      "ordeal itself sends 50/s: throughput is that times success, and says nothing more; for "
      "throughput use `concurrency`");
  EXPECT_EQ(warnings("during", "slow.outage <= 1s"),
            "gaps up to 1.5s (three times the pace of slow) count as 0s, so every outage that is "
            "seen breaks this");
  EXPECT_EQ(warnings("steady_state", "shop.p50 <= 2x baseline and shop.success >= 0.9x baseline"),
            "every bound is relative to the baseline: nothing is judged before the fault; add an "
            "absolute one, such as success");
}

}  // namespace
}  // namespace ordeal::spec
