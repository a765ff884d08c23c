// A file in memory that can be slow, fail for ever, or lose what was not synced.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>

#include "engine/os/clock.hpp"
#include "engine/os/host_files.hpp"

namespace ordeal::test {

class FakeDisk : public os::DurableFile {
 public:
  struct State {
    std::string bytes;
    int writes = 0;
    std::optional<Error> failure;
  };
  explicit FakeDisk(State& state) : state_(state) {}

  std::size_t size() const override { return state_.bytes.size(); }
  Task<Result<void>> write(std::size_t offset, std::string bytes, Duration) override {
    if (state_.failure) co_return Error(*state_.failure);
    ++state_.writes;
    state_.bytes.replace(offset, bytes.size(), bytes);
    co_return ok();
  }

 private:
  State& state_;
};

// Stands still: sleeping takes no time but a turn of the loop.
class StillClock : public os::Clock {
 public:
  BootTime now() const override { return now_; }
  WallTime wall() const override { return WallTime(1'764'000'000s); }
  Task<void> sleep_until(BootTime when) override {
    now_ = std::max(now_, when);
    co_return;
  }

 private:
  BootTime now_{1000s};
};

}  // namespace ordeal::test
