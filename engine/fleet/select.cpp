#include "engine/fleet/select.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "engine/base/digest.hpp"
#include "engine/base/text.hpp"

namespace ordeal::fleet {
namespace {

using model::HostSelector;
using model::InventoryHost;
using model::Mode;

using Hosts = std::vector<const InventoryHost*>;

// How many to pick of `matched`. `random` is of this step alone.
std::int64_t wanted(const HostSelector& selector, std::int64_t matched, std::uint64_t random) {
  const std::int64_t share = matched * selector.value_share.value_or(Ppm{}).value / 1'000'000;
  switch (selector.mode) {
    case Mode::all: return matched;
    case Mode::one: return 1;
    case Mode::fixed: return selector.value_count.value_or(0);
    case Mode::fixed_percent: return share;
    case Mode::random_max_percent:
      if (share == 0) return 0;
      return 1 + static_cast<std::int64_t>(random % static_cast<std::uint64_t>(share));
  }
  return 0;
}

// Their places in `hosts`, best rank first: a host's rank depends on nothing but its name.
std::vector<std::size_t> ranked(const Hosts& hosts, std::uint64_t seed, const std::string& step) {
  std::vector<std::size_t> order(hosts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return mix_hash(seed, step, hosts[a]->name) < mix_hash(seed, step, hosts[b]->name);
  });
  return order;
}

// Hosts without the label count together: nobody knows that they are apart.
std::string group_of(const InventoryHost& host, const std::string& label) {
  const auto found = host.labels.find(label);
  return found == host.labels.end() ? "" : found->second;
}

std::string limit_text(const HostSelector& selector) {
  if (selector.at_most_per.empty()) return "";
  return fmt::format("at most {} per {}", selector.at_most, selector.at_most_per);
}

std::string why_of(const HostSelector& selector, std::int64_t picked, std::int64_t matched) {
  const std::string limit = limit_text(selector);
  std::string out = describe(selector);
  if (picked < matched) out += fmt::format("; {} of {} by the seed", picked, matched);
  if (picked < matched && !limit.empty()) out += ", " + limit;
  return out;
}

Error too_few(const HostSelector& selector, std::int64_t want, std::int64_t found,
              std::int64_t matched) {
  const std::string what = describe(selector);
  const std::string limit = limit_text(selector);
  if (want > matched) {
    return Error(Code::refused, fmt::format("{} are wanted, {} {} {}", counted(want, "host"),
                                            matched, matched == 1 ? "matches" : "match", what));
  }
  if (want > 0) {
    return Error(Code::refused, fmt::format("{} are wanted of {} that match {}; {} leaves {}",
                                            counted(want, "host"), matched, what, limit, found));
  }
  return Error(Code::refused,
               fmt::format("no host is picked: {} match {}; {} of {} rounds down to none", matched,
                           what, format_percent(selector.value_share.value_or(Ppm{})), matched));
}

}  // namespace

Hosts candidates(const model::Inventory& inventory, const HostSelector& selector) {
  Hosts out;
  for (const InventoryHost& host : inventory.hosts) {
    if (matches(selector, host)) out.push_back(&host);
  }
  return out;
}

Error no_host(const model::Inventory& inventory, const HostSelector& selector) {
  std::string text = "no host matches " + describe(selector);
  const std::vector<std::string> unknown = unknown_in(selector, inventory);
  if (!unknown.empty()) text += ": " + join(unknown, "; ");
  return Error(Code::refused, text);
}

Result<Selection> pick(const Hosts& hosts, const HostSelector& selector, std::uint64_t seed,
                       const std::string& step) {
  Selection out;
  out.matched = static_cast<std::int64_t>(hosts.size());
  if (hosts.empty()) return Error(Code::refused, "no host matches " + describe(selector));
  const std::uint64_t random = mix_hash(seed, step, "how many hosts");
  const std::int64_t want = wanted(selector, out.matched, random);
  std::map<std::string, std::int64_t> taken;
  std::vector<std::size_t> chosen;
  for (const std::size_t index : ranked(hosts, seed, step)) {
    if (static_cast<std::int64_t>(chosen.size()) == want) break;
    if (!selector.at_most_per.empty()) {
      std::int64_t& group = taken[group_of(*hosts[index], selector.at_most_per)];
      if (group == selector.at_most) continue;
      ++group;
    }
    chosen.push_back(index);
  }
  const auto found = static_cast<std::int64_t>(chosen.size());
  const bool exact = selector.mode == Mode::fixed || selector.mode == Mode::one;
  if (found == 0 || (exact && found < want)) return too_few(selector, want, found, out.matched);
  std::sort(chosen.begin(), chosen.end());
  const std::string why = why_of(selector, found, out.matched);
  for (const std::size_t index : chosen) out.picked.push_back({hosts[index], why});
  return out;
}

}  // namespace ordeal::fleet
