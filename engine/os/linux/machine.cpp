#include "engine/os/linux/machine.hpp"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "engine/os/linux/fd.hpp"
#include "engine/os/linux/proc.hpp"

namespace ordeal::os {
namespace {

// /proc/meminfo counts in units of 1024 bytes that it calls kB.
Result<double> meminfo(std::string_view text, std::string_view key) {
  const auto value = proc::parse_number<std::int64_t>(proc::value_of(text, key));
  if (!value) return Error(Code::unsupported, fmt::format("/proc/meminfo has no {}", key));
  return static_cast<double>(*value) * 1024;
}

std::optional<double> pressure(const char* resource) {
  // "some avg10=0.12 avg60=..."; absent without psi=1.
  const auto text = read_file(fmt::format("/proc/pressure/{}", resource), 1024);
  if (!text) return std::nullopt;
  const auto average = proc::value_of(text.value(), "some");
  constexpr std::string_view kName = "avg10=";
  if (!average.starts_with(kName)) return std::nullopt;
  return proc::parse_number<double>(average.substr(kName.size()));
}

// Processors in our affinity mask, which the kernel keeps to those that are online.
int usable_cpus() {
  for (int possible = 1024; possible <= 1 << 20; possible *= 2) {
    cpu_set_t* set = CPU_ALLOC(possible);
    const std::size_t size = CPU_ALLOC_SIZE(possible);
    const int done = ::sched_getaffinity(0, size, set);
    const int problem = errno;
    const int count = done == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (done == 0) return count;
    if (problem != EINVAL) break;  // EINVAL: this machine has more than `possible`
  }
  return 1;
}

}  // namespace

LinuxMachine::LinuxMachine() {
  const auto now = read_cpu();
  if (now) last_ = now.value();
}

Result<LinuxMachine::CpuTime> LinuxMachine::read_cpu() {
  TRY(const std::string text, read_file("/proc/stat", 4096));
  // cpu user nice system idle iowait irq softirq steal (guest is inside user)
  const auto fields = proc::words(std::string_view(text).substr(0, text.find('\n')));
  if (fields.size() < 9 || fields[0] != "cpu") {
    return Error(Code::unsupported, "/proc/stat has no cpu line");
  }
  CpuTime time;
  for (std::size_t i = 1; i <= 8; ++i) {
    const auto ticks = proc::parse_number<std::int64_t>(fields[i]).value_or(0);
    time.total += ticks;
    if (i != 4 && i != 5) time.busy += ticks;
  }
  return time;
}

Result<HostValues> LinuxMachine::values() const {
  HostValues values;
  TRY(const CpuTime now, read_cpu());
  const auto total = now.total - last_.total;
  // Two calls within a tick: the last answer is the best one.
  if (total > 0) {
    last_share_ = 100.0 * static_cast<double>(now.busy - last_.busy) / static_cast<double>(total);
    last_ = now;
  }
  values.cpu = std::clamp(last_share_, 0.0, 100.0);

  TRY(const std::string memory, read_file("/proc/meminfo", 64 * 1024));
  TRY(values.memory_available, meminfo(memory, "MemAvailable:"));
  TRY(values.memory_total, meminfo(memory, "MemTotal:"));
  TRY(const double swap_total, meminfo(memory, "SwapTotal:"));
  TRY(const double swap_free, meminfo(memory, "SwapFree:"));
  values.swap_used = swap_total > 0 ? 100 * (swap_total - swap_free) / swap_total : 0;

  TRY(const std::string load, read_file("/proc/loadavg", 256));
  const auto fields = proc::words(load);
  if (!fields.empty()) values.load1 = proc::parse_number<double>(fields[0]).value_or(0);
  values.cpu_pressure = pressure("cpu");
  values.memory_pressure = pressure("memory");
  values.io_pressure = pressure("io");
  values.cpus = usable_cpus();
  return values;
}

bool LinuxMachine::is_root() const { return ::geteuid() == 0; }

std::string LinuxMachine::kernel() const {
  utsname names{};
  ::uname(&names);
  return names.release;
}

}  // namespace ordeal::os
