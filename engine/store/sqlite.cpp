#include "engine/store/sqlite.hpp"

#include <filesystem>
#include <fstream>

namespace ordeal::store {
namespace {

constexpr int kBusyMilliseconds = 2000;

// The statement must be gone when this returns: an open read keeps others from writing.
Result<std::int64_t> version_of(sqlite3* database) {
  Statement version(database, "PRAGMA user_version");
  TRY(const bool found, version.step());
  return found ? version.number(0) : 0;
}

Result<void> prepare_tables(sqlite3* database, const Schema& schema) {
  TRY(const std::int64_t is, version_of(database));
  if (is == schema.version) return ok();
  if (is > schema.version) {
    return Error(Code::unsupported,
                 fmt::format("it was written by a newer ordeal (version {}, this one reads {})", is,
                             schema.version));
  }
  // Two first runs at once: the second finds the table of the first.
  CHECK_OK(execute(database, "BEGIN IMMEDIATE"));
  TRY(const std::int64_t now, version_of(database));
  if (now == schema.version) return execute(database, "COMMIT");
  auto made = execute(database, schema.create);
  if (made.has_value()) {
    made = execute(database, fmt::format("PRAGMA user_version = {}", schema.version).c_str());
  }
  if (made.has_value()) return execute(database, "COMMIT");
  ignore(execute(database, "ROLLBACK"), "the first error is the one to tell");
  return made;
}

}  // namespace

Error failure(sqlite3* database, std::string_view what) {
  const int code = sqlite3_errcode(database);
  const Code kind = code == SQLITE_BUSY || code == SQLITE_LOCKED ? Code::busy
                    : code == SQLITE_READONLY || code == SQLITE_AUTH || code == SQLITE_PERM
                        ? Code::denied
                        : Code::failed;
  return Error(kind, fmt::format("{}: {}", what, sqlite3_errmsg(database)));
}

Result<void> execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return ok();
  return failure(database, "history");
}

void CloseDatabase::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<Database> open_database(const std::string& path, const Schema& schema) {
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
  CHECK_OK(within(path, execute(raw, schema.durability)));
  CHECK_OK(within(path, prepare_tables(raw, schema)));
  return database;
}

}  // namespace ordeal::store
