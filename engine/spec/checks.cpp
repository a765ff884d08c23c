// What can be said only when the whole file is read: whether phases are long enough for their data,
// whether limits fit, and what is allowed but probably not meant.
#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "engine/spec/context.hpp"

namespace ordeal::spec {
namespace {

using model::Aggregate;
using model::Comparison;

constexpr Duration kShortestBaseline = 10s;
constexpr Duration kShortestHold = 5s;
constexpr Duration kAfterTimeout = 1s;
constexpr Duration kDefaultRecovery = 30s;
constexpr std::int64_t kBaselineRequests = 20;
constexpr std::int64_t kBaselineReadings = 5;
constexpr Duration kHostEvery = 1s;  // host values come once a second

bool is_closed_loop(const model::Sli& sli) {
  const auto* http = std::get_if<model::HttpProbe>(&sli.probe);
  return http != nullptr && http->concurrency > 0;
}

bool is_latency(Aggregate aggregate) {
  return aggregate >= Aggregate::mean && aggregate <= Aggregate::p999;
}

// "every 5s", "20/s", "concurrency: 8 while every request waits for its timeout, 2s"
std::string pace(const model::Sli& sli) {
  const Duration interval = model::interval_of(sli);
  if (is_closed_loop(sli)) {
    return fmt::format("concurrency: {} while every request waits for its timeout, {}",
                       std::get<model::HttpProbe>(sli.probe).concurrency,
                       format_duration(model::timeout_of(sli)));
  }
  if (!model::is_request(sli)) return "every " + format_duration(interval);
  return fmt::format("{:.4g}/s", 1e6 / static_cast<double>(interval.count()));
}

std::int64_t samples_in(Duration window, Duration interval) {
  return interval > Duration::zero() ? window / interval : 0;
}

// Whole seconds when they suffice, for a person who copies it.
Duration rounded_up(Duration time) {
  if (time <= 1s) return time;
  return std::chrono::ceil<std::chrono::seconds>(time);
}

// One part of a condition with its SLI; host values have none.
struct Use {
  const Written& written;
  const model::Part& part;
  const PartOffsets& offsets;
  const model::Sli* sli;

  Duration interval() const { return sli != nullptr ? model::interval_of(*sli) : kHostEvery; }
  // No promise can be made about a closed loop.
  bool counted() const { return sli == nullptr || !is_closed_loop(*sli); }
  std::int64_t least() const {
    const bool request = sli != nullptr && model::is_request(*sli);
    return model::least_samples(part.measure.aggregate, request,
                                sli != nullptr ? sli->min_samples : std::nullopt);
  }
};

class Checks {
 public:
  Checks(Context& context, const Node& root)
      : context_(context), experiment_(context.experiment), root_(root) {
    for (const Written& written : context.written) {
      for (std::size_t i = 0; i < written.parsed.parts.size(); ++i) {
        const model::Part& part = written.parsed.condition.parts[i];
        const auto found = context.slis.find(part.measure.sli);
        const bool known = found != context.slis.end();
        if (known ? !found->second.usable : !part.measure.host_value) continue;
        const model::Sli* sli = known ? &found->second.sli : nullptr;
        uses_.push_back({written, part, written.parsed.parts[i], sli});
      }
    }
  }

  void run() {
    if (context_.method_sound) fault_phase();
    during();
    baseline();
    for (const Use& use : uses_) windows(use);
    for (const Written& written : context_.written) times(written);
    recovery();
    blast_radius();
    lints();
  }

 private:
  void refuse(const Use& use, std::size_t offset, std::string text) {
    context_.problems.error(use.written.place_at(offset), std::move(text));
  }
  const Node* value(std::string_view key) const {
    const Entry* entry = root_.find(key);
    return entry == nullptr ? nullptr : &entry->value;
  }
  model::Place place_of(std::string_view key) const {
    const Node* node = value(key);
    return node == nullptr ? root_.place : node->place;
  }

