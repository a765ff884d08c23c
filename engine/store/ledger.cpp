#include "engine/store/ledger.hpp"

#include <array>

#include "engine/store/sqlite.hpp"

namespace ordeal::store {
namespace {

constexpr int kVersion = 1;

constexpr const char* kCreate = R"sql(
CREATE TABLE firing (
  schedule TEXT NOT NULL, due_us INTEGER NOT NULL, state TEXT NOT NULL,
  experiment TEXT NOT NULL, leashed INTEGER NOT NULL, reason TEXT NOT NULL,
  decided_us INTEGER NOT NULL, ended_us INTEGER NOT NULL,
  run TEXT NOT NULL, exit INTEGER NOT NULL, exit_name TEXT NOT NULL,
  PRIMARY KEY (schedule, due_us)
) STRICT;
CREATE INDEX firing_by_due ON firing (due_us DESC, schedule);
CREATE INDEX firing_by_state ON firing (state);
CREATE TABLE progress (schedule TEXT PRIMARY KEY, decided_us INTEGER NOT NULL) STRICT;
CREATE TABLE resume (number INTEGER PRIMARY KEY, schedule TEXT NOT NULL, at_us INTEGER NOT NULL)
  STRICT;
)sql";

constexpr const char* kColumns =
    "schedule, due_us, state, experiment, leashed, reason, decided_us, ended_us, run, exit, "
    "exit_name";

constexpr std::array<std::pair<FiringState, const char*>, 6> kStates = {{
    {FiringState::waiting, "waiting"},
    {FiringState::starting, "starting"},
    {FiringState::running, "running"},
    {FiringState::ended, "ended"},
    {FiringState::skipped, "skipped"},
    {FiringState::missed, "missed"},
}};

std::int64_t number(WallTime time) { return time.time_since_epoch().count(); }

void bind(Statement& statement, const Firing& firing) {
  statement.bind(firing.schedule);
  statement.bind(number(firing.due));
  statement.bind(to_string(firing.state));
  statement.bind(firing.experiment);
  statement.bind(std::int64_t{firing.leashed});
  statement.bind(firing.reason);
  statement.bind(number(firing.decided));
  statement.bind(number(firing.ended));
  statement.bind(firing.run);
  statement.bind(std::int64_t{firing.exit});
  statement.bind(firing.exit_name);
}

Firing firing_of(const Statement& row) {
  Firing out;
  out.schedule = row.text(0);
  out.due = WallTime(Duration(row.number(1)));
  for (const auto& [state, word] : kStates) {
    if (row.text(2) == word) out.state = state;
  }
  out.experiment = row.text(3);
  out.leashed = row.number(4) != 0;
  out.reason = row.text(5);
  out.decided = WallTime(Duration(row.number(6)));
  out.ended = WallTime(Duration(row.number(7)));
  out.run = row.text(8);
  out.exit = static_cast<int>(row.number(9));
  out.exit_name = row.text(10);
  return out;
}

Result<std::vector<Firing>> firings_of(Statement& rows) {
  std::vector<Firing> out;
  for (;;) {
    TRY(const bool row, rows.step());
    if (!row) return out;
    out.push_back(firing_of(rows));
  }
}

}  // namespace

std::string to_string(FiringState state) {
  for (const auto& [known, word] : kStates) {
    if (known == state) return word;
  }
  return {};
}

std::string ledger_path(const std::string& state) { return state + "/schedule.db"; }

Result<Ledger> Ledger::open(const std::string& path) {
  const Schema schema{kVersion, kCreate, "PRAGMA synchronous = FULL"};
  TRY(auto database, open_database(path, schema));
  return Ledger(std::move(database));
}

