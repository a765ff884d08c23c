// Selectors and what they picked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "engine/base/units.hpp"

namespace ordeal::model {

// Criteria for processes, AND-ed. At least one is set.
struct ProcessMatcher {
  std::optional<std::string> unit;          // systemd unit: the process is in its cgroup
  std::optional<std::string> name;          // comm, exact (15 characters at most)
  std::optional<std::string> exe;           // absolute path of the executable
  std::optional<std::string> argv;          // glob over the arguments joined by spaces
  std::optional<std::string> user;          // user name or uid
  std::optional<std::uint16_t> local_port;  // a listening TCP or bound UDP socket
  std::optional<std::string> pid_file;      // absolute path; the pid inside is used
  std::optional<std::int64_t> count_min;    // refuse when fewer match
  std::optional<std::int64_t> count_max;    // refuse when more match
};
BOOST_DESCRIBE_STRUCT(ProcessMatcher, (),
                      (unit, name, exe, argv, user, local_port, pid_file, count_min, count_max))

enum class Mode { all, one, fixed, fixed_percent, random_max_percent };
BOOST_DESCRIBE_ENUM(Mode, all, one, fixed, fixed_percent, random_max_percent)

// A read-only look that decides, at plan time and right before injection, whether a host is a
// candidate at all: the command ends with 0 and `stdout` matches somewhere in what it prints.
struct Where {
  std::vector<std::string> exec;  // absolute path, arguments; no shell
  std::string stdout_pattern;     // regular expression (ECMAScript)
};
BOOST_DESCRIBE_STRUCT(Where, (), (exec, stdout_pattern))

struct Target {
  std::optional<ProcessMatcher> process;
  std::optional<std::string> unit;  // the unit itself, for service.stop and `of: unit`
  Mode mode = Mode::all;
  std::optional<std::int64_t> value_count;  // for fixed
  std::optional<Ppm> value_share;           // for fixed_percent and random_max_percent
  std::optional<Where> where;
};
BOOST_DESCRIBE_STRUCT(Target, (), (process, unit, mode, value_count, value_share, where))

// A process for ever: the pid is only half of a name. The boot id is in the journal's header.
struct ProcessId {
  std::int64_t pid = 0;
  std::int64_t start_ticks = 0;  // field 22 of /proc/PID/stat, clock ticks since boot
  bool operator==(const ProcessId&) const = default;
};
BOOST_DESCRIBE_STRUCT(ProcessId, (), (pid, start_ticks))

struct ProcessInfo {
  ProcessId id;
  std::int64_t parent = 0;
  std::int64_t uid = 0;
  char state = '?';     // as in /proc/PID/stat: R S D T t Z ...
  std::string name;     // comm
  std::string exe;      // empty for kernel threads and where not readable
  std::string command;  // arguments joined by spaces
  std::string cgroup;   // path on the unified hierarchy, "/" when unknown
  std::string unit;     // the innermost *.service or *.scope of the cgroup path, or empty
};

}  // namespace ordeal::model
