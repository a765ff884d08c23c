// Which condition may stand in which list, and whether its SLI can answer it.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/spec/context.hpp"

namespace ordeal::spec {
namespace {

using model::Aggregate;
using model::Comparison;
using model::Unit;

bool is_good_list(List list) { return list == List::steady_state || list == List::during; }

std::string list_name(List list) {
  switch (list) {
    case List::steady_state: return "steady_state";
    case List::during: return "during";
    case List::expect: return "expect";
    case List::abort_if: return "abort_if";
    case List::until: return "until";
  }
  return {};
}

bool is_percentile(Aggregate aggregate) {
  return aggregate >= Aggregate::p50 && aggregate <= Aggregate::p999;
}

bool is_distribution(Aggregate aggregate) {
  return aggregate == Aggregate::mean || aggregate == Aggregate::min ||
         aggregate == Aggregate::max || is_percentile(aggregate);
}

// The kinds of SLIs, by what they answer.
enum class Answers { requests, gauge, flag, process };

Answers answers_of(const model::Sli& sli) {
  if (model::is_request(sli)) return Answers::requests;
  if (std::holds_alternative<model::ProcessProbe>(sli.probe)) return Answers::process;
  const auto* exec = std::get_if<model::ExecProbe>(&sli.probe);
  return exec != nullptr && exec->ok_mode ? Answers::flag : Answers::gauge;
}

std::string kind_of(const model::Sli& sli) {
  constexpr std::array<const char*, 6> kNames = {"an http", "a tcp",     "a dns",
                                                 "an exec", "a process", "a host"};
  const bool ok_mode = answers_of(sli) == Answers::flag;
  return std::string(kNames.at(sli.probe.index())) + (ok_mode ? " SLI with `mode: ok`" : " SLI");
}

std::vector<Aggregate> aggregates_of(const model::Sli& sli) {
  using enum Aggregate;
  switch (answers_of(sli)) {
    case Answers::requests:
      return {success, error, failures, count, throughput, mean,   min,     max,
              p50,     p90,   p95,      p99,   p999,       outage, downtime};
    case Answers::gauge: return {value, mean, min, max, p50, p90, p95, p99, p999};
    case Answers::flag: return {up, success, error, failures, outage, downtime};
    case Answers::process: return {up, count, restarts, success, error, failures, outage, downtime};
  }
  return {};
}

// What a bound on this measure must be: its unit, and the values that it can take at all.
struct Domain {
  std::vector<Unit> units;
  std::string expected;  // for messages: "a percentage such as 99%"
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
  std::string why;  // why it takes no other values
};

constexpr double kEndless = std::numeric_limits<double>::infinity();

Domain gauge_domain(Unit unit) {
  static const std::map<Unit, std::string> kExpected = {
      {Unit::none, "a bare number, for the SLI has no unit"},
      {Unit::seconds, "a duration such as 250ms"},
      {Unit::percent, "a percentage such as 10%"},
      {Unit::bytes, "a size such as 512MiB"},
      {Unit::per_second, "a rate such as 10/s"},
      {Unit::bytes_per_second, "a rate such as 10MB/s"}};
  return {{unit}, kExpected.at(unit), -kEndless, kEndless, ""};
}

Domain host_domain(model::HostValue value) {
  using enum model::HostValue;
  if (value == load1) return {{Unit::none}, "a bare number", 0, kEndless, "it is never below 0"};
  const std::string percent = "a percentage such as 95%";
  if (value == memory_available || value == memory_used || value == swap_used) {
    return {{Unit::percent, Unit::bytes},
            percent + " or a size such as 512MiB",
            0,
            kEndless,
            "it is never below 0"};
  }
  return {{Unit::percent}, percent, 0, 100, "it lies between 0% and 100%"};
}

Domain latency_domain(const model::Sli& sli) {
  Duration most = model::timeout_of(sli);
  std::string why = fmt::format("with `timeout: {}`", format_duration(most));
  const auto* http = std::get_if<model::HttpProbe>(&sli.probe);
  if (http != nullptr && http->ok_when.faster_than && *http->ok_when.faster_than < most) {
    most = *http->ok_when.faster_than;
    why = fmt::format("with `faster_than: {}`", format_duration(most));
  }
  return {{Unit::seconds},
          "a duration such as 250ms",
          0,
          static_cast<double>(most.count()) / 1e6,
          why + " no good answer takes longer"};
}

Domain domain_of(const model::Part& part, const KnownSli* known) {
  using enum Aggregate;
  if (part.measure.host_value) return host_domain(*part.measure.host_value);
  const model::Sli& sli = known->sli;
  const Aggregate aggregate = part.measure.aggregate;
  if (aggregate == success || aggregate == error) {
    return {{Unit::percent}, "a percentage such as 99%", 0, 100, "it lies between 0% and 100%"};
  }
  if (aggregate == outage || aggregate == downtime) {
    return {{Unit::seconds}, "a duration such as 15s", 0, kEndless, "it is never below 0"};
  }
  if (aggregate == failures || aggregate == count || aggregate == restarts) {
    return {{Unit::none}, "a whole number", 0, kEndless, "it is never below 0"};
  }
  if (aggregate == throughput) {
    Domain out{{Unit::per_second}, "a rate such as 45/s", 0, kEndless, "it is never below 0"};
    const auto* http = std::get_if<model::HttpProbe>(&sli.probe);
    if (http == nullptr || http->concurrency == 0) {
      out.most = 1e6 / static_cast<double>(model::interval_of(sli).count());
      out.why =
          fmt::format("with `rate: {:.4g}/s` it lies between 0/s and {:.4g}/s", out.most, out.most);
    }
    return out;
  }
  return model::is_request(sli) ? latency_domain(sli) : gauge_domain(sli.unit);
}

// Whether `x op bound` is the same for all x from least to most: true, false, or it depends.
std::optional<bool> constant(const Domain& domain, Comparison comparison, double bound) {
  const double least = domain.least;
  const double most = domain.most;
  switch (comparison) {
    case Comparison::less:
      if (bound > most) return true;
      if (bound <= least) return false;
      return std::nullopt;
    case Comparison::less_equal:
      if (bound >= most) return true;
      if (bound < least) return false;
      return std::nullopt;
    case Comparison::greater:
      if (bound < least) return true;
      if (bound >= most) return false;
      return std::nullopt;
    case Comparison::greater_equal:
      if (bound <= least) return true;
      if (bound > most) return false;
      return std::nullopt;
    case Comparison::equal:
      if (bound < least || bound > most) return false;
      return std::nullopt;
    case Comparison::not_equal:
      if (bound < least || bound > most) return true;
      return std::nullopt;
  }
  return std::nullopt;
}

// Checks one condition in one list. Every check goes on after an error of another part.
class Rules {
 public:
  Rules(Context& context, Written& written) : context_(context), written_(written) {}

