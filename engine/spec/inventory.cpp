#include "engine/spec/inventory.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>

#include "engine/base/text.hpp"
#include "engine/spec/reader.hpp"

namespace ordeal::spec {
namespace {

constexpr std::size_t kLongestName = 64;
constexpr std::size_t kLongestAddress = 255;  // of a name, RFC 1035
constexpr std::uint16_t kSshPort = 22;
constexpr std::string_view kScheme = "ssh://";

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

bool made_of(std::string_view text, std::string_view others) {
  return !text.empty() && is_alnum(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_alnum(c) || others.find(c) != others.npos; });
}

// An address literal in its usual spelling; empty: it is none.
std::string literal(const std::string& text) {
  boost::system::error_code problem;
  const auto address = boost::asio::ip::make_address(text, problem);
  // fe80::1%eth0 means another host on each machine.
  if (problem || text.find('%') != text.npos) return "";
  return address.to_string();
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

class InventoryReader {
 public:
  explicit InventoryReader(const InventoryInput& input) : input_(input) {}

  InventoryOutcome read() {
    if (const auto root = reader_.root(input_.file, input_.read(input_.file))) file(*root);
    InventoryOutcome out;
    out.problems = problems_.errors();
    inventory_.file = input_.file;
    if (out.problems.empty()) out.inventory = std::move(inventory_);
    return out;
  }

 private:
  void file(const Node& root) {
    if (root.is_map() && root.find("method") != nullptr) {
      return reader_.error(root.place, "this is an experiment, not an inventory file");
    }
    if (root.is_map() && root.find("schedules") != nullptr) {
      return reader_.error(root.place, "this is a schedule file, not an inventory file");
    }
    if (!reader_.map(root, "the file", inventory_table("inventory_file"))) return;
    if (const Entry* entry = root.find("version")) reader_.version(entry->value);
    if (const Entry* entry = root.find("ssh")) ssh(entry->value);
    if (const Entry* entry = root.find("hosts")) hosts(entry->value);
  }

  void ssh(const Node& node) {
    if (!reader_.map(node, "ssh", inventory_table("inventory_ssh"))) return;
    const Entry* entry = node.find("config");
    if (entry == nullptr) return;
    const auto path = reader_.text(entry->value, "ssh.config");
    if (!path) return;
    const std::string whole = beside(input_.file, *path);
    const Result<std::string> text = input_.read(whole);
    if (text.has_error()) {
      return reader_.error(entry->value.place,
                           fmt::format("ssh.config: {}", text.error().message()));
    }
    inventory_.ssh_config = std::filesystem::absolute(whole).string();
  }

  void hosts(const Node& node) {
    if (!node.is_map() || node.entries.empty()) {
      return reader_.error(node.place,
                           fmt::format("hosts: expected names, each with an address, such as "
                                       "app-1: {{ address: \"ssh://10.0.0.11\" }}, found {}",
                                       node.is_map() ? "none" : describe(node)));
    }
    for (const Entry& entry : node.entries) host(entry);
  }

  void host(const Entry& entry) {
    model::InventoryHost out;
    out.name = entry.key;
    out.place = entry.place;
    if (const std::string wrong = problem_of_host_name(entry.key); !wrong.empty()) {
      reader_.error(entry.place, wrong);
    }
    const Node& node = entry.value;
    const std::string what = "hosts." + printable(entry.key, 80);
    if (!reader_.map(node, what, inventory_table("inventory_host"))) return;
    if (const Entry* address_entry = node.find("address")) {
      address(address_entry->value, what + ".address", out);
    }
    if (const Entry* labels_entry = node.find("labels")) {
      labels(labels_entry->value, what + ".labels", out);
    }
    out.sudo = out.ssh && !out.ssh->user.empty() && out.ssh->user != "root";
    if (const Entry* sudo = node.find("sudo")) {
      out.sudo = reader_.boolean(sudo->value, what + ".sudo").value_or(false);
    }
    if (const Entry* ip = node.find("ip")) {
      ips(ip->value, what + ".ip", out);
    } else if (out.ssh && !literal(out.ssh->host).empty()) {
      out.ip.push_back(literal(out.ssh->host));
    }
    inventory_.hosts.push_back(std::move(out));
  }

  // ---- Addresses
  void address(const Node& node, const std::string& what, model::InventoryHost& out) {
    const auto text = reader_.text(node, what);
    if (!text) return;
    if (*text != "local") {
      model::SshAddress ssh;
      if (const std::string wrong = parse(*text, ssh); !wrong.empty()) {
        return reader_.error(node.place, fmt::format("{}: {}", what, wrong));
      }
      if (out.name == "local") {
        reader_.error(node.place,
                      "`local` is what plans and reports call this machine; name it otherwise");
      }
      out.ssh = std::move(ssh);
    }
    const std::string key =
        out.ssh ? fmt::format("{} {}", lower(out.ssh->host), out.ssh->port.value_or(kSshPort))
                : "local";
    const auto [known, is_new] = addresses_.emplace(key, out.name);
    if (is_new) return;
    reader_.error(node.place, fmt::format("{}: '{}' has this address already; one machine is one "
                                          "host",
                                          what, printable(known->second, 80)));
  }

  // What is wrong with the text; empty: nothing, and `out` is complete.
  static std::string parse(const std::string& text, model::SshAddress& out) {
    const std::string expected = "expected local or ssh://user@host:port";
    if (!text.starts_with(kScheme)) {
      const bool other = text.find("://") != text.npos || text.find(' ') != text.npos;
      return fmt::format("{}, found '{}'{}", expected, printable(text, 80),
                         other ? "" : fmt::format("; write ssh://{}", printable(text, 80)));
    }
    std::string_view rest = std::string_view(text).substr(kScheme.size());
    const std::size_t at = rest.rfind('@');
    if (at != rest.npos) {
      const std::string_view user = rest.substr(0, at);
      if (user.find(':') != user.npos) {
        return "passwords are never in a file; ssh logs in with keys";
      }
      if (!made_of(user, "._-") && !(user.starts_with('_') && made_of(user.substr(1), "._-"))) {
        return fmt::format("'{}' is no user name that is used here", printable(user, 80));
      }
      out.user = std::string(user);
      rest.remove_prefix(at + 1);
    }
    std::string_view port;
    if (rest.starts_with('[')) {
      const std::size_t end = rest.find(']');
      if (end == rest.npos) return "the `[` of the address is not closed";
      out.host = literal(std::string(rest.substr(1, end - 1)));
      if (out.host.find(':') == out.host.npos) return "expected an IPv6 address between [ and ]";
      port = rest.substr(end + 1);
    } else {
      const std::size_t colon = std::min(rest.find(':'), rest.size());
      out.host = std::string(rest.substr(0, colon));
      port = rest.substr(colon);
      if (port.find(':', 1) != port.npos) return "write an IPv6 address in [ ]: ssh://[fd00::1]:22";
      if (!made_of(out.host, "._-") || out.host.size() > kLongestAddress) {
        return fmt::format("'{}' is no host name or address", printable(out.host, 80));
      }
    }
    return parse_port(port, out);
  }

  static std::string parse_port(std::string_view text, model::SshAddress& out) {
    if (text.empty()) return "";
    int port = 0;
    const char* end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data() + 1, end, port);
    if (text.front() != ':' || problem != std::errc{} || stop != end || port < 1 || port > 65535) {
      return fmt::format("expected :port from 1 to 65535 behind the host, found '{}'",
                         printable(text, 80));
    }
    out.port = static_cast<std::uint16_t>(port);
    return "";
  }

  // ---- The rest
  void labels(const Node& node, const std::string& what, model::InventoryHost& out) {
    if (!node.is_map()) {
      return reader_.error(node.place, fmt::format("{}: expected a map such as {{ role: app }}, "
                                                   "found {}",
                                                   what, describe(node)));
    }
    for (const Entry& entry : node.entries) {
      if (const std::string wrong = problem_of_label(entry.key); !wrong.empty()) {
        reader_.error(entry.place, fmt::format("{}: {}", what, wrong));
        continue;
      }
      const auto value = reader_.text(entry.value, what + "." + entry.key);
      if (!value) continue;
      if (const std::string wrong = problem_of_label(*value); !wrong.empty()) {
        reader_.error(entry.value.place, fmt::format("{}.{}: {}", what, entry.key, wrong));
        continue;
      }
      out.labels.emplace(entry.key, *value);
    }
  }

  void ips(const Node& node, const std::string& what, model::InventoryHost& out) {
    const auto one = [&](const Node& item) {
      const auto text = reader_.text(item, what);
      if (!text) return;
      const std::string address = literal(*text);
      if (address.empty()) {
        return reader_.error(item.place, fmt::format("{}: expected an address such as 10.0.0.7 or "
                                                     "fd00::1, found {}",
                                                     what, describe(item)));
      }
      const auto [known, is_new] = ips_.emplace(address, out.name);
      if (!is_new) {
        return reader_.error(item.place, fmt::format("{}: {} belongs to '{}' already", what,
                                                     address, printable(known->second, 80)));
      }
      out.ip.push_back(address);
    };
    if (!node.is_list()) return one(node);
    const auto items = reader_.list(node, what, "addresses");
    if (!items) return;
    for (const Node& item : *items) one(item);
  }

  const InventoryInput& input_;
  Problems problems_;
  Reader reader_{problems_};
  model::Inventory inventory_;
  std::map<std::string, std::string> addresses_;  // to the host's name
  std::map<std::string, std::string> ips_;
};

}  // namespace

InventoryOutcome parse_inventory(const InventoryInput& input) {
  return InventoryReader(input).read();
}

model::Inventory local_inventory() {
  model::Inventory out;
  out.hosts.emplace_back();
  out.hosts.back().name = "local";
  return out;
}

std::string problem_of_host_name(std::string_view text) {
  if (made_of(text, "-_.") && text.size() <= kLongestName) return "";
  return fmt::format(
      "'{}' is no name for a host: expected at most {} letters, digits and - _ ., "
      "the first one a letter or digit",
      printable(text, 80), kLongestName);
}

std::string problem_of_label(std::string_view text) {
  if (made_of(text, "-_./:") && text.size() <= kLongestName) return "";
  return fmt::format(
      "'{}' is no name or value for a label: expected at most {} letters, digits "
      "and - _ . / :, the first one a letter or digit",
      printable(text, 80), kLongestName);
}

}  // namespace ordeal::spec
