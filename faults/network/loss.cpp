// network.loss: a share of the packets never arrives.
//
// Mechanism: a chain of ours at the device's netdev hook takes each matched packet with the given
// chance (numgen): what arrives is dropped, what leaves goes into a hole (see partition). Senders
// notice nothing: no error, no ICMP. With a correlation the packets pass an ifb of ours whose netem
// drops them in bursts: a chain of two states (Gilbert), whose losses depend on the one before.
// Cannot: meet non-first IP fragments by port, flows offloaded to hardware or taken by XDP.
// Source: nft_numgen.c, sch_netem.c.
#include <fmt/format.h>

#include "faults/network/carrier.hpp"

namespace ordeal::network {
namespace {

struct Parameters : TrafficParameters {
  Ppm percent;
  Ppm correlation;
};
BOOST_DESCRIBE_STRUCT(Parameters, (TrafficParameters), (percent, correlation))

model::FaultDescription describe() {
  using enum model::ParameterKind;
  model::FaultDescription out;
  out.name = "network.loss";
  out.summary = "A share of the packets never arrives.";
  out.parameters = {
      {.name = "percent",
       .kind = model::ParameterKind::percent,
       .summary = "Chance of each packet to be lost.",
       .required = true,
       .minimum = 1,
       .maximum = 1'000'000},
      {.name = "correlation",
       .kind = model::ParameterKind::percent,
       .summary = "How much a packet's fate resembles the one before: bursts (needs netem).",
       .default_text = "0%",
       .minimum = 0,
       .maximum = 1'000'000},
  };
  const auto shared = traffic_parameters();
  out.parameters.insert(out.parameters.end(), shared.begin(), shared.end());
  out.needs = {"root", "nf_tables"};
  out.example =
      "- fault: network.loss\n"
      "  with: { percent: 20%, local_port: 8080 }\n"
      "  duration: 30s\n";
  return out;
}

Result<void> plan_correlated(const fault::PlanContext& context, const Parameters& parameters,
                             const Scope& scope, Ppm share, model::HostStep& step) {
  CHECK_OK(within("correlation needs netem", can_netem(context.host)));
  model::Netem netem;
  netem.loss = share;
  netem.loss_correlation = parameters.correlation;
  step.backend = "netem via ifb";
  add_ifb(context, step, netem,
          fmt::format("loss {} correlation {}", format_percent(share),
                      format_percent(parameters.correlation)));
  TRY(auto table, netdev_table(context, scope, model::NftForward{context.token.mark()}));
  add_table(step, scope, std::move(table), "put through the loss");
  return ok();
}

Result<model::HostStep> plan(const fault::PlanContext& context) {
  TRY(auto parameters, fault::parameters<Parameters>(context.request));
  TRY(auto scope, resolve(context, parameters));
  model::HostStep step;
  const Ppm share = context.request.zero_magnitude ? Ppm{0} : parameters.percent;
  step.summary.push_back(fmt::format("{}loses {} of the packets {}",
                                     context.request.zero_magnitude ? "control: " : "",
                                     format_percent(share), words_of(scope)));
  if (parameters.correlation.value != 0) {
    CHECK_OK(plan_correlated(context, parameters, scope, share, step));
    return step;
  }
  CHECK_OK(context.host.nftables().can_carry());
  step.backend = "nf_tables";
  TRY(auto table, lossy_table(context, scope, share, step));
  add_table(step, scope, std::move(table), share.value == 0 ? "met" : "lost");
  return step;
}

}  // namespace

fault::Fault loss() { return {describe(), plan}; }

}  // namespace ordeal::network
