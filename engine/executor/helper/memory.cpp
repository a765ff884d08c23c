// Takes memory and holds it: one anonymous mapping with huge pages, written in steps.
//
// Every page bears data that differs from page to page and does not compress, so that same-page
// merging gives nothing back and compressed swap little. Before each step the host's
// MemAvailable is read again; at the floor we wait, and grow on when others free some.
// Source: madvise(2), proc(5) MemAvailable.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <optional>

#include "engine/base/json.hpp"
#include "engine/executor/helper/enter.hpp"
#include "engine/executor/helper/fill.hpp"
#include "engine/executor/helper/hold.hpp"
#include "engine/executor/helper/roles.hpp"

namespace ordeal::helper {
namespace {

struct Orders {
  std::int64_t bytes = 0;
  std::int64_t ramp_us = 0;
  std::int64_t reserve = 0;
  std::int64_t oom_score_adj = 1000;
};
BOOST_DESCRIBE_STRUCT(Orders, (), (bytes, ramp_us, reserve, oom_score_adj))

constexpr std::int64_t kHugePage = 2 << 20;
constexpr std::int64_t kLargestStep = 64 << 20;
// Of each page. A whole page of noise costs 1.4 times as long as only touching huge pages (the
// kernel has zeroed them before), this much 1.2 times.
constexpr std::size_t kNoiseBytes = 1536;

std::int64_t now_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}

void sleep_us(std::int64_t time) {
  if (time <= 0) return;
  const timespec wanted{time / 1'000'000, time % 1'000'000 * 1000};
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &wanted, nullptr);
}

// Read without allocation: memory may be short when it matters.
std::optional<std::int64_t> memory_available() {
  const int fd = ::open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::array<char, 512> buffer{};
  const ssize_t count = ::read(fd, buffer.data(), buffer.size());
  ::close(fd);
  const std::string_view text(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  std::size_t at = text.find("MemAvailable:");
  if (at == text.npos) return std::nullopt;
  at = text.find_first_of("0123456789", at);
  std::int64_t kibibytes = 0;
  if (at == text.npos) return std::nullopt;
  std::from_chars(text.data() + at, text.data() + text.size(), kibibytes);
  return kibibytes * 1024;
}

bool set_oom_score(std::int64_t score) {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const std::string text = std::to_string(score);
  const bool done = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return done;
}

// Takes the memory step by step until all is held.
void grow(const Orders& orders, char* memory) {
  const std::int64_t begin = now_us();
  const std::int64_t step = memory_step(orders.bytes, orders.ramp_us, kHugePage, kLargestStep);
  for (std::int64_t held = 0; held < orders.bytes;) {
    const std::int64_t size = std::min(step, orders.bytes - held);
    // 128-bit: 64 TiB x one hour in microseconds.
    const auto due =
        static_cast<std::int64_t>(static_cast<__int128>(orders.ramp_us) * held / orders.bytes);
    sleep_us(begin + due - now_us());
    if (memory_available().value_or(0) - size < orders.reserve) {
      sleep_us(200'000);
      continue;
    }
    fill_pages(memory + held, static_cast<std::size_t>(size),
               static_cast<std::uint64_t>(held) / kPageBytes, kNoiseBytes);
    held += size;
  }
}

}  // namespace

int run_memory(const boost::json::object& arguments) {
  const auto decoded = json::decode<Orders>(arguments);
  if (decoded.has_error()) {
    helper_error(decoded.error().message());
    return 1;
  }
  const Orders& orders = decoded.value();
  if (!set_oom_score(orders.oom_score_adj)) {
    helper_error(
        fmt::format("set oom_score_adj to {}: {}", orders.oom_score_adj, std::strerror(errno)));
    return 1;
  }
  if (!memory_available()) {
    helper_error("cannot read MemAvailable");
    return 1;
  }
  end_on_term();
  if (orders.bytes == 0) {
    helper_ready();
    hold();
  }
  // One huge page more, so that the first one can begin at its boundary. MAP_NORESERVE: what may
  // be taken is decided by MemAvailable before each step, not by the overcommit rule.
  const auto length = static_cast<std::size_t>(orders.bytes + kHugePage);
  void* mapped = ::mmap(nullptr, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    helper_error(fmt::format("map {} bytes: {}", length, std::strerror(errno)));
    return 1;
  }
  const auto address = reinterpret_cast<std::uintptr_t>(mapped);
  const std::uintptr_t aligned = (address + kHugePage - 1) / kHugePage * kHugePage;
  // Refused where huge pages are not built in: then these are 4 KiB pages, as the plan has said.
  ::madvise(mapped, length, MADV_HUGEPAGE);
  helper_ready();
  grow(orders, reinterpret_cast<char*>(aligned));
  hold();
}

}  // namespace ordeal::helper
