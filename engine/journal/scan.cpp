#include <algorithm>
#include <map>

#include "engine/base/json.hpp"
#include "engine/journal/record.hpp"
#include "engine/journal/sector.hpp"

namespace ordeal::journal {
namespace {

// The sectors of one record that could be read, by their index in it.
struct Group {
  std::size_t start = 0;
  std::size_t data_count = 0;
  std::size_t mark_count = 0;
  std::map<std::size_t, std::string> sectors;

  bool whole() const {
    for (std::size_t i = 0; i < data_count; ++i) {
      if (!sectors.contains(i)) return false;
    }
    return data_count > 0;
  }
  bool has_marks() const {
    for (std::size_t i = data_count; i < data_count + mark_count; ++i) {
      if (!sectors.contains(i)) return false;
    }
    return mark_count > 0;
  }
  bool confirmed() const {
    for (auto mark = sectors.lower_bound(data_count); mark != sectors.end(); ++mark) {
      if (mark->second.find_first_not_of('n') != std::string::npos) return true;
    }
    return false;
  }
  // '-' for done, a digit for the tries of an open one, 'n' before the append had returned.
  std::string marks() const {
    std::string out;
    for (std::size_t i = data_count; i < data_count + mark_count; ++i) {
      const auto found = sectors.find(i);
      out += found == sectors.end() ? std::string(kMarksInSector, '0') : found->second;
    }
    return out;
  }
  bool all_done() const {
    const std::string text = marks();
    return has_marks() && text.find_first_not_of('-') == text.npos;
  }
};

using Groups = std::map<std::uint64_t, Group>;

Groups collect(std::string_view bytes, Scan& out) {
  Groups groups;
  for (std::size_t at = 0; at + kSectorSize <= bytes.size(); at += kSectorSize) {
    auto sector = decode_sector(bytes.substr(at, kSectorSize));
    if (!sector) continue;
    const std::size_t position = at / kSectorSize;
    if (sector->kind == SectorKind::header) {
      if (out.header || position >= kHeaderSectors) continue;
      auto value = json::parse(sector->payload);
      if (value.has_error()) continue;
      auto header = json::decode<Header>(value.value(), json::Unknown::ignored, "header");
      if (header.has_value()) out.header = std::move(header.value());
      continue;
    }
    if (sector->index > position) continue;
    const std::size_t start = position - sector->index;
    Group& group = groups[sector->sequence];
    if (group.sectors.empty()) {
      group.start = start;
      group.data_count = sector->data_count;
      group.mark_count = sector->mark_count;
    }
    if (group.start != start || group.data_count != sector->data_count) continue;
    group.sectors[sector->index] = std::move(sector->payload);
  }
  return groups;
}

// A later record lies over a part of this one: it was dead when that began, because only what is
// dead may be written over.
bool written_over(const Groups& groups, Groups::const_iterator mine) {
  const Group& group = mine->second;
  const std::size_t end = group.start + group.data_count + group.mark_count;
  return std::any_of(std::next(mine), groups.end(), [&](const auto& later) {
    const Group& other = later.second;
    const std::size_t other_end = other.start + other.data_count + other.mark_count;
    return other.start < end && group.start < other_end;
  });
}

std::vector<UndoMark> read_marks(const std::string& text, std::size_t undos) {
  std::vector<UndoMark> marks(undos);
  for (std::size_t i = 0; i < std::min(undos, text.size()); ++i) {
    marks[i].done = text[i] == '-';
    marks[i].tries = text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : 0;
  }
  return marks;
}

Result<Record> read_record(std::uint64_t sequence, const Group& group) {
  std::string text;
  for (std::size_t i = 0; i < group.data_count; ++i) text += group.sectors.at(i);
  Record record;
  TRY(auto intent, intent_from_json(text));
  record.sequence = sequence;
  record.sector = group.start;
  record.data_count = group.data_count;
  record.marks = read_marks(group.marks(), intent.undos.size());
  record.confirmed = group.confirmed();
  record.intent = std::move(intent);
  return record;
}

}  // namespace

Scan scan(std::string_view bytes) {
  Scan out;
  out.blank = bytes.find_first_not_of('\0') == bytes.npos;
  if (out.blank) return out;
  const Groups groups = collect(bytes, out);
  // The power went while the header was written: no record can have been behind it.
  const std::size_t behind = bytes.find_first_not_of('\0', kHeaderSectors * kSectorSize);
  out.blank = !out.header && bytes.size() == kJournalSize && behind == bytes.npos;
  if (out.blank) return out;
  if (!out.header) {
    out.problems.push_back("its header cannot be read");
  } else if (static_cast<std::int64_t>(bytes.size()) != out.header->size) {
    out.problems.push_back(
        fmt::format("it has {} bytes and should have {}: cut off", bytes.size(), out.header->size));
  }
  for (auto group = groups.begin(); group != groups.end(); ++group) {
    const auto& [sequence, sectors] = *group;
    out.last_sequence = std::max(out.last_sequence, sequence);
    if (sectors.all_done() || written_over(groups, group)) continue;
    if (!sectors.whole()) {
      // A part of a write that never returned: nothing was injected.
      if (!sectors.has_marks() || !sectors.confirmed()) continue;
      out.problems.push_back(fmt::format("record {} at sector {} is damaged: its undos are lost",
                                         sequence, sectors.start));
      continue;
    }
    auto record = read_record(sequence, sectors);
    if (record.has_error()) {
      out.problems.push_back(fmt::format("record {} at sector {}: {}", sequence, sectors.start,
                                         record.error().message()));
    } else if (record.value().live()) {
      out.records.push_back(std::move(record.value()));
    }
  }
  return out;
}

void keep_what_applies(Scan& scan, const std::string& machine_id, const std::string& boot_id) {
  if (!scan.header) {
    if (!scan.records.empty()) {
      scan.problems.push_back(
          fmt::format("{} records are not run, since nothing says whose they "
                      "are",
                      scan.records.size()));
    }
    scan.records.clear();
    return;
  }
  // A machine without an id (a container) is not another one because it gets one later.
  const std::string& theirs = scan.header->machine_id;
  if (theirs != machine_id && !theirs.empty() && !machine_id.empty()) {
    scan.problems.push_back("it belongs to another machine: nothing of it is run");
    scan.records.clear();
    return;
  }
  // What was not known then shows no reboot.
  if (scan.header->boot_id == boot_id || scan.header->boot_id.empty()) return;
  for (Record& record : scan.records) {
    for (std::size_t i = 0; i < record.marks.size(); ++i) {
      if (model::lifetime_of(record.intent.undos[i]) != model::Lifetime::never) {
        record.marks[i].done = true;
      }
    }
  }
  std::erase_if(scan.records, [](const Record& record) { return !record.live(); });
}

}  // namespace ordeal::journal
