#include "engine/os/linux/links.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "engine/base/ids.hpp"
#include "engine/os/linux/modules.hpp"
#include "engine/os/linux/throwaway.hpp"

namespace ordeal::os {
namespace {

// Modules that the carrier makes the kernel load, directly or by asking for their features.
constexpr std::array<std::string_view, 20> kOurModules = {
    "ifb",        "sch_netem",       "nfnetlink",       "nf_tables",
    "nft_objref", "nft_numgen",      "nft_fwd_netdev",  "nf_dup_netdev",
    "nft_reject", "nft_reject_inet", "nf_reject_ipv4",  "nf_reject_ipv6",
    "nft_queue",  "nft_compat",      "nfnetlink_queue", "xt_NFQUEUE",
    "x_tables",   "libcrc32c",       "crc32c_generic",  "nft_counter"};

// While links are being deleted they are in a group of this process only, so that deleting the
// whole group can never reach an ifb that another executor made a moment ago.
std::uint32_t doomed_group() {
  return (kLinkGroup << 16) | (static_cast<std::uint32_t>(::getpid()) & 0xffff);
}

bool is_ours(const LinkInfo& link) {
  const bool group = link.group == kLinkGroup || link.group >> 16 == kLinkGroup;
  return group && link.kind == "ifb" && is_mark(link.name);
}

Message link_message(std::uint16_t type, std::uint16_t flags, int index = 0) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  return Message(type, flags, header);
}

LinkInfo parse_link(const Reply& reply) {
  const auto* header = reply.fixed<ifinfomsg>();
  LinkInfo link;
  link.index = header->ifi_index;
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  link.name = text_of(reply.find(sizeof *header, IFLA_IFNAME));
  link.group = u32_of(reply.find(sizeof *header, IFLA_GROUP));
  link.alias = text_of(reply.find(sizeof *header, IFLA_IFALIAS));
  link.enslaved = u32_of(reply.find(sizeof *header, IFLA_MASTER)) != 0;
  link.kind = text_of(find_nested(reply.find(sizeof *header, IFLA_LINKINFO), IFLA_INFO_KIND));
  return link;
}

// Asks for the ifb; the driver has to be there already.
Message ifb_message(const std::string& name) {
  Message message = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.put_text(IFLA_IFNAME, name).put_u32(IFLA_GROUP, kLinkGroup);
  const Message::Nest info = message.nest(IFLA_LINKINFO);
  message.put_text(IFLA_INFO_KIND, "ifb");
  return message;
}

// Gives it no IPv6 address when it comes up, so that it sends no packet of its own.
Message quiet_message(const std::string& name) {
  Message message = link_message(RTM_SETLINK, 0);
  message.put_text(IFLA_IFNAME, name);
  const Message::Nest all = message.nest(IFLA_AF_SPEC);
  const Message::Nest six = message.nest(AF_INET6);
  const std::uint8_t none = IN6_ADDR_GEN_MODE_NONE;
  message.put(IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
  return message;
}

Message up_message(const std::string& name) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  Message message(RTM_SETLINK, 0, header);
  message.put_text(IFLA_IFNAME, name);
  return message;
}

}  // namespace

LinuxLinks::LinuxLinks() : route_(NETLINK_ROUTE), modules_before_(os::loaded_modules()) {}

Result<std::vector<LinkInfo>> LinuxLinks::list() const {
  Message get_links = link_message(RTM_GETLINK, 0);
  TRY(auto link_replies, route_.dump(get_links, "list links"));
  ifaddrmsg any{};
  any.ifa_family = AF_UNSPEC;
  Message get_addresses(RTM_GETADDR, 0, any);
  TRY(auto address_replies, route_.dump(get_addresses, "list addresses"));
  std::set<int> with_address;
  for (const Reply& reply : address_replies) {
    with_address.insert(static_cast<int>(reply.fixed<ifaddrmsg>()->ifa_index));
  }
  std::vector<LinkInfo> links;
  for (const Reply& reply : link_replies) {
    links.push_back(parse_link(reply));
    links.back().has_address = with_address.contains(links.back().index);
  }
  return links;
}

// The kernel asks for the capability before it looks for the link, and none has this number.
Result<void> LinuxLinks::may_change() const {
  Message message = link_message(RTM_SETLINK, 0, std::numeric_limits<int>::max());
  auto asked = route_.request(message, "change the network");
  if (asked.has_error() && asked.error().system_errno() == ENODEV) return ok();
  return asked;
}

