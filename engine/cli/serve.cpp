#include "engine/cli/serve.hpp"

#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/base/text.hpp"
#include "engine/cli/calendar.hpp"
#include "engine/cli/files.hpp"
#include "engine/cli/log.hpp"

namespace ordeal::cli {
namespace {

using namespace asio::experimental::awaitable_operators;
using model::Exit;
using schedule::Decision;
using schedule::Schedule;
using store::Firing;
using store::FiringState;
using What = Decision::What;

constexpr Duration kLookAtChildren = 200ms;
constexpr Duration kLookAtClock = 15s;  // it may have jumped
constexpr Duration kProgress = 60s;
constexpr const char* kStopped = "ordeal serve was stopped";

FiringState state_of(What what) {
  switch (what) {
    case What::start: return FiringState::starting;
    case What::wait: return FiringState::waiting;
    case What::skip: return FiringState::skipped;
    case What::miss: return FiringState::missed;
    case What::interrupt: break;
  }
  return FiringState::running;
}

// How it ended, by its exit code when we have it, else by its own last event.
void describe_end(const Traces& traces, std::optional<int> code, Firing& firing) {
  firing.run = traces.run;
  if (traces.verdict) {
    firing.exit = traces.verdict->exit;
    firing.exit_name = traces.verdict->exit_name;
    firing.reason = traces.verdict->reason;
  } else if (code && *code <= static_cast<int>(Exit::not_recovered)) {
    firing.exit = *code;
    firing.exit_name =
        firing.leashed && *code == 0 ? "planned" : to_string(static_cast<Exit>(*code));
    firing.reason = traces.complaint;
  } else {
    firing.exit = -1;
    firing.exit_name = "unfinished";
    firing.reason =
        firing.leashed ? "its process ended without a result"
        : traces.any
            ? "its process was killed; its executor puts everything back: see ordeal status"
            : "its process was killed before it touched anything";
  }
}

}  // namespace

Server::Server(std::string file, std::string program, store::Ledger ledger)
    : file_(std::move(file)), program_(std::move(program)), ledger_(std::move(ledger)) {}

void Server::say(const std::string& schedule, WallTime due, const std::string& text) const {
  const Schedule* known = scheduler_ ? scheduler_->find(schedule) : nullptr;
  const std::string when = known != nullptr ? format_local(known->zone, due) : format_wall(due);
  fmt::print("{} {}: {}: {}\n", format_wall(clock_.wall()), schedule, when, printable(text));
  std::fflush(stdout);
}

std::string Server::output_of(const Firing& firing) const {
  return fmt::format("{}/schedule/{}-{}", serve_directory(), firing.schedule,
                     firing.due.time_since_epoch().count());
}

Firing Server::firing_of(const Decision& decision) const {
  Firing out;
  out.schedule = decision.schedule;
  out.due = decision.due;
  out.state = state_of(decision.what);
  out.reason = decision.reason;
  out.decided = clock_.wall();
  if (const Schedule* schedule = scheduler_->find(decision.schedule)) {
    out.experiment = schedule->file;
    out.leashed = schedule->leashed;
  }
  return out;
}

// ---- After a start
Result<void> Server::restore_one(Firing firing, bool in_file, Duration deadline,
                                 Standings& standings) {
  const WallTime now = clock_.wall();
  if (firing.state != FiringState::waiting) {
    if (auto child = Child::find(output_of(firing))) {
      if (child->lives()) {
        say(firing.schedule, firing.due, "its run goes on");
        standings[firing.schedule].running = firing.due;
        const std::string schedule = firing.schedule;
        flights_.emplace(schedule, Flight{std::move(firing), std::move(*child), "", false});
        return ok();
      }
      return record_end(std::move(firing), *child);
    }
  }
  // It was recorded, and no process was ever started for it.
  const bool waited = firing.state == FiringState::waiting;
  const bool in_time = waited || now - firing.due <= deadline;
  schedule::Standing& standing = standings[firing.schedule];
  if (in_file && in_time && !standing.waiting) {
    standing.waiting = firing.due;
    firing.state = FiringState::waiting;
    return ledger_.update(firing);
  }
  firing.state = FiringState::missed;
  firing.reason = !in_file ? "not in the schedule file any more"
                           : "ordeal serve died before it was started, and it is too late now";
  say(firing.schedule, firing.due, "missed: " + firing.reason);
  return ledger_.update(firing);
}

Result<Server::Standings> Server::restore(const schedule::Calendar& calendar) {
  Standings out;
  const WallTime now = clock_.wall();
  std::map<std::string, Duration> deadlines;
  for (const Schedule& schedule : calendar.schedules) {
    deadlines[schedule.name] = schedule.start_deadline;
    out[schedule.name].decided = ledger_.decided(schedule.name).value_or(now);
  }
  TRY(auto unfinished, ledger_.unfinished());
  for (Firing& firing : unfinished) {
    const auto deadline = deadlines.find(firing.schedule);
    const bool in_file = deadline != deadlines.end();
    CHECK_OK(restore_one(std::move(firing), in_file, in_file ? deadline->second : 0s, out));
  }
  for (auto& [name, standing] : out) {
    TRY(standing.ends, ledger_.ends(name));
  }
  resumes_ = ledger_.resumes();
  return out;
}

// ---- Acting
Result<void> Server::start(Firing firing) {
  const Schedule* schedule = scheduler_->find(firing.schedule);
  std::vector<std::string> arguments = {"run", "--output", "json"};
  if (firing.leashed) arguments = {"plan"};
  arguments.insert(arguments.end(), {"--vars", "-"});
  if (!schedule->inventory.empty()) {
    arguments.insert(arguments.end(), {"--inventory", schedule->inventory});
  }
  const bool is_like_option = firing.experiment.starts_with('-');
  arguments.push_back(is_like_option ? "./" + firing.experiment : firing.experiment);
  auto child =
      Child::start(program_, std::move(arguments), to_json(schedule->vars), output_of(firing));
  if (child.has_error()) {
    firing.state = FiringState::ended;
    firing.exit = static_cast<int>(Exit::error);
    firing.exit_name = to_string(Exit::error);
    firing.reason = child.error().message();
    firing.ended = clock_.wall();
    say(firing.schedule, firing.due, "not started: " + firing.reason);
    CHECK_OK(ledger_.update(firing));
    return act(scheduler_->ended(firing.schedule, firing.due, firing.exit_name, firing.ended));
  }
  firing.state = FiringState::running;
  CHECK_OK(ledger_.update(firing));
  const std::string name = firing.schedule;
  flights_.insert_or_assign(name, Flight{std::move(firing), std::move(child.value()), "", false});
  return ok();
}

// Writes first. What the ledger does not take was decided before, and is not done again.
Result<void> Server::act(Decisions decisions) {
  std::vector<Firing> firings;
  for (const Decision& decision : decisions) {
    if (decision.what != What::interrupt) firings.push_back(firing_of(decision));
  }
  const bool late = !progress_written_ || clock_.now() - *progress_written_ >= kProgress;
  if (firings.empty() && !late) return ok();
  TRY(const auto taken, ledger_.decide(firings, scheduler_->decided()));
  progress_written_ = clock_.now();
  std::size_t next = 0;
  for (const Decision& decision : decisions) {
    if (decision.what == What::interrupt) {
      const auto flight = flights_.find(decision.schedule);
      if (flight != flights_.end()) flight->second.interrupt = decision.reason;
      continue;
    }
    const bool is_new = taken[next];
    Firing& firing = firings[next++];
    if (is_new) {
      say(firing.schedule, firing.due,
          to_string(firing.state) + (firing.reason.empty() ? "" : ": " + firing.reason));
    }
    if (decision.what != What::start) continue;
    if (is_new) {
      CHECK_OK(start(std::move(firing)));
    } else {
      CHECK_OK(act(scheduler_->ended(decision.schedule, decision.due, "", clock_.wall())));
    }
  }
  return ok();
}

Result<void> Server::record_end(Firing firing, Child& child) {
  const Traces traces = child.traces();
  describe_end(traces, child.exit_code(), firing);
  firing.state = FiringState::ended;
  firing.ended = clock_.wall();
  CHECK_OK(ledger_.update(firing));
  // Its events are in the history; what has no end stays, for whoever looks for the cause.
  if (traces.verdict || (firing.leashed && firing.exit == 0)) child.remove_files();
  say(firing.schedule, firing.due,
      fmt::format("{}{}{}", firing.exit_name, firing.reason.empty() ? "" : ": ", firing.reason));
  return ok();
}

Result<void> Server::collect() {
  std::vector<std::string> over;
  for (auto& [schedule, flight] : flights_) {
    if (!flight.child.lives()) {
      over.push_back(schedule);
    } else if (!flight.interrupt.empty() && !flight.told) {
      flight.told = flight.child.interrupt(flight.interrupt);
    }
  }
  for (const std::string& schedule : over) {
    auto flight = flights_.extract(schedule);
    Firing& firing = flight.mapped().firing;
    const WallTime due = firing.due;
    CHECK_OK(record_end(std::move(firing), flight.mapped().child));
    TRY(auto ends, ledger_.ends(schedule));
    scheduler_->set_ends(schedule, std::move(ends));  // first: it may pause what waits
    CHECK_OK(act(scheduler_->ended(schedule, due, "", clock_.wall())));
  }
  return ok();
}

// ---- Wishes from outside
Result<void> Server::reload() {
  reload_wanted_ = false;
  if (file_.empty()) {
    complain("there is no schedule file to read again");
    return ok();
  }
  auto calendar = read_calendar(file_);
  if (!calendar) {
    complain(file_ + " was not taken; the schedules stay as they were");
    return ok();
  }
  const WallTime now = clock_.wall();
  CHECK_OK(act(scheduler_->tick(now)));
  Decisions decisions = scheduler_->reload(std::move(*calendar), now);
  for (const Schedule& schedule : scheduler_->calendar().schedules) {
    TRY(auto ends, ledger_.ends(schedule.name));
    scheduler_->set_ends(schedule.name, std::move(ends));
  }
  progress_written_.reset();
  CHECK_OK(act(std::move(decisions)));
  fmt::print("{} {} was read again: {}\n", format_wall(clock_.wall()), file_,
             counted(scheduler_->calendar().schedules.size(), "schedule"));
  std::fflush(stdout);
  return ok();
}

Result<void> Server::stop() {
  stopping_ = true;
  CHECK_OK(act(scheduler_->drain(kStopped)));
  for (auto& [schedule, flight] : flights_) flight.interrupt = kStopped;
  if (beside_ != nullptr) beside_->stop(kStopped);
  return ok();
}

// Somebody typed `ordeal schedule resume`.
Result<void> Server::forgive() {
  const std::int64_t resumes = ledger_.resumes();
  if (resumes == resumes_) return ok();
  resumes_ = resumes;
  for (const Schedule& schedule : scheduler_->calendar().schedules) {
    TRY(auto ends, ledger_.ends(schedule.name));
    scheduler_->set_ends(schedule.name, std::move(ends));
  }
  return ok();
}

// ---- The loop
Duration Server::patience() const {
  if (!flights_.empty() || stopping_) return kLookAtChildren;
  const auto next = scheduler_->next_wake();
  if (!next) return kLookAtClock;
  return std::clamp<Duration>(*next - clock_.wall(), 1ms, kLookAtClock);
}

Task<Result<void>> Server::step() {
  CO_CHECK_OK(collect());
  if (stop_wanted_ && !stopping_) {
    CO_CHECK_OK(stop());
    CO_CHECK_OK(collect());
  }
  if (stopping_) co_return ok();
  if (reload_wanted_) {
    CO_CHECK_OK(reload());
  }
  CO_CHECK_OK(forgive());
  CO_CHECK_OK(act(scheduler_->tick(clock_.wall())));
  co_return ok();
}

Task<void> Server::serve() {
  while (!stopping_ || busy()) {
    const Result<void> done = co_await step();
    if (done.has_error()) {
      // What cannot be recorded is not done. A restart takes up the runs that go on.
      complain("the records cannot be kept, so nothing is started: " + done.error().message());
      exit_code_ = static_cast<int>(Exit::error);
      co_return;
    }
    if (stopping_ && !busy()) co_return;
    if ((stop_wanted_ && !stopping_) || reload_wanted_) continue;
    const BootTime until = clock_.now() + patience();
    co_await wake_.wait_until(clock_, until);
  }
}

Task<void> Server::watch_signals() {
  for (;;) {
    const int signal = co_await signals_.async_wait(asio::use_awaitable);
    if (signal == SIGHUP) reload_wanted_ = true;
    if (signal != SIGHUP) stop_wanted_ = true;
    wake_.notify();
  }
}

int Server::run(schedule::Calendar calendar) {
  auto standings = restore(calendar);
  if (standings.has_error()) {
    complain(standings.error().message());
    return static_cast<int>(Exit::error);
  }
  const std::size_t count = calendar.schedules.size();
  scheduler_.emplace(std::move(calendar), std::move(standings.value()), clock_.wall());
  // From here on the schedules are ours: what they miss when we die now is known as missed.
  const auto begun = ledger_.decide({}, scheduler_->decided());
  if (begun.has_error()) {
    complain(begun.error().message());
    return static_cast<int>(Exit::error);
  }
  fmt::print("{} serving {}\n", format_wall(clock_.wall()),
             file_.empty() ? "no schedules" : counted(count, "schedule") + " of " + file_);
  std::fflush(stdout);
  auto all = [this]() -> Task<void> {
    if (beside_ == nullptr) {
      co_await (serve() || watch_signals());
    } else {
      co_await (serve() || watch_signals() || beside_->serve());
    }
  };
  asio::co_spawn(loop_, all(), [this](std::exception_ptr problem) {
    if (problem) exit_code_ = static_cast<int>(Exit::error);
    loop_.stop();
  });
  loop_.run();
  return exit_code_;
}

}  // namespace ordeal::cli