  // From the first step's effect to the end of the last; a `wait: {until}` may be over at once.
  // And the part of it that the global `during` judges: no wait, no step with a list of its own.
  void fault_phase() {
    Duration waited{};
    for (const model::MethodItem& item : experiment_.method) {
      if (const auto* wait = std::get_if<model::Wait>(&item)) {
        if (fault_phase_ > Duration::zero()) waited += wait->time.value_or(Duration::zero());
        continue;
      }
      Duration length{};
      Duration replaced{};
      if (const auto* step = std::get_if<model::Step>(&item)) {
        length = step->duration;
        replaced = step->during ? length : Duration::zero();
      } else {
        for (const model::Step& part : std::get<model::Parallel>(item).steps) {
          length = std::max(length, part.start_delay + part.duration);
          if (part.during) replaced += part.duration;
        }
      }
      fault_phase_ += waited + length;
      global_during_ += length - std::min(length, replaced);
      waited = {};
    }
  }

  void during() {
    const Node* node = value("during");
    if (!context_.method_sound) return;
    if (experiment_.during_none && node != nullptr) {
      const std::vector<const model::Step*> steps = model::steps_of(experiment_);
      const bool expects = !experiment_.expect.empty() ||
                           std::any_of(steps.begin(), steps.end(), [](const model::Step* step) {
                             return !step->expect.empty();
                           });
      if (!expects) {
        context_.problems.error(node->place,
                                "`during: none` needs at least one `expect`: else "
                                "nothing is judged while the faults are active");
      }
    }
    if (node == nullptr) {
      // Where every step brings its own list, the inherited one would never be judged.
      if (global_during_ > Duration::zero()) experiment_.during = experiment_.steady_state;
    } else if (!experiment_.during_none && global_during_ == Duration::zero()) {
      context_.problems.error(node->place,
                              "this list is never judged: every step has its own "
                              "`during`");
    }
  }

  // ---- Baseline
  struct Need {
    Duration length{};
    std::string why;
  };

  void raise(Need& need, Duration length, std::string why) {
    if (rounded_up(length) <= need.length) return;
    need.length = rounded_up(length);
    need.why = std::move(why);
  }

  void baseline() {
    const Node* node = value("baseline");
    if (node != nullptr && experiment_.baseline == Duration::zero()) return;  // reported
    Need need;
    for (const auto& [name, known] : context_.slis) {
      const model::Sli& sli = known.sli;
      if (!known.usable || is_closed_loop(sli)) continue;
      const std::int64_t usual = model::is_request(sli) ? kBaselineRequests : kBaselineReadings;
      need_samples(need, sli, sli.min_samples.value_or(usual), sli.name);
    }
    for (const Use& use : uses_) {
      if (use.part.over) {
        raise(need, *use.part.over,
              fmt::format("{} is shorter than the longest window, `over {}` on line {}",
                          format_duration(experiment_.baseline), format_duration(*use.part.over),
                          use.written.node->place.line));
      }
      const bool whole = use.written.list == List::steady_state && !use.part.over;
      if ((!whole && !use.part.bound.relative) || use.sli == nullptr || !use.counted()) continue;
      need_samples(need, *use.sli, use.least(), measure_text(use.part.measure));
    }
    if (node == nullptr) {
      experiment_.baseline = std::max(kShortestBaseline, need.length);
    } else if (experiment_.baseline < need.length) {
      context_.problems.error(
          node->place, fmt::format("{}: baseline: {}", need.why, format_duration(need.length)));
    }
  }

  // "lag has 4 samples in 20s (every 5s), 5 are needed"
  void need_samples(Need& need, const model::Sli& sli, std::int64_t least,
                    const std::string& what) {
    const Duration interval = model::interval_of(sli);
    raise(need, interval * least,
          fmt::format("{} has {} samples in {} ({}), {} are needed", what,
                      samples_in(experiment_.baseline, interval),
                      format_duration(experiment_.baseline), pace(sli), least));
  }

  // ---- Windows
  // A closed loop has fewest samples when nothing answers, and then abort_if is there to see it.
  bool must_see_a_hang(const Use& use) const {
    const Aggregate aggregate = use.part.measure.aggregate;
    return use.written.list == List::abort_if && use.sli != nullptr &&
           (aggregate == Aggregate::success || aggregate == Aggregate::error);
  }

