#include <algorithm>

#include "engine/executor/executor.hpp"
#include "engine/executor/journals.hpp"
#include "engine/executor/paths.hpp"
#include "engine/executor/salvage.hpp"

namespace ordeal::executor {
namespace {

// Long enough for a run that is just checking its claims; recovery does not depend on the lock.
constexpr Duration kClaimsWait = 500ms;
constexpr int kLooks = 6;
constexpr Duration kLookPause = 50ms;

bool is_foreign(const os::Host& host, const FoundJournal& journal) {
  return journal.scan.header && journal.scan.header->machine_id != host.processes().machine_id();
}

// A cloned disk brings journals of the machine it was cloned from. Nothing of them is here.
Result<void> quarantine(os::Host& host, const std::string& state, const FoundJournal& journal) {
  const std::string path = quarantine_path(state, journal.token);
  TRY(auto bytes, host.files().read_durable(journal.path));
  CHECK_OK(host.files().make_directory(path.substr(0, path.rfind('/'))));
  CHECK_OK(host.files().write_atomically(path, bytes));
  return host.files().remove(journal.path);
}

Task<RecoveredJournal> recover_one(os::Host& host, std::string state, FoundJournal journal) {
  if (is_foreign(host, journal)) {
    RecoveredJournal out = describe(journal.scan);
    const auto moved = quarantine(host, state, journal);
    out.problems.push_back(moved.has_value() ? "moved to " + quarantine_path(state, journal.token)
                                             : moved.error().message());
    out.clean = moved.has_value();
    out.token = journal.token;
    co_return out;
  }
  const bool doubtful = !journal.scan.problems.empty();
  RecoveredJournal out =
      co_await salvage(host, std::move(journal.scan), std::move(journal.file), undo::Options{});
  out.token = journal.token;
  if (doubtful) {
    out.problems.push_back("look at the host, then: rm " + journal.path);
  } else if (out.clean) {
    const auto removed = host.files().remove(journal.path);
    if (removed.has_error()) out.problems.push_back(removed.error().message());
  }
  co_return out;
}

std::string live_text(const FoundJournal& journal) {
  return fmt::format("{} (token {})", journal.run(), journal.token);
}

bool any_live(const Result<std::vector<FoundJournal>>& journals) {
  return journals.has_value() &&
         std::any_of(journals.value().begin(), journals.value().end(),
                     [](const FoundJournal& journal) { return journal.live; });
}

std::string unlisted(const Error& error) {
  return "the journals cannot be listed: " + error.message();
}

}  // namespace

Task<RecoverReport> recover(os::Host& host, std::string state_directory, RecoverOptions options) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  RecoverReport report;
  // Held so that no run begins while we look; a hung holder must not stop recovery.
  auto lock = co_await host.files().lock(claims_lock(state_directory), kClaimsWait);
  ignore(lock, "recovery goes on without it");
  auto journals = find_journals(host, state_directory);
  // Whoever reads a journal holds it for a moment: only one that stays held belongs to a run.
  for (int looks = 1; looks < kLooks && any_live(journals); ++looks) {
    co_await host.clock().sleep(kLookPause);
    journals = find_journals(host, state_directory);
  }
  if (journals.has_error()) {
    RecoveredJournal problem;
    problem.problems.push_back(unlisted(journals.error()));
    problem.clean = false;
    report.journals.push_back(std::move(problem));
  } else {
    for (FoundJournal& journal : journals.value()) {
      if (journal.live) {
        report.live.push_back(live_text(journal));
      } else if (options.print_only) {
        report.journals.push_back(describe(journal.scan));
        report.journals.back().token = journal.token;
      } else {
        RecoveredJournal one = co_await recover_one(host, state_directory, std::move(journal));
        report.journals.push_back(std::move(one));
      }
    }
  }
  // Without the journals nobody knows which marks belong to a run that goes on.
  if (!options.print_only && journals.has_value()) {
    auto in_use = [&host, &state_directory] { return live_marks(host, state_directory); };
    std::function<std::set<std::string>()> asked(in_use);
    const auto swept = co_await undo::sweep(host, std::move(asked));
    for (const undo::Outcome& outcome : swept) report.swept.push_back(to_wire(outcome));
  }
  report.clean = std::all_of(report.journals.begin(), report.journals.end(),
                             [](const auto& journal) { return journal.clean; }) &&
                 std::all_of(report.swept.begin(), report.swept.end(),
                             [](const auto& undo) { return undo.ok; });
  co_return report;
}

StatusReport status(os::Host& host, const std::string& state_directory) {
  StatusReport report;
  report.halted = halt_reason(host, state_directory).value_or("");
  // Marks before journals: whatever appears in between has its record already.
  auto marks = undo::marks_on(host);
  auto journals = find_journals(host, state_directory);
  if (journals.has_error()) {
    // Without root nobody can look; a run needs root anyway and looks then.
    if (journals.error().code() == Code::denied) return report;
    report.dirty.push_back(unlisted(journals.error()));
    return report;
  }
  std::set<std::string> known = live_marks(journals.value());
  for (const FoundJournal& journal : journals.value()) {
    JournalStatus one;
    one.token = journal.token;
    one.run = journal.run();
    one.live = journal.live;
    one.problems = journal.scan.problems;
    for (const journal::Record& record : journal.scan.records) {
      known.insert(record.intent.mark);
      LiveStep step;
      step.step = record.intent.step;
      step.name = record.intent.name;
      step.fault = record.intent.fault;
      step.live = journal.live;
      one.steps.push_back(std::move(step));
    }
    report.journals.push_back(std::move(one));
  }
  report.dirty = left_by_the_dead(journals.value());
  if (marks.has_error()) {
    if (marks.error().code() != Code::denied) report.dirty.push_back(marks.error().message());
    return report;
  }
  for (const std::string& mark : marks.value()) {
    if (known.contains(mark)) continue;
    report.orphans.push_back(mark);
    report.dirty.push_back(mark + " bears ordeal's mark and belongs to no run");
  }
  return report;
}

}  // namespace ordeal::executor
