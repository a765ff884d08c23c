#include "engine/store/store.hpp"

#include <filesystem>
#include <fstream>

#include <sqlite3.h>

namespace ordeal::store {
namespace {

constexpr int kVersion = 1;  // of the tables; in the file's user_version
constexpr int kBusyMilliseconds = 2000;

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

Error failure(sqlite3* database, std::string_view what) {
  const int code = sqlite3_errcode(database);
  const Code kind = code == SQLITE_BUSY || code == SQLITE_LOCKED ? Code::busy
                    : code == SQLITE_READONLY || code == SQLITE_AUTH || code == SQLITE_PERM
                        ? Code::denied
                        : Code::failed;
  return Error(kind, fmt::format("{}: {}", what, sqlite3_errmsg(database)));
}

// One prepared statement, with its values bound.
class Statement {
 public:
  Statement(sqlite3* database, const std::string& sql) : database_(database) {
    good_ = sqlite3_prepare_v2(database, sql.c_str(), -1, &statement_, nullptr) == SQLITE_OK;
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  void bind(const std::string& text) {
    if (!good_) return;
    good_ = sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()),
                              SQLITE_TRANSIENT) == SQLITE_OK;
  }
  void bind(std::int64_t number) {
    if (good_) good_ = sqlite3_bind_int64(statement_, ++bound_, number) == SQLITE_OK;
  }
  // True: a row is there; false: done.
  Result<bool> step() {
    const int code = good_ ? sqlite3_step(statement_) : SQLITE_ERROR;
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return failure(database_, "history");
  }
  std::string text(int column) const {
    const auto* bytes = sqlite3_column_text(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return bytes == nullptr
               ? std::string()
               : std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  bool good_ = false;
  int bound_ = 0;
};

Result<void> execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return ok();
  return failure(database, "history");
}

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

// The statement must be gone when this returns: an open read keeps others from writing.
Result<std::int64_t> version_of(sqlite3* database) {
  Statement version(database, "PRAGMA user_version");
  TRY(const bool found, version.step());
  return found ? version.number(0) : 0;
}

Result<void> prepare_tables(sqlite3* database) {
  TRY(const std::int64_t is, version_of(database));
  if (is == kVersion) return ok();
  if (is > kVersion) {
    return Error(
        Code::unsupported,
        fmt::format("history was written by a newer ordeal (version {}, this one reads {})", is,
                    kVersion));
  }
  // Two first runs at once: the second finds the table of the first.
  CHECK_OK(execute(database, "BEGIN IMMEDIATE"));
  TRY(const std::int64_t now, version_of(database));
  if (now == kVersion) return execute(database, "COMMIT");
  auto made = execute(database, kCreate);
  if (made.has_value()) {
    made = execute(database, fmt::format("PRAGMA user_version = {}", kVersion).c_str());
  }
  if (made.has_value()) return execute(database, "COMMIT");
  ignore(execute(database, "ROLLBACK"), "the first error is the one to tell");
  return made;
}

template <class E>
std::string word(E value) {
  return boost::describe::enum_to_string(value, "?");
}

}  // namespace

void Store::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

Result<Store> Store::open(const std::string& path) {
  std::error_code problem;
  if (!std::filesystem::exists(path, problem)) {
    // Made empty and private before anything is in it: SQLite gives its other files the same mode.
    std::ofstream created(path, std::ios::app);
    if (!created) return Error::system(errno, "create " + path);
    using std::filesystem::perms;
    std::filesystem::permissions(path, perms::owner_read | perms::owner_write, problem);
    if (problem) return Error(Code::denied, "protect " + path + ": " + problem.message());
  }
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) {
    if (raw == nullptr) return Error(Code::failed, "open " + path + ": out of memory");
    return failure(raw, "open " + path);
  }
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  // The mode stays with the file. Busy here (SQLite does not wait for this one) means that another
  // process is just setting it; both modes work for us.
  const auto mode = execute(raw, "PRAGMA journal_mode = WAL");
  if (mode.has_error() && mode.error().code() != Code::busy) return within(path, mode).error();
  CHECK_OK(within(path, execute(raw, "PRAGMA synchronous = NORMAL")));
  CHECK_OK(within(path, prepare_tables(raw)));
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
