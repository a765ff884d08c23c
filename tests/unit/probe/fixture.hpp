// An experiment made in code and a stream of synthetic samples: the judge needs no clock.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/probe/judge.hpp"

namespace ordeal::probe {

using model::Aggregate;
using model::Comparison;
using model::Condition;
using model::ConditionStatus;
using model::Part;
using model::Phase;
using model::Truth;
using model::Unit;

inline BootTime at(Duration since) { return BootTime(1000s + since); }

inline Part part(std::string sli, Aggregate aggregate, Comparison comparison, double value,
                 Unit unit = Unit::none, std::optional<Duration> over = std::nullopt) {
  Part out;
  out.measure.sli = std::move(sli);
  out.measure.aggregate = aggregate;
  out.comparison = comparison;
  out.bound.quantity.value = value;
  out.bound.quantity.unit = unit;
  out.over = over;
  return out;
}

inline Part flag(std::string sli, bool negated = false) {
  Part out = part(std::move(sli), Aggregate::up, Comparison::equal, 0);
  out.flag = true;
  out.negated = negated;
  return out;
}

inline Part relative(Part out, double factor, double offset) {
  out.bound.relative = true;
  out.bound.factor = factor;
  out.bound.quantity.value = offset;
  return out;
}

inline Part host(model::HostValue value, Comparison comparison, double bound, Unit unit) {
  Part out = part("host", Aggregate::value, comparison, bound, unit);
  out.measure.host_value = value;
  return out;
}

inline Condition one(Part part, std::optional<Duration> for_ = std::nullopt,
                     std::optional<Duration> within = std::nullopt) {
  Condition out;
  out.parts.push_back(std::move(part));
  out.for_ = for_;
  out.within = within;
  return out;
}

inline Condition joined(model::Join join, Part a, Part b) {
  Condition out;
  out.join = join;
  out.parts.push_back(std::move(a));
  out.parts.push_back(std::move(b));
  return out;
}

// SLI 0 "shop": http, 50/s, timeout 1 s. SLI 1 "worker": exec ok, 1/s. SLI 2 "queue": number, 1/s.
struct Scene {
  model::Experiment experiment;
  std::unique_ptr<Judge> judge;
  std::int64_t seq = 0;
  std::vector<ConditionStatus> seen;
  std::optional<AbortReason> abort;
  std::optional<Duration> aborted_at;

  Scene() {
    model::HttpProbe http;
    http.rate = 50;
    model::ExecProbe up;
    up.ok_mode = true;
    add_sli("shop", http);
    add_sli("worker", up);
    add_sli("queue", model::ExecProbe{});
    experiment.recovery.hold = 5s;
    experiment.recovery.within = 20s;
  }
  template <class Probe>
  void add_sli(std::string name, Probe probe) {
    model::Sli sli;
    sli.name = std::move(name);
    sli.probe = std::move(probe);
    experiment.slis.push_back(std::move(sli));
  }

  void start() { judge = std::make_unique<Judge>(experiment, at(0s)); }

  void look(Duration now) {
    for (ConditionStatus& status : judge->update(at(now))) seen.push_back(std::move(status));
    if (abort) return;
    abort = judge->abort_reason(at(now));
    if (abort) aborted_at = now;
  }

  void sample(std::size_t sli, Duration scheduled, bool ok, Duration latency = 10ms,
              double value = 0, bool no_data = false) {
    Sample out;
    out.seq = ++seq;
    out.sli = sli;
    out.scheduled = at(scheduled);
    out.completed = at(scheduled + latency);
    out.latency = latency;
    out.ok = ok;
    out.no_data = no_data;
    if (sli == 2) out.value = value;
    judge->add(out);
    look(scheduled + latency);
  }
  void restarts(Duration scheduled, double count, bool up = true) {
    Sample out;
    out.seq = ++seq;
    out.sli = 1;
    out.scheduled = at(scheduled);
    out.completed = at(scheduled);
    out.ok = up;
    out.value = up ? 1 : 0;
    out.restarts = count;
    judge->add(out);
    look(scheduled);
  }

  // Shop at 50/s in [from, to).
  void shop(Duration from, Duration to, bool ok, Duration latency = 10ms) {
    for (Duration when = from; when < to; when += 20ms) sample(0, when, ok, latency);
  }
  // One of `every` fails.
  void shop_failing(Duration from, Duration to, int every) {
    int n = 0;
    for (Duration when = from; when < to; when += 20ms) sample(0, when, ++n % every != 0);
  }
  void worker(Duration from, Duration to, bool up) {
    for (Duration when = from; when < to; when += 1s) sample(1, when, up, 0ms);
  }
  void queue(Duration from, Duration to, double value) {
    for (Duration when = from; when < to; when += 1s) sample(2, when, true, 0ms, value);
  }
  void idle(Duration from, Duration to) {
    for (Duration when = from; when < to; when += 100ms) look(when);
  }

  // A healthy baseline of 10 s for all three, then the fault begins at 10 s.
  void baseline(Duration latency = 10ms, double queued = 5, bool up = true) {
    start();
    judge->begin_baseline(at(0s));
    for (Duration second = 0s; second < 10s; second += 1s) {
      worker(second, second + 1s, up);
      queue(second, second + 1s, queued);
      shop(second, second + 1s, true, latency);
    }
    fixed = judge->end_baseline(at(10s));
  }
  Result<void> fixed = ok();
  void fault() {
    baseline();
    begin_fault();
  }
  void begin_fault(Duration when = 10s) {
    judge->arm(at(when));
    judge->begin_fault(at(when));
  }
  ConditionStatus end(Duration when, const std::string& id) {
    judge->end_fault(at(when));
    return final(Phase::fault, when + 1s, id);
  }
  ConditionStatus final(Phase phase, Duration now, const std::string& id) {
    for (ConditionStatus& status : judge->final_statuses(phase, at(now))) {
      EXPECT_TRUE(status.final);
      if (status.id == id) return status;
    }
    ADD_FAILURE() << "no final status of " << id;
    return {};
  }
  // The last status that was emitted for a condition.
  ConditionStatus last(const std::string& id) const {
    for (auto status = seen.rbegin(); status != seen.rend(); ++status) {
      if (status->id == id) return *status;
    }
    ADD_FAILURE() << "no status of " << id;
    return {};
  }
};

}  // namespace ordeal::probe
