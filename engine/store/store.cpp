#include "engine/store/store.hpp"

#include "engine/store/sqlite.hpp"

namespace ordeal::store {
namespace {

constexpr int kVersion = 1;  // of the tables; in the file's user_version

constexpr const char* kCreate = R"sql(
CREATE TABLE run (
  run TEXT PRIMARY KEY,
  name TEXT NOT NULL, file TEXT NOT NULL, mode TEXT NOT NULL,
  started_us INTEGER NOT NULL, length_us INTEGER NOT NULL,
  exit INTEGER NOT NULL, exit_name TEXT NOT NULL,
  hypothesis TEXT NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL,
  reason TEXT NOT NULL, seed TEXT NOT NULL, user TEXT NOT NULL, folder TEXT NOT NULL
) STRICT;
CREATE INDEX run_by_start ON run (started_us DESC, run DESC);
)sql";

constexpr const char* kColumns =
    "run, name, file, mode, started_us, length_us, exit, exit_name, hypothesis, host, service, "
    "reason, seed, user, folder";

RunRecord record_of(const Statement& row) {
  RunRecord out;
  out.run = row.text(0);
  out.name = row.text(1);
  out.file = row.text(2);
  out.mode = row.text(3);
  out.started = WallTime(Duration(row.number(4)));
  out.length = Duration(row.number(5));
  out.exit = static_cast<int>(row.number(6));
  out.exit_name = row.text(7);
  out.hypothesis = row.text(8);
  out.host = row.text(9);
  out.service = row.text(10);
  out.reason = row.text(11);
  out.seed = row.text(12);
  out.user = row.text(13);
  out.folder = row.text(14);
  return out;
}

template <class E>
std::string word(E value) {
  return boost::describe::enum_to_string(value, "?");
}

}  // namespace

Result<Store> Store::open(const std::string& path) {
  const Schema schema{kVersion, kCreate, "PRAGMA synchronous = NORMAL"};
  TRY(auto database, open_database(path, schema));
  return Store(std::move(database));
}

Result<void> Store::add(const report::Report& report, const std::string& folder) {
  const model::RunStarted& about = report.about;
  const model::Verdict verdict = report.verdict.value_or(model::Verdict{});
  const bool ended = report.verdict.has_value();
  Statement insert(database_.get(), fmt::format("INSERT OR REPLACE INTO run ({}) VALUES "
                                                "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                                                kColumns));
  insert.bind(about.run);
  insert.bind(about.name);
  insert.bind(about.file);
  insert.bind(about.mode);
  insert.bind(about.wall.time_since_epoch().count());
  insert.bind(report.length().count());
  insert.bind(ended ? verdict.exit : -1);
  insert.bind(ended ? verdict.exit_name : std::string("unfinished"));
  insert.bind(word(verdict.hypothesis));
  insert.bind(word(verdict.host));
  insert.bind(word(verdict.service));
  insert.bind(verdict.reason);
  insert.bind(about.seed);
  insert.bind(about.user);
  insert.bind(folder);
  TRY(const bool row, insert.step());
  (void)row;  // an INSERT has none
  return ok();
}

Result<std::vector<RunRecord>> Store::list(std::int64_t limit) const {
  Statement rows(
      database_.get(),
      fmt::format("SELECT {} FROM run ORDER BY started_us DESC, run DESC LIMIT ?", kColumns));
  rows.bind(std::max<std::int64_t>(limit, 0));
  std::vector<RunRecord> out;
  for (;;) {
    TRY(const bool row, rows.step());
    if (!row) return out;
    out.push_back(record_of(rows));
  }
}

Result<std::set<std::string>> Store::ids() const {
  Statement rows(database_.get(), "SELECT run FROM run");
  std::set<std::string> out;
  for (;;) {
    TRY(const bool row, rows.step());
    if (!row) return out;
    out.insert(rows.text(0));
  }
}

Result<RunRecord> Store::find(std::string_view which) const {
  if (which == "last") {
    TRY(auto newest, list(1));
    if (newest.empty()) return Error(Code::gone, "there is no run in the history yet");
    return std::move(newest.front());
  }
  if (which.empty()) return Error(Code::invalid, "an empty run id");
  // substr, not LIKE: an id may hold no pattern, and what is typed may hold one.
  Statement rows(database_.get(),
                 fmt::format("SELECT {} FROM run WHERE substr(run, 1, length(?1)) = ?1 "
                             "ORDER BY run = ?1 DESC, started_us DESC LIMIT 2",
                             kColumns));
  rows.bind(std::string(which));
  std::vector<RunRecord> found;
  for (;;) {
    TRY(const bool row, rows.step());
    if (!row) break;
    found.push_back(record_of(rows));
  }
  if (found.empty()) {
    return Error(Code::gone, fmt::format("no run '{}' in the history: see `ordeal runs`", which));
  }
  if (found.size() > 1 && found.front().run != which) {
    return Error(Code::invalid, fmt::format("'{}' is the beginning of several runs: {} and {}",
                                            which, found[0].run, found[1].run));
  }
  return std::move(found.front());
}

}  // namespace ordeal::store