  // The phase over which a part without `over` is judged; 0 when it is not judged so.
  Duration phase_of(const Use& use) const {
    if (use.written.list == List::steady_state) return experiment_.baseline;
    if (use.written.list != List::during) return Duration::zero();
    return use.written.active.value_or(global_during_);
  }

  void windows(const Use& use) {
    const Duration phase = phase_of(use);
    if (use.part.over && use.written.list == List::during && *use.part.over > phase &&
        phase > Duration::zero()) {
      return refuse(use, use.offsets.over,
                    fmt::format("the window {} is longer than the {} in which the faults are "
                                "active",
                                format_duration(*use.part.over), format_duration(phase)));
    }
    const Duration window =
        use.part.over.value_or(use.written.list == List::during ? phase : Duration::zero());
    if (use.part.flag || window == Duration::zero()) return;
    if (!use.counted() && !must_see_a_hang(use)) return;
    const std::int64_t samples = samples_in(window, use.interval());
    const std::int64_t least = use.least();
    const std::string measure = measure_text(use.part.measure);
    if (samples < least) {
      const std::string every = use.sli != nullptr ? pace(*use.sli) : "every 1s";
      const std::string longer = format_duration(rounded_up(use.interval() * least));
      return refuse(
          use, use.part.over ? use.offsets.over : use.offsets.aggregate,
          fmt::format("{} has {} samples in {} ({}), {} are needed: {}", measure, samples,
                      format_duration(window), every, least,
                      use.part.over ? "over " + longer : "a duration of at least " + longer));
    }
    reach_of_gaps(use, phase);
  }

  // An outage longer than the phase cannot be seen in it.
  void reach_of_gaps(const Use& use, Duration phase) {
    const Aggregate aggregate = use.part.measure.aggregate;
    const bool gap = aggregate == Aggregate::outage || aggregate == Aggregate::downtime;
    if (!gap || use.written.list != List::during || phase == Duration::zero()) return;
    const double bound = use.part.bound.quantity.value;
    const bool upper =
        use.part.comparison == Comparison::less || use.part.comparison == Comparison::less_equal;
    if (upper && bound >= static_cast<double>(phase.count()) / 1e6) {
      refuse(use, use.offsets.bound,
             fmt::format("{} can never be broken: the faults are active for {}", written_part(use),
                         format_duration(phase)));
    }
  }

  std::string written_part(const Use& use) const {
    return fmt::format("{} {} {}", measure_text(use.part.measure), to_string(use.part.comparison),
                       model::format_quantity(use.part.bound.quantity));
  }

  // ---- `for` and `within`
  void times(const Written& written) {
    const model::Condition& condition = written.parsed.condition;
    const Duration held = condition.for_.value_or(Duration::zero());
    Duration longest_over{};
    for (const model::Part& part : condition.parts) {
      longest_over = std::max(longest_over, part.over.value_or(Duration::zero()));
    }
    if (condition.for_) two_samples(written);
    const Duration active = written.active.value_or(fault_phase_);
    const std::optional<Duration> within =
        written.list == List::until ? written.active : condition.within;
    if (!within || *within == Duration::zero()) return;
    if (longest_over + held > *within) {
      context_.problems.error(
          written.place_at(condition.within ? written.parsed.within : 0),
          fmt::format("cannot be true before {} (its `over` and `for` together), but is wanted "
                      "within {}",
                      format_duration(longest_over + held), format_duration(*within)));
    } else if (written.list == List::expect && *within > active && active > Duration::zero()) {
      context_.problems.error(written.place_at(written.parsed.within),
                              fmt::format("`within {}` does not fit: the faults are active for {}",
                                          format_duration(*within), format_duration(active)));
    }
  }

  void two_samples(const Written& written) {
    // They were made in the order of `written`.
    const auto before = [](const Use& use, const Written* one) { return &use.written < one; };
    auto at = std::lower_bound(uses_.begin(), uses_.end(), &written, before);
    for (; at != uses_.end() && &at->written == &written; ++at) {
      const Use& use = *at;
      if (!use.counted()) continue;
      const Duration held = *written.parsed.condition.for_;
      if (samples_in(held, use.interval()) >= 2) continue;
      context_.problems.error(
          written.place_at(written.parsed.for_),
          fmt::format("`for {}` needs at least two samples, and {} has one every {}: for {}",
                      format_duration(held), measure_text(use.part.measure),
                      format_duration(use.interval()),
                      format_duration(rounded_up(use.interval() * 2))));
      return;
    }
  }

