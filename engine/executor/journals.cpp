#include "engine/executor/journals.hpp"

#include "engine/executor/paths.hpp"
#include "engine/fault/claims.hpp"

namespace ordeal::executor {
namespace {

FoundJournal look_at(const os::Host& host, const std::string& state, const std::string& token) {
  FoundJournal found;
  found.token = token;
  found.path = journal_path(state, token);
  const auto holder = host.files().holder(found.path);
  if (holder.has_value()) {
    found.holder = holder.value();
  } else if (holder.error().code() != Code::gone) {
    found.unknown = holder.error().message();
  }
  auto bytes = host.files().read_durable(found.path);
  if (bytes.has_error() && bytes.error().code() == Code::gone) {
    found.holder = os::Holder::nobody;  // its run has just ended cleanly
    return found;
  }
  if (bytes.has_error()) found.unknown = bytes.error().message();
  if (bytes.has_value()) {
    found.scan = journal::scan(bytes.value());
    const auto applies = keep_what_applies(found.scan, host.processes());
    if (applies.has_error()) found.unknown = applies.error().message();
  }
  if (!found.unknown.empty()) found.holder.reset();
  return found;
}

}  // namespace

Result<void> keep_what_applies(journal::Scan& scan, const os::Processes& processes) {
  TRY(const auto machine, within("tell which machine this is", processes.machine_id()));
  TRY(const auto boot, within("tell which boot this is", processes.boot_id()));
  journal::keep_what_applies(scan, machine, boot);
  return ok();
}

Result<std::vector<FoundJournal>> find_journals(const os::Host& host,
                                                const std::string& state_directory,
                                                const std::string& own) {
  std::vector<FoundJournal> out;
  auto names = host.files().list(journal_directory(state_directory));
  if (names.has_error() && names.error().code() == Code::gone) return out;
  if (names.has_error()) return std::move(names.error());
  for (const std::string& name : names.value()) {
    if (name == own || Token::parse(name).has_error()) continue;
    FoundJournal found = look_at(host, state_directory, name);
    // One that disappeared between the listing and now ended cleanly.
    if (!host.files().exists(found.path)) continue;
    out.push_back(std::move(found));
  }
  return out;
}

Result<std::set<std::string>> marks_in_use(const std::vector<FoundJournal>& journals) {
  std::set<std::string> marks;
  for (const FoundJournal& journal : journals) {
    if (!journal.holder) {
      return Error(Code::failed, fmt::format("the journal {}: {}", journal.path, journal.unknown));
    }
    if (journal.dead()) continue;
    if (!journal.scan.problems.empty()) {
      return Error(Code::failed, fmt::format("the journal {} of a live run: {}", journal.path,
                                             journal.scan.problems.front()));
    }
    for (const journal::Record& record : journal.scan.records) marks.insert(record.intent.mark);
  }
  return marks;
}

Result<std::set<std::string>> marks_in_use(const os::Host& host, const std::string& state_directory,
                                           const std::string& own) {
  TRY(const auto journals, within("list the live runs", find_journals(host, state_directory, own)));
  return marks_in_use(journals);
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
    if (!journal.holder) {
      out.push_back(fmt::format("the journal {} may be that of a live run: {}", journal.path,
                                journal.unknown));
    }
    if (!journal.dead()) continue;
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
