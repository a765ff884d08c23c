#include "engine/os/linux/cgroups.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>

#include "engine/os/linux/fd.hpp"
#include "engine/os/linux/proc.hpp"

namespace ordeal::os {
namespace {

constexpr Duration kFreezeWithin = 2s;
constexpr Duration kFreezePoll = 2ms;
// v1 says "no limit" with the largest whole number of pages.
constexpr std::int64_t kNoLimitFrom = std::int64_t{1} << 62;

// False only when it is not there.
Result<bool> is_directory(const std::string& path) {
  struct stat entry {};
  if (::stat(path.c_str(), &entry) == 0) return S_ISDIR(entry.st_mode);
  if (errno == ENOENT || errno == ENOTDIR || errno == ENODEV) return false;
  return Error::system(errno, path);
}

// Names of the directories inside, sorted so that a search finds the same one each time. A cgroup
// may vanish while we walk: then there is nothing inside.
Result<std::vector<std::string>> folders_in(const std::string& path) {
  auto names = names_in(path, Entries::directories);
  if (!names && names.error().code() == Code::gone) return std::vector<std::string>();
  if (names) std::erase_if(names.value(), [](const auto& name) { return name[0] == '.'; });
  return names;
}

std::optional<std::int64_t> read_number(const std::string& path) {
  const auto text = read_file(path, 4096);
  if (!text) return std::nullopt;
  return proc::parse_number<std::int64_t>(proc::trimmed(text.value()));
}

// `root` and everything between it and `root + cgroup`, innermost first.
std::vector<std::string> chain(const std::string& root, std::string cgroup) {
  std::vector<std::string> directories;
  while (cgroup.size() > 1) {
    directories.push_back(root + cgroup);
    cgroup.resize(cgroup.rfind('/'));
  }
  directories.push_back(root);
  return directories;
}

void lower_to(std::optional<Ppm>& limit, std::int64_t quota, std::int64_t period) {
  if (quota <= 0 || period <= 0) return;
  const Ppm here{quota * 1'000'000 / period};
  if (!limit || here < *limit) limit = here;
}

void lower_cpu_v2(std::optional<Ppm>& limit, const std::string& directory) {
  const auto text = read_file(directory + "/cpu.max", 256);  // "max 100000", "50000 100000"
  if (!text) return;
  const auto fields = proc::words(proc::trimmed(text.value()));
  if (fields.size() != 2) return;
  lower_to(limit, proc::parse_number<std::int64_t>(fields[0]).value_or(0),
           proc::parse_number<std::int64_t>(fields[1]).value_or(0));
}

void lower_memory(Cgroups::Memory& memory, const std::string& directory, const char* limit_file,
                  const char* used_file) {
  const auto limit = read_number(directory + "/" + limit_file);  // "max" is no number
  if (!limit || *limit >= kNoLimitFrom) return;
  if (memory.limit && memory.limit->value <= *limit) return;
  memory.limit = Bytes{*limit};
  memory.used = Bytes{read_number(directory + "/" + used_file).value_or(0)};
}

proc::CgroupPaths own_paths() {
  const auto text = read_file("/proc/self/cgroup");
  return proc::parse_cgroup(text ? text.value() : std::string());
}

}  // namespace

CgroupMounts parse_cgroup_mounts(std::string_view mountinfo) {
  CgroupMounts mounts;
  for (const auto line : proc::split(mountinfo, '\n')) {
    // id parent device root MOUNT options tags... - TYPE source SUPER (proc_pid_mountinfo(5))
    const auto fields = proc::words(line);
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4) continue;
    const std::string place(fields[4]);
    if (dash[1] == "cgroup2" && mounts.unified.empty()) mounts.unified = place;
    if (dash[1] != "cgroup") continue;
    for (const auto option : proc::split(dash[3], ',')) mounts.v1.emplace(option, place);
  }
  return mounts;
}

LinuxCgroups::LinuxCgroups(Clock& clock, CgroupMounts mounts)
    : clock_(clock), mounts_(std::move(mounts)) {}

