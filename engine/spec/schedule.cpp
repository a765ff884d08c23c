#include "engine/spec/schedule.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "engine/base/digest.hpp"
#include "engine/base/text.hpp"
#include "engine/spec/reader.hpp"

namespace ordeal::spec {
namespace {

constexpr Duration kShortestMean = 10min;  // the chain of random moments stays short
constexpr std::size_t kLongestName = 60;   // names of files are made of it
const std::vector<std::string> kExits = {"violated", "invalid",      "refused",     "unsteady",
                                         "aborted",  "inconclusive", "interrupted", "error",
                                         "dirty",    "not_recovered"};

bool is_schedule_name(const std::string& text) {
  return !text.empty() && std::isalnum(static_cast<unsigned char>(text.front())) != 0 &&
         is_short_name(text, kLongestName);
}

class ScheduleReader {
 public:
  explicit ScheduleReader(const ScheduleInput& input) : input_(input) {}

  ScheduleOutcome read() {
    if (const auto root = reader_.root(input_.file, input_.read(input_.file))) file(*root);
    ScheduleOutcome out;
    out.problems = problems_.errors();
    if (out.problems.empty()) out.calendar = std::move(calendar_);
    return out;
  }

 private:
  using Schedule = schedule::Schedule;

  void file(const Node& root) {
    if (root.is_map() && root.find("schedules") == nullptr && root.find("method") != nullptr) {
      return reader_.error(root.place,
                           "this is an experiment, not a schedule file: a schedule names it with "
                           "`run: PATH`");
    }
    if (!reader_.map(root, "the file", schedule_table("schedule_file"))) return;
    if (const Entry* entry = root.find("version")) reader_.version(entry->value);
    if (const Entry* entry = root.find("schedules")) {
      const auto items = reader_.list(entry->value, "schedules", "{ name: ..., run: ... }");
      if (items) {
        for (const Node& item : *items) one_schedule(item);
      }
    }
    if (const Entry* entry = root.find("blackout")) {
      const auto items = reader_.list(entry->value, "blackout", "{ dates: ..., reason: ... }");
      if (items) {
        for (const Node& item : *items) blackout(item);
      }
    }
  }

  void blackout(const Node& node) {
    if (!reader_.map(node, "blackout", schedule_table("blackout"))) return;
    schedule::Blackout out;
    const Entry* dates = node.find("dates");
    const Entry* ics = node.find("calendar");
    if (dates != nullptr && ics != nullptr) {
      return reader_.error(ics->place, "a blackout has `dates` or a `calendar`, not both");
    }
    const bool misspelt = node.entries.size() > (node.find("reason") != nullptr ? 1u : 0u);
    if (dates == nullptr && ics == nullptr && !misspelt) {
      return reader_.error(node.place, "`blackout` needs `dates` or a `calendar`");
    }
    if (dates != nullptr) {
      const auto text = reader_.text(dates->value, "dates");
      if (text) report(dates->value, "dates", schedule::parse_dates(*text, out));
    }
    if (ics != nullptr) calendar(ics->value, out);
    if (const Entry* entry = node.find("reason")) {
      out.reason = reader_.text(entry->value, "reason").value_or("");
    }
    calendar_.blackouts.push_back(std::move(out));
  }

  // Read anew whenever this file is. What is not understood in it stops everything.
  void calendar(const Node& node, schedule::Blackout& out) {
    const auto path = reader_.text(node, "calendar");
    if (!path) return;
    out.calendar = beside(input_.file, *path);
    const Result<std::string> text = input_.read(out.calendar);
    if (text.has_error()) {
      return reader_.error(node.place, "calendar: " + text.error().message());
    }
    for (const auto& problem : schedule::parse_ics(text.value(), out.events)) {
      reader_.error({out.calendar, problem.line, 1}, problem.text);
    }
  }

  void report(const Node& node, const std::string& what,
              const std::optional<schedule::TextProblem>& problem) {
    if (problem) reader_.error(node.place_at(problem->offset), what + ": " + problem->text);
  }

