#include "engine/spec/gameday.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/digest.hpp"
#include "engine/base/text.hpp"
#include "engine/spec/reader.hpp"

namespace ordeal::spec {
namespace {

constexpr std::size_t kLongestName = 60;  // names of files are made of it
constexpr std::size_t kMostItems = 200;
// `invalid` is not among them: every file is read before the day begins. `interrupted` always asks.
const std::vector<std::string> kExits = {"upheld",  "violated",     "refused", "unsteady",
                                         "aborted", "inconclusive", "error",   "not_recovered"};
const std::vector<std::string> kRules = {"continue", "ask", "stop"};

class GamedayReader {
 public:
  explicit GamedayReader(const GamedayInput& input) : input_(input) {}

  GamedayOutcome read() {
    const Result<std::string> text = input_.read(input_.file);
    if (const auto root = reader_.root(input_.file, text)) {
      day_.file = input_.file;
      day_.sha256 = sha256_hex(text.value());
      file(*root);
    }
    GamedayOutcome out;
    out.problems = problems_.errors();
    if (out.problems.empty()) out.gameday = std::move(day_);
    return out;
  }

 private:
  void file(const Node& root) {
    if (root.is_map() && root.find("agenda") == nullptr && root.find("method") != nullptr) {
      return reader_.error(root.place,
                           "this is an experiment, not a game day: a game day names it with "
                           "`run: PATH` in its agenda");
    }
    if (!reader_.map(root, "the file", gameday_table("gameday_file"))) return;
    if (const Entry* entry = root.find("version")) reader_.version(entry->value);
    if (const Entry* entry = root.find("gameday")) name(entry->value);
    if (const Entry* entry = root.find("title")) {
      day_.title = reader_.text(entry->value, "title").value_or("");
    }
    if (day_.title.empty()) day_.title = day_.name;
    if (const Entry* entry = root.find("briefing")) {
      day_.briefing = reader_.text(entry->value, "briefing").value_or("");
    }
    if (const Entry* entry = root.find("roles")) roles(entry->value);
    if (const Entry* entry = root.find("inventory")) {
      day_.inventory = path(entry->value, "inventory");
    }
    if (const Entry* entry = root.find("service")) day_.service = path(entry->value, "service");
    if (const Entry* entry = root.find("abort_if")) abort_if(entry->value);
    if (const Entry* entry = root.find("agenda")) agenda(entry->value);
  }

  void name(const Node& node) {
    day_.name = reader_.text(node, "gameday").value_or("");
    if (is_short_name(day_.name, kLongestName)) return;
    reader_.error(node.place, fmt::format("gameday: expected at most {} letters, digits and - _ ., "
                                          "found {}; sentences belong into `title`",
                                          kLongestName, describe(node)));
  }

  std::string path(const Node& node, const std::string& what) {
    const auto text = reader_.text(node, what);
    return text ? beside(input_.file, *text) : "";
  }

  void roles(const Node& node) {
    day_.roles = reader_.texts(node, "roles").value_or(std::vector<std::string>{});
    for (std::size_t i = 0; i < day_.roles.size(); ++i) {
      const bool twice = std::find(day_.roles.begin(), day_.roles.begin() + static_cast<long>(i),
                                   day_.roles[i]) != day_.roles.begin() + static_cast<long>(i);
      const bool good = day_.roles[i].find_first_of("= \t\n") == std::string::npos;
      if (twice || !good) {
        reader_.error(node.items[i].place,
                      fmt::format("roles: {} {}", describe(node.items[i]),
                                  twice ? "is there twice" : "has a space or = in it"));
      }
    }
  }

  void abort_if(const Node& node) {
    if (node.is_scalar() && node.text == "none") {
      return reader_.error(node.place,
                           "abort_if: `none` is for an experiment; leave the line out: each "
                           "experiment has its own");
    }
    const auto items = reader_.list(node, "abort_if", "conditions");
    if (!items) return;
    for (const Node& item : *items) {
      const auto text = reader_.text(item, "abort_if");
      if (text) day_.abort_if.push_back({*text, item.place, item.text_column});
    }
  }

  // ---- The agenda
  void agenda(const Node& node) {
    const auto items = reader_.list(node, "agenda", "`checkpoint`, `run` and `break`");
    if (!items) return;
    if (items->size() > kMostItems) {
      return reader_.error(node.place, fmt::format("agenda: expected at most {} items, found {}",
                                                   kMostItems, items->size()));
    }
    for (const Node& item : *items) one_item(item);
    const bool runs = std::any_of(node.items.begin(), node.items.end(), [](const Node& item) {
      return item.find("run") != nullptr || !item.is_map();
    });
    if (!runs && problems_.none()) reader_.error(node.place, "agenda: there is no `run` in it");
  }

