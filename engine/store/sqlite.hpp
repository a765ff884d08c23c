// What the databases of this folder share: opening, and one statement at a time.
#pragma once

#include <memory>
#include <string>

#include <sqlite3.h>

#include "engine/base/result.hpp"
#include "engine/store/database.hpp"

namespace ordeal::store {

// The last error of the database; Code::busy when another writer holds it.
Error failure(sqlite3* database, std::string_view what);
Result<void> execute(sqlite3* database, const char* sql);

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
  // Of a statement without rows: runs it to its end.
  Result<void> run() {
    TRY(const bool row, step());
    (void)row;
    return ok();
  }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  bool good_ = false;
  int bound_ = 0;
};

struct Schema {
  int version;             // in the file's user_version
  const char* create;      // the tables of that version
  const char* durability;  // "PRAGMA synchronous = ..."
};
// Opens or creates the file (0600) with its tables. Errors: denied; not a database; written by a
// newer version.
Result<Database> open_database(const std::string& path, const Schema& schema);

}  // namespace ordeal::store
