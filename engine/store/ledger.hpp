// What became of every firing of every schedule: the memory of `ordeal serve`, on disk before it
// acts (synchronous = FULL: also across a power cut).
//
//   STATE/schedule.db
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/base/units.hpp"
#include "engine/store/database.hpp"

namespace ordeal::store {

// skipped, missed and ended are final.
enum class FiringState { waiting, starting, running, ended, skipped, missed };
std::string to_string(FiringState state);

// Named by its schedule and the time at which it was due: of these there is one record.
struct Firing {
  std::string schedule;
  WallTime due{};
  FiringState state = FiringState::waiting;
  std::string experiment;  // the file
  bool leashed = false;    // a plan
  std::string reason;
  WallTime decided{};
  WallTime ended{};
  std::string run;        // its id, when it is known
  int exit = -1;          // -1: none is known
  std::string exit_name;  // "upheld", ...; "planned"; "unfinished": its end was not seen
};

class Ledger {
 public:
  // Errors: denied; not a database; written by a newer version.
  static Result<Ledger> open(const std::string& path);

  // In one transaction: what was decided, and up to when each schedule is decided. Of a firing that
  // has a record only the way from waiting goes on. The answer says for each whether it was taken:
  // what was not, was decided before and must not be acted on.
  Result<std::vector<bool>> decide(const std::vector<Firing>& firings,
                                   const std::map<std::string, WallTime>& decided);
  // Replaces the record of this firing.
  Result<void> update(const Firing& firing);

  // Waiting, starting or running, by due.
  Result<std::vector<Firing>> unfinished() const;
  std::optional<WallTime> decided(const std::string& schedule) const;
  // Names of ends since the schedule was resumed, with their numbers.
  Result<std::map<std::string, int>> ends(const std::string& schedule) const;
  Result<void> resume(const std::string& schedule, WallTime when);
  // Grows with every resume.
  std::int64_t resumes() const;
  // Newest first.
  Result<std::vector<Firing>> list(std::int64_t limit) const;

 private:
  explicit Ledger(Database database) : database_(std::move(database)) {}
  Result<std::vector<bool>> write(const std::vector<Firing>& firings,
                                  const std::map<std::string, WallTime>& decided);

  Database database_;
};

std::string ledger_path(const std::string& state);

}  // namespace ordeal::store