Result<std::vector<bool>> Ledger::write(const std::vector<Firing>& firings,
                                        const std::map<std::string, WallTime>& decided) {
  std::vector<bool> taken;
  for (const Firing& firing : firings) {
    Statement insert(database_.get(),
                     fmt::format("INSERT INTO firing ({}) VALUES (?,?,?,?,?,?,?,?,?,?,?) "
                                 "ON CONFLICT (schedule, due_us) DO UPDATE SET "
                                 "state = excluded.state, reason = excluded.reason, "
                                 "decided_us = excluded.decided_us, leashed = excluded.leashed "
                                 "WHERE firing.state = 'waiting'",
                                 kColumns));
    bind(insert, firing);
    CHECK_OK(insert.run());
    taken.push_back(sqlite3_changes(database_.get()) > 0);
  }
  for (const auto& [schedule, when] : decided) {
    Statement progress(database_.get(), "INSERT OR REPLACE INTO progress VALUES (?,?)");
    progress.bind(schedule);
    progress.bind(number(when));
    CHECK_OK(progress.run());
  }
  return taken;
}

Result<std::vector<bool>> Ledger::decide(const std::vector<Firing>& firings,
                                         const std::map<std::string, WallTime>& decided) {
  CHECK_OK(execute(database_.get(), "BEGIN IMMEDIATE"));
  auto taken = write(firings, decided);
  if (taken.has_value()) {
    const auto committed = execute(database_.get(), "COMMIT");
    if (committed.has_value()) return taken;
    taken = committed.error();
  }
  ignore(execute(database_.get(), "ROLLBACK"), "the first error is the one to tell");
  return taken;
}

Result<void> Ledger::update(const Firing& firing) {
  Statement replace(
      database_.get(),
      fmt::format("INSERT OR REPLACE INTO firing ({}) VALUES (?,?,?,?,?,?,?,?,?,?,?)", kColumns));
  bind(replace, firing);
  return replace.run();
}

Result<std::vector<Firing>> Ledger::unfinished() const {
  Statement rows(database_.get(),
                 fmt::format("SELECT {} FROM firing WHERE state IN ('waiting', 'starting', "
                             "'running') ORDER BY due_us, schedule",
                             kColumns));
  return firings_of(rows);
}

std::optional<WallTime> Ledger::decided(const std::string& schedule) const {
  Statement row(database_.get(), "SELECT decided_us FROM progress WHERE schedule = ?");
  row.bind(schedule);
  const auto found = row.step();
  if (found.has_error() || !found.value()) return std::nullopt;
  return WallTime(Duration(row.number(0)));
}

Result<std::map<std::string, int>> Ledger::ends(const std::string& schedule) const {
  Statement rows(database_.get(),
                 "SELECT exit_name, count(*) FROM firing WHERE schedule = ?1 AND state = 'ended' "
                 "AND ended_us > coalesce((SELECT max(at_us) FROM resume WHERE schedule = ?1), 0) "
                 "GROUP BY exit_name");
  rows.bind(schedule);
  std::map<std::string, int> out;
  for (;;) {
    TRY(const bool row, rows.step());
    if (!row) return out;
    out[rows.text(0)] = static_cast<int>(rows.number(1));
  }
}

Result<void> Ledger::resume(const std::string& schedule, WallTime when) {
  Statement insert(database_.get(), "INSERT INTO resume (schedule, at_us) VALUES (?,?)");
  insert.bind(schedule);
  insert.bind(number(when));
  return insert.run();
}

std::int64_t Ledger::resumes() const {
  Statement row(database_.get(), "SELECT coalesce(max(number), 0) FROM resume");
  const auto found = row.step();
  return found.has_value() && found.value() ? row.number(0) : 0;
}

Result<std::vector<Firing>> Ledger::list(std::int64_t limit) const {
  Statement rows(
      database_.get(),
      fmt::format("SELECT {} FROM firing ORDER BY due_us DESC, schedule LIMIT ?", kColumns));
  rows.bind(std::max<std::int64_t>(limit, 0));
  return firings_of(rows);
}

}  // namespace ordeal::store
