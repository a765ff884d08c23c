// History: one SQLite file with a line for each run, beside the folder that holds all the rest.
//
//   STATE/history.db
//   STATE/runs/RUN/events.jsonl      the run itself; everything else can be made from it again
//   STATE/runs/RUN/report.html       report.json, experiment.yaml (the effective file)
//
// History is a convenience: whoever writes it reports a failure and goes on. It is private to its
// owner (files 0600).
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/report/report.hpp"
#include "engine/store/database.hpp"

namespace ordeal::store {

struct RunRecord {
  std::string run;
  std::string name;
  std::string file;
  std::string mode;  // "run", "baseline-only", "control"
  WallTime started{};
  Duration length{};
  int exit = -1;          // -1: the events end before the run does
  std::string exit_name;  // "upheld", ...; "unfinished" with -1
  std::string hypothesis;
  std::string host;
  std::string service;
  std::string reason;
  std::string seed;
  std::string user;
  std::string folder;  // of its files
};

class Store {
 public:
  // Opens or creates the file (0600) and brings an older one to this version. Errors: denied; not a
  // database; written by a newer version.
  static Result<Store> open(const std::string& path);

  // Adds the run, or replaces what is stored of it. Waits for another writer for up to 2 s.
  Result<void> add(const report::Report& report, const std::string& folder);
  // Newest first; at most `limit`.
  Result<std::vector<RunRecord>> list(std::int64_t limit) const;
  // The ids of all runs.
  Result<std::set<std::string>> ids() const;
  // "last", a whole id, or the beginning of exactly one id. Errors: gone (none), invalid (several).
  Result<RunRecord> find(std::string_view which) const;

 private:
  explicit Store(Database database) : database_(std::move(database)) {}

  Database database_;
};

std::string database_path(const std::string& state);
std::string run_folder(const std::string& state, std::string_view run);

// Folds a stored events.jsonl into its report again. A last line that was cut short by a crash is
// left out. Errors: no such file; a broken line, with its number.
Result<report::Report> replay(const std::string& path);

}  // namespace ordeal::store
