// Which hosts a step is for: `hosts`, `between`, `where`, `roll`.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/base/pattern.hpp"
#include "engine/base/text.hpp"
#include "engine/spec/context.hpp"
#include "engine/spec/inventory.hpp"

namespace ordeal::spec {
namespace {

constexpr std::int64_t kMost = 1'000'000;

using How = model::LabelRule::How;

class SelectorReader {
 public:
  SelectorReader(Context& context, std::string what)
      : reader_(context.reader), what_(std::move(what)) {}

  model::HostSelector read(const Node& node) {
    model::HostSelector out;
    out.place = node.place;
    if (!node.is_map()) {
      const std::string names = node.is_list() ? "; write `names: [...]`" : "";
      reader_.error(node.place, fmt::format("{}: expected a map such as {{ labels: {{ role: app }} "
                                            "}}, found {}{}",
                                            what_, describe(node), names));
      return out;
    }
    reader_.map(node, what_, table("host_selector"));
    if (const Entry* entry = node.find("names")) out.names = names(entry->value, "names");
    if (const Entry* entry = node.find("exclude")) out.exclude = names(entry->value, "exclude");
    if (const Entry* entry = node.find("labels")) labels(entry->value, out);
    if (const Entry* entry = node.find("at_most")) at_most(entry->value, out);
    const HowMany how_many = read_how_many(reader_, node);
    out.mode = how_many.mode;
    out.value_count = how_many.count;
    out.value_share = how_many.share;
    return out;
  }

 private:
  std::string name(const std::string& key) const { return what_ + "." + key; }

  std::vector<std::string> names(const Node& node, const std::string& key) {
    const auto items = reader_.list(node, name(key), "names of hosts");
    if (!items) return {};
    std::vector<std::string> out;
    std::set<std::string> known;
    for (const Node& item : *items) {
      const auto text = reader_.text(item, name(key));
      if (!text) continue;
      if (const std::string wrong = problem_of_host_name(*text); !wrong.empty()) {
        reader_.error(item.place, fmt::format("{}: {}", name(key), wrong));
      } else if (!known.insert(*text).second) {
        reader_.error(item.place, fmt::format("{}: '{}' is there twice", name(key), *text));
      } else {
        out.push_back(*text);
      }
    }
    return out;
  }

  void labels(const Node& node, model::HostSelector& out) {
    if (!node.is_map() || node.entries.empty()) {
      return reader_.error(node.place,
                           fmt::format("{}: expected a map such as {{ role: app }}, "
                                       "found {}",
                                       name("labels"), node.is_map() ? "none" : describe(node)));
    }
    for (const Entry& entry : node.entries) {
      const std::string what = name("labels." + printable(entry.key, 80));
      if (const std::string wrong = problem_of_label(entry.key); !wrong.empty()) {
        reader_.error(entry.place, fmt::format("{}: {}", name("labels"), wrong));
        continue;
      }
      if (entry.value.is_map()) {
        rules(entry, what, out);
      } else if (entry.value.is_list()) {
        reader_.error(
            entry.value.place,
            fmt::format("{}: expected one value; write `{}: {{ in: [...] }}`", what, entry.key));
      } else if (const auto value = label_value(entry.value, what)) {
        out.labels.push_back({entry.key, How::in, {*value}});
      }
    }
  }

  std::optional<std::string> label_value(const Node& node, const std::string& what) {
    const auto value = reader_.text(node, what);
    if (!value) return std::nullopt;
    const std::string wrong = problem_of_label(*value);
    if (wrong.empty()) return value;
    reader_.error(node.place, fmt::format("{}: {}", what, wrong));
    return std::nullopt;
  }

  // {in: [...]}, {not_in: [...]}, {exists: true}; several are AND-ed.
  void rules(const Entry& label, const std::string& what, model::HostSelector& out) {
    const Node& node = label.value;
    if (!reader_.map(node, what, table("label_rule"))) return;
    if (node.entries.empty()) {
      return reader_.error(node.place, fmt::format("{}: expected in, not_in or exists", what));
    }
    bool wants_value = false;
    bool absent = false;
    for (const Entry& entry : node.entries) {
      if (entry.key == "in" || entry.key == "not_in") {
        wants_value = wants_value || entry.key == "in";
        model::LabelRule rule{label.key, entry.key == "in" ? How::in : How::not_in, {}};
        const auto items = reader_.list(entry.value, what + "." + entry.key, "values");
        for (const Node& item : items.value_or(std::span<const Node>{})) {
          if (auto value = label_value(item, what + "." + entry.key)) rule.values.push_back(*value);
        }
        out.labels.push_back(std::move(rule));
      } else if (entry.key == "exists") {
        const auto is_there = reader_.boolean(entry.value, what + ".exists");
        if (!is_there) continue;
        absent = !*is_there;
        out.labels.push_back({label.key, *is_there ? How::exists : How::absent, {}});
      }
    }
    if (wants_value && absent) {
      reader_.error(node.place, fmt::format("{}: no host both lacks it and has a value", what));
    }
  }

