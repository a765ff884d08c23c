// Goal: what the journal says was injected is what was injected, whatever happened to its bytes.
// Method: real records over a disk in memory; every byte flipped, every length cut.
#include "engine/journal/sector.hpp"
#include "tests/unit/journal/bench.hpp"

namespace ordeal::journal {
namespace {

TEST_F(JournalTest, ReadsBackWhatWasAppended) {
  const Intent intent = intent_of("method.0", resumes(4711, 12));
  ASSERT_TRUE(append(intent).has_value());
  const Scan found = scan(disk_.bytes);
  ASSERT_TRUE(found.header);
  EXPECT_EQ(found.header->run, "r-1121-0140-7f3a");
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(intent_to_json(found.records[0].intent), intent_to_json(intent));
  EXPECT_EQ(found.records[0].marks.size(), 12u);
  EXPECT_TRUE(found.problems.empty());
}

TEST_F(JournalTest, OneAppendIsOneWrite) {
  const int before = disk_.writes;
  ASSERT_TRUE(append(intent_of("method.0", resumes(1, 20))).has_value());
  EXPECT_EQ(disk_.writes, before + 1);
}

TEST_F(JournalTest, MarksSurviveAndDoneRecordsAreNotLive) {
  const auto first = append(intent_of("method.0", resumes(1, 2)));
  const auto second = append(intent_of("method.1", resumes(7, 2)));
  journal_->mark(first.value(), 0, UndoMark{0, true});
  journal_->mark(first.value(), 1, UndoMark{0, true});
  journal_->mark(second.value(), 1, UndoMark{1, false});
  write_marks();
  const Scan found = scan(disk_.bytes);
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].intent.step, "method.1");
  EXPECT_EQ(found.records[0].marks[0], (UndoMark{0, false}));
  EXPECT_EQ(found.records[0].marks[1], (UndoMark{1, false}));
}

TEST_F(JournalTest, MoreUndosThanOneMarkSectorHolds) {
  format(2048);
  const auto sequence = append(intent_of("method.0", resumes(1, 1000)));
  ASSERT_TRUE(sequence.has_value());
  for (std::size_t i = 0; i < 999; ++i) journal_->mark(sequence.value(), i, UndoMark{0, true});
  write_marks();
  const Scan found = scan(disk_.bytes);
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_TRUE(found.records[0].marks[998].done);
  EXPECT_FALSE(found.records[0].marks[999].done);
  journal_->mark(sequence.value(), 999, UndoMark{0, true});
  write_marks();
  EXPECT_TRUE(scan(disk_.bytes).records.empty());
}

TEST_F(JournalTest, FullRefusesWhenEverythingIsLive) {
  std::vector<std::uint64_t> live;
  while (true) {
    const auto sequence = append(intent_of("method.0", resumes(1, 12)));
    if (sequence.has_error()) {
      EXPECT_EQ(sequence.error().code(), Code::refused);
      break;
    }
    live.push_back(sequence.value());
    ASSERT_LT(live.size(), 20u);
  }
  ASSERT_GT(live.size(), 2u);
  finish(live[1], 12);
  const Intent fresh = intent_of("method.2", resumes(99, 12));
  ASSERT_TRUE(append(fresh).has_value());
  EXPECT_TRUE(append(intent_of("method.3", resumes(1, 12))).has_error());
  const Scan found = scan(disk_.bytes);
  EXPECT_EQ(found.records.size(), live.size());
  EXPECT_TRUE(written_intents(found).contains(intent_to_json(fresh)));
  EXPECT_TRUE(found.problems.empty()) << found.problems.front();
}

TEST_F(JournalTest, AStepThatLastsDoesNotFillTheRingForThoseThatRepeat) {
  const Intent lasting = intent_of("method.0", resumes(1, 12));
  ASSERT_TRUE(append(lasting).has_value());
  for (int i = 0; i < 200; ++i) {
    const Intent intent = intent_of(fmt::format("method.1#{}", i), resumes(50 + i, 3 + i % 9));
    const auto sequence = append(intent);
    ASSERT_TRUE(sequence.has_value()) << i << ": " << sequence.error().message();
    const Scan found = scan(disk_.bytes);
    ASSERT_EQ(written_intents(found),
              (std::set<std::string>{intent_to_json(lasting), intent_to_json(intent)}))
        << i;
    ASSERT_TRUE(found.problems.empty()) << found.problems.front();
    finish(sequence.value(), static_cast<std::size_t>(3 + i % 9));
  }
}

TEST_F(JournalTest, WrapsAroundManyTimesAndAlwaysShowsExactlyWhatIsLive) {
  for (int i = 0; i < 200; ++i) {
    const std::size_t undos = 1 + static_cast<std::size_t>(i) % 17;
    const Intent intent =
        intent_of(fmt::format("method.{}", i), resumes(i, static_cast<std::int64_t>(undos)));
    const auto sequence = append(intent);
    ASSERT_TRUE(sequence.has_value()) << sequence.error().message();
    const Scan found = scan(disk_.bytes);
    ASSERT_EQ(written_intents(found), std::set<std::string>{intent_to_json(intent)}) << i;
    ASSERT_TRUE(found.problems.empty()) << found.problems.front();
    finish(sequence.value(), undos);
    ASSERT_TRUE(scan(disk_.bytes).records.empty()) << i;
  }
}

