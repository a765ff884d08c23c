#include "engine/os/linux/proc.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "engine/os/linux/fd.hpp"

namespace ordeal::os::proc {
namespace {

using Directory = std::unique_ptr<DIR, decltype([](DIR* directory) { ::closedir(directory); })>;

std::string of(std::int64_t pid, std::string_view file) {
  return fmt::format("/proc/{}/{}", pid, file);
}

std::string without_suffix(std::string_view text, std::string_view suffix) {
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  return std::string(text);
}

std::string innermost_unit(std::string_view path) {
  const auto parts = split(path, '/');
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!part->ends_with(".service") && !part->ends_with(".scope")) continue;
    // systemd puts "_" before names that the kernel could take for files of its own.
    return std::string(part->starts_with('_') ? part->substr(1) : *part);
  }
  return {};
}

// "0100007F:1F90": words of 32 bits in the byte order of the machine, then the port.
bool parse_endpoint(std::string_view text, std::string& address, std::uint16_t& port) {
  const auto colon = text.find(':');
  if (colon != 8 && colon != 32) return false;
  const auto number = parse_number<std::uint16_t>(text.substr(colon + 1), 16);
  if (!number) return false;
  port = *number;
  std::array<std::uint32_t, 4> parts{};
  for (std::size_t i = 0; i < colon / 8; ++i) {
    const auto part = parse_number<std::uint32_t>(text.substr(8 * i, 8), 16);
    if (!part) return false;
    parts[i] = *part;
  }
  const bool mapped = colon == 32 && parts[0] == 0 && parts[1] == 0 && parts[2] == htonl(0xffff);
  char buffer[INET6_ADDRSTRLEN];
  const char* done =
      colon == 8 || mapped
          ? ::inet_ntop(AF_INET, mapped ? &parts[3] : &parts[0], buffer, sizeof buffer)
          : ::inet_ntop(AF_INET6, parts.data(), buffer, sizeof buffer);
  if (done == nullptr) return false;
  address = buffer;
  return true;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::vector<std::string_view> words(std::string_view text) { return split(text, ' '); }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\n";
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string_view value_of(std::string_view text, std::string_view key) {
  for (const auto line : split(text, '\n')) {
    if (!line.starts_with(key)) continue;
    const auto rest = line.substr(key.size());
    if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) continue;
    const auto value = trimmed(rest);
    return value.substr(0, value.find_first_of(" \t"));
  }
  return {};
}

Result<Stat> parse_stat(std::string_view text) {
  const auto open = text.find('(');
  const auto close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return Error(Code::failed, "stat: no name in parentheses");
  }
  // fields[0] is field 3 of the manual page.
  const auto fields = words(trimmed(text.substr(close + 1)));
  if (fields.size() < 20) return Error(Code::failed, "stat: too few fields");
  const auto pid = parse_number<std::int64_t>(trimmed(text.substr(0, open)));
  const auto parent = parse_number<std::int64_t>(fields[4 - 3]);
  const auto user = parse_number<std::int64_t>(fields[14 - 3]);
  const auto system = parse_number<std::int64_t>(fields[15 - 3]);
  const auto threads = parse_number<std::int64_t>(fields[20 - 3]);
  const auto start = parse_number<std::int64_t>(fields[22 - 3]);
  if (!pid || !parent || !user || !system || !threads || !start) {
    return Error(Code::failed, "stat: a field is no number");
  }
  Stat stat;
  stat.id = model::ProcessId{*pid, *start};
  stat.name = text.substr(open + 1, close - open - 1);
  stat.state = fields[0].front();
  stat.parent = *parent;
  stat.cpu_ticks = *user + *system;
  stat.threads = *threads;
  return stat;
}

Result<Stat> read_stat(std::int64_t pid) {
  TRY(const std::string text, read_file(of(pid, "stat"), 4096));
  return parse_stat(text);
}

CgroupPaths parse_cgroup(std::string_view text) {
  CgroupPaths paths;
  for (const auto line : split(text, '\n')) {
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const std::string path = without_suffix(line.substr(second + 1), " (deleted)");
    if (controllers.empty()) paths.unified = path;
    for (const auto controller : split(controllers, ',')) {
      paths.v1.emplace(controller, path);
    }
  }
  paths.unit = innermost_unit(paths.unified);
  // systemd on v1 alone keeps units in a hierarchy of its own.
  const auto named = paths.v1.find("name=systemd");
  if (paths.unit.empty() && named != paths.v1.end()) paths.unit = innermost_unit(named->second);
  return paths;
}

Result<std::vector<std::int64_t>> pids() {
  std::vector<std::int64_t> found;
  TRY(const auto names, names_in("/proc"));
  for (const std::string& name : names) {
    if (const auto pid = parse_number<std::int64_t>(name)) found.push_back(*pid);
  }
  std::sort(found.begin(), found.end());
  return found;
}

Result<std::vector<std::int64_t>> ancestors() {
  std::vector<std::int64_t> found;
  // A chain longer than this is none: the kernel's own limit of nested pid namespaces is 32.
  for (std::int64_t pid = ::getppid(); pid > 0 && found.size() < 1000;) {
    found.push_back(pid);
    auto stat = read_stat(pid);
    if (!stat && stat.error().code() == Code::gone)
      break;  // whoever is above it is above us no more
    if (!stat) return std::move(stat.error());
    pid = stat.value().parent;
  }
  return found;
}

std::vector<Socket> parse_sockets(std::string_view text) {
  std::vector<Socket> sockets;
  for (const auto line : split(text, '\n')) {
    // sl local remote state queues timer retransmits uid timeout inode
    const auto fields = words(line);
    if (fields.size() < 10) continue;
    Socket socket;
    const auto state = parse_number<unsigned>(fields[3], 16);
    const auto inode = parse_number<std::uint64_t>(fields[9]);
    if (!state || !inode) continue;  // the heading
    if (!parse_endpoint(fields[1], socket.local_address, socket.local_port)) continue;
    if (!parse_endpoint(fields[2], socket.remote_address, socket.remote_port)) continue;
    socket.state = *state;
    socket.inode = *inode;
    sockets.push_back(std::move(socket));
  }
  return sockets;
}

std::vector<std::uint64_t> socket_inodes(std::int64_t pid) {
  std::vector<std::uint64_t> inodes;
  const Directory directory(::opendir(of(pid, "fd").c_str()));
  if (!directory) return inodes;
  while (const dirent* entry = ::readdir(directory.get())) {
    char target[64];
    const ssize_t size =
        ::readlinkat(::dirfd(directory.get()), entry->d_name, target, sizeof target);
    if (size <= 0) continue;
    std::string_view text(target, static_cast<std::size_t>(size));
    if (!text.starts_with("socket:[") || !text.ends_with(']')) continue;
    text = text.substr(8, text.size() - 9);
    if (const auto inode = parse_number<std::uint64_t>(text)) inodes.push_back(*inode);
  }
  return inodes;
}

}  // namespace ordeal::os::proc
