// What a far side that is not what it should be can do to us.
#include "engine/fleet/executor.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "tests/unit/os/loop.hpp"

namespace ordeal::fleet {
namespace {

// Says these things one after the other, and ends.
class Speaker final : public os::Stream {
 public:
  explicit Speaker(std::deque<std::string> words) : words_(std::move(words)) {}
  Task<Result<std::string>> read_some(std::size_t) override {
    if (words_.empty()) co_return Error(Code::closed, "the end");
    std::string out = std::move(words_.front());
    words_.pop_front();
    co_return out;
  }
  Task<Result<void>> write(std::string) override { co_return ok(); }
  void close() override {}

 private:
  std::deque<std::string> words_;
};

// A line without an end is forgotten before it fills our memory, and what follows is heard.
TEST(ExecutorWire, ALineOfTheKeeperThatNeverEndsIsNotKept) {
  constexpr std::size_t kPart = 64u << 10;
  std::deque<std::string> words((wire::kFactLimit + kPart) / kPart, std::string(kPart, 'x'));
  words.emplace_back("{\"keeper\":\"halt\",\"clean\":true,\"undos\":[]}\n");
  os::Loop loop;
  std::optional<wire::KeeperReport> heard;
  Pushed pushed;
  pushed.lost = [&heard](const std::string&, std::optional<wire::KeeperReport> keeper) {
    heard = std::move(keeper);
  };
  Executor executor(loop.clock, std::make_unique<Speaker>(std::deque<std::string>{}),
                    std::make_unique<Speaker>(std::move(words)), std::move(pushed));
  loop.run(executor.run());
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->keeper, "halt");
}

}  // namespace
}  // namespace ordeal::fleet
