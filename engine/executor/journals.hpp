// The journals on this host: whose are alive, what they claim, what the dead ones left.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/journal/record.hpp"
#include "engine/os/host.hpp"

namespace ordeal::executor {

struct FoundJournal {
  std::string token;
  std::string path;
  bool live = false;   // somebody holds its lock
  journal::Scan scan;  // only what applies here and now
  // Its lock, when it is not live: nobody else recovers it meanwhile.
  std::unique_ptr<os::DurableFile> file;

  std::string run() const { return scan.header ? scan.header->run : "unknown run"; }
  // Nothing in it is left to do, and nothing in it is doubtful.
  bool finished() const { return scan.records.empty() && scan.problems.empty(); }
};

// All but `own`. A directory that is not there holds none.
Result<std::vector<FoundJournal>> find_journals(os::Host& host, const std::string& state_directory,
                                                const std::string& own = "");

// Marks of everything that live runs may have made.
std::set<std::string> live_marks(const std::vector<FoundJournal>& journals);
std::set<std::string> live_marks(os::Host& host, const std::string& state_directory,
                                 const std::string& own = "");

// Code::refused when another live run holds one of the claims, naming run and step; when a dead run
// left something on this host.
Result<void> check_claims(const std::vector<FoundJournal>& journals,
                          const std::vector<model::Claim>& claims);
// Without asking whether the host is clean: before anything is injected that is said once.
Result<void> check_against_runs(const std::vector<FoundJournal>& journals,
                                const std::vector<model::Claim>& claims);

// "method.0 network.delay of run r-1121-0140-7f3a": what dead runs left.
std::vector<std::string> left_by_the_dead(const std::vector<FoundJournal>& journals);

}  // namespace ordeal::executor
