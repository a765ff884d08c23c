// The journals on this host: whose are alive, what they claim, what the dead ones left.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/journal/record.hpp"
#include "engine/os/host.hpp"

namespace ordeal::executor {

struct FoundJournal {
  std::string token;
  std::string path;
  // Empty: nobody could tell, and `unknown` says why. It may be a live run's: it is left alone.
  std::optional<os::Holder> holder;
  std::string unknown;
  journal::Scan scan;  // only what applies here and now

  bool live() const { return holder == os::Holder::owner; }
  // Nobody holds it: what it records is for `ordeal recover`.
  bool dead() const { return holder == os::Holder::nobody; }
  std::string run() const { return scan.header ? scan.header->run : "unknown run"; }
  // Nothing in it is left to do, and nothing in it is doubtful.
  bool finished() const { return scan.records.empty() && scan.problems.empty(); }
};

// All but `own`. A directory that is not there holds none. Takes no lock.
Result<std::vector<FoundJournal>> find_journals(const os::Host& host,
                                                const std::string& state_directory,
                                                const std::string& own = "");

// Marks of everything that live runs may have made, and that whoever recovers is undoing. Error:
// nobody knows them all, because a journal could not be read or asked whose it is.
Result<std::set<std::string>> marks_in_use(const std::vector<FoundJournal>& journals);
Result<std::set<std::string>> marks_in_use(const os::Host& host, const std::string& state_directory,
                                           const std::string& own = "");

// The records of a journal that are for here and now. Error: which boot or machine this is cannot
// be told, and nothing has been taken out.
Result<void> keep_what_applies(journal::Scan& scan, const os::Processes& processes);

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