  // ---- Recovery
  // The trailing window that steady_state needs before it can be said to hold.
  Duration least_hold() const {
    Duration out{};
    for (const Use& use : uses_) {
      if (use.written.list != List::steady_state || !use.counted()) continue;
      out = std::max(out, use.part.over.value_or(use.interval() * use.least()));
    }
    return rounded_up(out);
  }

  // A window counts what has completed: a request that hangs is seen when it has timed out.
  Duration answered_hold() const {
    Duration out{};
    for (const Use& use : uses_) {
      const bool requests = use.sli != nullptr && model::is_request(*use.sli);
      if (use.written.list != List::steady_state || !requests) continue;
      out = std::max(out, model::timeout_of(*use.sli) + kAfterTimeout);
    }
    return rounded_up(out);
  }

  void recovery() {
    const Node* node = value("recovery");
    model::Recovery& recovery = experiment_.recovery;
    const bool has_hold = node != nullptr && node->is_map() && node->find("hold") != nullptr;
    const bool has_within = recovery.within > Duration::zero();
    if (node != nullptr && (!has_within || (has_hold && recovery.hold == Duration::zero()))) return;
    const Duration least = least_hold();
    const Duration answered = answered_hold();
    if (!has_hold) recovery.hold = std::max({kShortestHold, least, answered});
    if (node == nullptr) recovery.within = std::max(kDefaultRecovery, 2 * recovery.hold);
    if (has_hold && recovery.hold < least) {
      context_.problems.error(node->find("hold")->value.place,
                              fmt::format("hold: steady_state needs {} before it can be judged",
                                          format_duration(least)));
    } else if (has_hold && recovery.hold < answered) {
      context_.problems.error(
          node->find("hold")->value.place,
          fmt::format("hold: {} ends before requests that hang have timed out: hold: {}",
                      format_duration(recovery.hold), format_duration(answered)));
    } else if (recovery.hold > recovery.within) {
      context_.problems.error(
          node->place, fmt::format("recovery: {} is shorter than the hold, {}{}",
                                   format_duration(recovery.within), format_duration(recovery.hold),
                                   has_hold ? "" : ", which steady_state needs (at least 5s)"));
    }
  }

  // ---- Blast radius
  void blast_radius() {
    if (!context_.method_sound) return;
    model::BlastRadius& radius = experiment_.blast_radius;
    const Duration method = model::method_duration(experiment_);
    const Node* node = value("blast_radius");
    const Entry* limit = node != nullptr ? node->find("duration") : nullptr;
    // Absent, the plan sets it: only then is known how many hosts a step rolls through.
    if (limit != nullptr && radius.duration && method > *radius.duration) {
      context_.problems.error(
          limit->value.place,
          fmt::format("the method takes {}, more than blast_radius.duration, {}",
                      format_duration(method), format_duration(*radius.duration)));
    }
    if (!radius.hosts) radius.hosts = 1;
    if (!radius.host_share) radius.host_share = percent(50);
  }

  // ---- Lints
  void lints() {
    for (const auto& [name, known] : context_.slis) {
      if (known.usable && !known.used) {
        context_.problems.warning(known.sli.place,
                                  fmt::format("{} is measured, but no condition uses it", name));
      }
    }
    for (const Use& use : uses_) {
      const Aggregate aggregate = use.part.measure.aggregate;
      const bool counts = aggregate == Aggregate::success || aggregate == Aggregate::error ||
                          aggregate == Aggregate::failures;
      if (counts) answers_counted_.insert(where(use));
    }
    bool judged_before = false;
    for (const Use& use : uses_) {
      lint_latency(use);
      lint_noise(use);
      lint_one_failure(use);
      lint_throughput(use);
      lint_gaps(use);
      judged_before = judged_before || (use.written.list == List::steady_state &&
                                        (!use.part.bound.relative || use.part.over));
    }
    if (!judged_before && !experiment_.steady_state.empty()) {
      context_.problems.warning(place_of("steady_state"),
                                "every bound is relative to the baseline: nothing is judged before "
                                "the fault; add an absolute one, such as success");
    }
  }

