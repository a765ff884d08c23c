#include "engine/executor/policy.hpp"

#include <algorithm>

#include "engine/base/text.hpp"
#include "engine/os/select.hpp"

namespace ordeal::executor {
namespace {

constexpr std::size_t kPolicyLimit = 64u << 10;

void add_words(std::vector<std::string>& out, std::string_view value) {
  while (!value.empty()) {
    const std::string_view word = value.substr(0, value.find(','));
    value.remove_prefix(std::min(value.size(), word.size() + 1));
    if (std::string text = trimmed(word); !text.empty()) out.push_back(std::move(text));
  }
}

Result<void> set(Policy& policy, const std::string& key, const std::string& value) {
  if (key == "allow") {
    add_words(policy.allow, value);
  } else if (key == "deny") {
    add_words(policy.deny, value);
  } else if (key == "protect_name") {
    add_words(policy.protect_names, value);
  } else if (key == "protect_unit") {
    add_words(policy.protect_units, value);
  } else if (key == "protect_path") {
    add_words(policy.protect_paths, value);
  } else if (key == "where") {
    add_words(policy.where, value);
  } else if (key == "max_duration") {
    TRY(auto duration, parse_duration(value));
    policy.max_duration = duration;
  } else {
    return Error(Code::invalid, fmt::format("unknown key '{}'", printable(key)));
  }
  return ok();
}

bool any_matches(const std::vector<std::string>& patterns, const std::string& text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return os::glob_matches(pattern, text); });
}

bool lies_below(const std::string& path, const std::string& top) {
  return path == top || path.starts_with(top.ends_with('/') ? top : top + "/");
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
Result<void> check_journal_keeps_its_space(const std::string& path, const os::Host& host,
                                           const std::string& state_directory) {
  TRY(const os::Space target,
      within("read the space of " + printable(path), host.files().space(path)));
  TRY(const os::Space state,
      within("find the state directory", nearest_space(host, state_directory)));
  // Subvolumes of one btrfs have device numbers of their own but one pool of space.
  const bool one_pool = target.filesystem == "btrfs" && state.filesystem == "btrfs" &&
                        target.total == state.total && target.available == state.available;
  if (target.device != state.device && !one_pool) return ok();
  return Error(
      Code::refused,
      fmt::format("{} is on the file system of {} ({}, device {}): a full journal could "
                  "not promise to put anything back. Use a file system of its own",
                  printable(path), printable(state_directory), target.filesystem, target.device));
}

// By what is going to be started and not by the effects: a control has none.
Result<void> check_disk(const Policy& policy, const model::HostStep& step, const os::Host& host,
                        const std::string& state_directory) {
  for (const model::Change& change : step.changes) {
    const auto* helper = std::get_if<model::SpawnHelper>(&change.apply);
    if (helper == nullptr || helper->role != "disk") continue;
    const auto* named = helper->arguments.if_contains("path");
    if (named == nullptr || !named->is_string()) {
      return Error(Code::invalid, "a disk helper without a path");
    }
    const std::string path(named->get_string());
    for (const std::string& top : policy.protect_paths) {
      if (lies_below(path, top)) {
        return Error(Code::refused, fmt::format("the policy of this host protects {}", top));
      }
    }
    CHECK_OK(check_journal_keeps_its_space(path, host, state_directory));
  }
  return ok();
}

}  // namespace

Result<Policy> parse_policy(std::string_view text) {
  Policy policy;
  policy.any_where = false;  // who writes a policy names the programs that others may start
  int number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    const std::string code = trimmed(line.substr(0, line.find('#')));
    if (code.empty()) continue;
    const std::size_t equals = code.find('=');
    if (equals == code.npos) {
      return Error(Code::invalid, fmt::format("{}: expected key = value", number));
    }
    const std::string key = trimmed(code.substr(0, equals));
    const std::string value = trimmed(code.substr(equals + 1));
    // "allow =" would allow everything, which nobody means who writes it.
    if (value.find_first_not_of(", \t") == value.npos) {
      return Error(Code::invalid, fmt::format("{}: {} has no value", number, printable(key)));
    }
    auto done = set(policy, key, value);
    if (done.has_error()) return std::move(done.error()).within(std::to_string(number));
  }
  return policy;
}

Result<Policy> load_policy(const os::Host& host, const std::string& path) {
  if (!host.files().exists(path)) return Policy{};
  TRY(auto text, within(path, host.files().read_trusted(path, kPolicyLimit)));
  auto policy = parse_policy(text);
  if (policy.has_value()) return policy;
  return Error(policy.error().code(), path + ":" + policy.error().message());
}

std::string protected_by(const Policy& policy, const model::ProcessInfo& process) {
  if (any_matches(policy.protect_names, process.name)) return "by this host's policy: its name";
  if (any_matches(policy.protect_units, process.unit)) return "by this host's policy: its unit";
  for (const std::string& path : policy.protect_paths) {
    if (!process.exe.empty() && lies_below(process.exe, path)) {
      return "by this host's policy: its path";
    }
  }
  return "";
}

Result<void> check_policy(const Policy& policy, const model::HostStep& step, const os::Host& host,
                          const std::string& state_directory) {
  const bool listed = policy.allow.empty() || any_matches(policy.allow, step.fault);
  if (!listed || any_matches(policy.deny, step.fault)) {
    return Error(Code::refused,
                 fmt::format("the policy of this host does not allow {}", step.fault));
  }
  if (policy.max_duration && step.duration > *policy.max_duration) {
    return Error(Code::refused, fmt::format("the policy of this host allows {} at most, the step "
                                            "has {}",
                                            format_duration(*policy.max_duration),
                                            format_duration(step.duration)));
  }
  for (const model::Claim& claim : step.claims) {
    if (claim.kind == "unit" && any_matches(policy.protect_units, claim.key)) {
      return Error(Code::refused, fmt::format("the policy of this host protects {}", claim.key));
    }
  }
  // A helper that lives in a unit's cgroup takes what the unit would have.
  for (const model::Change& change : step.changes) {
    const auto* helper = std::get_if<model::SpawnHelper>(&change.apply);
    if (helper == nullptr || !helper->cgroup) continue;
    const std::string unit = helper->cgroup->substr(helper->cgroup->rfind('/') + 1);
    if (any_matches(policy.protect_units, unit)) {
      return Error(Code::refused, fmt::format("the policy of this host protects {}", unit));
    }
  }
  return check_disk(policy, step, host, state_directory);
}

Result<void> check_where(const Policy& policy, const model::Where& where) {
  if (where.exec.empty()) return Error(Code::invalid, "where: no program is named");
  const std::string& program = where.exec.front();
  // Else "/usr/bin/../../tmp/x" would be matched by "/usr/bin/*".
  const bool plain = program.starts_with('/') && program.find("//") == program.npos &&
                     (program + "/").find("/./") == program.npos &&
                     (program + "/").find("/../") == program.npos;
  if (!plain) {
    return Error(Code::invalid, fmt::format("where: {} is not the plain absolute path of a program",
                                            printable(program, 200)));
  }
  if (policy.any_where || any_matches(policy.where, program)) return ok();
  return Error(Code::refused,
               fmt::format("where: the policy of this host does not allow to run {}; it would be "
                           "named under `where`",
                           printable(program, 200)));
}

}  // namespace ordeal::executor
