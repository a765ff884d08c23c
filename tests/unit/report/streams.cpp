#include "streams.hpp"

#include "engine/base/histogram.hpp"

namespace ordeal::report {
namespace {

using model::ConditionList;
using model::ConditionStatus;
using model::Phase;
using model::Seen;
using model::StepChanged;
using model::StepState;
using model::Truth;

constexpr const char* kFile = "experiments/checkout.yaml";

// Plays one run of `checkout`: baseline 10 s, fault 20 s, recovery; two steps at the same time.
class Story {
 public:
  explicit Story(std::string name) : name_(std::move(name)) {}

  std::vector<model::Event> play();

 private:
  bool is(std::string_view name) const { return name_ == name; }
  void at(Duration t) { now_ = t; }
  void emit(model::EventData data);
  void start();
  void plan();
  void second_of_samples(std::int64_t second, double share_good, double p50_ms, double p95_ms,
                         double memory);
  void healthy(std::int64_t from, std::int64_t to);
  void slow(std::int64_t from, std::int64_t to);
  void status(const char* id, Phase phase, Truth truth, double measured, const char* measured_text,
              double bound, const char* bound_text, bool final = false);
  void baseline();
  void inject();
  void step(int index, StepState state, Duration took, const char* text, Seen seen = Seen::yes);
  void revert_all(bool dirty = false);
  void host(bool clean);
  void recover();
  void end(model::Hypothesis hypothesis, model::RunEnd run, model::HostState host,
           model::ServiceState service, model::Exit exit, const char* reason);
  void fault_to_the_end();
  void cut_short();
  std::uint32_t random();