LinuxCgroups::LinuxCgroups(Clock& clock) : clock_(clock) {
  const auto text = read_file("/proc/self/mountinfo", 16u << 20);
  if (text) mounts_ = parse_cgroup_mounts(text.value());
}

Result<std::string> LinuxCgroups::directory_of(const std::string& cgroup) const {
  if (!cgroup.starts_with('/') || (cgroup + "/").find("/../") != std::string::npos) {
    return Error(Code::invalid, "cgroup " + cgroup + " is no absolute path");
  }
  if (mounts_.unified.empty()) return Error(Code::unsupported, "cgroup v2 is not mounted");
  std::string directory = mounts_.unified + (cgroup == "/" ? "" : cgroup);
  TRY(const bool there, is_directory(directory));
  if (!there) return Error(Code::gone, "cgroup " + cgroup + " is not there");
  return directory;
}

Result<std::string> LinuxCgroups::of_unit(const std::string& unit) const {
  if (unit.empty() || unit.find('/') != std::string::npos) {
    return Error(Code::invalid, "\"" + unit + "\" is no name of a unit");
  }
  if (mounts_.unified.empty()) return Error(Code::unsupported, "cgroup v2 is not mounted");
  // Breadth first with the system's slice in front: a user's unit of the same name comes later.
  std::deque<std::string> open = {"/system.slice", ""};
  while (!open.empty()) {
    const std::string parent = std::move(open.front());
    open.pop_front();
    TRY(const auto folders, folders_in(mounts_.unified + parent));
    for (const auto& name : folders) {
      std::string path = parent + "/" + name;
      if (name == unit) return path;
      // Units lie in slices and in the delegated trees of services such as user@1000.service.
      open.push_back(std::move(path));
    }
  }
  return Error(Code::gone, "unit " + unit + " has no cgroup: it does not run");
}

Result<bool> LinuxCgroups::event(const std::string& cgroup, std::string_view key) const {
  TRY(const std::string directory, directory_of(cgroup));
  TRY(const std::string text, read_file(directory + "/cgroup.events", 4096));
  const auto value = proc::value_of(text, key);
  if (value.empty()) {
    return Error(Code::unsupported, fmt::format("cgroup.events of {} tells no {}", cgroup, key));
  }
  return value == "1";
}

Result<bool> LinuxCgroups::populated(const std::string& cgroup) const {
  return event(cgroup, "populated");
}

Result<bool> LinuxCgroups::frozen(const std::string& cgroup) const {
  return event(cgroup, "frozen");
}

Result<void> LinuxCgroups::can_freeze(const std::string& cgroup) const {
  TRY(const bool now, frozen(cgroup));
  ignore(now, "only whether it can be read is asked");
  const std::string file = mounts_.unified + (cgroup == "/" ? "" : cgroup) + "/cgroup.freeze";
  if (::faccessat(AT_FDCWD, file.c_str(), W_OK, AT_EACCESS) == 0) return ok();
  return Error::system(errno, "write " + file);
}

