// The hosts that experiments may reach, and how an experiment picks among them.
//
// Selection by labels is pure text: what is meant here is what every front and every test means.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/units.hpp"
#include "engine/model/place.hpp"
#include "engine/model/target.hpp"

namespace ordeal::model {

// "ssh://user@host:port"; user and port may be absent: then OpenSSH's own configuration decides.
struct SshAddress {
  std::string user;
  std::string host;  // never begins with "-", no whitespace
  std::optional<std::uint16_t> port;
};

// "ssh://ops@10.0.0.11:22", as it would be written in the file.
std::string to_string(const SshAddress& address);

struct InventoryHost {
  std::string name;               // unique; what files, plans, events and reports call it
  std::optional<SshAddress> ssh;  // absent: `local`, this machine
  std::vector<std::string> ip;    // its addresses on the wire, for `between`; literals
  std::map<std::string, std::string> labels;
  // The executor is started with `sudo -n --`. By default: a user is given who is not root.
  bool sudo = false;
  Place place;
};

struct Inventory {
  std::vector<InventoryHost> hosts;  // in the order of the file
  std::string ssh_config;            // absolute path for `ssh -F`; empty: the user's own
  std::string file;                  // as given; empty: no inventory, one host `local`
};

// One expression over a label. `labels: {zone: a}` is `in [a]`.
struct LabelRule {
  enum class How { in, not_in, exists, absent };
  std::string label;
  How how = How::in;
  std::vector<std::string> values;
};

// What `hosts:` of a target, or one side of `between`, says. Names and labels are AND-ed; no
// criterion at all picks every host.
struct HostSelector {
  std::vector<std::string> names;
  std::vector<LabelRule> labels;
  std::vector<std::string> exclude;  // names
  Mode mode = Mode::all;
  std::optional<std::int64_t> value_count;  // for fixed
  std::optional<Ppm> value_share;           // for the percent modes
  // `at_most: {per: zone, value: 1}`: no more than so many with the same value of a label.
  std::string at_most_per;
  std::int64_t at_most = 0;
  Place place;
};

// Whether the host meets every criterion; `mode` and `at_most` are not looked at. `not_in` holds
// for a host without the label too.
bool matches(const HostSelector& selector, const InventoryHost& host);

// "role=app, zone not in [a]", "every host": for messages.
std::string describe(const HostSelector& selector);

// What the selector names and the inventory does not have, one sentence each with the nearest right
// word: names, labels, and values that look misspelt. Empty: nothing.
std::vector<std::string> unknown_in(const HostSelector& selector, const Inventory& inventory);
// The same for one host's name, or for label=value when `value` is not empty; empty: it is there.
std::string unknown_host(const std::string& name, const Inventory& inventory);
std::string unknown_label(const std::string& label, const std::string& value,
                          const Inventory& inventory);

}  // namespace ordeal::model