  void one_schedule(const Node& node) {
    if (!reader_.map(node, "schedules", schedule_table("schedule"))) return;
    Schedule out;
    if (const Entry* entry = node.find("name")) name(entry->value, out);
    if (const Entry* entry = node.find("run")) run(entry->value, out);
    if (const Entry* entry = node.find("time_zone")) zone(entry->value, out);
    trigger(node, out);
    rules(node, out);
    if (const Entry* entry = node.find("pause_after")) pause_after(entry->value, out);
    if (const Entry* entry = node.find("vars")) vars(entry->value, out);
    if (const Entry* entry = node.find("inventory")) {
      const auto path = reader_.text(entry->value, "inventory");
      if (path) out.inventory = beside(input_.file, *path);
    }
    calendar_.schedules.push_back(std::move(out));
  }

  void name(const Node& node, Schedule& out) {
    out.name = reader_.text(node, "name").value_or("");
    if (out.name.empty()) return;
    if (!is_schedule_name(out.name)) {
      reader_.error(node.place,
                    fmt::format("name: expected at most {} letters, digits and - _ ., the first "
                                "one a letter or digit, found {}",
                                kLongestName, describe(node)));
    }
    if (!names_.insert(out.name).second) {
      reader_.error(node.place, fmt::format("name: another schedule is called '{}' already",
                                            printable(out.name, 60)));
    }
  }

  void run(const Node& node, Schedule& out) {
    const auto path = reader_.text(node, "run");
    if (!path) return;
    out.file = beside(input_.file, *path);
    out.place = node.place;
  }

  void zone(const Node& node, Schedule& out) {
    const auto text = reader_.text(node, "time_zone");
    if (!text) return;
    auto found = schedule::Zone::find(*text);
    if (found.has_error()) {
      reader_.error(node.place, "time_zone: " + found.error().message());
    } else {
      out.zone = std::move(found.value());
    }
  }

  // ---- cron, every, at, random: exactly one
  void trigger(const Node& node, Schedule& out) {
    const Entry* given = nullptr;
    for (const Entry& entry : node.entries) {
      const std::string& key = entry.key;
      if (key != "cron" && key != "every" && key != "at" && key != "random") continue;
      if (given != nullptr) {
        return reader_.error(entry.place,
                             fmt::format("a schedule has one of `cron`, `every`, `at` and "
                                         "`random`, and here is `{}` already",
                                         given->key));
      }
      given = &entry;
    }
    if (given == nullptr) {
      const auto misspelt = [](const Entry& entry) {
        const std::vector<std::string> words = {"cron", "every", "at", "random"};
        const Hint* hint = find_hint("schedule", entry.key);
        const std::string meant = hint != nullptr                 ? std::string(hint->right)
                                  : schedule_table_has(entry.key) ? ""
                                                                  : nearest_word(entry.key, words);
        return std::find(words.begin(), words.end(), meant) != words.end();
      };
      if (std::any_of(node.entries.begin(), node.entries.end(), misspelt)) return;
      return reader_.error(node.place, "a schedule needs `cron`, `every`, `at` or `random`");
    }
    if (given->key == "cron") cron(given->value, out);
    if (given->key == "every") every(given->value, out);
    if (given->key == "at") at(given->value, out);
    if (given->key == "random") random(given->value, out);
  }

  static bool schedule_table_has(const std::string& key) {
    const auto names = names_of(schedule_table("schedule"));
    return std::find(names.begin(), names.end(), key) != names.end();
  }

  void cron(const Node& node, Schedule& out) {
    const auto text = reader_.text(node, "cron");
    schedule::Cron cron;
    if (text) report(node, "cron", schedule::parse_cron(*text, cron));
    out.trigger = cron;
  }

  void every(const Node& node, Schedule& out) {
    const auto period = reader_.length(node, "every");
    if (!period) return;
    if (*period % std::chrono::seconds(1) != Duration::zero()) {
      return reader_.error(node.place, "every: expected whole seconds");
    }
    out.trigger = schedule::Every{*period};
  }