Result<std::vector<std::int64_t>> LinuxCgroups::processes(const std::string& cgroup) const {
  TRY(const std::string top, directory_of(cgroup));
  std::vector<std::int64_t> pids;
  std::deque<std::string> open = {top};
  while (!open.empty()) {
    const std::string directory = std::move(open.front());
    open.pop_front();
    const auto text = read_file(directory + "/cgroup.procs", 16u << 20);
    // A child cgroup may vanish while we walk; of the one that was asked for we must know.
    const bool none = !text && directory != top &&
                      (text.error().code() == Code::gone ||  // or it holds threads alone
                       text.error().code() == Code::unsupported);
    if (none) continue;
    if (!text) return text.error();
    for (const auto line : proc::split(text.value(), '\n')) {
      if (const auto pid = proc::parse_number<std::int64_t>(line)) pids.push_back(*pid);
    }
    TRY(const auto folders, folders_in(directory));
    for (const auto& name : folders) open.push_back(directory + "/" + name);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

std::vector<std::string> LinuxCgroups::v1_chain(const std::string& controller,
                                                const std::string& cgroup) const {
  const auto mount = mounts_.v1.find(controller);
  if (mount == mounts_.v1.end()) return {};
  std::string path = cgroup;
  // systemd keeps the same paths everywhere; others do not, but of ourselves we know better.
  const proc::CgroupPaths own = own_paths();
  const auto mine = own.v1.find(controller);
  if (cgroup == own.unified && mine != own.v1.end()) path = mine->second;
  return chain(mount->second, path == "/" ? "" : path);
}

Result<std::optional<Ppm>> LinuxCgroups::cpu_limit(const std::string& cgroup) const {
  TRY(const std::string directory, directory_of(cgroup));
  std::optional<Ppm> limit;
  for (const auto& above : chain(mounts_.unified, cgroup == "/" ? "" : cgroup)) {
    lower_cpu_v2(limit, above);
  }
  for (const auto& above : v1_chain("cpu", cgroup)) {
    lower_to(limit, read_number(above + "/cpu.cfs_quota_us").value_or(-1),
             read_number(above + "/cpu.cfs_period_us").value_or(0));
  }
  return limit;
}

Result<Cgroups::Memory> LinuxCgroups::memory(const std::string& cgroup) const {
  TRY(const std::string directory, directory_of(cgroup));
  Memory memory;
  for (const auto& above : chain(mounts_.unified, cgroup == "/" ? "" : cgroup)) {
    lower_memory(memory, above, "memory.max", "memory.current");
  }
  const auto v1 = v1_chain("memory", cgroup);
  for (const auto& above : v1) {
    lower_memory(memory, above, "memory.limit_in_bytes", "memory.usage_in_bytes");
  }
  if (memory.limit) return memory;
  auto used = read_number(directory + "/memory.current");
  if (!used && !v1.empty()) used = read_number(v1.front() + "/memory.usage_in_bytes");
  memory.used = Bytes{used.value_or(0)};
  return memory;
}

Task<Result<void>> LinuxCgroups::set_frozen(std::string cgroup, bool wanted) {
  CO_TRY(const std::string directory, directory_of(cgroup));
  const std::string own = own_paths().unified + "/";
  if (wanted && own.starts_with(cgroup == "/" ? cgroup : cgroup + "/")) {
    co_return Error(Code::refused, "cgroup " + cgroup + " holds ordeal itself");
  }
  // What is asked for already needs no right to write: a thaw of what could not be frozen.
  const std::string file = directory + "/cgroup.freeze";
  if (read_number(file) != (wanted ? 1 : 0)) {
    CO_CHECK_OK(write_file(file, wanted ? "1" : "0"));
  }
  const BootTime deadline = clock_.now() + kFreezeWithin;
  for (;;) {
    CO_TRY(const bool is, frozen(cgroup));
    if (is == wanted) co_return ok();
    if (clock_.now() >= deadline) break;
    co_await clock_.sleep(kFreezePoll);
  }
  co_return Error(Code::timeout, fmt::format("cgroup {} is not {} after 2 s{}", cgroup,
                                             wanted ? "frozen" : "thawed",
                                             wanted ? "" : "; a cgroup above it may be frozen"));
}

Result<std::vector<std::string>> LinuxCgroups::entrances(const std::string& cgroup) const {
  TRY(const std::string directory, directory_of(cgroup));
  std::vector<std::string> files = {directory + "/cgroup.procs"};
  for (const char* controller : {"cpu", "cpuacct", "memory"}) {
    const auto mount = mounts_.v1.find(controller);
    if (cgroup == "/" || mount == mounts_.v1.end()) continue;
    TRY(const bool there, is_directory(mount->second + cgroup));
    if (!there) continue;
    std::string file = mount->second + cgroup + "/cgroup.procs";
    // cpu and cpuacct are usually one hierarchy.
    if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
  }
  return files;
}

}  // namespace ordeal::os