  bool sound() {
    const std::size_t before = context_.problems.count();
    for (std::size_t i = 0; i < written_.parsed.parts.size() && !context_.problems.full(); ++i) {
      part(i);
    }
    if (context_.problems.count() == before) suffix();
    return context_.problems.count() == before;
  }

 private:
  model::Condition& condition() { return written_.parsed.condition; }
  void refuse(std::size_t offset, std::string text) {
    context_.problems.error(written_.place_at(offset), std::move(text));
  }

  void part(std::size_t index) {
    model::Part& part = condition().parts[index];
    const PartOffsets& offsets = written_.parsed.parts[index];
    KnownSli* known = nullptr;
    if (part.measure.host_value) {
      // A good list without `over` judges the phase as a whole: the mean, not the last reading.
      if (is_good_list(written_.list) && !part.over && !offsets.aggregate_given) {
        part.measure.aggregate = Aggregate::mean;
      }
    } else {
      known = find(part, offsets);
      if (known == nullptr || !known->usable || !answers(part, offsets, known->sli)) return;
    }
    if (part.flag) return;
    over(part, offsets, known);
    bound(part, offsets, known);
  }

  KnownSli* find(const model::Part& part, const PartOffsets& offsets) {
    const auto found = context_.slis.find(part.measure.sli);
    if (found == context_.slis.end() && context_.slis_incomplete) return nullptr;
    if (found == context_.slis.end()) {
      std::vector<std::string> names;
      for (const auto& [name, sli] : context_.slis) names.push_back(name);
      refuse(offsets.measure, fmt::format("no SLI is called '{}'{}", part.measure.sli,
                                          names.empty() ? "" : suggest(part.measure.sli, names)));
      return nullptr;
    }
    found->second.used = true;
    return &found->second;
  }

