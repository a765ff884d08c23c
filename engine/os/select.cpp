#include "engine/os/select.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "engine/base/text.hpp"

namespace ordeal::os {
namespace {

using model::ProcessInfo;
using model::ProcessMatcher;

constexpr std::size_t kPasswdLimit = 4u << 20;

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

Result<std::int64_t> uid_of(const Files& files, const std::string& user) {
  if (const auto uid = number_of<std::int64_t>(user)) return *uid;
  TRY(auto passwd, files.read("/etc/passwd", kPasswdLimit));
  std::string_view rest = passwd;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    // name:password:uid:...
    if (!line.starts_with(user + ":")) continue;
    const std::string_view tail = line.substr(std::min(line.size(), line.find(':') + 1));
    const std::string_view uid = tail.substr(std::min(tail.size(), tail.find(':') + 1));
    if (const auto found = number_of<std::int64_t>(uid.substr(0, uid.find(':')))) return *found;
  }
  return Error(Code::invalid, fmt::format("there is no user '{}'", printable(user)));
}

Result<std::int64_t> pid_in(const Files& files, const std::string& path) {
  constexpr std::size_t kLongestFile = 4096;  // PostgreSQL's has more lines behind the pid
  TRY(auto text, files.read(path, kLongestFile));
  const std::size_t start = text.find_first_not_of(" \t\n");
  if (start != text.npos) {
    const std::size_t end = std::min(text.find_first_of(" \t\n", start), text.size());
    const auto pid = number_of<std::int64_t>(std::string_view(text).substr(start, end - start));
    if (pid) return *pid;
  }
  return Error(Code::invalid, fmt::format("{} holds no pid", path));
}

bool in_unit(const ProcessInfo& process, const std::string& unit) {
  return process.unit == unit || (process.cgroup + "/").find("/" + unit + "/") != std::string::npos;
}

bool runs_exe(const ProcessInfo& process, const std::string& exe) {
  // A binary that was replaced by an upgrade still runs under its old name.
  return process.exe == exe || process.exe == exe + " (deleted)";
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = pattern.npos;
  std::size_t retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<std::vector<ProcessInfo>> select(const Host& host, const ProcessMatcher& matcher) {
  return select(host.processes(), host.files(), matcher);
}

Result<std::vector<ProcessInfo>> select(const Processes& processes, const Files& files,
                                        const ProcessMatcher& matcher) {
  if (!matcher.unit && !matcher.name && !matcher.exe && !matcher.argv && !matcher.user &&
      !matcher.local_port && !matcher.pid_file) {
    return Error(Code::invalid, "a process selector needs at least one criterion");
  }
  std::optional<std::int64_t> uid;
  std::optional<std::int64_t> pid;
  std::optional<std::set<std::int64_t>> holders;
  if (matcher.user) {
    TRY(auto found, uid_of(files, *matcher.user));
    uid = found;
  }
  if (matcher.pid_file) {
    TRY(auto found, pid_in(files, *matcher.pid_file));
    pid = found;
  }
  if (matcher.local_port) {
    TRY(auto found, processes.holders_of_port(*matcher.local_port));
    holders.emplace(found.begin(), found.end());
  }
  TRY(auto all, processes.list());
  std::erase_if(all, [&](const ProcessInfo& process) {
    return process.state == 'Z' || process.state == 'X' ||
           (matcher.unit && !in_unit(process, *matcher.unit)) ||
           (matcher.name && process.name != *matcher.name) ||
           (matcher.exe && !runs_exe(process, *matcher.exe)) ||
           (matcher.argv && !glob_matches(*matcher.argv, process.command)) ||
           (uid && process.uid != *uid) || (pid && process.id.pid != *pid) ||
           (holders && !holders->contains(process.id.pid));
  });
  std::sort(all.begin(), all.end(),
            [](const ProcessInfo& a, const ProcessInfo& b) { return a.id.pid < b.id.pid; });
  return all;
}

std::string describe(const ProcessMatcher& matcher) {
  std::vector<std::string> parts;
  const auto add = [&](const char* what, const std::optional<std::string>& value) {
    if (value) parts.push_back(fmt::format("{} {}", what, printable(*value)));
  };
  add("unit", matcher.unit);
  add("name", matcher.name);
  add("exe", matcher.exe);
  add("argv", matcher.argv);
  add("user", matcher.user);
  if (matcher.local_port) parts.push_back(fmt::format("local_port {}", *matcher.local_port));
  add("pid_file", matcher.pid_file);
  return join(parts, ", ");
}

}  // namespace ordeal::os
