#include "engine/schedule/scheduler.hpp"

#include <deque>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::schedule {
namespace {

using What = Decision::What;

constexpr std::size_t kMostMissed = 100;
// A clock that went back by more was wrong before: its new time counts at once, as in cron.
constexpr Duration kCorrection = 3h;

std::string late_text(const Schedule& schedule, Duration late) {
  return fmt::format("seen {} late, start_deadline is {}",
                     format_duration(std::chrono::floor<std::chrono::seconds>(late)),
                     format_duration(schedule.start_deadline));
}

}  // namespace

Scheduler::Scheduler(Calendar calendar, std::map<std::string, Standing> standings, WallTime now)
    : calendar_(std::move(calendar)) {
  for (auto& [name, standing] : standings) entries_[name].standing = std::move(standing);
  for (const Schedule& schedule : calendar_.schedules) {
    Entry& entry = entries_[schedule.name];
    if (!standings.contains(schedule.name)) entry.standing.decided = now;
    entry.firings.emplace(schedule);
  }
}

const Schedule* Scheduler::find(const std::string& name) const {
  for (const Schedule& schedule : calendar_.schedules) {
    if (schedule.name == name) return &schedule;
  }
  return nullptr;
}

std::string paused(const Schedule& schedule, const std::map<std::string, int>& ends) {
  for (const auto& [exit, most] : schedule.pause_after) {
    const auto count = ends.find(exit);
    if (count == ends.end() || count->second < most) continue;
    return fmt::format("paused: {} ended {}; ordeal schedule resume {}",
                       counted(count->second, "run"), exit, schedule.name);
  }
  return {};
}

// Whether the firing may begin now is asked here and nowhere else, whatever it waited for.
void Scheduler::begin(const Schedule& schedule, Standing& standing, WallTime due, WallTime now,
                      std::vector<Decision>& out) {
  std::string reason = paused(schedule, standing.ends);
  if (reason.empty()) reason = forbidden(calendar_, schedule, now);
  if (!reason.empty()) {
    out.push_back({What::skip, schedule.name, due, std::move(reason)});
    return;
  }
  standing.running = due;
  standing.interrupted = false;
  out.push_back({What::start, schedule.name, due, schedule.leashed ? "leashed: plans only" : ""});
}

void Scheduler::fire(const Schedule& schedule, Standing& standing, WallTime due, WallTime now,
                     std::vector<Decision>& out) {
  if (!standing.running) return begin(schedule, standing, due, now, out);
  const std::string since = format_local(schedule.zone, *standing.running);
  if (schedule.concurrency == Concurrency::forbid) {
    out.push_back({What::skip, schedule.name, due, "the run of " + since + " goes on"});
    return;
  }
  if (schedule.concurrency == Concurrency::queue && standing.waiting) {
    out.push_back({What::skip, schedule.name, due, "another firing waits already"});
    return;
  }
  if (standing.waiting) {
    out.push_back({What::skip, schedule.name, *standing.waiting, "replaced by a later firing"});
  }
  standing.waiting = due;
  out.push_back({What::wait, schedule.name, due, "for the end of the run of " + since});
  if (schedule.concurrency == Concurrency::replace && !standing.interrupted) {
    standing.interrupted = true;
    out.push_back({What::interrupt, schedule.name, *standing.running,
                   "replaced by the firing of " + format_local(schedule.zone, due)});
  }
}

