// What the journal says, and how its bytes are read back: whatever happened to the file, a record
// that is returned is one that was written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/base/units.hpp"
#include "engine/model/change.hpp"

namespace ordeal::journal {

inline constexpr std::size_t kJournalSize = 1u << 20;

struct Header {
  int version = 1;
  std::int64_t size = 0;  // of the file, bytes: shows that it was cut
  std::string token;
  std::string run;
  std::string boot_id;
  std::string machine_id;
  WallTime created{};
};
BOOST_DESCRIBE_STRUCT(Header, (), (version, size, token, run, boot_id, machine_id, created))

// One step, before its first change: everything that takes it back.
struct Intent {
  std::string step;
  std::string name;
  std::string fault;
  std::string digest;
  std::string mark;  // on every kernel object of the step
  std::vector<model::Claim> claims;
  std::vector<model::Undo> undos;  // in the order of the changes
  std::vector<bool> idle;          // one for each undo: an idle leftover, removed last
};

// How far one undo is.
struct UndoMark {
  int tries = 0;      // processes that began it and died before it ended
  bool done = false;  // taken back, read back
  bool operator==(const UndoMark&) const = default;
};

struct Record {
  std::uint64_t sequence = 0;
  std::size_t sector = 0;  // where it begins
  std::size_t data_count = 0;
  Intent intent;
  std::vector<UndoMark> marks;  // one for each undo
  // A mark says that the append had returned. Until then a part that is missing was never written
  // (the power went in the middle of it), and nothing was injected; from then on it is damage.
  bool confirmed = false;

  bool live() const;
};

struct Scan {
  std::optional<Header> header;
  std::vector<Record> records;        // those with an undo that is not done, oldest first
  std::vector<std::string> problems;  // what cannot be trusted; empty: the journal is whole
  std::uint64_t last_sequence = 0;
  bool blank = false;  // nothing but zeros: its owner died before it wrote anything
};

// Pure. Never fails: an unreadable journal is one without records and with problems.
Scan scan(std::string_view bytes);

// Takes out what must not be run here and now: all of another machine's journal (and says so); what
// a reboot has ended by itself.
void keep_what_applies(Scan& scan, const std::string& machine_id, const std::string& boot_id);

// ---- Bytes (record.cpp) ------------------------------------------------------------------------

std::string encode_header(const Header& header);
// Data and mark sectors. Error: the step has more than fits into a journal.
Result<std::string> encode_record(std::uint64_t sequence, const Intent& intent);
std::size_t mark_sectors(std::size_t undos);
// The mark sector number `index` of a record.
std::string encode_marks(const Record& record, std::size_t index);

std::string intent_to_json(const Intent& intent);
Result<Intent> intent_from_json(std::string_view text);

inline constexpr std::size_t kHeaderSectors = 2;  // two copies: one bad sector loses nothing
inline constexpr std::size_t kMarksInSector = 480;

}  // namespace ordeal::journal
