#include "engine/journal/record.hpp"

#include <algorithm>

#include "engine/base/json.hpp"
#include "engine/journal/sector.hpp"

namespace ordeal::journal {
namespace {

// The part of an intent that a later version may extend. The undos are read strictly instead.
struct Meta {
  std::string step;
  std::string name;
  std::string fault;
  std::string digest;
  std::string mark;
  std::vector<model::Claim> claims;
};
BOOST_DESCRIBE_STRUCT(Meta, (), (step, name, fault, digest, mark, claims))

constexpr char kOpen = '0';  // + tries
constexpr char kNew = 'n';   // as the append wrote it
constexpr char kDone = '-';
constexpr int kMostTries = 9;

}  // namespace

bool Record::live() const {
  return std::any_of(marks.begin(), marks.end(), [](const UndoMark& mark) { return !mark.done; });
}

std::string intent_to_json(const Intent& intent) {
  Meta meta{intent.step, intent.name, intent.fault, intent.digest, intent.mark, intent.claims};
  boost::json::object object = json::encode(meta).as_object();
  object["undos"] = json::encode(intent.undos);
  boost::json::array idle;
  for (const bool flag : intent.idle) idle.push_back(flag);
  object["idle"] = std::move(idle);
  return json::dump(object);
}

Result<Intent> intent_from_json(std::string_view text) {
  TRY(auto value, json::parse(text, kJournalSize));
  auto* object = value.if_object();
  if (object == nullptr || !object->contains("undos") || !object->contains("idle")) {
    return Error(Code::invalid, "not an intent");
  }
  TRY(auto meta, json::decode<Meta>(value, json::Unknown::ignored, "intent"));
  TRY(auto undos, json::decode<std::vector<model::Undo>>(object->at("undos")));
  Intent intent{
      std::move(meta.step), std::move(meta.name),   std::move(meta.fault), std::move(meta.digest),
      std::move(meta.mark), std::move(meta.claims), std::move(undos),      {}};
  const auto* idle = object->at("idle").if_array();
  if (idle == nullptr || idle->size() != intent.undos.size()) {
    return Error(Code::invalid, "idle flags and undos differ in number");
  }
  for (const auto& flag : *idle) intent.idle.push_back(flag.is_bool() && flag.get_bool());
  return intent;
}

std::string encode_header(const Header& header) {
  std::string out;
  for (std::size_t i = 0; i < kHeaderSectors; ++i) {
    Sector sector;
    sector.kind = SectorKind::header;
    sector.index = static_cast<std::uint16_t>(i);
    sector.payload = json::dump(json::encode(header));
    out += encode(sector);
  }
  return out;
}

std::size_t mark_sectors(std::size_t undos) {
  return std::max<std::size_t>(1, (undos + kMarksInSector - 1) / kMarksInSector);
}

std::string encode_marks(const Record& record, std::size_t index) {
  Sector sector;
  sector.kind = SectorKind::mark;
  sector.sequence = record.sequence;
  sector.index = static_cast<std::uint16_t>(record.data_count + index);
  sector.data_count = static_cast<std::uint16_t>(record.data_count);
  sector.mark_count = static_cast<std::uint16_t>(mark_sectors(record.marks.size()));
  const std::size_t first = index * kMarksInSector;
  const std::size_t last = std::min(first + kMarksInSector, record.marks.size());
  for (std::size_t i = first; i < last; ++i) {
    const UndoMark& mark = record.marks[i];
    const char tries = static_cast<char>(kOpen + std::min(mark.tries, kMostTries));
    const char open = record.confirmed ? tries : kNew;
    sector.payload.push_back(mark.done ? kDone : open);
  }
  return encode(sector);
}

Result<std::string> encode_record(std::uint64_t sequence, const Intent& intent) {
  const std::string text = intent_to_json(intent);
  Record record;
  record.sequence = sequence;
  record.data_count = (text.size() + kPayloadSize - 1) / kPayloadSize;
  record.marks.resize(intent.undos.size());
  const std::size_t marks = mark_sectors(intent.undos.size());
  const std::size_t room = kJournalSize / kSectorSize - kHeaderSectors;
  if (record.data_count + marks > room) {
    return Error(Code::refused, fmt::format("the undos of step {} need {} KiB, the journal has {}",
                                            intent.step, text.size() / 1024, kJournalSize / 1024));
  }
  std::string out;
  for (std::size_t i = 0; i < record.data_count; ++i) {
    Sector sector;
    sector.sequence = sequence;
    sector.index = static_cast<std::uint16_t>(i);
    sector.data_count = static_cast<std::uint16_t>(record.data_count);
    sector.mark_count = static_cast<std::uint16_t>(marks);
    sector.payload = text.substr(i * kPayloadSize, kPayloadSize);
    out += encode(sector);
  }
  for (std::size_t i = 0; i < marks; ++i) out += encode_marks(record, i);
  return out;
}

}  // namespace ordeal::journal
