// Burns CPU time: one thread per worker, 20 ms periods, a closed loop on each thread's own CPU
// clock with sleeps to absolute deadlines. Idle machine, 20 s each, 2 workers: within 0.1 points.
// Source: clock_gettime(2) CLOCK_THREAD_CPUTIME_ID, clock_nanosleep(2) TIMER_ABSTIME.
#include <sched.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "engine/base/json.hpp"
#include "engine/executor/helper/duty_cycle.hpp"
#include "engine/executor/helper/enter.hpp"
#include "engine/executor/helper/hold.hpp"
#include "engine/executor/helper/roles.hpp"

namespace ordeal::helper {
namespace {

struct Orders {
  std::int64_t workers = 1;
  std::int64_t load = 0;  // of one core, each worker; in parts per million
  std::string reach;
};
BOOST_DESCRIBE_STRUCT(Orders, (), (workers, load, reach))

constexpr std::int64_t kPeriod = 20'000'000;    // ns
constexpr std::int64_t kControl = 500'000'000;  // ns; 50 ticks of /proc/stat per CPU
constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

void sleep_until(std::int64_t when) {
  const timespec deadline{when / kSecond, when % kSecond};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
  }
}

// About 20 us of user time between two readings of the CPU clock, which is a system call: the
// burner shows as user time, as a busy program would.
void spin() {
  std::uint64_t x = 1;
  for (int i = 0; i < 20'000; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    asm volatile("" : "+r"(x));
  }
}

// Of one worker, in parts per million of one core; written by the control loop.
std::atomic<std::int64_t> duty_ppm{0};

[[noreturn]] void burn(std::int64_t start) {
  sleep_until(start);
  DutyCycle cycle(read_clock(CLOCK_THREAD_CPUTIME_ID));
  std::int64_t begin = start;
  for (std::int64_t shared_until = start;;) {
    const std::int64_t end = begin + kPeriod;
    const std::int64_t goal =
        cycle.advance(end - shared_until, duty_ppm.load(std::memory_order_relaxed),
                      read_clock(CLOCK_THREAD_CPUTIME_ID));
    shared_until = end;
    while (read_clock(CLOCK_THREAD_CPUTIME_ID) < goal && read_clock(CLOCK_MONOTONIC) < end) spin();
    sleep_until(end);
    // After a long steal the periods that have passed are shared out at once.
    const std::int64_t late = read_clock(CLOCK_MONOTONIC) - end;
    begin = end + late / kPeriod * kPeriod;
  }
}

// CPU time used so far by all CPUs of our affinity, in nanoseconds.
std::optional<std::int64_t> host_usage() {
  cpu_set_t ours;
  if (::sched_getaffinity(0, sizeof ours, &ours) != 0) return std::nullopt;
  const std::int64_t tick = kSecond / ::sysconf(_SC_CLK_TCK);
  std::ifstream file("/proc/stat");
  std::int64_t busy = 0;
  for (std::string line; std::getline(file, line) && line.starts_with("cpu");) {
    std::istringstream words(line.substr(3));
    std::int64_t cpu = 0, user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, soft = 0;
    if (line.size() < 4 || line[3] == ' ' || !(words >> cpu) || cpu >= CPU_SETSIZE) continue;
    if (!CPU_ISSET(static_cast<std::size_t>(cpu), &ours)) continue;
    if (!(words >> user >> nice >> system >> idle >> iowait >> irq >> soft)) return std::nullopt;
    busy += (user + nice + system + irq + soft) * tick;
  }
  return busy;
}

// CPU time used so far by the cgroup that we were started in, in nanoseconds.
std::optional<std::int64_t> cgroup_usage() {
  std::ifstream own("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(own, line);) {
    if (line.starts_with("0::")) path = line.substr(3);
  }
  for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    std::ifstream file(mount + path + "/cpu.stat");
    std::string key;
    for (std::int64_t value = 0; file >> key >> value;) {
      if (key == "usage_usec") return value * 1000;
    }
  }
  return std::nullopt;
}

// Moves the duty until the base is as busy as wanted.
[[noreturn]] void control(const Orders& orders) {
  const auto usage = [&] { return orders.reach == "host" ? host_usage() : cgroup_usage(); };
  const std::int64_t most = orders.workers * 1'000'000;
  std::int64_t total = 0;
  std::int64_t begin = read_clock(CLOCK_MONOTONIC);
  std::int64_t used = usage().value_or(0);
  for (;;) {
    sleep_until(begin + kControl);
    const std::int64_t now = read_clock(CLOCK_MONOTONIC);
    const std::optional<std::int64_t> read = usage();
    if (!read) hold();  // unreadable from now on: stay at the last duty
    const std::int64_t measured = (*read - used) * 1'000'000 / (now - begin);
    total = next_total(total, orders.workers * orders.load, measured, most);
    duty_ppm = total / orders.workers;
    begin = now;
    used = *read;
  }
}

}  // namespace

int run_cpu(const boost::json::object& arguments) {
  const auto decoded = json::decode<Orders>(arguments);
  if (decoded.has_error()) {
    helper_error(decoded.error().message());
    return 1;
  }
  const Orders& orders = decoded.value();
  const bool reach = orders.reach != "no";
  if (reach && !(orders.reach == "host" ? host_usage() : cgroup_usage())) {
    helper_error("cannot read how much CPU the " + orders.reach + " uses");
    return 1;
  }
  end_on_term();
  duty_ppm = reach ? 0 : orders.load;
  // The workers' periods are spread over 20 ms: all at once they would be a pulse.
  const std::int64_t start = read_clock(CLOCK_MONOTONIC);
  std::vector<std::thread> threads;
  try {
    for (std::int64_t i = 0; i < orders.workers; ++i) {
      threads.emplace_back(burn, start + i * kPeriod / orders.workers);
    }
  } catch (const std::system_error& problem) {
    helper_error(fmt::format("start worker {}: {}", threads.size() + 1, problem.what()));
    ::_exit(1);
  }
  helper_ready();
  if (reach) control(orders);
  hold();
}

}  // namespace ordeal::helper
