#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "engine/model/event.hpp"
#include "engine/serve/sse.hpp"

namespace ordeal::serve {
namespace {

std::string line(std::int64_t seq, std::string_view kind = "note") {
  return fmt::format(
      R"({{"v":1,"seq":{},"run":"r-1121-0140-7f3a","t_us":{},"kind":"{}","data":{{}}}})"
      "\n",
      seq, seq * 10, kind);
}

std::vector<std::int64_t> ids(const std::string& frames) {
  std::vector<std::int64_t> out;
  std::size_t at = 0;
  while ((at = frames.find("id: ", at)) != frames.npos) {
    out.push_back(std::stoll(frames.substr(at + 4)));
    at += 4;
  }
  return out;
}

TEST(EventHead, IsThatOfWhatTheModelWrites) {
  const model::Event event{7, Duration(5), model::Note{"info", "x \"seq\":9,"}};
  const auto head = head_of_event(model::to_json(event, "r-1121-0140-7f3a"));
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->seq, 7);
  EXPECT_EQ(head->kind, "note");
}

TEST(EventHead, IsNothingOfBrokenLines) {
  for (const char* text : {"", "{", "x", R"({"v":1})", R"({"v":1,"seq":0,"kind":"x"})",
                           R"({"v":1,"seq":-1,"kind":"x"})", R"({"v":1,"seq":1,"kind":")"}) {
    EXPECT_FALSE(head_of_event(text).has_value()) << text;
  }
}

TEST(Frames, CarryTheLineAndItsSeq) {
  Resume resume;
  const std::string one = line(1);
  EXPECT_EQ(to_frames(one, resume), "id: 1\ndata: " + one + "\n");
  EXPECT_EQ(resume.after, 1);
  EXPECT_FALSE(resume.ended);
}

TEST(Frames, LeaveOutWhatTheReaderHas) {
  Resume resume;
  resume.after = 2;
  EXPECT_EQ(ids(to_frames(line(1) + line(2) + line(3) + line(3) + line(4, "run_ended"), resume)),
            (std::vector<std::int64_t>{3, 4}));
  EXPECT_TRUE(resume.ended);
  Resume all;
  all.after = 4;
  EXPECT_EQ(to_frames(line(3) + line(4, "run_ended"), all), "");
  EXPECT_TRUE(all.ended);  // known to be over, although there is nothing to say any more
}

TEST(Frames, OurOwnHaveNoId) { EXPECT_EQ(own_frame("alive", "{}"), "event: alive\ndata: {}\n\n"); }

// A writer that is seen at any byte, and a reader that comes back after any event: no gap, no
// double, and never half a line.
TEST(GrowingFile, GivesWholeLinesAtEveryTear) {
  const auto path =
      std::filesystem::temp_directory_path() /
      fmt::format("ordeal-growing-{}", ::testing::UnitTest::GetInstance()->random_seed());
  std::string all;
  constexpr int kEvents = 40;
  for (int seq = 1; seq <= kEvents; ++seq) all += line(seq, seq == kEvents ? "run_ended" : "note");
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::filesystem::remove(path);
    auto file = std::make_unique<GrowingFile>(path.string());
    Resume resume;
    std::vector<std::int64_t> seen;
    std::ofstream writer;
    for (std::size_t at = 0; at < all.size();) {
      if (!writer.is_open()) {
        EXPECT_EQ(file->take().value(), "");  // not there yet
        writer.open(path, std::ios::binary | std::ios::app);
      }
      const std::size_t size = std::min<std::size_t>(1 + random() % 150, all.size() - at);
      writer << all.substr(at, size) << std::flush;
      at += size;
      const auto lines = file->take();
      ASSERT_TRUE(lines.has_value());
      EXPECT_TRUE(lines.value().empty() || lines.value().back() == '\n');
      for (const std::int64_t id : ids(to_frames(lines.value(), resume))) seen.push_back(id);
      if (random() % 5 == 0) {  // the connection breaks; the reader comes back
        file = std::make_unique<GrowingFile>(path.string());
        Resume again;
        again.after = resume.after;
        resume = again;
      }
    }
    for (const std::int64_t id : ids(to_frames(file->take().value(), resume))) seen.push_back(id);
    std::vector<std::int64_t> expected;
    for (int seq = 1; seq <= kEvents; ++seq) expected.push_back(seq);
    EXPECT_EQ(seen, expected) << round;
    EXPECT_TRUE(resume.ended);
  }
  std::filesystem::remove(path);
}

TEST(GrowingFile, KeepsATornLastLineBack) {
  const auto path = std::filesystem::temp_directory_path() / "ordeal-torn-test";
  std::ofstream(path, std::ios::binary) << line(1) << line(2).substr(0, 30);
  GrowingFile file(path.string());
  EXPECT_EQ(file.take().value(), line(1));
  EXPECT_EQ(file.take().value(), "");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace ordeal::serve
