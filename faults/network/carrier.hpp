// What network.delay, network.loss and network.partition share: which packets are meant, on which
// devices, as rules of one nf_tables table; what is never touched; what the step claims.
//
// Ports and addresses are named from this host's point of view, so that they mean the same in both
// directions: `local_port` is a service here, `remote_port` and `remote_ip` one that it talks to.
#pragma once

#include <string>
#include <vector>

#include "engine/fault/parameters.hpp"

namespace ordeal::network {

struct TrafficParameters {
  std::optional<std::vector<model::PortRange>> local_port;
  std::optional<std::vector<model::PortRange>> remote_port;
  std::optional<std::vector<std::string>> remote_ip;
  std::optional<std::vector<std::string>> except_ip;
  std::vector<std::string> protocol;
  std::string direction;
  std::optional<std::string> device;
  bool allow_whole_interface = false;
};
BOOST_DESCRIBE_STRUCT(TrafficParameters, (),
                      (local_port, remote_port, remote_ip, except_ip, protocol, direction, device,
                       allow_whole_interface))

// Their descriptions, to be put behind a fault's own.
std::vector<model::Parameter> traffic_parameters();

struct Device {
  std::string name;
  bool loopback = false;
};

enum class Way { egress, ingress };

// The traffic of one step on this host.
struct Scope {
  TrafficParameters wanted;
  std::vector<Device> devices;
  std::vector<Way> ways;
  std::vector<os::ExemptFlow> exempt;
  std::vector<std::uint16_t> foreign_queues;
  std::vector<std::string> warnings;
};

// Finds the devices and checks the wish. Errors: refused when it means a whole interface without
// saying so; invalid for ports of a protocol without ports; gone for a device that is not there.
Result<Scope> resolve(const fault::PlanContext& context, const TrafficParameters& wanted);

// "leaving through lo and eth0; tcp and udp; remote port 5432"
std::string words_of(const Scope& scope);

// What a chain at one place matches, in the order of the packet's own fields.
std::vector<model::NftMatch> matches_of(const Scope& scope, Way way);

// A chain: first what is exempt, then `rules`. `device` is empty for every device (inet only).
model::NftChain chain_of(const Scope& scope, model::NftHook hook, const Device* device,
                         std::vector<model::NftRule> rules);

// Leased and counted rules with this verdict for everything that `way` matches.
std::vector<model::NftRule> rules_of(const Scope& scope, Way way, const model::NftVerdict& verdict);

// One netdev chain for each device and direction. Error: more than 256 rules.
Result<model::NftTable> netdev_table(const fault::PlanContext& context, const Scope& scope,
                                     const model::NftVerdict& verdict);

// The same for losses of this share: what arrives is dropped, what leaves goes into a hole, which
// is added to the step where it is needed.
Result<model::NftTable> lossy_table(const fault::PlanContext& context, const Scope& scope,
                                    Ppm share, model::HostStep& step);

// Refuses a table with more rules than a packet should meet.
Result<void> check_size(const model::NftTable& table);

// Adds the table as a change with its undo, its effect, the claim, the exemptions and the warnings.
// `verb`: what happens to matched packets ("delayed").
void add_table(model::HostStep& step, const Scope& scope, model::NftTable table,
               const std::string& verb);

// Adds an idle ifb that swallows what is sent to it.
void add_hole(model::HostStep& step, const std::string& mark);

// Adds an idle ifb with netem, named by the step's mark.
void add_ifb(const fault::PlanContext& context, model::HostStep& step, const model::Netem& netem,
             const std::string& words);

// Can packets be carried through an ifb with netem here? The first reason why not.
Result<void> can_netem(const os::Host& host);

}  // namespace ordeal::network