  void at_most(const Node& node, model::HostSelector& out) {
    if (!reader_.map(node, name("at_most"), table("at_most"))) return;
    if (const Entry* entry = node.find("per")) {
      out.at_most_per = label_value(entry->value, name("at_most.per")).value_or("");
    }
    if (const Entry* entry = node.find("value")) {
      out.at_most = reader_.integer(entry->value, name("at_most.value"), 1, kMost).value_or(1);
    }
  }

  Reader& reader_;
  std::string what_;
};

}  // namespace

HowMany read_how_many(Reader& reader, const Node& node) {
  static const std::vector<std::string> kModes =
      split("all|one|fixed|fixed_percent|random_max_percent");
  HowMany out;
  const Entry* mode = node.find("mode");
  const Entry* value = node.find("value");
  if (mode != nullptr) {
    const auto word = reader.choice(mode->value, "mode", kModes);
    if (!word) return out;
    const auto found = std::find(kModes.begin(), kModes.end(), *word);
    out.mode = static_cast<model::Mode>(found - kModes.begin());
  }
  const bool wants_value = out.mode != model::Mode::all && out.mode != model::Mode::one;
  if (value == nullptr) {
    if (wants_value) {
      reader.error(mode->place, fmt::format("mode {} needs a `value`, such as {}", mode->value.text,
                                            out.mode == model::Mode::fixed ? "2" : "50%"));
    }
    return out;
  }
  if (!wants_value) {
    reader.error(value->place,
                 "`value` belongs to the modes fixed, fixed_percent and random_max_percent");
  } else if (out.mode == model::Mode::fixed) {
    out.count = reader.integer(value->value, "value", 1, kMost);
  } else {
    out.share = reader.share(value->value, "value");
  }
  return out;
}

model::HostSelector read_hosts(Context& context, const Node& node, const std::string& what) {
  return SelectorReader(context, what).read(node);
}

std::optional<model::Where> read_where(Context& context, const Node& node) {
  Reader& reader = context.reader;
  if (!reader.map(node, "where", table("where"))) return std::nullopt;
  model::Where out;
  if (const Entry* entry = node.find("exec")) {
    const auto argv = reader.texts(entry->value, "where.exec");
    if (!argv) return std::nullopt;
    if (!argv->front().starts_with('/')) {
      reader.error(entry->value.items.front().place,
                   fmt::format("where.exec: expected the absolute path of a program, found {}; "
                               "there is no shell",
                               describe(entry->value.items.front())));
    }
    out.exec = *argv;
  }
  if (const Entry* entry = node.find("stdout")) {
    out.stdout_pattern = reader.text(entry->value, "where.stdout").value_or("");
    const auto good = check_pattern(out.stdout_pattern);
    if (good.has_error()) {
      reader.error(entry->value.place, "where.stdout: " + good.error().message());
    }
  }
  return out;
}

std::optional<std::pair<model::HostSelector, model::HostSelector>> read_between(Context& context,
                                                                                const Node& node) {
  if (!node.is_list() || node.items.size() != 2) {
    context.reader.error(
        node.place,
        fmt::format("between: expected a list of two groups of hosts, such as "
                    "[{{ labels: {{ role: app }} }}, {{ names: [db-1] }}], found "
                    "{}",
                    node.is_list() ? fmt::format("{}", node.items.size()) : describe(node)));
    return std::nullopt;
  }
  auto first = read_hosts(context, node.items[0], "between.0");
  auto second = read_hosts(context, node.items[1], "between.1");
  return std::pair(std::move(first), std::move(second));
}

std::optional<model::Roll> read_roll(Context& context, const Node& node) {
  Reader& reader = context.reader;
  if (!reader.map(node, "roll", table("roll"))) return std::nullopt;
  model::Roll out;
  if (const Entry* entry = node.find("at_once")) {
    out.at_once = reader.integer(entry->value, "roll.at_once", 1, kMost).value_or(1);
  }
  const Entry* until = node.find("until");
  const Entry* within = node.find("within");
  if (within != nullptr) {
    out.within = reader.length(within->value, "roll.within").value_or(Duration{});
  }
  if (until != nullptr) {
    out.until = read_one_condition(context, until->value, List::until, out.within);
  }
  if ((until == nullptr) != (within == nullptr)) {
    reader.error(node.place, "roll: `until` and `within` belong together: by when must it hold?");
  }
  return out;
}

}  // namespace ordeal::spec
