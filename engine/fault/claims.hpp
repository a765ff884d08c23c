// When do two steps occupy the same thing?
//
// A traffic claim's key is canonical text, so that it can be printed, journaled and compared by any
// version:
//   egress devices=eth0/lo protocols=tcp/udp local=* remote=5432/8000-8010 ip=10.0.0.0/24,::1/128
// `*` is any. Ports and addresses are those of this host (local) and its peers (remote, ip).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/model/change.hpp"

namespace ordeal::fault {

// What a network fault meets. Empty lists mean any.
struct Traffic {
  std::string direction;  // "egress", "ingress", "both"
  std::vector<std::string> devices;
  std::vector<std::string> protocols;  // "tcp", "udp", "icmp"
  std::vector<model::PortRange> local_ports;
  std::vector<model::PortRange> remote_ports;
  std::vector<std::string> addresses;  // of peers, with prefix
};

std::string traffic_key(const Traffic& traffic);

// Could one packet meet both? On `lo` a packet leaves and arrives on the same device, so there an
// egress and an ingress claim can meet too. Keys that cannot be read overlap with everything.
bool traffic_overlap(std::string_view a, std::string_view b);

// Equal kinds, and equal keys or overlapping traffic.
bool conflicts(const model::Claim& a, const model::Claim& b);

}  // namespace ordeal::fault
