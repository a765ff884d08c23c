#include "engine/model/inventory.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::model {
namespace {

constexpr std::size_t kMostNamed = 12;  // in one message

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Not "b" or "rack-12", which are near to their neighbours by design.
bool is_word(const std::string& text) {
  constexpr std::size_t kShortest = 4;
  return text.size() >= kShortest && text.find_first_of("0123456789") == text.npos;
}

bool holds(const LabelRule& rule, const InventoryHost& host) {
  const auto found = host.labels.find(rule.label);
  const bool has = found != host.labels.end();
  switch (rule.how) {
    case LabelRule::How::in: return has && contains(rule.values, found->second);
    case LabelRule::How::not_in: return !has || !contains(rule.values, found->second);
    case LabelRule::How::exists: return has;
    case LabelRule::How::absent: return !has;
  }
  return false;
}

std::string describe(const LabelRule& rule) {
  const std::string values = "[" + join(rule.values, ", ") + "]";
  switch (rule.how) {
    case LabelRule::How::in:
      if (rule.values.size() == 1) return rule.label + "=" + rule.values.front();
      return rule.label + " in " + values;
    case LabelRule::How::not_in: return rule.label + " not in " + values;
    case LabelRule::How::exists: return rule.label + " exists";
    case LabelRule::How::absent: return "no " + rule.label;
  }
  return {};
}

std::vector<std::string> labels_of(const Inventory& inventory) {
  std::set<std::string> out;
  for (const InventoryHost& host : inventory.hosts) {
    for (const auto& [label, value] : host.labels) out.insert(label);
  }
  return {out.begin(), out.end()};
}

std::vector<std::string> values_of(const std::string& label, const Inventory& inventory) {
  std::set<std::string> out;
  for (const InventoryHost& host : inventory.hosts) {
    const auto found = host.labels.find(label);
    if (found != host.labels.end()) out.insert(found->second);
  }
  return {out.begin(), out.end()};
}

// "; did you mean `app-1`?", or what there is.
std::string instead(const std::string& word, std::vector<std::string> words) {
  constexpr std::size_t kTooShort = 2;  // every letter is near every other one
  const std::string near = word.size() > kTooShort ? nearest_word(word, words) : "";
  if (!near.empty()) return fmt::format("; did you mean `{}`?", near);
  if (words.empty()) return "; there is none";
  const bool more = words.size() > kMostNamed;
  if (more) words.resize(kMostNamed);
  return fmt::format("; there {} {}{}", words.size() == 1 ? "is" : "are", join(words, ", "),
                     more ? ", ..." : "");
}

// A label that no host has excludes nothing: fine for `exists: false`, unless it is misspelt.
void check_rule(const LabelRule& rule, const Inventory& inventory, std::vector<std::string>& out) {
  const std::vector<std::string> labels = labels_of(inventory);
  if (!contains(labels, rule.label)) {
    const bool may_lack = rule.how == LabelRule::How::absent;
    if (!may_lack || !nearest_word(rule.label, labels).empty()) {
      out.push_back(unknown_label(rule.label, "", inventory));
    }
    return;
  }
  // One file serves several inventories: that zone c is empty in this one is no mistake. But a word
  // that excludes nothing because it is misspelt would hit what it was to spare.
  const std::vector<std::string> values = values_of(rule.label, inventory);
  const bool any = std::any_of(rule.values.begin(), rule.values.end(),
                               [&](const auto& value) { return contains(values, value); });
  for (const std::string& value : rule.values) {
    if (contains(values, value)) continue;
    const bool misspelt = rule.how == LabelRule::How::not_in && is_word(value) &&
                          !nearest_word(value, values).empty();
    if (misspelt || (rule.how == LabelRule::How::in && !any)) {
      out.push_back(unknown_label(rule.label, value, inventory));
    }
  }
}

}  // namespace

std::string to_string(const SshAddress& address) {
  const bool v6 = address.host.find(':') != address.host.npos;
  return fmt::format("ssh://{}{}{}{}", address.user.empty() ? "" : address.user + "@",
                     v6 ? "[" + address.host + "]" : address.host, address.port ? ":" : "",
                     address.port ? std::to_string(*address.port) : "");
}

bool matches(const HostSelector& selector, const InventoryHost& host) {
  const bool named = selector.names.empty() || contains(selector.names, host.name);
  return named && !contains(selector.exclude, host.name) &&
         std::all_of(selector.labels.begin(), selector.labels.end(),
                     [&](const LabelRule& rule) { return holds(rule, host); });
}

std::string describe(const HostSelector& selector) {
  std::vector<std::string> parts;
  if (!selector.names.empty()) {
    parts.push_back((selector.names.size() == 1 ? "name " : "names ") + join(selector.names, ", "));
  }
  for (const LabelRule& rule : selector.labels) parts.push_back(describe(rule));
  if (parts.empty()) parts.push_back("every host");
  if (!selector.exclude.empty()) parts.push_back("without " + join(selector.exclude, ", "));
  return join(parts, ", ");
}

std::string unknown_host(const std::string& name, const Inventory& inventory) {
  std::vector<std::string> names;
  for (const InventoryHost& host : inventory.hosts) {
    if (host.name == name) return "";
    names.push_back(host.name);
  }
  return fmt::format("no host is called '{}'{}", printable(name, 80), instead(name, names));
}

std::string unknown_label(const std::string& label, const std::string& value,
                          const Inventory& inventory) {
  // A condition may name thousands: what is right costs no lists of words.
  const bool there =
      std::any_of(inventory.hosts.begin(), inventory.hosts.end(), [&](const InventoryHost& host) {
        const auto found = host.labels.find(label);
        return found != host.labels.end() && (value.empty() || found->second == value);
      });
  if (there) return "";
  const std::vector<std::string> labels = labels_of(inventory);
  if (!contains(labels, label)) {
    return fmt::format("no host has a label `{}`{}", printable(label, 80), instead(label, labels));
  }
  const std::vector<std::string> values = values_of(label, inventory);
  return fmt::format("no host has {}={}{}", label, printable(value, 80), instead(value, values));
}

std::vector<std::string> unknown_in(const HostSelector& selector, const Inventory& inventory) {
  std::vector<std::string> out;
  for (const auto* names : {&selector.names, &selector.exclude}) {
    for (const std::string& name : *names) {
      if (std::string text = unknown_host(name, inventory); !text.empty()) out.push_back(text);
    }
  }
  for (const LabelRule& rule : selector.labels) check_rule(rule, inventory, out);
  if (!selector.at_most_per.empty()) {
    std::string text = unknown_label(selector.at_most_per, "", inventory);
    if (!text.empty()) out.push_back("at_most.per: " + text);
  }
  return out;
}

}  // namespace ordeal::model