void Scheduler::decide(const Schedule& schedule, Entry& entry, WallTime now,
                       std::vector<Decision>& out) {
  Standing& standing = entry.standing;
  if (now < standing.decided - kCorrection) standing.decided = now;
  if (standing.waiting && !standing.running) {
    const WallTime due = *standing.waiting;
    standing.waiting.reset();
    begin(schedule, standing, due, now, out);
  }
  std::deque<WallTime> due;
  std::size_t more = 0;
  WallTime first_of_more{};
  WallTime last_of_more{};
  WallTime at = standing.decided;
  for (auto next = entry.firings->next(at); next && *next <= now; next = entry.firings->next(at)) {
    at = *next;
    due.push_back(at);
    if (due.size() <= kMostMissed) continue;
    if (more++ == 0) first_of_more = due.front();
    last_of_more = due.front();
    due.pop_front();
  }
  if (standing.decided < now) standing.decided = now;
  if (more > 0) {
    out.push_back({What::miss, schedule.name, first_of_more,
                   fmt::format("{} from here to {}: {}", counted(more, "firing"),
                               format_local(schedule.zone, last_of_more),
                               late_text(schedule, now - last_of_more))});
  }
  while (!due.empty()) {
    const WallTime when = due.front();
    due.pop_front();
    const Duration late = now - when;
    if (late > schedule.start_deadline) {
      out.push_back({What::miss, schedule.name, when, late_text(schedule, late)});
    } else if (!due.empty()) {
      out.push_back({What::miss, schedule.name, when, "a later firing was due as well"});
    } else {
      fire(schedule, standing, when, now, out);
    }
  }
}

std::vector<Decision> Scheduler::tick(WallTime now) {
  std::vector<Decision> out;
  for (const Schedule& schedule : calendar_.schedules) {
    decide(schedule, entries_.at(schedule.name), now, out);
  }
  return out;
}

std::vector<Decision> Scheduler::ended(const std::string& name, WallTime due,
                                       const std::string& exit_name, WallTime now) {
  std::vector<Decision> out;
  const auto found = entries_.find(name);
  if (found == entries_.end()) return out;
  Standing& standing = found->second.standing;
  if (standing.running != due) return out;
  standing.running.reset();
  ++standing.ends[exit_name];
  const Schedule* schedule = find(name);
  if (schedule != nullptr && standing.waiting) {
    const WallTime waited = *standing.waiting;
    standing.waiting.reset();
    begin(*schedule, standing, waited, now, out);
  }
  return out;
}

void Scheduler::set_ends(const std::string& name, std::map<std::string, int> ends) {
  const auto found = entries_.find(name);
  if (found != entries_.end()) found->second.standing.ends = std::move(ends);
}

std::vector<Decision> Scheduler::reload(Calendar calendar, WallTime now) {
  std::vector<Decision> out;
  calendar_ = std::move(calendar);
  for (auto& [name, entry] : entries_) {
    entry.firings.reset();
    if (find(name) != nullptr || !entry.standing.waiting) continue;
    out.push_back({What::skip, name, *entry.standing.waiting, "not in the schedule file any more"});
    entry.standing.waiting.reset();
  }
  for (const Schedule& schedule : calendar_.schedules) {
    auto [entry, is_new] = entries_.try_emplace(schedule.name);
    // Also for one that comes back: what it missed while it was not in the file is not missed.
    if (is_new || entry->second.standing.decided < now) entry->second.standing.decided = now;
    entry->second.firings.emplace(schedule);
  }
  return out;
}

std::vector<Decision> Scheduler::drain(const std::string& reason) {
  std::vector<Decision> out;
  for (auto& [name, entry] : entries_) {
    if (!entry.standing.waiting) continue;
    out.push_back({What::skip, name, *entry.standing.waiting, reason});
    entry.standing.waiting.reset();
  }
  calendar_.schedules.clear();
  return out;
}

std::map<std::string, WallTime> Scheduler::decided() const {
  std::map<std::string, WallTime> out;
  for (const auto& [name, entry] : entries_) {
    if (entry.firings) out[name] = entry.standing.decided;
  }
  return out;
}

std::optional<WallTime> Scheduler::next_wake() const {
  std::optional<WallTime> out;
  for (const auto& [name, entry] : entries_) {
    if (!entry.firings) continue;
    const auto next = Firings(*entry.firings).next(entry.standing.decided);
    if (next && (!out || *next < *out)) out = next;
  }
  return out;
}

}  // namespace ordeal::schedule