TEST_F(JournalTest, AFailedWriteRefusesAllFurtherAppends) {
  disk_.failure = Error::system(5, "fdatasync");
  EXPECT_TRUE(append(intent_of("method.0", resumes(1, 1))).has_error());
  disk_.failure.reset();
  const auto again = append(intent_of("method.1", resumes(1, 1)));
  ASSERT_TRUE(again.has_error());
  EXPECT_EQ(again.error().code(), Code::refused);
}

TEST_F(JournalTest, AFailedMarkEndsTheFlushAndRefusesAppends) {
  const auto sequence = append(intent_of("method.0", resumes(1, 1)));
  disk_.failure = Error::system(5, "fdatasync");
  finish(sequence.value(), 1);
  EXPECT_FALSE(journal_->broken().empty());
  EXPECT_EQ(scan(disk_.bytes).records.size(), 1u);
}

TEST_F(JournalTest, RefusesARecordThatCanNeverFit) {
  format(2048);
  const auto big = append(intent_of("method.0", resumes(1, 20'000)));
  ASSERT_TRUE(big.has_error());
  EXPECT_EQ(big.error().code(), Code::refused);
  EXPECT_TRUE(journal_->broken().empty());
}

// A journal with one record that is done, one half done, one untouched.
class DamageTest : public JournalTest {
 protected:
  void SetUp() override {
    const auto done = append(intent_of("method.0", resumes(1, 3)));
    finish(done.value(), 3);
    const auto half = append(intent_of("method.1", resumes(10, 3)));
    journal_->mark(half.value(), 1, UndoMark{0, true});
    write_marks();
    ASSERT_TRUE(append(intent_of("method.2", resumes(20, 16))).has_value());
    write_marks();
    whole_ = written_intents(scan(disk_.bytes));
    ASSERT_EQ(whole_.size(), 2u);
    ASSERT_TRUE(scan(disk_.bytes).problems.empty());
  }

  // Every record that is found was written; a record that is missed is reported.
  void check(const std::string& bytes, const std::string& what) {
    const Scan found = scan(bytes);
    std::size_t kept = 0;
    for (const std::string& intent : written_intents(found)) {
      const bool known = whole_.contains(intent);
      ASSERT_TRUE(known || intent.find("\"method.0\"") != intent.npos) << what << ": " << intent;
      kept += known ? 1 : 0;
    }
    if (kept < whole_.size()) {
      ASSERT_FALSE(found.problems.empty()) << what << ": a record is lost and nobody is told";
    }
  }

  std::set<std::string> whole_;
};

TEST_F(DamageTest, AFlippedBitInAnyByteNeitherInventsNorHidesARecord) {
  for (std::size_t at = 0; at < disk_.bytes.size(); ++at) {
    const std::size_t bit = at % 8;
    std::string bytes = disk_.bytes;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    check(bytes, fmt::format("bit {} of byte {}", bit, at));
    if (HasFatalFailure()) return;
  }
}

TEST_F(DamageTest, AnyCutNeitherInventsNorHidesARecord) {
  // A journal that was cut to nothing looks like one that was never written.
  for (std::size_t size = 1; size < disk_.bytes.size(); ++size) {
    check(disk_.bytes.substr(0, size), fmt::format("cut at {}", size));
    if (HasFatalFailure()) return;
  }
}

TEST_F(DamageTest, AWholeBadSectorNeitherInventsNorHidesARecord) {
  for (std::size_t at = 0; at < disk_.bytes.size(); at += kSectorSize) {
    std::string bytes = disk_.bytes;
    bytes.replace(at, kSectorSize, kSectorSize, '\xff');
    check(bytes, fmt::format("sector {}", at / kSectorSize));
    if (HasFatalFailure()) return;
  }
}

TEST_F(DamageTest, ATornAppendIsNoRecordAndNoProblem) {
  // The worker died while it wrote: only the first sectors arrived, so nothing was injected.
  const std::string record = encode_record(9, intent_of("method.9", resumes(1, 30))).value();
  const std::size_t at = disk_.bytes.size() - 5 * kSectorSize;
  ASSERT_GT(record.size(), 3 * kSectorSize);
  for (std::size_t arrived = 0; arrived < 3; ++arrived) {
    std::string bytes = disk_.bytes;
    bytes.replace(at, arrived * kSectorSize, record.substr(0, arrived * kSectorSize));
    const Scan found = scan(bytes);
    EXPECT_EQ(written_intents(found), whole_);
    EXPECT_TRUE(found.problems.empty());
  }
}

// The power goes in the middle of an append: any part of its sectors may have arrived.
TEST_F(DamageTest, AnyPartOfAnAppendIsNoRecordAndNoProblem) {
  const std::string record = encode_record(9, intent_of("method.9", resumes(1, 20))).value();
  const std::size_t at = disk_.bytes.size() - 5 * kSectorSize;
  const std::size_t sectors = record.size() / kSectorSize;
  ASSERT_GT(sectors, 3u);
  ASSERT_LE(sectors, 5u);
  for (unsigned arrived = 0; arrived + 1 < 1u << sectors; ++arrived) {
    std::string bytes = disk_.bytes;
    bool data_missing = false;
    for (std::size_t i = 0; i < sectors; ++i) {
      const bool here = arrived >> i & 1;
      data_missing = data_missing || (!here && i + 1 < sectors);
      if (here)
        bytes.replace(at + i * kSectorSize, kSectorSize, record, i * kSectorSize, kSectorSize);
    }
    if (!data_missing) continue;  // all that its undos need is there
    const Scan found = scan(bytes);
    EXPECT_EQ(written_intents(found), whole_) << arrived;
    EXPECT_TRUE(found.problems.empty()) << arrived;
  }
}

TEST_F(DamageTest, APartOfTheHeaderIsAJournalThatWasNeverUsed) {
  std::string bytes(kJournalSize, '\0');
  bytes.replace(0, 100, encode_header(header_of(kJournalSize)), 0, 100);
  EXPECT_TRUE(scan(bytes).blank);
  EXPECT_TRUE(scan(bytes).problems.empty());
}

TEST_F(DamageTest, OneBadHeaderCopyCostsNothing) {
  std::string bytes = disk_.bytes;
  bytes.replace(0, kSectorSize, kSectorSize, '\0');
  const Scan found = scan(bytes);
  EXPECT_TRUE(found.header);
  EXPECT_TRUE(found.problems.empty());
}

TEST_F(DamageTest, ForeignBytesAreNoJournal) {
  std::string noise(64 * kSectorSize, '\0');
  std::uint32_t state = 1;
  for (char& byte : noise) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  for (const std::string& bytes : {std::string(7, 'x'), noise}) {
    const Scan found = scan(bytes);
    EXPECT_FALSE(found.header);
    EXPECT_TRUE(found.records.empty());
    EXPECT_FALSE(found.problems.empty());
  }
}

TEST_F(DamageTest, AJournalOfZerosWasNeverUsed) {
  for (const std::string& bytes : {std::string(), std::string(3, '\0'), std::string(9999, '\0')}) {
    const Scan found = scan(bytes);
    EXPECT_TRUE(found.blank);
    EXPECT_TRUE(found.problems.empty());
  }
}

TEST_F(DamageTest, AnotherMachinesJournalIsNotRun) {
  Scan found = scan(disk_.bytes);
  keep_what_applies(found, "machine-2", "boot-1");
  EXPECT_TRUE(found.records.empty());
  EXPECT_FALSE(found.problems.empty());
}

TEST_F(DamageTest, WithoutHeaderNothingIsRunAndItIsSaid) {
  std::string bytes = disk_.bytes;
  bytes.replace(0, 2 * kSectorSize, 2 * kSectorSize, '\0');
  Scan found = scan(bytes);
  keep_what_applies(found, "machine-1", "boot-1");
  EXPECT_TRUE(found.records.empty());
  EXPECT_EQ(found.problems.size(), 2u);
}

TEST_F(JournalTest, AfterARebootOnlyWhatLastsIsLeft) {
  std::vector<model::Undo> undos = resumes(1, 2);
  undos.push_back(model::StartUnit{"nginx.service"});
  undos.push_back(model::DeleteLink{"ordeal-abcdefgh"});
  ASSERT_TRUE(append(intent_of("method.0", undos)).has_value());
  ASSERT_TRUE(append(intent_of("method.1", resumes(5, 1))).has_value());
  Scan same = scan(disk_.bytes);
  keep_what_applies(same, "machine-1", "boot-1");
  EXPECT_EQ(same.records.size(), 2u);
  Scan later = scan(disk_.bytes);
  keep_what_applies(later, "machine-1", "boot-2");
  ASSERT_EQ(later.records.size(), 1u);
  EXPECT_EQ(later.records[0].marks,
            (std::vector<UndoMark>{{0, true}, {0, true}, {0, false}, {0, true}}));
}

TEST_F(JournalTest, AnUndoOfUnknownKindIsReportedNotSkipped) {
  Intent intent = intent_of("method.0", resumes(1, 1));
  std::string bytes = encode_record(1, intent).value();
  const std::size_t at = bytes.find("resume_process");
  bytes.replace(at, 14, "resume_planets");
  Sector sector = *decode_sector(encode(Sector{}));
  sector.sequence = 1;
  sector.data_count = 1;
  sector.mark_count = 1;
  sector.payload = bytes.substr(kPayloadStart, bytes.find('\0', kPayloadStart) - kPayloadStart);
  disk_.bytes.replace(2 * kSectorSize, kSectorSize, encode(sector));
  const Scan found = scan(disk_.bytes);
  EXPECT_TRUE(found.records.empty());
  ASSERT_EQ(found.problems.size(), 1u);
}

}  // namespace
}  // namespace ordeal::journal
