// May this step do what it does? Asked of what its changes touch, told by their kinds alone.
#include <algorithm>

#include "engine/base/text.hpp"
#include "engine/executor/policy.hpp"
#include "engine/fault/protected.hpp"
#include "engine/fault/resolve.hpp"
#include "engine/model/touch.hpp"
#include "engine/os/select.hpp"

namespace ordeal::executor {
namespace {

Error refused(std::string text) { return Error(Code::refused, std::move(text)); }

bool any_matches(const std::vector<std::string>& patterns, const std::string& text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return os::glob_matches(pattern, text); });
}

bool lies_below(const std::string& path, const std::string& top) {
  return path == top || path.starts_with(top.ends_with('/') ? top : top + "/");
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == at)
      out.emplace_back();
    else
      out.back() += c;
  }
  std::erase(out, "");
  return out;
}

// ---- programs

// An entry of one word allows any arguments; with more words, these and no others.
bool entry_allows(const std::string& entry, const std::vector<std::string>& argv) {
  const std::vector<std::string> words = split(entry, ' ');
  if (words.empty() || (words.size() > 1 && words.size() != argv.size())) return false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!os::glob_matches(words[i], argv[i])) return false;
  }
  return true;
}

Result<void> check_program(const Policy& policy, const std::vector<std::string>& argv,
                           bool only_looks) {
  const std::string program = argv.empty() ? "" : argv.front();
  // Else "/usr/bin/../../tmp/x" would be matched by "/usr/bin/*".
  if (!is_plain_path(program) || program == "/") {
    return Error(Code::invalid, fmt::format("'{}' is not the plain absolute path of a program",
                                            printable(program, 200)));
  }
  // The kernel would run what stands before it.
  for (const std::string& word : argv) {
    if (word.find('\0') != word.npos) return Error(Code::invalid, "an argument with a NUL in it");
  }
  const auto allows = [&](const std::string& entry) { return entry_allows(entry, argv); };
  if (policy.any_program || std::any_of(policy.run.begin(), policy.run.end(), allows)) return ok();
  if (only_looks && std::any_of(policy.where.begin(), policy.where.end(), allows)) return ok();
  return refused(
      fmt::format("the policy of this host does not allow to run {}; it would be named "
                  "under `{}`",
                  printable(join(argv, " "), 200), only_looks ? "where" : "run"));
}

// ---- units, cgroups, processes

bool unit_is_protected(const Policy& policy, const std::string& unit) {
  return any_matches(policy.protect_units, unit);
}

// Of a unit the policy protects all, also what lives in cgroups and scopes below it.
bool cgroup_is_protected(const Policy& policy, const std::string& cgroup) {
  const std::vector<std::string> names = split(cgroup, '/');
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return unit_is_protected(policy, name); });
}

Result<void> check_unit(const Policy& policy, const std::string& unit) {
  const std::string why = fault::unit_protected_because(unit);
  if (!why.empty()) return refused(fmt::format("{} is not touched: {}", printable(unit, 80), why));
  if (!unit_is_protected(policy, unit)) return ok();
  return refused(fmt::format("the policy of this host protects {}", printable(unit, 80)));
}

bool is_in(const model::ProcessInfo& process, const std::string& cgroup) {
  return lies_below(process.cgroup, cgroup);
}

// A helper that lives in a unit's cgroup takes what the unit would have, and what the units below.
Result<void> check_entered(const Policy& policy, const std::string& cgroup, const os::Host& host) {
  CHECK_OK(check_unit(policy, fault::unit_of_cgroup(cgroup)));
  const auto protects = [&] {
    return refused(fmt::format("the policy of this host protects {}", printable(cgroup, 80)));
  };
  if (cgroup_is_protected(policy, cgroup)) return protects();
  TRY(const auto processes, within("list processes", host.processes().list()));
  for (const model::ProcessInfo& process : processes) {
    if (!is_in(process, cgroup)) continue;
    CHECK_OK(check_unit(policy, process.unit));
    if (cgroup_is_protected(policy, process.cgroup)) return protects();
  }
  return ok();
}

Result<void> check_process(const Policy& policy, const model::ProcessInfo& process,
                           const os::Host& host) {
  const std::string why = fault::protected_because(
      process, host,
      [&](const model::ProcessInfo& asked) { return protected_by(policy, asked, host); });
  if (why.empty()) return ok();
  return refused(fmt::format("pid {} ({}) is protected: {}", process.id.pid,
                             printable(process.name, 40), why));
}

// Also those that were born in it since the step was prepared.
Result<void> check_frozen(const Policy& policy, const std::string& cgroup, const os::Host& host) {
  TRY(const auto processes, within("list processes", host.processes().list()));
  for (const model::ProcessInfo& process : processes) {
    if (is_in(process, cgroup)) {
      CHECK_OK(check_process(policy, process, host));
    }
  }
  return ok();
}

// ---- paths

// The identities of what the policy protects; a path that is not there protects nothing yet.
bool path_is_protected(const std::string& top, const os::Host& host,
                       const std::vector<os::FileId>& ids) {
  const auto id = host.files().identity(top);
  return id.has_value() && std::find(ids.begin(), ids.end(), id.value()) != ids.end();
}

std::vector<os::FileId> ids_along(std::string path, const os::Host& host) {
  std::vector<os::FileId> out;
  while (path.size() > 1 && path.starts_with('/')) {
    if (auto id = host.files().identity(path)) out.push_back(std::move(id.value()));
    path.resize(path.rfind('/'));
  }
  return out;
}