Result<void> LinuxLinks::can_ifb() const {
  CHECK_OK(may_change());
  // Asking the kernel while the driver is a file that is not loaded would load it with its two
  // default devices. Built in or missing altogether, asking is harmless.
  if (!has_module("ifb") && module_file("ifb").has_value()) return ok();
  auto tried = ask_apart_or_here(
      [] {
        Netlink route(NETLINK_ROUTE);
        Message message = ifb_message("ordeal-aaaaaaaa");
        return route.request(message, "try an ifb");
      },
      [this] { return ask_for_driver(); });
  if (tried.has_error() && tried.error().code() == Code::unsupported) {
    return Error(Code::unsupported,
                 "this kernel has no ifb driver (CONFIG_IFB); install the package with the "
                 "kernel's extra modules");
  }
  return tried;
}

// With more queues than a link may have, which is looked at after the driver: nothing is made.
Result<void> LinuxLinks::ask_for_driver() const {
  constexpr std::uint32_t kTooManyQueues = 1u << 20;
  Message message = ifb_message("ordeal-aaaaaaaa");
  message.put_u32(IFLA_NUM_TX_QUEUES, kTooManyQueues);
  auto asked = route_.request(message, "try an ifb");
  if (asked.has_error() && asked.error().system_errno() == EINVAL) return ok();
  return asked;
}

Result<void> LinuxLinks::add_hole(const std::string& name) {
  if (!is_mark(name)) {
    return Error(Code::refused, fmt::format("'{}' is not a name of ours", name));
  }
  CHECK_OK(load_module("ifb", "numifbs=0"));
  Message message = ifb_message(name);
  CHECK_OK(route_.request(message, "create ifb " + name));
  if (alias_.empty()) return ok();
  // The kernel takes no alias with the creation.
  Message whose = link_message(RTM_SETLINK, 0);
  whose.put_text(IFLA_IFNAME, name).put_text(IFLA_IFALIAS, alias_);
  return route_.request(whose, "name the owner of ifb " + name);
}

Result<void> LinuxLinks::add_ifb(const std::string& name) {
  CHECK_OK(add_hole(name));
  Message quiet = quiet_message(name);
  ignore(route_.request(quiet, "keep it without address"),
         "a host without IPv6 needs no such word");
  Message up = up_message(name);
  return route_.request(up, "set up " + name);
}

Result<void> LinuxLinks::remove_index(int index) {
  Message message = link_message(RTM_DELLINK, 0, index);
  return route_.request(message, "delete link");
}

Result<void> LinuxLinks::remove(const std::string& name) {
  Message get = link_message(RTM_GETLINK, 0);
  get.put_text(IFLA_IFNAME, name);
  TRY(auto reply, route_.get(get, "find link " + name));
  const LinkInfo link = parse_link(reply);
  if (!is_ours(link)) {
    return Error(Code::refused, fmt::format("link {} does not bear our mark", name));
  }
  return within(name, remove_index(link.index));
}

Result<void> LinuxLinks::remove_all(std::span<const std::string> names) {
  TRY(auto links, list());
  std::vector<LinkInfo> doomed;
  for (const LinkInfo& link : links) {
    if (std::find(names.begin(), names.end(), link.name) == names.end()) continue;
    if (!is_ours(link)) {
      return Error(Code::refused, fmt::format("link {} does not bear our mark", link.name));
    }
    doomed.push_back(link);
  }
  if (doomed.empty()) return ok();
  if (doomed.size() > 1) {
    // One deletion waits about 16 ms for the kernel's readers; a group waits once for all.
    std::vector<Message> moves;
    for (const LinkInfo& link : doomed) {
      moves.push_back(link_message(RTM_SETLINK, 0, link.index));
      moves.back().put_u32(IFLA_GROUP, doomed_group());
    }
    for (Message& move : moves) {
      ignore(route_.request(move, "mark link"), "what did not move is deleted by itself below");
    }
    Message group = link_message(RTM_DELLINK, 0);
    group.put_u32(IFLA_GROUP, doomed_group());
    ignore(route_.request(group, "delete links"), "what is left is deleted by itself below");
    TRY(auto now, list());
    std::erase_if(doomed, [&](const LinkInfo& link) {
      return std::none_of(now.begin(), now.end(),
                          [&](const LinkInfo& other) { return other.index == link.index; });
    });
  }
  for (const LinkInfo& link : doomed) {
    auto removed = remove_index(link.index);
    if (removed.has_error() && removed.error().code() != Code::gone) {
      return within(link.name, std::move(removed));
    }
  }
  return ok();
}

std::vector<std::string> LinuxLinks::loaded_modules() const {
  std::vector<std::string> added;
  for (const std::string& name : os::loaded_modules()) {
    const bool before =
        std::find(modules_before_.begin(), modules_before_.end(), name) != modules_before_.end();
    const bool ours = std::find(kOurModules.begin(), kOurModules.end(), name) != kOurModules.end();
    if (!before && ours) added.push_back(name);
  }
  return added;
}

}  // namespace ordeal::os
