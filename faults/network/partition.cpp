// network.partition: two ends cannot reach each other.
//
// Mechanism: drop: a chain of ours at the device's netdev hook takes every matched packet, in
// silence: senders see no error, established connections hang until TCP gives up (minutes). What
// arrives is dropped; what leaves goes into a hole, an ifb that is down, because a drop in the
// egress hook is told to the sender as a busy device.
// reject: inet output and input chains answer: TCP with a reset, the rest with ICMP "prohibited",
// so that callers fail at once. Resets and ICMP errors themselves always pass: otherwise the
// answers of the partition would be eaten by it.
// Cannot: meet non-first IP fragments by port, flows offloaded to hardware or taken by XDP; reject
// does not meet forwarded packets. Source: nft_reject_inet.c, nf_tables netdev family.
#include <algorithm>

#include <fmt/format.h>

#include "faults/network/carrier.hpp"

namespace ordeal::network {
namespace {

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmp6 = 58;
constexpr model::PortRange kUnreachable{3, 3};
constexpr model::PortRange kUnreachable6{1, 1};

struct Parameters : TrafficParameters {
  std::string action;
};
BOOST_DESCRIBE_STRUCT(Parameters, (TrafficParameters), (action))

model::FaultDescription describe() {
  using enum model::ParameterKind;
  model::FaultDescription out;
  out.name = "network.partition";
  out.summary = "Two ends cannot reach each other: packets vanish or are refused.";
  out.parameters = {
      {.name = "action",
       .kind = choice,
       .summary = "drop: packets vanish and callers wait; reject: callers are refused at once.",
       .default_text = "drop",
       .choices = {"drop", "reject"}},
  };
  const auto shared = traffic_parameters();
  out.parameters.insert(out.parameters.end(), shared.begin(), shared.end());
  out.needs = {"root", "nf_tables"};
  out.example =
      "- fault: network.partition\n"
      "  with: { remote_port: 53, protocol: [udp, tcp] }\n"
      "  duration: 30s\n";
  return out;
}

// The errors that a reject sends must not be rejected.
std::vector<model::NftRule> pass_errors() {
  model::NftRule four;
  four.match.protocol = kIcmp;
  four.match.icmp_type = kUnreachable;
  four.verdict = model::NftAccept{};
  model::NftRule six = four;
  six.match.family = model::IpFamily::ip6;
  six.match.protocol = kIcmp6;
  six.match.icmp_type = kUnreachable6;
  return {four, six};
}

Result<model::NftTable> reject_table(const fault::PlanContext& context, const Scope& scope) {
  model::NftVerdict verdict = model::NftReject{};
  if (context.request.zero_magnitude) verdict = model::NftDrop{Ppm{0}};
  model::NftTable table;
  table.name = context.token.mark();
  table.family = model::NftFamily::inet;
  // The inet hooks see every device: only a device that was asked for narrows them.
  const Device* device = scope.wanted.device ? &scope.devices.front() : nullptr;
  for (const Way way : scope.ways) {
    const auto hook = way == Way::egress ? model::NftHook::output : model::NftHook::input;
    std::vector<model::NftRule> rules = pass_errors();
    auto more = rules_of(scope, way, verdict);
    std::move(more.begin(), more.end(), std::back_inserter(rules));
    table.chains.push_back(chain_of(scope, hook, device, std::move(rules)));
  }
  CHECK_OK(check_size(table));
  return table;
}

Result<model::HostStep> plan(const fault::PlanContext& context) {
  TRY(auto parameters, fault::parameters<Parameters>(context.request));
  TRY(auto scope, resolve(context, parameters));
  CHECK_OK(context.host.nftables().can_carry());
  const bool control = context.request.zero_magnitude;
  const bool drop = parameters.action == "drop";
  model::HostStep step;
  step.backend = "nf_tables";
  step.summary.push_back(fmt::format("{}{} every packet {}",
                                     control ? "control, 0% instead of all: " : "",
                                     drop ? "drops" : "rejects", words_of(scope)));
  if (drop) {
    TRY(auto table, lossy_table(context, scope, control ? Ppm{0} : percent(100), step));
    add_table(step, scope, std::move(table), control ? "met" : "dropped");
  } else {
    TRY(auto table, reject_table(context, scope));
    add_table(step, scope, std::move(table), control ? "met" : "rejected");
  }
  return step;
}

}  // namespace

fault::Fault partition() { return {describe(), plan}; }

}  // namespace ordeal::network
