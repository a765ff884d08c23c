// Goal: any version undoes what any other did, so it reads the journal that the other left behind.
// Method: a stored image, which is read and compared, and written again to the same bytes.
#include <sstream>

#include "tests/unit/golden.hpp"
#include "tests/unit/journal/bench.hpp"

namespace ordeal::journal {
namespace {

constexpr const char* kStored = "journal/v1/records.hex";
constexpr std::size_t kSectors = 16;

// One line for each sector that is not blank: its number, and its bytes up to the last that is not
// zero.
std::string hex_of(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += kSectorSize) {
    const std::string_view sector = bytes.substr(at, kSectorSize);
    const std::size_t last = sector.find_last_not_of('\0');
    if (last == sector.npos) continue;
    out += fmt::format("{} ", at / kSectorSize);
    for (std::size_t i = 0; i <= last; ++i) {
      out += fmt::format("{:02x}", static_cast<unsigned char>(sector[i]));
    }
    out += '\n';
  }
  return out;
}

std::string bytes_of(const std::string& hex) {
  std::string out(kSectors * kSectorSize, '\0');
  std::istringstream lines(hex);
  std::size_t sector = 0;
  for (std::string digits; lines >> sector >> digits;) {
    for (std::size_t i = 0; 2 * i < digits.size(); ++i) {
      out.at(sector * kSectorSize + i) =
          static_cast<char>(std::stoi(digits.substr(2 * i, 2), nullptr, 16));
    }
  }
  return out;
}

Intent written_last() {
  return intent_of("method.2", {model::DeleteTable{"ordeal-abcdefgh", model::NftFamily::netdev},
                                model::DeleteLink{"ordeal-abcdefgh"}});
}

// A record that is done; one of two data sectors, half done and tried twice; one whose append had
// not returned.
class GoldenTest : public JournalTest {
 protected:
  GoldenTest() : JournalTest(kSectors) {
    const auto done = append(intent_of("method.0", resumes(1, 2)));
    finish(done.value(), 2);
    const auto half = append(intent_of("method.1", resumes(10, 6)));
    journal_->mark(half.value(), 1, UndoMark{0, true});
    journal_->mark(half.value(), 2, UndoMark{2, false});
    write_marks();
    Intent last = written_last();
    last.idle[1] = true;
    EXPECT_TRUE(append(std::move(last)).has_value());
  }
};

TEST_F(GoldenTest, TheSameIsWrittenAsEver) {
  test::expect_kept(kStored, hex_of(disk_.bytes));
  EXPECT_EQ(bytes_of(test::read_all(test::golden_path(kStored))), disk_.bytes);
}

TEST(JournalGolden, WhatWasStoredIsRead) {
  const Scan found = scan(bytes_of(test::read_all(test::golden_path(kStored))));
  EXPECT_TRUE(found.problems.empty());
  ASSERT_TRUE(found.header);
  EXPECT_EQ(found.header->version, 1);
  EXPECT_EQ(found.header->size, static_cast<std::int64_t>(kSectors * kSectorSize));
  EXPECT_EQ(found.header->token, "abcdefgh");
  EXPECT_EQ(found.header->run, "r-1121-0140-7f3a");
  EXPECT_EQ(found.header->boot_id, "boot-1");
  EXPECT_EQ(found.header->machine_id, "machine-1");
  EXPECT_EQ(found.header->created, WallTime(1'764'000'000s));
  EXPECT_EQ(found.last_sequence, 3u);
  ASSERT_EQ(found.records.size(), 2u);

  const Record& half = found.records[0];
  EXPECT_EQ(half.sequence, 2u);
  EXPECT_EQ(half.data_count, 2u);
  EXPECT_TRUE(half.confirmed);
  EXPECT_EQ(intent_to_json(half.intent), intent_to_json(intent_of("method.1", resumes(10, 6))));
  EXPECT_EQ(half.marks,
            (std::vector<UndoMark>{
                {0, false}, {0, true}, {2, false}, {0, false}, {0, false}, {0, false}}));

  const Record& last = found.records[1];
  EXPECT_EQ(last.sequence, 3u);
  EXPECT_FALSE(last.confirmed);
  EXPECT_EQ(model::undos_to_json(last.intent.undos), model::undos_to_json(written_last().undos));
  EXPECT_EQ(last.intent.idle, (std::vector<bool>{false, true}));
  EXPECT_EQ(last.marks, (std::vector<UndoMark>{{0, false}, {0, false}}));
}

}  // namespace
}  // namespace ordeal::journal
