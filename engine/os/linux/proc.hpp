// Readers of /proc text. They are pure where they can be: the kernel's words in, values out.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/target.hpp"

namespace ordeal::os::proc {

// The whole text must be the number. Integers in base 10 or 16, floating numbers in decimal.
template <class Number, class... Base>
std::optional<Number> parse_number(std::string_view text, Base... base) {
  Number number{};
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number, base...);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

std::vector<std::string_view> split(std::string_view text, char separator);
// Separated by any number of blanks.
std::vector<std::string_view> words(std::string_view text);
std::string_view trimmed(std::string_view text);
// The first word behind "KEY" at the start of a line, or empty: "MemTotal:", "some", "populated".
std::string_view value_of(std::string_view text, std::string_view key);

// /proc/PID/stat (proc_pid_stat(5)).
struct Stat {
  model::ProcessId id;
  std::string name;
  char state = '?';
  std::int64_t parent = 0;
  std::int64_t cpu_ticks = 0;  // user + system, all threads
  std::int64_t threads = 0;

  // Dead, though its parent has not asked yet. A leader whose other threads live is not gone.
  bool gone() const { return (state == 'Z' && threads <= 1) || state == 'X'; }
};
// The name stands in parentheses and may hold ")" and blanks: its end is the LAST parenthesis.
Result<Stat> parse_stat(std::string_view text);
Result<Stat> read_stat(std::int64_t pid);

// /proc/PID/cgroup: "0::/path" is the unified hierarchy, "4:memory:/path" are those of v1.
struct CgroupPaths {
  std::string unified = "/";
  std::string unit;                       // the innermost *.service or *.scope, or empty
  std::map<std::string, std::string> v1;  // by controller; "name=systemd" too
};
CgroupPaths parse_cgroup(std::string_view text);

// All process ids there are, in ascending order.
Result<std::vector<std::int64_t>> pids();
// Parent, grandparent and so on, up to pid 1.
Result<std::vector<std::int64_t>> ancestors();

// A line of /proc/net/{tcp,tcp6,udp,udp6}.
struct Socket {
  std::string local_address;  // IPv4 also where it is mapped into IPv6
  std::uint16_t local_port = 0;
  std::string remote_address;
  std::uint16_t remote_port = 0;
  unsigned state = 0;  // 1 established, 10 listening
  std::uint64_t inode = 0;
};
inline constexpr unsigned kListening = 10;
std::vector<Socket> parse_sockets(std::string_view text);
// Inodes of the sockets that a process holds; empty where they cannot be read.
std::vector<std::uint64_t> socket_inodes(std::int64_t pid);

}  // namespace ordeal::os::proc