  bool answers(const model::Part& part, const PartOffsets& offsets, const model::Sli& sli) {
    const std::vector<Aggregate> known = aggregates_of(sli);
    if (std::find(known.begin(), known.end(), part.measure.aggregate) != known.end()) return true;
    std::vector<std::string> names;
    for (const Aggregate aggregate : known) names.push_back(to_string(aggregate));
    refuse(offsets.aggregate,
           fmt::format("{} has no `{}`: it is {}, which has {}", sli.name,
                       to_string(part.measure.aggregate), kind_of(sli), join(names, ", ")));
    return false;
  }

  void over(const model::Part& part, const PartOffsets& offsets, const KnownSli* known) {
    std::string measure = measure_text(part.measure);
    if (offsets.aggregate_given) measure += "." + to_string(part.measure.aggregate);
    const Aggregate aggregate = part.measure.aggregate;
    using enum Aggregate;
    const bool instant =
        aggregate == value || aggregate == restarts ||
        (aggregate == count && known != nullptr && answers_of(known->sli) == Answers::process);
    if (part.over && (aggregate == outage || aggregate == downtime)) {
      return refuse(offsets.over,
                    fmt::format("{} takes no `over`: it counts since the phase began", measure));
    }
    if (part.over && instant) {
      return refuse(offsets.over,
                    fmt::format("{} takes no `over`: it is the latest sample{}", measure,
                                aggregate == value ? "; use mean, min or max" : ""));
    }
    const bool needs = aggregate == success || aggregate == error || aggregate == throughput ||
                       is_distribution(aggregate);
    if (!part.over && needs && !is_good_list(written_.list)) {
      refuse(offsets.aggregate, fmt::format("{} needs `over`, such as `over 5s`", measure));
    }
  }

  void bound(const model::Part& part, const PartOffsets& offsets, const KnownSli* known) {
    const Domain domain = domain_of(part, known);
    const model::Quantity& quantity = part.bound.quantity;
    const std::string measure = measure_text(part.measure);
    const bool has_quantity = !part.bound.relative || offsets.offset_given;
    if (has_quantity &&
        std::find(domain.units.begin(), domain.units.end(), quantity.unit) == domain.units.end()) {
      return refuse(offsets.bound, fmt::format("{}: expected {}, found '{}'", measure,
                                               domain.expected, written_bound(offsets)));
    }
    if (domain.expected == "a whole number" && has_quantity &&
        quantity.value != std::floor(quantity.value)) {
      return refuse(offsets.bound, fmt::format("{}: expected a whole number, found '{}'", measure,
                                               written_bound(offsets)));
    }
    if (part.bound.relative) return relative(part, offsets, known);
    if (part.comparison == Comparison::equal || part.comparison == Comparison::not_equal) {
      equality(part, offsets);
    }
    reach(part, offsets, domain);
  }

  // The words of the bound, as written.
  std::string written_bound(const PartOffsets& offsets) {
    const std::string_view rest = std::string_view(condition().text).substr(offsets.bound);
    std::size_t end = rest.size();
    for (const std::string_view word : {" over ", " and ", " or ", " for ", " within "}) {
      end = std::min(end, rest.find(word));
    }
    return std::string(rest.substr(0, end));
  }

  void relative(const model::Part& part, const PartOffsets& offsets, const KnownSli* known) {
    using enum Aggregate;
    const Aggregate aggregate = part.measure.aggregate;
    const std::string measure = measure_text(part.measure);
    const bool counts =
        known != nullptr && (aggregate == failures || aggregate == count || aggregate == restarts ||
                             aggregate == outage || aggregate == downtime);
    if (counts) {
      return refuse(offsets.bound,
                    fmt::format("{} has no baseline: it grows with the length of the "
                                "phase; write a number",
                                measure));
    }
    if (part.comparison == Comparison::equal || part.comparison == Comparison::not_equal) {
      return refuse(offsets.comparison, "two measurements are never equal; use <= or >=");
    }
    if (part.bound.factor <= 0) {
      refuse(offsets.bound, "the factor of the baseline must be above 0");
    }
  }

