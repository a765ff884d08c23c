#include "engine/executor/journals.hpp"

#include "engine/executor/paths.hpp"
#include "engine/fault/claims.hpp"

namespace ordeal::executor {
namespace {

FoundJournal look_at(os::Host& host, const std::string& state, const std::string& token) {
  FoundJournal found;
  found.token = token;
  found.path = journal_path(state, token);
  auto opened = host.files().open_durable(found.path);
  if (opened.has_value()) {
    found.file = std::move(opened.value());
  } else if (opened.error().code() == Code::busy) {
    found.live = true;
  } else if (opened.error().code() != Code::denied) {
    found.scan.problems.push_back(opened.error().message());
  }
  auto bytes = host.files().read_durable(found.path);
  if (bytes.has_error()) {
    if (bytes.error().code() != Code::gone) found.scan.problems.push_back(bytes.error().message());
    return found;
  }
  found.scan = journal::scan(bytes.value());
  journal::keep_what_applies(found.scan, host.processes().machine_id(), host.processes().boot_id());
  return found;
}

}  // namespace

Result<std::vector<FoundJournal>> find_journals(os::Host& host, const std::string& state_directory,
                                                const std::string& own) {
  std::vector<FoundJournal> out;
  auto names = host.files().list(journal_directory(state_directory));
  if (names.has_error() && names.error().code() == Code::gone) return out;
  if (names.has_error()) return std::move(names.error());
  for (const std::string& name : names.value()) {
    if (name == own || Token::parse(name).has_error()) continue;
    FoundJournal found = look_at(host, state_directory, name);
    // One that disappeared between the listing and now ended cleanly.
    if (!found.live && !found.file && !host.files().exists(found.path)) continue;
    out.push_back(std::move(found));
  }
  return out;
}

std::set<std::string> live_marks(const std::vector<FoundJournal>& journals) {
  std::set<std::string> marks;
  for (const FoundJournal& journal : journals) {
    if (!journal.live) continue;
    for (const journal::Record& record : journal.scan.records) marks.insert(record.intent.mark);
  }
  return marks;
}

std::set<std::string> live_marks(os::Host& host, const std::string& state_directory,
                                 const std::string& own) {
  const auto journals = find_journals(host, state_directory, own);
  if (journals.has_error()) return {};
  return live_marks(journals.value());
}

Result<void> check_claims(const std::vector<FoundJournal>& journals,
                          const std::vector<model::Claim>& claims) {
  const std::vector<std::string> left = left_by_the_dead(journals);
  if (!left.empty()) {
    return Error(Code::refused, fmt::format("this host is not clean: {}; run `ordeal recover` "
                                            "first",
                                            left.front()));
  }
  return check_against_runs(journals, claims);
}

Result<void> check_against_runs(const std::vector<FoundJournal>& journals,
                                const std::vector<model::Claim>& claims) {
  for (const FoundJournal& journal : journals) {
    for (const journal::Record& record : journal.scan.records) {
      for (const model::Claim& theirs : record.intent.claims) {
        for (const model::Claim& mine : claims) {
          if (!fault::conflicts(mine, theirs)) continue;
          return Error(Code::refused, fmt::format("{} {} is taken by step {} ({}) of run {}",
                                                  theirs.kind, theirs.key, record.intent.step,
                                                  record.intent.fault, journal.run()));
        }
      }
    }
  }
  return ok();
}

std::vector<std::string> left_by_the_dead(const std::vector<FoundJournal>& journals) {
  std::vector<std::string> out;
  for (const FoundJournal& journal : journals) {
    if (journal.live) continue;
    for (const journal::Record& record : journal.scan.records) {
      const std::string& name = record.intent.name;
      out.push_back(fmt::format("step {} ({}) of run {} is not undone",
                                name.empty() ? record.intent.step : name, record.intent.fault,
                                journal.run()));
    }
    for (const std::string& problem : journal.scan.problems) {
      out.push_back(fmt::format("the journal {}: {}", journal.path, problem));
    }
  }
  return out;
}

}  // namespace ordeal::executor