  void warn(const Use& use, std::size_t offset, std::string text) {
    context_.problems.warning(use.written.place_at(offset), std::move(text));
  }

  // Where one use of an SLI speaks for another one.
  using Where = std::tuple<const model::Sli*, List, std::optional<Duration>>;
  static Where where(const Use& use) { return {use.sli, use.written.list, use.written.active}; }

  bool is_good_list(const Use& use) const {
    return use.written.list == List::steady_state || use.written.list == List::during;
  }

  void lint_latency(const Use& use) {
    const bool latency =
        use.sli != nullptr && model::is_request(*use.sli) && is_latency(use.part.measure.aggregate);
    if (!latency || !is_good_list(use) || answers_counted_.contains(where(use))) return;
    warn(use, use.offsets.measure,
         fmt::format("{} counts good answers only: without a bound on {}.success, dropping slow "
                     "requests would look like speed",
                     measure_text(use.part.measure), use.part.measure.sli));
  }

  void lint_noise(const Use& use) {
    const Aggregate aggregate = use.part.measure.aggregate;
    const bool tail = aggregate == Aggregate::p99 || aggregate == Aggregate::p999;
    if (!tail || !use.part.over || use.sli == nullptr || !use.counted()) return;
    const std::int64_t samples = samples_in(*use.part.over, use.interval());
    const std::int64_t wanted = 10 * use.least();
    if (samples >= wanted) return;
    warn(use, use.offsets.over,
         fmt::format("{} over {} samples is mostly noise: {} would be better; or use p95, or leave "
                     "`over` out",
                     measure_text(use.part.measure), samples, wanted));
  }

  void lint_one_failure(const Use& use) {
    const model::Part& part = use.part;
    const bool success =
        part.measure.aggregate == Aggregate::success &&
        (part.comparison == Comparison::greater_equal || part.comparison == Comparison::greater);
    const Duration window = part.over.value_or(phase_of(use));
    if (!success || part.bound.relative || !is_good_list(use) || !use.counted() ||
        window == Duration::zero()) {
      return;
    }
    const auto samples = static_cast<double>(samples_in(window, use.interval()));
    const double bound = part.bound.quantity.value;
    const double with_one = 100 * (1 - 1 / samples);
    const bool decides =
        part.comparison == Comparison::greater ? with_one <= bound : with_one < bound;
    if (samples < 1 || bound >= 100 || !decides) return;
    warn(use, use.offsets.bound,
         fmt::format("one failed request of {:.0f} in {} breaks this: {:.4g}%", samples,
                     format_duration(window), with_one));
  }

  void lint_throughput(const Use& use) {
    const bool open = use.sli != nullptr && !is_closed_loop(*use.sli) &&
                      use.part.measure.aggregate == Aggregate::throughput;
    if (!open) return;
    warn(use, use.offsets.aggregate,
         fmt::format("ordeal itself sends {}: throughput is that times success, and says nothing "
                     "more; for throughput use `concurrency`",
                     pace(*use.sli)));
  }

  void lint_gaps(const Use& use) {
    const Aggregate aggregate = use.part.measure.aggregate;
    const bool gap = aggregate == Aggregate::outage || aggregate == Aggregate::downtime;
    const bool upper =
        use.part.comparison == Comparison::less || use.part.comparison == Comparison::less_equal;
    if (!gap || !upper || use.sli == nullptr || !use.counted()) return;
    const Duration shortest = 3 * use.interval();
    if (use.part.bound.quantity.value >= static_cast<double>(shortest.count()) / 1e6) return;
    warn(use, use.offsets.bound,
         fmt::format("gaps up to {} (three times the pace of {}) count as 0s, so every outage that "
                     "is seen breaks this",
                     format_duration(shortest), use.part.measure.sli));
  }

  Context& context_;
  model::Experiment& experiment_;
  const Node& root_;
  std::vector<Use> uses_;
  std::set<Where> answers_counted_;
  Duration fault_phase_{};
  Duration global_during_{};
};

}  // namespace

void check_experiment(Context& context, const Node& root) { Checks(context, root).run(); }

}  // namespace ordeal::spec