  std::string name_;
  Duration now_{};
  std::vector<model::Event> events_;
  std::uint32_t state_ = 12345;
};

void Story::emit(model::EventData data) {
  model::Event event;
  event.seq = static_cast<std::int64_t>(events_.size()) + 1;
  event.t = now_;
  event.data = std::move(data);
  events_.push_back(std::move(event));
}

std::uint32_t Story::random() {
  state_ = state_ * 1664525u + 1013904223u;
  return state_ >> 16;
}

model::ConditionInfo info(const char* id, ConditionList list, const char* text, int line) {
  return {id, list, text, model::Place{kFile, line, 5}};
}

void Story::start() {
  model::RunStarted run;
  run.run = "r-1121-0140-7f3a";
  run.version = "1.0.0";
  run.name = "checkout-survives-a-slow-database";
  run.hypothesis = "Shoppers can pay while the database answers 100 ms late and one worker hangs.";
  run.owner = "team-edge";
  run.links = {{"runbook", "https://wiki.example/checkout"}};
  run.labels = {{"service", "checkout"}};
  run.tags = {"ci", "database"};
  run.file = kFile;
  run.file_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
  run.effective =
      "version: 1\nname: checkout-survives-a-slow-database\n"
      "slis:\n  shop: { http: { url: \"http://127.0.0.1:8080/\", rate: 50/s } }\n";
  run.seed = "4410027";
  run.host = "ci-runner-3";
  run.user = "dana";
  run.started_by = "cli";
  run.git = "3f2c1aa";
  run.kernel = "6.1.0-28-amd64";
  run.wall = WallTime(1795225200s);
  run.mode = "run";
  run.slis = {{"shop", "http", "GET http://127.0.0.1:8080/", "", 20ms},
              {"backlog", "exec", "/usr/local/bin/backlog", "", 1s}};
  run.conditions = {
      info("steady_state.0", ConditionList::steady_state, "shop.success >= 99%", 8),
      info("steady_state.1", ConditionList::steady_state, "shop.p95 <= 250ms", 9),
      info("during.0", ConditionList::during, "shop.success >= 99%", 11),
      info("during.1", ConditionList::during, "shop.p95 <= 1.5x baseline + 150ms", 12),
      info("during.2", ConditionList::during, "shop.outage <= 2s", 13),
      info("expect.0", ConditionList::expect, "backlog.value > 20 within 15s", 15),
      info("abort_if.0", ConditionList::abort_if, "shop.success < 80% over 3s", 17),
      info("abort_if.1", ConditionList::abort_if, "host.memory_available < 5%", 18),
  };
  emit(run);
}

void Story::plan() {
  emit(model::PhaseStarted{Phase::plan, 0s});
  model::PlannedStep delay;
  delay.step = "method.0.parallel.0";
  delay.name = "1-network.delay";
  delay.fault = "network.delay";
  delay.host = "local";
  delay.backend = "netem via ifb";
  delay.summary = {"delay packets to 127.0.0.1:5432 on lo by 100 ms (egress)",
                   "adds 100 ms to each round trip"};
  delay.targets = {{"lo", "lo, remote port 5432"}};
  delay.matched = 1;
  delay.duration = 20s;
  delay.changes = {"create link ordeal-mfzwizlt (ifb) with netem delay 100ms",
                   "create table netdev ordeal-mfzwizlt"};
  delay.undos = {"nft delete table netdev ordeal-mfzwizlt", "ip link delete ordeal-mfzwizlt"};
  delay.digest = "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a";
  model::PlannedStep pause;
  pause.step = "method.0.parallel.1";
  pause.name = "2-process.pause";
  pause.fault = "process.pause";
  pause.host = "local";
  pause.summary = {"stop 1 of 4 processes with SIGSTOP"};
  pause.warnings = {"the parent of pid 5120 is told that its child stopped"};
  pause.targets = {{"unit worker.service", "pid 5120 /usr/bin/worker --queue orders"}};
  pause.matched = 4;
  pause.duration = 12s;
  pause.start = 4s;
  pause.changes = {"send STOP to pid 5120 (worker)"};
  pause.undos = {"kill -CONT 5120"};
  pause.digest = "ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d";
  model::PlanMade made;
  made.steps = {delay, pause};
  made.digest = "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451";
  made.baseline = 10s;
  made.warmup = 2s;
  made.method = 20s;
  made.recovery_within = 20s;
  made.recovery_hold = 5s;
  made.duration_limit = 30s;
  made.limits = {"processes 1 (1 picked of 4)", "duration 30s (20s planned)"};
  emit(made);
}

void Story::second_of_samples(std::int64_t second, double share_good, double p50_ms, double p95_ms,
                              double memory) {
  at(Duration(second * 1s) + 1s);
  model::Samples shop;
  shop.sli = "shop";
  shop.from = second * 1s;
  shop.length = 1s;
  shop.attempts = 50;
  shop.good = static_cast<std::int64_t>(50 * share_good + 0.5);
  Histogram latency;
  for (std::int64_t i = 0; i < shop.good; ++i) {
    const double jitter = 1 + (random() % 100) / 1000.0;
    const double ms = (i * 100 < shop.good * 92 ? p50_ms : p95_ms) * jitter;
    latency.add(Duration(static_cast<std::int64_t>(ms * 1000)));
  }
  shop.latency = latency.pairs();
  if (shop.good < shop.attempts) shop.problem = "timeout 1s";
  emit(shop);
  model::Samples backlog;
  backlog.sli = "backlog";
  backlog.from = second * 1s;
  backlog.value = p50_ms > 50 ? 30 + random() % 20 : 2 + random() % 3;
  if (is("upheld") && second >= 17 && second < 20) {
    backlog.value.reset();
    backlog.no_data = true;
    backlog.problem = "exit 1: <b>cannot connect</b> \x1b[31m]]>\n::error::forged";
  }
  emit(backlog);
  model::Samples free;
  free.sli = "host.memory_available";
  free.from = second * 1s;
  free.value = memory;
  free.host = "local";
  emit(free);
}

void Story::healthy(std::int64_t from, std::int64_t to) {
  for (std::int64_t s = from; s < to; ++s) second_of_samples(s, 1, 12, 14, 61);
}

void Story::slow(std::int64_t from, std::int64_t to) {
  for (std::int64_t s = from; s < to; ++s) {
    const bool bad = is("violated") && s >= 18 && s < 27;
    const bool crossing = (is("aborted") || is("dirty")) && s >= 17;
    second_of_samples(s, crossing ? 0.62 : s == 14 ? 0.92 : 1, 112, bad ? 402 : 121, 58);
  }
}

void Story::status(const char* id, Phase phase, Truth truth, double measured,
                   const char* measured_text, double bound, const char* bound_text, bool final) {
  ConditionStatus status;
  status.id = id;
  status.phase = phase;
  status.truth = truth;
  status.final = final;
  if (truth != Truth::unknown) status.measured = measured;
  status.bound = bound;
  status.measured_text = measured_text;
  status.bound_text = bound_text;
  emit(status);
}

void Story::baseline() {
  at(200ms);
  emit(model::PhaseStarted{Phase::baseline, 10s});
  if (is("unsteady")) {
    for (std::int64_t s = 0; s < 10; ++s) second_of_samples(s, 0.9, 12, 14, 61);
  } else {
    healthy(0, 10);
  }
  at(10300ms);
  const bool well = !is("unsteady");
  status("steady_state.0", Phase::baseline, well ? Truth::holds : Truth::broken, well ? 100 : 90,
         well ? "100.0%" : "90.0%", 99, ">= 99%", true);
  status("steady_state.1", Phase::baseline, Truth::holds, 0.0143, "14.3ms", 0.25, "<= 250ms", true);
  emit(model::SliSummary{
      "shop", Phase::baseline, {{"success", well ? 100 : 90}, {"p95", 0.0143}, {"outage", 0}}});
  emit(model::SliSummary{"backlog", Phase::baseline, {{"value", 3}}});
}

void Story::step(int index, StepState state, Duration took, const char* text, Seen seen) {
  StepChanged changed;
  changed.step = index == 0 ? "method.0.parallel.0" : "method.0.parallel.1";
  changed.host = "local";
  changed.state = state;
  changed.took = took;
  changed.text = text;
  changed.seen = seen;
  emit(changed);
}

void Story::inject() {
  emit(model::PhaseStarted{Phase::inject, 0s});
  emit(model::Armed{2, 5s});
  at(10310ms);
  step(0, StepState::injecting, 0s, "", Seen::not_yet);
  if (is("error")) return;
  at(10312ms);
  step(0, StepState::injected, 1800us, "", Seen::not_yet);
  at(10420ms);
  if (!is("inconclusive")) step(0, StepState::verified, 108ms, "37 packets delayed");
  emit(model::PhaseStarted{Phase::fault, 20s});
}

void Story::revert_all(bool dirty) {
  emit(model::PhaseStarted{Phase::revert, 0s});
  step(0, StepState::reverting, 0s, "");
  now_ += 2ms;
  step(0, StepState::reverted, 1900us, "table gone, read back");
  if (events_.size() > 40 && !is("inconclusive")) {
    if (dirty) {
      step(1, StepState::reverting, 0s, "");
      now_ += 1ms;
      step(1, StepState::revert_failed, 0s, "send CONT to pid 5120: EPERM; kill -CONT 5120",
           Seen::no);
    } else {
      step(1, StepState::reverting, 0s, "");
      now_ += 1ms;
      step(1, StepState::reverted, 400us, "pid 5120 running");
    }
  }
  now_ += 250ms;
  step(0, StepState::removed, 0s, "ordeal-mfzwizlt deleted");
}

void Story::host(bool clean) {
  model::HostChecked checked;
  checked.host = "local";
  checked.clean = clean;
  if (!clean) {
    checked.residue = {{"pid 5120 (worker) is still stopped", "kill -CONT 5120"}};
  } else {
    checked.kept = {"module ifb"};
    checked.changed_by_others = {"nft table inet filter changed"};
  }
  emit(checked);
}

void Story::recover() {
  const std::int64_t from = now_ / 1s;
  emit(model::PhaseStarted{Phase::recovery, 20s});
  const bool never = is("not-recovered");
  for (std::int64_t s = from; s < from + (never ? 20 : 5); ++s) {
    second_of_samples(s, never ? 0.4 : 1, 12.5, 14, 61);
  }
  now_ += 300ms;
  status("steady_state.0", Phase::recovery, never ? Truth::broken : Truth::holds, never ? 40 : 100,
         never ? "40.0%" : "100.0%", 99, ">= 99%", true);
  status("steady_state.1", Phase::recovery, Truth::holds, 0.0145, "14.5ms", 0.25, "<= 250ms", true);
  emit(model::RecoveryMeasured{!never, never ? 0s : Duration(200ms), 5s});
}

void Story::end(model::Hypothesis hypothesis, model::RunEnd run, model::HostState host,
                model::ServiceState service, model::Exit exit, const char* reason) {
  emit(model::PhaseStarted{Phase::judge, 0s});
  emit(model::RunEnded{
      {hypothesis, run, host, service, static_cast<int>(exit), to_string(exit), reason}});
}

void Story::fault_to_the_end() {
  slow(10, 14);
  at(14420ms);
  if (!is("inconclusive")) {
    step(1, StepState::injecting, 0s, "", Seen::not_yet);
    step(1, StepState::injected, 90us, "", Seen::not_yet);
    step(1, StepState::verified, 1ms, "1 of 1 stopped");
  }
  slow(14, 22);
  at(22200ms);
  const bool violated = is("violated");
  if (violated) {
    status("during.1", Phase::fault, Truth::broken, 0.4023, "402.3ms", 0.17145,
           "<= 171.4ms = 1.5x 14.3ms + 150ms");
  }
  slow(22, 30);
  at(30420ms);
  step(0, StepState::effect, 0s,
       is("inconclusive") ? "no packet met the filter (0 of 0 delayed)" : "1 204 packets delayed",
       is("inconclusive") ? Seen::no : Seen::yes);
  status("during.0", Phase::fault, Truth::holds, 99.6, "99.6%", 99, ">= 99%", true);
  status("during.1", Phase::fault, violated ? Truth::broken : Truth::holds,
         violated ? 0.4123 : 0.1291, violated ? "412.3ms" : "129.1ms", 0.17145,
         "<= 171.4ms = 1.5x 14.3ms + 150ms", true);
  status("during.2", Phase::fault, Truth::holds, 0.08, "80ms", 2, "<= 2s", true);
  ConditionStatus expected;
  expected.id = "expect.0";
  expected.phase = Phase::fault;
  expected.truth = Truth::holds;
  expected.final = true;
  expected.measured = 31;
  expected.bound = 20;
  expected.measured_text = "31";
  expected.bound_text = "> 20";
  expected.after = 1600ms;
  emit(expected);
  ConditionStatus far;
  far.id = "abort_if.0";
  far.phase = Phase::fault;
  far.truth = Truth::broken;  // not crossed
  far.measured = 100;
  far.bound = 80;
  far.measured_text = "100.0%";
  far.bound_text = "< 80%";
  far.nearest_text = "97.3% at +0:17.0";
  emit(far);
  emit(model::SliSummary{
      "shop", Phase::fault, {{"success", 99.6}, {"p95", violated ? 0.4123 : 0.1291}}});
}

// Both steps active for some seconds, and then something happens.
void Story::cut_short() {
  slow(10, 14);
  at(14420ms);
  step(1, StepState::injecting, 0s, "", Seen::not_yet);
  step(1, StepState::verified, 1ms, "1 of 1 stopped");
  slow(14, 19);
  at(19204ms);
  if (is("unfinished")) return;
  model::AbortDecided abort;
  abort.sample = 1553;
  if (is("aborted") || is("dirty")) {
    status("abort_if.0", Phase::fault, Truth::holds, 79.3, "79.3%", 80, "< 80%");
    abort.condition = "abort_if.0";
    abort.text = "shop.success 79.3% over 3s crossed < 80% (119 good of 150)";
  } else if (is("no-data")) {
    abort.cause = model::AbortCause::no_data;
    abort.text = "backlog has been silent for 3 s: exit 1";
  } else {
    abort.cause = model::AbortCause::person;
    abort.text = "ctrl-C by dana";
  }
  emit(abort);
}

std::vector<model::Event> Story::play() {
  using model::Exit;
  using model::HostState;
  using model::Hypothesis;
  using model::RunEnd;
  using model::ServiceState;
  start();
  if (is("refused")) {
    const char* why = "halted since 01:12 by kim: `ordeal halt --lift` ends it";
    emit(model::PhaseStarted{Phase::plan, 0s});
    emit(model::RunRefused{Phase::plan, why});
    end(Hypothesis::not_judged, RunEnd::refused, HostState::untouched, ServiceState::not_judged,
        Exit::refused, why);
    return events_;
  }
  plan();
  baseline();
  if (is("unsteady")) {
    const char* why = "shop.success was 90.0%, needed >= 99%, before anything was touched";
    emit(model::RunRefused{Phase::baseline, why});
    end(Hypothesis::not_judged, RunEnd::refused, HostState::untouched, ServiceState::not_judged,
        Exit::unsteady, why);
    return events_;
  }
  inject();
  if (is("error")) {
    at(10330ms);
    step(0, StepState::failed, 0s, "create link: Operation not permitted", Seen::no);
    revert_all();
    host(true);
    end(Hypothesis::inconclusive, RunEnd::error, HostState::clean, ServiceState::not_judged,
        Exit::error, "1-network.delay could not be injected: create link: not permitted");
    return events_;
  }
  const bool short_run =
      is("aborted") || is("dirty") || is("no-data") || is("interrupted") || is("unfinished");
  if (short_run) {
    cut_short();
    if (is("unfinished")) return events_;
    revert_all(is("dirty"));
    if (!is("dirty")) emit(model::AbortDone{3100us});  // as run.cpp: only when all is put back
    host(!is("dirty"));
    if (is("interrupted")) {
      end(Hypothesis::not_judged, RunEnd::interrupted, HostState::clean, ServiceState::not_judged,
          Exit::interrupted, "ctrl-C by dana");
      return events_;
    }
    recover();
    if (is("dirty")) {
      end(Hypothesis::violated, RunEnd::aborted, HostState::dirty, ServiceState::recovered,
          Exit::dirty, "1 change is left on local: pid 5120 (worker) is still stopped");
    } else {
      end(is("no-data") ? Hypothesis::inconclusive : Hypothesis::violated, RunEnd::aborted,
          HostState::clean, ServiceState::recovered, Exit::aborted,
          is("no-data") ? "backlog has been silent for 3 s: exit 1"
                        : "shop.success 79.3% over 3s crossed < 80% (119 good of 150)");
    }
    return events_;
  }
  fault_to_the_end();
  revert_all();
  host(true);
  recover();
  if (is("violated")) {
    end(Hypothesis::violated, RunEnd::completed, HostState::clean, ServiceState::recovered,
        Exit::violated, "shop.p95 was 412.3ms, allowed 171.4ms");
  } else if (is("inconclusive")) {
    end(Hypothesis::inconclusive, RunEnd::completed, HostState::clean, ServiceState::recovered,
        Exit::inconclusive, "1-network.delay: no packet met the filter (0 of 0 delayed)");
  } else if (is("not-recovered")) {
    end(Hypothesis::violated, RunEnd::completed, HostState::clean, ServiceState::not_recovered,
        Exit::not_recovered, "shop.success was 40.0% 20 s after the last revert, needed >= 99%");
  } else {
    end(Hypothesis::upheld, RunEnd::completed, HostState::clean, ServiceState::recovered,
        Exit::upheld, "4 of 4 conditions held");
  }
  return events_;
}

}  // namespace

const std::vector<std::string>& stories() {
  static const std::vector<std::string> all = {
      "upheld",   "violated", "inconclusive", "aborted", "no-data",       "interrupted",
      "unsteady", "refused",  "error",        "dirty",   "not-recovered", "unfinished"};
  return all;
}

std::vector<model::Event> stream_of(const std::string& story) { return Story(story).play(); }

std::string to_lines(const std::vector<model::Event>& events) {
  std::string out;
  for (const auto& event : events) out += model::to_json(event, "r-1121-0140-7f3a") + "\n";
  return out;
}

}  // namespace ordeal::report
