#include <algorithm>

#include "engine/executor/executor.hpp"
#include "engine/executor/journals.hpp"
#include "engine/executor/paths.hpp"
#include "engine/executor/salvage.hpp"

namespace ordeal::executor {
namespace {

// Long enough for a run that is just checking its claims; recovery does not depend on the lock.
constexpr Duration kClaimsWait = 500ms;
// What could not be read may be readable in a moment: a table of descriptors that was full.
constexpr int kLooks = 6;
constexpr Duration kLookPause = 50ms;
// A keeper that undoes what its worker left needs as long as the services that it starts.
constexpr Duration kOthersTime = 60s;

bool is_foreign(const FoundJournal& journal, const std::string& machine_id) {
  const auto& header = journal.scan.header;
  return header && !header->machine_id.empty() && !machine_id.empty() &&
         header->machine_id != machine_id;
}

// A cloned disk brings journals of the machine it was cloned from. Nothing of them is here.
Result<void> quarantine(os::Host& host, const std::string& state, const FoundJournal& journal) {
  const std::string path = quarantine_path(state, journal.token);
  TRY(auto bytes, host.files().read_durable(journal.path));
  CHECK_OK(host.files().make_directory(path.substr(0, path.rfind('/'))));
  CHECK_OK(host.files().write_atomically(path, bytes));
  return host.files().remove(journal.path);
}

RecoveredJournal untouched(const FoundJournal& journal, std::string why) {
  RecoveredJournal out = describe(journal.scan);
  out.undos.clear();
  out.token = journal.token;
  out.problems.push_back(std::move(why));
  out.clean = false;
  return out;
}

Task<RecoveredJournal> recover_one(os::Host& host, std::string state, FoundJournal journal) {
  const auto machine = host.processes().machine_id();
  if (machine.has_error()) co_return untouched(journal, machine.error().message());
  // From here on nobody else recovers it.
  auto file = host.files().open_durable(journal.path);
  if (file.has_error() && file.error().code() != Code::denied) {
    co_return untouched(journal, file.error().message());
  }
  if (is_foreign(journal, machine.value())) {
    RecoveredJournal out = describe(journal.scan);
    const auto moved = quarantine(host, state, journal);
    out.problems.push_back(moved.has_value() ? "moved to " + quarantine_path(state, journal.token)
                                             : moved.error().message());
    out.clean = moved.has_value();
    out.token = journal.token;
    co_return out;
  }
  const bool doubtful = !journal.scan.problems.empty();
  std::unique_ptr<os::DurableFile> own;
  if (file.has_value()) own = std::move(file.value());
  RecoveredJournal out =
      co_await salvage(host, std::move(journal.scan), std::move(own), undo::Options{});
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

bool any(const Result<std::vector<FoundJournal>>& journals,
         const std::optional<os::Holder>& holder) {
  return journals.has_value() &&
         std::any_of(journals.value().begin(), journals.value().end(),
                     [&](const FoundJournal& journal) { return journal.holder == holder; });
}

std::string unlisted(const Error& error) {
  return "the journals cannot be listed: " + error.message();
}

// What each journal is, once nobody else is at work on one.
Task<Result<std::vector<FoundJournal>>> settled_journals(os::Host& host, std::string state,
                                                         bool wait) {
  auto journals = find_journals(host, state);
  const BootTime end = host.clock().now() + (wait ? kOthersTime : Duration{});
  int looks = 1;
  const auto unclear = [&] {
    return looks < kLooks && (journals.has_error() || any(journals, std::nullopt));
  };
  while (unclear() || (any(journals, os::Holder::recoverer) && host.clock().now() < end)) {
    co_await host.clock().sleep(kLookPause);
    journals = find_journals(host, state);
    ++looks;
  }
  co_return journals;
}

Task<void> recover_journals(os::Host& host, std::string state, std::vector<FoundJournal> journals,
                            bool print_only, RecoverReport& report) {
  for (FoundJournal& journal : journals) {
    if (journal.live()) {
      report.live.push_back(live_text(journal));
    } else if (!journal.holder) {
      report.journals.push_back(
          untouched(journal, "it may be that of a live run: " + journal.unknown));
    } else if (!journal.dead()) {
      report.journals.push_back(
          untouched(journal, "somebody else is recovering it; ask again when that has ended"));
    } else if (print_only) {
      report.journals.push_back(describe(journal.scan));
      report.journals.back().token = journal.token;
    } else {
      RecoveredJournal one = co_await recover_one(host, state, std::move(journal));
      report.journals.push_back(std::move(one));
    }
  }
}

}  // namespace

Task<RecoverReport> recover(os::Host& host, std::string state_directory, RecoverOptions options) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  RecoverReport report;
  // What is dead is put back before anybody else is waited for.
  auto journals = co_await settled_journals(host, state_directory, false);
  for (int round = 0; round < 2; ++round) {
    // Held so that no run begins while we look; a hung holder must not stop recovery.
    auto lock = co_await host.files().lock(claims_lock(state_directory), kClaimsWait);
    ignore(lock, "recovery goes on without it");
    if (journals.has_error()) break;
    const bool others = round == 0 && !options.print_only && any(journals, os::Holder::recoverer);
    report = RecoverReport{};
    co_await recover_journals(host, state_directory, std::move(journals.value()),
                              options.print_only, report);
    if (!others) break;
    lock = Error(Code::gone, "nobody is held up while we wait");
    journals = co_await settled_journals(host, state_directory, true);
  }
  if (journals.has_error()) {
    RecoveredJournal problem;
    problem.problems.push_back(unlisted(journals.error()));
    problem.clean = false;
    report.journals.push_back(std::move(problem));
  }
  // Without the journals nobody knows which marks belong to a run that goes on.
  if (!options.print_only && journals.has_value()) {
    auto in_use = [&host, &state_directory] { return marks_in_use(host, state_directory); };
    undo::InUse asked(in_use);
    auto swept = co_await undo::sweep(host, state_directory, std::move(asked));
    for (const undo::Outcome& outcome : swept.undone) report.swept.push_back(to_wire(outcome));
    report.others = std::move(swept.others);
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
  const auto alias = undo::alias_of(host, state_directory);
  auto marks = alias.has_value() ? undo::marks_on(host, alias.value())
                                 : Result<std::vector<undo::Mark>>(Error(alias.error()));
  auto journals = find_journals(host, state_directory);
  if (journals.has_error()) {
    // Without root nobody can look; a run needs root anyway and looks then.
    if (journals.error().code() == Code::denied) return report;
    report.dirty.push_back(unlisted(journals.error()));
    return report;
  }
  std::set<std::string> known;
  for (const FoundJournal& journal : journals.value()) {
    JournalStatus one;
    one.token = journal.token;
    one.run = journal.run();
    one.live = !journal.dead();
    one.problems = journal.scan.problems;
    for (const journal::Record& record : journal.scan.records) {
      known.insert(record.intent.mark);
      LiveStep step;
      step.step = record.intent.step;
      step.name = record.intent.name;
      step.fault = record.intent.fault;
      step.live = one.live;
      one.steps.push_back(std::move(step));
    }
    report.journals.push_back(std::move(one));
  }
  report.dirty = left_by_the_dead(journals.value());
  if (marks.has_error()) {
    if (marks.error().code() != Code::denied) report.dirty.push_back(marks.error().message());
    return report;
  }
  // A journal that could not be read may name any of them; that it could not is said above.
  const auto in_use = marks_in_use(journals.value());
  for (const undo::Mark& mark : marks.value()) {
    if (known.contains(mark.name) || !mark.kept.empty() || in_use.has_error()) continue;
    report.orphans.push_back(mark.name);
    report.dirty.push_back(mark.name + " bears ordeal's mark and belongs to no run");
  }
  return report;
}

}  // namespace ordeal::executor
