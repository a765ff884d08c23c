// network.delay: packets arrive later.
//
// Mechanism: a chain of ours at the device's netdev hook hands matched packets to an ifb of ours,
// whose netem holds them and gives them back to their device; the device's own qdiscs are not
// touched. Where the kernel has no netem, an inet input chain hands them to an NFQUEUE and a helper
// process holds them: there a packet can only be held where it arrives.
// Cannot: meet non-first IP fragments by port, flows offloaded to hardware or taken by XDP, nor (in
// the NFQUEUE backend) forwarded packets. Source: sch_netem.c, nft_fwd_netdev.c, nfnetlink_queue.c.
#include <algorithm>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "faults/network/carrier.hpp"

namespace ordeal::network {
namespace {

constexpr std::int64_t kSmallestLimit = 1000;
constexpr std::int64_t kLargestLimit = 200'000;
// The kernel cuts it there without a word: INT_MAX ns (net/sched/sch_netem.c).
constexpr Duration kLongestNetemJitter = 2147ms;
constexpr std::uint16_t kFirstQueue = 32768;

struct Parameters : TrafficParameters {
  Duration latency{};
  Duration jitter{};
  Ppm correlation;
  model::Distribution distribution = model::Distribution::uniform;
  std::optional<std::uint32_t> limit;
  std::string backend;
};
BOOST_DESCRIBE_STRUCT(Parameters, (TrafficParameters),
                      (latency, jitter, correlation, distribution, limit, backend))

model::FaultDescription describe() {
  using enum model::ParameterKind;
  model::FaultDescription out;
  out.name = "network.delay";
  out.summary = "Packets arrive later: latency with jitter on chosen traffic.";
  out.parameters = {
      {.name = "latency",
       .kind = duration,
       .summary = "Added to each packet that is met, once in each direction that is met.",
       .required = true,
       .minimum = 1,
       .maximum = 600'000'000},
      {.name = "jitter",
       .kind = duration,
       .summary = "Each packet's latency differs by at most this much (uniform) or by this "
                  "deviation (other distributions); reorders packets.",
       .default_text = "0ms",
       .minimum = 0,
       .maximum = 600'000'000},
      {.name = "correlation",
       .kind = percent,
       .summary = "How much a packet's jitter resembles the one before (netem only).",
       .default_text = "0%",
       .minimum = 0,
       .maximum = 1'000'000},
      {.name = "distribution",
       .kind = choice,
       .summary = "Shape of the jitter (netem only).",
       .default_text = "uniform",
       .choices = {"uniform", "normal", "pareto", "paretonormal"}},
      {.name = "limit",
       .kind = integer,
       .summary = "Packets held at most; more are lost (netem) or pass undelayed (nfqueue). "
                  "Default: 1.5 million a second of delay, from 1000 to 200000.",
       .minimum = 1,
       .maximum = 1'000'000},
      {.name = "backend",
       .kind = choice,
       .summary = "auto: netem where the kernel has it, nfqueue elsewhere; or insist on one.",
       .default_text = "auto",
       .choices = {"auto", "netem", "nfqueue"}},
  };
  const auto shared = traffic_parameters();
  out.parameters.insert(out.parameters.end(), shared.begin(), shared.end());
  out.needs = {"root", "nf_tables", "netem or nfqueue"};
  out.example =
      "- fault: network.delay\n"
      "  with: { latency: 200ms, remote_port: 5432 }\n"
      "  duration: 30s\n";
  return out;
}

// Room for 1.5 million packets a second, more than one queue of this kind passes.
std::uint32_t limit_of(const Parameters& parameters) {
  if (parameters.limit) return *parameters.limit;
  const std::int64_t needed = (parameters.latency + parameters.jitter).count() * 3 / 2;
  return static_cast<std::uint32_t>(std::clamp(needed, kSmallestLimit, kLargestLimit));
}

Result<void> check(const Parameters& parameters) {
  const bool shaped =
      parameters.correlation.value != 0 || parameters.distribution != model::Distribution::uniform;
  if (shaped && parameters.jitter == Duration::zero()) {
    return Error(Code::invalid, "correlation and distribution shape the jitter: give jitter too");
  }
  return ok();
}

void describe_step(model::HostStep& step, const Parameters& parameters, const Scope& scope,
                   bool control) {
  if (control) {
    step.summary.push_back("control: the same objects with 0 ms for packets " + words_of(scope));
    return;
  }
  const Duration trip = parameters.latency * static_cast<std::int64_t>(scope.ways.size());
  const std::string jitter =
      parameters.jitter == Duration::zero()
          ? ""
          : fmt::format(" +- {} per packet", format_duration(parameters.jitter));
  step.summary.push_back(fmt::format("adds {}{} to each round trip ({}): packets {}",
                                     format_duration(trip), jitter, parameters.direction,
                                     words_of(scope)));
  step.summary.push_back(
      fmt::format("a new TCP connection with one request makes two round trips: {} more",
                  format_duration(2 * trip)));
  if (parameters.jitter != Duration::zero()) {
    step.warnings.push_back("jitter lets packets overtake each other");
  }
}

Result<void> plan_netem(const fault::PlanContext& context, const Parameters& parameters,
                        const Scope& scope, model::HostStep& step) {
  if (parameters.jitter > kLongestNetemJitter) {
    return Error(Code::invalid, fmt::format("with.jitter: {}, netem has {} at most",
                                            format_duration(parameters.jitter),
                                            format_duration(kLongestNetemJitter)));
  }
  model::Netem netem;
  netem.limit = limit_of(parameters);
  if (!context.request.zero_magnitude) {
    netem.latency = parameters.latency;
    netem.jitter = parameters.jitter;
    netem.correlation = parameters.correlation;
    netem.distribution = parameters.distribution;
  }
  step.backend = "netem via ifb";
  add_ifb(context, step, netem,
          fmt::format("delay {}, limit {} packets", format_duration(netem.latency), netem.limit));
  TRY(auto table, netdev_table(context, scope, model::NftForward{context.token.mark()}));
  add_table(step, scope, std::move(table), "delayed");
  return ok();
}

// A number that nobody listens on, always the same for one token.
Result<std::uint16_t> free_queue(const fault::PlanContext& context, const Scope& scope) {
  std::uint32_t hash = 0;
  for (const char c : context.token.text()) hash = hash * 31 + static_cast<unsigned char>(c);
  for (std::uint32_t i = 0; i < kFirstQueue; ++i) {
    const auto number = static_cast<std::uint16_t>(kFirstQueue + (hash + i) % kFirstQueue);
    const auto& used = scope.foreign_queues;
    if (std::find(used.begin(), used.end(), number) == used.end()) return number;
  }
  return Error(Code::busy, "every NFQUEUE number is in use");
}

Result<void> check_nfqueue(const Parameters& parameters, const Scope& scope) {
  if (parameters.correlation.value != 0 ||
      parameters.distribution != model::Distribution::uniform) {
    return Error(Code::unsupported,
                 "correlation and distribution need netem; the nfqueue backend has uniform jitter");
  }
  const bool others = std::any_of(scope.devices.begin(), scope.devices.end(),
                                  [](const Device& device) { return !device.loopback; });
  if (others && parameters.direction == "both") {
    return Error(Code::unsupported,
                 "direction: both needs netem: the nfqueue backend holds packets only where they "
                 "arrive (on lo it can do both: device: lo)");
  }
  return ok();
}

// Each device gets an input chain. On lo both ends are here, so what leaves is met as it arrives;
// on other devices the answers to what leaves are held instead.
Result<model::NftTable> queue_table(const fault::PlanContext& context, const Scope& scope,
                                    std::uint16_t number) {
  model::NftTable table;
  table.name = context.token.mark();
  table.family = model::NftFamily::inet;
  for (const Device& device : scope.devices) {
    std::vector<model::NftRule> rules;
    for (const Way way : scope.ways) {
      const Way met = device.loopback ? way : Way::ingress;
      auto more = rules_of(scope, met, model::NftQueue{number});
      std::move(more.begin(), more.end(), std::back_inserter(rules));
    }
    table.chains.push_back(chain_of(scope, model::NftHook::input, &device, std::move(rules)));
  }
  CHECK_OK(check_size(table));
  return table;
}

Result<void> plan_nfqueue(const fault::PlanContext& context, const Parameters& parameters,
                          const Scope& scope, model::HostStep& step) {
  CHECK_OK(context.host.nftables().can_queue());
  CHECK_OK(check_nfqueue(parameters, scope));
  TRY(auto number, free_queue(context, scope));
  TRY(auto table, queue_table(context, scope, number));
  step.backend = "nfqueue";
  const bool mirrored = parameters.direction == "egress" &&
                        std::any_of(scope.devices.begin(), scope.devices.end(),
                                    [](const Device& device) { return !device.loopback; });
  if (mirrored) {
    step.summary.push_back(
        "towards other hosts the delay is applied to replies: round trips as asked, one-way "
        "traffic is not delayed");
  }
  add_table(step, scope, std::move(table), "delayed");
  std::get<model::TrafficMatched>(step.effects.back()).holder = context.token.mark();

  // Behind the table: until the helper listens, packets pass; and it is ended before the table
  // goes, so that it can let go of what it holds.
  const bool control = context.request.zero_magnitude;
  model::SpawnHelper helper;
  helper.mark = context.token.mark();
  helper.role = "shaper";
  helper.arguments["queue"] = number;
  helper.arguments["latency"] = control ? 0 : parameters.latency.count();
  helper.arguments["jitter"] = control ? 0 : parameters.jitter.count();
  helper.arguments["limit"] = limit_of(parameters);
  model::Change change;
  change.summary = fmt::format("start helper {}: holds packets of NFQUEUE {} for {}", helper.mark,
                               number, format_duration(control ? 0us : parameters.latency));
  model::KillHelper kill;
  kill.mark = helper.mark;
  kill.grace = 500ms;
  kill.network = true;
  change.undos.push_back(kill);
  change.apply = std::move(helper);
  step.changes.push_back(std::move(change));
  return ok();
}

Result<model::HostStep> plan(const fault::PlanContext& context) {
  TRY(auto parameters, fault::parameters<Parameters>(context.request));
  CHECK_OK(check(parameters));
  TRY(auto scope, resolve(context, parameters));
  model::HostStep step;
  describe_step(step, parameters, scope, context.request.zero_magnitude);
  if (parameters.backend == "nfqueue") {
    CHECK_OK(plan_nfqueue(context, parameters, scope, step));
    return step;
  }
  auto ready = can_netem(context.host);
  if (ready.has_value()) {
    CHECK_OK(plan_netem(context, parameters, scope, step));
    return step;
  }
  if (parameters.backend == "netem" || ready.error().code() == Code::denied) return ready.error();
  auto queued = plan_nfqueue(context, parameters, scope, step);
  if (queued.has_error()) {
    return Error(queued.error().code(),
                 fmt::format("{}; and {}", ready.error().message(), queued.error().message()));
  }
  step.warnings.push_back(fmt::format("nfqueue instead of netem: {}", ready.error().message()));
  return step;
}

}  // namespace

fault::Fault delay() { return {describe(), plan}; }

}  // namespace ordeal::network