  void at(const Node& node, Schedule& out) {
    schedule::At at;
    const auto one = [&](const Node& item) {
      const auto text = reader_.text(item, "at");
      if (!text) return;
      const auto time = schedule::parse_local(*text);
      if (time) return at.times.push_back(*time);
      const bool zoned = schedule::parse_instant(*text).has_value() && text->size() > 10;
      reader_.error(item.place,
                    fmt::format("at: expected a local time such as \"2026-11-27 02:00\", found "
                                "{}{}",
                                describe(item), zoned ? "; the zone is in `time_zone`" : ""));
    };
    if (node.is_list()) {
      const auto items = reader_.list(node, "at", "local times");
      if (!items) return;
      for (const Node& item : *items) one(item);
    } else {
      one(node);
    }
    std::sort(at.times.begin(), at.times.end());
    out.trigger = std::move(at);
  }

  void random(const Node& node, Schedule& out) {
    if (!reader_.map(node, "random", schedule_table("random"))) return;
    schedule::Random random;
    if (const Entry* entry = node.find("min_gap")) {
      random.min_gap = reader_.duration(entry->value, "min_gap").value_or(Duration{});
    }
    if (const Entry* entry = node.find("mean_time_between")) {
      const auto mean = reader_.length(entry->value, "mean_time_between");
      if (mean && *mean < kShortestMean) {
        reader_.error(entry->value.place,
                      "mean_time_between: expected at least " + format_duration(kShortestMean));
      } else if (mean && *mean <= random.min_gap) {
        reader_.error(entry->value.place, "mean_time_between: expected more than `min_gap`");
      }
      random.mean_time_between = mean.value_or(Duration{});
    }
    // Schedules differ though nobody gave them seeds.
    random.seed = mix_hash(0, "schedule", out.name);
    if (const Entry* entry = node.find("seed")) {
      constexpr std::int64_t kMost = 1'000'000'000'000;
      const auto seed = reader_.integer(entry->value, "seed", 0, kMost);
      if (seed) random.seed = static_cast<std::uint64_t>(*seed);
    }
    out.leashed = true;
    out.trigger = random;
  }

  // ---- When it may run
  void rules(const Node& node, Schedule& out) {
    if (const Entry* entry = node.find("windows")) {
      const auto items = reader_.list(entry->value, "windows", "texts such as mon-fri 09:00-17:00");
      if (items) {
        for (const Node& item : *items) window(item, out);
      }
    }
    if (const Entry* entry = node.find("start_deadline")) {
      const auto deadline = reader_.length(entry->value, "start_deadline");
      out.start_deadline = deadline.value_or(out.start_deadline);
    }
    if (const Entry* entry = node.find("concurrency")) {
      const std::vector<std::string> words = {"forbid", "queue", "replace"};
      const auto word = reader_.choice(entry->value, "concurrency", words);
      if (word == "queue") out.concurrency = schedule::Concurrency::queue;
      if (word == "replace") out.concurrency = schedule::Concurrency::replace;
    }
    if (const Entry* entry = node.find("leashed")) {
      out.leashed = reader_.boolean(entry->value, "leashed").value_or(true);
    }
  }

  void window(const Node& node, Schedule& out) {
    const auto text = reader_.text(node, "windows");
    if (!text) return;
    schedule::Window window;
    report(node, "windows", schedule::parse_window(*text, window));
    out.windows.push_back(std::move(window));
  }

  void pause_after(const Node& node, Schedule& out) {
    if (!node.is_map()) {
      return reader_.error(node.place,
                           fmt::format("pause_after: expected a map such as {{ violated: 1 }}, "
                                       "found {}",
                                       describe(node)));
    }
    for (const Entry& entry : node.entries) {
      if (std::find(kExits.begin(), kExits.end(), entry.key) == kExits.end()) {
        reader_.error(entry.place,
                      fmt::format("pause_after: no exit is called `{}`{}", printable(entry.key, 60),
                                  suggest(entry.key, kExits)));
        continue;
      }
      const auto count = reader_.integer(entry.value, "pause_after." + entry.key, 1, 1000);
      if (count) out.pause_after[entry.key] = static_cast<int>(*count);
    }
  }

  void vars(const Node& node, Schedule& out) { out.vars = reader_.text_map(node, "vars"); }

  const ScheduleInput& input_;
  Problems problems_;
  Reader reader_{problems_};
  schedule::Calendar calendar_;
  std::set<std::string> names_;
};

}  // namespace

ScheduleOutcome parse_schedules(const ScheduleInput& input) { return ScheduleReader(input).read(); }

}  // namespace ordeal::spec