// The space of the path or, as long as nobody has made it, of the nearest directory above.
Result<os::Space> nearest_space(const os::Host& host, std::string path) {
  while (true) {
    auto space = host.files().space(path);
    const std::size_t slash = path.rfind('/');
    if (space.has_value() || path == "/" || slash == path.npos) return space;
    path.resize(std::max<std::size_t>(1, slash));
  }
}

// Whatever the policy's owner wants: a full journal could not promise to put anything back.
Result<void> check_journal_keeps_its_space(const std::string& path, const os::Space& target,
                                           const os::Host& host,
                                           const std::string& state_directory) {
  TRY(const os::Space state,
      within("find the state directory", nearest_space(host, state_directory)));
  // Subvolumes of one btrfs have device numbers of their own but one pool of space, and an overlay
  // has the space of the file system that it writes to.
  const auto either = [&](std::string_view name) {
    return target.filesystem == name || state.filesystem == name;
  };
  const bool same_kind = target.filesystem == state.filesystem;
  const bool one_pool = ((same_kind && either("btrfs")) || either("overlay")) &&
                        target.total == state.total && target.available == state.available;
  if (target.device != state.device && !one_pool) return ok();
  return refused(
      fmt::format("{} is on the file system of {} ({}, device {}): a full journal could "
                  "not promise to put anything back. Use a file system of its own",
                  printable(path), printable(state_directory), target.filesystem, target.device));
}

// The directory is opened once: its identity, those above it and its space are read of that. The
// helper fills the directory of this identity or none.
Result<void> check_filled(const Policy& policy, const model::FilledFolder& filled,
                          const os::Host& host, const std::string& state_directory) {
  TRY(const os::Folder folder, host.files().folder(filled.path));
  if (folder.id != os::FileId{filled.device, filled.inode}) {
    return refused(printable(filled.path) + " is another directory than when it was planned");
  }
  std::vector<os::FileId> ids = folder.above;
  ids.push_back(folder.id);
  for (const std::string& top : policy.protect_paths) {
    if (lies_below(filled.path, top) || path_is_protected(top, host, ids)) {
      return refused(fmt::format("the policy of this host protects {}", top));
    }
  }
  return check_journal_keeps_its_space(filled.path, folder.space, host, state_directory);
}

// ---- the step

Result<void> check_extent(const Policy& policy, const model::HostStep& step) {
  if (policy.max_duration && step.duration > *policy.max_duration) {
    return refused(fmt::format("the policy of this host allows {} at most, the step has {}",
                               format_duration(*policy.max_duration),
                               format_duration(step.duration)));
  }
  if (step.matched == 0) return ok();  // no selector of processes
  const auto picked = static_cast<std::int64_t>(step.targets.size());
  if (policy.max_processes && picked > *policy.max_processes) {
    return refused(
        fmt::format("the policy of this host allows {} processes at most, the step "
                    "picks {}",
                    *policy.max_processes, picked));
  }
  if (policy.max_share && picked * 1'000'000 > step.matched * policy.max_share->value) {
    return refused(
        fmt::format("the policy of this host allows {} of what a selector matches at "
                    "most, the step picks {} of {}",
                    format_percent(*policy.max_share), picked, step.matched));
  }
  return ok();
}

Result<void> check_touched(const Policy& policy, const model::Touched& touched,
                           const os::Host& host, const std::string& state_directory) {
  for (const auto& argv : touched.programs) {
    CHECK_OK(check_program(policy, argv, false));
  }
  for (const std::string& unit : touched.units) {
    CHECK_OK(check_unit(policy, unit));
  }
  for (const std::string& cgroup : touched.entered) {
    CHECK_OK(check_entered(policy, cgroup, host));
  }
  for (const std::string& cgroup : touched.frozen) {
    CHECK_OK(check_frozen(policy, cgroup, host));
  }
  for (const model::ProcessId& id : touched.processes) {
    const auto process = host.processes().find(id);
    if (process.has_error() && process.error().code() == Code::gone) continue;  // nobody gets it
    if (process.has_error()) return Error(process.error());
    CHECK_OK(check_process(policy, process.value(), host));
  }
  for (const model::FilledFolder& folder : touched.filled) {
    CHECK_OK(check_filled(policy, folder, host, state_directory));
  }
  return ok();
}

}  // namespace

std::string protected_by(const Policy& policy, const model::ProcessInfo& process,
                         const os::Host& host) {
  if (any_matches(policy.protect_names, process.name)) return "by this host's policy: its name";
  if (unit_is_protected(policy, process.unit) || cgroup_is_protected(policy, process.cgroup)) {
    return "by this host's policy: its unit";
  }
  if (process.exe.empty() || policy.protect_paths.empty()) return "";
  const std::vector<os::FileId> ids = ids_along(process.exe, host);
  for (const std::string& path : policy.protect_paths) {
    if (lies_below(process.exe, path) || path_is_protected(path, host, ids)) {
      return "by this host's policy: its path";
    }
  }
  return "";
}

Result<void> check_policy(const Policy& policy, const model::HostStep& step, const os::Host& host,
                          const std::string& state_directory) {
  const bool listed = policy.allow.empty() || any_matches(policy.allow, step.fault);
  if (!listed || any_matches(policy.deny, step.fault)) {
    return refused(fmt::format("the policy of this host does not allow {}", step.fault));
  }
  CHECK_OK(check_extent(policy, step));
  for (const model::Claim& claim : step.claims) {  // a control has no changes
    if (claim.kind == "unit") {
      CHECK_OK(check_unit(policy, claim.key));
    }
  }
  TRY(const model::Touched touched, model::touches(step));
  return check_touched(policy, touched, host, state_directory);
}

Result<void> check_where(const Policy& policy, const model::Where& where) {
  return within("where", check_program(policy, where.exec, true));
}

}  // namespace ordeal::executor