  void one_item(const Node& node) {
    if (!reader_.map(node, "agenda", gameday_table("agenda"))) return;
    const Entry* given = nullptr;
    for (const Entry& entry : node.entries) {
      if (entry.key != "checkpoint" && entry.key != "run" && entry.key != "break") continue;
      if (given != nullptr) {
        return reader_.error(entry.place, fmt::format("an item is one of `checkpoint`, `run` and "
                                                      "`break`, and here is `{}` already",
                                                      given->key));
      }
      given = &entry;
    }
    if (given == nullptr) {
      const auto known = [](const Entry& entry) {
        return entry.key == "vars" || entry.key == "after";
      };
      if (!std::all_of(node.entries.begin(), node.entries.end(), known)) return;  // told already
      return reader_.error(node.place, "an item is one of `checkpoint`, `run` and `break`");
    }
    if (given->key == "checkpoint") checkpoint(given->value);
    if (given->key == "run") run(node, given->value);
    if (given->key == "break") rest(given->value);
    for (const Entry& entry : node.entries) {
      if (given->key == "run" || (entry.key != "vars" && entry.key != "after")) continue;
      reader_.error(entry.place, fmt::format("`{}` belongs to a `run`", entry.key));
    }
  }

  void checkpoint(const Node& node) {
    model::Checkpoint out;
    if (!node.is_map()) {
      out.text = reader_.text(node, "checkpoint").value_or("");
      return day_.agenda.emplace_back(std::move(out)), void();
    }
    if (!reader_.map(node, "checkpoint", gameday_table("checkpoint"))) return;
    if (const Entry* entry = node.find("ask")) {
      out.text = reader_.text(entry->value, "ask").value_or("");
    }
    if (const Entry* entry = node.find("answers")) {
      out.answers = reader_.texts(entry->value, "answers").value_or(std::vector<std::string>{});
    }
    if (const Entry* entry = node.find("timeout")) {
      out.timeout = reader_.length(entry->value, "timeout");
    }
    if (const Entry* entry = node.find("on_timeout")) {
      const std::vector<std::string> words = {"stop", "continue"};
      const auto word = reader_.choice(entry->value, "on_timeout", words);
      if (word == "continue") out.on_timeout = model::After::go_on;
      if (node.find("timeout") == nullptr) {
        reader_.error(entry->place, "on_timeout: without `timeout` it waits for ever");
      }
    }
    day_.agenda.emplace_back(std::move(out));
  }

  void run(const Node& item, const Node& node) {
    model::AgendaRun out;
    out.file = path(node, "run");
    out.place = node.place;
    if (const Entry* entry = item.find("vars")) {
      if (!entry->value.is_map() || !entry->value.entries.empty()) {
        out.vars = reader_.text_map(entry->value, "vars");
      }
    }
    if (const Entry* entry = item.find("after")) after(entry->value, out);
    day_.agenda.emplace_back(std::move(out));
  }

  void after(const Node& node, model::AgendaRun& out) {
    if (!node.is_map()) {
      return reader_.error(node.place, fmt::format("after: expected a map such as {{ violated: "
                                                   "continue }}, found {}",
                                                   describe(node)));
    }
    for (const Entry& entry : node.entries) {
      if (entry.key == "dirty" || entry.key == "interrupted") {
        reader_.error(entry.place, entry.key == "dirty"
                                       ? "after: a host that is not clean always stops the day"
                                       : "after: when a person stopped a run, people are asked");
        continue;
      }
      if (std::find(kExits.begin(), kExits.end(), entry.key) == kExits.end()) {
        reader_.error(entry.place,
                      fmt::format("after: no exit is called `{}`{}", printable(entry.key, 60),
                                  suggest(entry.key, kExits)));
        continue;
      }
      const auto rule = reader_.choice(entry.value, "after." + entry.key, kRules);
      if (!rule) continue;
      out.after[entry.key] = *rule == "continue" ? model::After::go_on
                             : *rule == "ask"    ? model::After::ask
                                                 : model::After::stop;
    }
  }

  void rest(const Node& node) {
    model::Break out;
    out.length = reader_.length(node, "break").value_or(Duration{});
    day_.agenda.emplace_back(out);
  }

  const GamedayInput& input_;
  Problems problems_;
  Reader reader_{problems_};
  model::Gameday day_;
};

}  // namespace

GamedayOutcome parse_gameday(const GamedayInput& input) { return GamedayReader(input).read(); }

}  // namespace ordeal::spec