  void equality(const model::Part& part, const PartOffsets& offsets) {
    const model::Quantity& quantity = part.bound.quantity;
    const bool whole = quantity.unit == Unit::none && quantity.value == std::floor(quantity.value);
    const bool end =
        quantity.unit == Unit::percent && (quantity.value == 0 || quantity.value == 100);
    if (whole || end) return;
    refuse(offsets.comparison, "== and != are for whole numbers, 0% and 100%; use <= or >= here");
  }

  void reach(const model::Part& part, const PartOffsets& offsets, const Domain& domain) {
    const auto same = constant(domain, part.comparison, part.bound.quantity.value);
    if (!same) return;
    const std::string text = fmt::format("{} {} {}", measure_text(part.measure),
                                         to_string(part.comparison), written_bound(offsets));
    std::string what = *same ? "can never be broken" : "can never hold";
    if (written_.list == List::abort_if) {
      what = *same ? "is always true: every run would abort" : "can never be crossed";
    } else if (!is_good_list(written_.list)) {
      what = *same ? "is always true: it proves nothing" : "can never become true";
    }
    refuse(offsets.bound, fmt::format("{} {}: {}", text, what, domain.why));
  }

  void suffix() {
    const List list = written_.list;
    if (condition().join == model::Join::any_of && list == List::abort_if) {
      refuse(written_.parsed.join,
             "`or` is not used in abort_if, where any line stops the run; "
             "write two lines");
    }
    if (condition().for_ && is_good_list(list)) {
      refuse(written_.parsed.for_, fmt::format("`for` is not used in {}", list_name(list)));
    }
    if (condition().within && list == List::until) {
      refuse(written_.parsed.within, "`within` is a key beside `until`");
    } else if (condition().within && list != List::expect) {
      refuse(written_.parsed.within, fmt::format("`within` is not used in {}", list_name(list)));
    }
    if (!condition().within && list == List::expect) {
      refuse(0, "expect needs `within`: by when must it be true?");
    }
  }

  Context& context_;
  Written& written_;
};

}  // namespace

std::string measure_text(const model::Measure& measure) {
  if (!measure.host_value) return measure.sli + "." + to_string(measure.aggregate);
  std::vector<std::string> picks;
  for (const model::HostPick& pick : measure.hosts) {
    picks.push_back(pick.name + (pick.value.empty() ? "" : "=" + pick.value));
  }
  return (picks.empty() ? "host." : "host(" + join(picks, ", ") + ").") +
         to_string(*measure.host_value);
}

std::optional<model::Condition> read_one_condition(Context& context, const Node& node, List list,
                                                   std::optional<Duration> active) {
  if (node.broken || context.problems.full()) return std::nullopt;
  if (!node.is_scalar()) {
    context.problems.error(node.place,
                           fmt::format("expected a condition such as `shop.success >= 99%`, found "
                                       "{}",
                                       describe(node)));
    return std::nullopt;
  }
  auto read = read_condition(node.text);
  if (const auto* problem = std::get_if<ConditionProblem>(&read)) {
    context.problems.error(node.place_at(problem->offset), problem->text);
    return std::nullopt;
  }
  Written written{std::move(std::get<ParsedCondition>(read)), &node, list, active};
  written.parsed.condition.place = node.place;
  if (!Rules(context, written).sound()) return std::nullopt;
  context.written.push_back(written);
  return std::move(written.parsed.condition);
}

std::vector<model::Condition> read_conditions(Context& context, const Node& node, List list,
                                              const std::string& what,
                                              std::optional<Duration> active) {
  std::vector<model::Condition> out;
  const auto items = context.reader.list(node, what, "conditions");
  if (!items) return out;
  for (const Node& item : *items) {
    auto condition = read_one_condition(context, item, list, active);
    if (condition) out.push_back(*std::move(condition));
  }
  return out;
}

}  // namespace ordeal::spec
