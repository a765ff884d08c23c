#include "engine/os/linux/clock.hpp"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <map>

#include "engine/base/assert.hpp"
#include "engine/os/linux/suspend.hpp"

namespace ordeal::os {
namespace {

Duration read_clock(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  const auto whole = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  return std::chrono::floor<Duration>(whole);
}

BootTime boot_now() { return BootTime(read_clock(CLOCK_BOOTTIME)); }

}  // namespace

// Outlives the clock while its last wait on the timerfd is still to be delivered.
class LinuxClock::Alarms : public std::enable_shared_from_this<Alarms> {
 public:
  explicit Alarms(asio::any_io_executor executor) : timer_(std::move(executor)) {
    const int fd = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    // Without time there is no deadline, and so nothing here may run.
    ORDEAL_ASSERT(fd >= 0);
    timer_.assign(fd);
  }

  void add(BootTime when, Resume resume, asio::cancellation_slot slot) {
    const Key key(when, ++last_);
    if (slot.is_connected()) {
      slot.assign([weak = weak_from_this(), key](asio::cancellation_type) {
        if (auto self = weak.lock()) self->cancel(key);
      });
    }
    waiting_.emplace(key, std::move(resume));
    arm();
  }

  void close() {
    boost::system::error_code ignored;
    timer_.close(ignored);
    closed_ = true;
    // Destroys the coroutines that wait; those may reach for this map no more.
    const auto abandoned = std::exchange(waiting_, {});
  }

 private:
  // The number makes alarms of the same moment fire in the order in which they were set.
  using Key = std::pair<BootTime, std::uint64_t>;

  void cancel(const Key& key) {
    auto found = waiting_.extract(key);
    if (found.empty()) return;
    found.mapped()(asio::error::operation_aborted);
    arm();
  }

  void arm() {
    if (closed_) return;
    if (waiting_.empty()) {
      set(BootTime{});
      boost::system::error_code ignored;
      if (listening_) timer_.cancel(ignored);  // so that the loop can run out of work
      return;
    }
    set(waiting_.begin()->first.first);
    if (!listening_) listen();
  }

  // Time zero disarms.
  void set(BootTime when) {
    if (when == armed_) return;
    armed_ = when;
    const auto time = when.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    itimerspec setting{};
    setting.it_value.tv_sec = seconds.count();
    setting.it_value.tv_nsec = std::chrono::nanoseconds(time - seconds).count();
    const int done =
        ::timerfd_settime(timer_.native_handle(), TFD_TIMER_ABSTIME, &setting, nullptr);
    ORDEAL_ASSERT(done == 0);
  }

  void listen() {
    listening_ = true;
    timer_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](boost::system::error_code) {
                        self->listening_ = false;
                        if (!self->closed_) self->fire();
                      });
  }

  void fire() {
    std::uint64_t expirations = 0;
    ignore(::read(timer_.native_handle(), &expirations, sizeof expirations), "only to clear it");
    const BootTime now = boot_now();
    while (!waiting_.empty() && waiting_.begin()->first.first <= now) {
      auto due = waiting_.extract(waiting_.begin());
      due.mapped()({});
    }
    armed_ = BootTime{};
    arm();
  }

  asio::posix::stream_descriptor timer_;
  std::map<Key, Resume> waiting_;
  std::uint64_t last_ = 0;
  BootTime armed_{};
  bool listening_ = false;
  bool closed_ = false;
};

LinuxClock::LinuxClock(asio::any_io_executor executor)
    : alarms_(std::make_shared<Alarms>(std::move(executor))) {}

LinuxClock::~LinuxClock() { alarms_->close(); }

BootTime LinuxClock::now() const { return boot_now(); }

WallTime LinuxClock::wall() const { return WallTime(read_clock(CLOCK_REALTIME)); }

Task<void> LinuxClock::sleep_until(BootTime when) {
  if (when <= boot_now()) co_return;
  auto start = [alarms = alarms_, when](Resume resume, asio::cancellation_slot slot) {
    alarms->add(when, std::move(resume), slot);
  };
  Task<void> woken = suspend(std::move(start));
  co_await std::move(woken);
}

}  // namespace ordeal::os
