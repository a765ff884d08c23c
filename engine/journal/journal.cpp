#include "engine/journal/journal.hpp"

#include "engine/journal/sector.hpp"

namespace ordeal::journal {

Task<Result<std::unique_ptr<Journal>>> Journal::create(os::Clock& clock, os::Files& files,
                                                       std::string path, Header header) {
  const std::string directory = path.substr(0, path.rfind('/'));
  CO_CHECK_OK(files.make_directory(directory));
  CO_TRY(auto file, files.create_durable(path, kJournalSize));
  header.size = static_cast<std::int64_t>(kJournalSize);
  std::string bytes = encode_header(header);
  CO_CHECK_OK(co_await file->write(0, std::move(bytes), kWriteDeadline));
  Scan empty;
  empty.header = std::move(header);
  co_return std::make_unique<Journal>(clock, std::move(file), std::move(empty));
}

Journal::Journal(os::Clock& clock, std::unique_ptr<os::DurableFile> file, Scan scan)
    : clock_(clock), file_(std::move(file)), last_sequence_(scan.last_sequence) {
  for (Record& record : scan.records) adopt(std::move(record));
}

void Journal::adopt(Record record) {
  next_ = record.sector + record.data_count + mark_sectors(record.marks.size());
  record.intent = Intent{};  // only its place and its marks are needed from here on
  const std::uint64_t sequence = record.sequence;
  live_.insert_or_assign(sequence, std::move(record));
}

// The next free stretch behind the last record, around the ring once. Never over a record that is
// live, or dead without that being on the disk yet: so whatever lies under a later record is dead.
Result<std::size_t> Journal::place(std::size_t sectors) {
  const std::size_t end = file_->size() / kSectorSize;
  std::map<std::size_t, std::size_t> taken;  // start, end
  for (const auto& [sequence, record] : live_) {
    const std::size_t size = record.data_count + mark_sectors(record.marks.size());
    taken.emplace(record.sector, record.sector + size);
  }
  const auto free_from = [&](std::size_t at) {
    for (const auto& [start, stop] : taken) {
      if (at < stop && start < at + sectors) at = stop;
    }
    return at;
  };
  std::size_t at = free_from(next_);
  if (at + sectors > end) at = free_from(kHeaderSectors);
  if (at + sectors <= end) return at;
  return Error(Code::refused,
               fmt::format("the journal is full: {} steps in it are not undone", live_.size()));
}

Task<Result<std::uint64_t>> Journal::append(Intent intent) {
  if (!broken_.empty()) co_return Error(Code::refused, "the journal is broken: " + broken_);
  const std::uint64_t sequence = last_sequence_ + 1;
  CO_TRY(auto bytes, encode_record(sequence, intent));
  Record record;
  CO_TRY(auto sector, place(bytes.size() / kSectorSize));
  record.sequence = sequence;
  record.sector = sector;
  record.marks.resize(intent.undos.size());
  record.data_count = bytes.size() / kSectorSize - mark_sectors(intent.undos.size());
  // Taken before the write: the next append must not choose the same place while this one waits.
  last_sequence_ = sequence;
  adopt(std::move(record));
  auto written = co_await file_->write(sector * kSectorSize, std::move(bytes), kWriteDeadline);
  if (written.has_error()) {
    broken_ = written.error().message();
    co_return std::move(written.error()).within("write the journal");
  }
  confirm(live_.at(sequence));
  co_return sequence;
}

void Journal::confirm(Record& record) {
  record.confirmed = true;
  for (std::size_t i = 0; i < mark_sectors(record.marks.size()); ++i) {
    queue_.emplace(record.sequence, i);
  }
  changed_.notify();
}

std::uint64_t Journal::append_without_sync(Intent) { return ++last_sequence_; }

void Journal::mark(std::uint64_t sequence, std::size_t undo, UndoMark mark) {
  const auto found = live_.find(sequence);
  if (found == live_.end() || undo >= found->second.marks.size()) return;
  if (found->second.marks[undo] == mark) return;
  if (!found->second.confirmed) confirm(found->second);  // it was read, so it is whole
  found->second.marks[undo] = mark;
  queue_.emplace(sequence, undo / kMarksInSector);
  changed_.notify();
}

Task<void> Journal::write_mark(std::uint64_t sequence, std::size_t index) {
  const Record& record = live_.at(sequence);
  std::string bytes = encode_marks(record, index);
  const std::size_t offset = (record.sector + record.data_count + index) * kSectorSize;
  writing_ = true;
  auto written = co_await file_->write(offset, std::move(bytes), kWriteDeadline);
  writing_ = false;
  if (written.has_error()) {
    broken_ = written.error().message();
    queue_.clear();
  } else {
    forget_if_done(sequence);
  }
}

void Journal::forget_if_done(std::uint64_t sequence) {
  const auto queued = queue_.lower_bound({sequence, 0});
  if (queued != queue_.end() && queued->first == sequence) return;
  if (!live_.at(sequence).live()) live_.erase(sequence);
}

Task<void> Journal::write_marks() {
  while (true) {
    while (!queue_.empty() && broken_.empty()) {
      const auto [sequence, index] = *queue_.begin();
      queue_.erase(queue_.begin());
      co_await write_mark(sequence, index);
    }
    changed_.notify();
    co_await changed_.wait();
  }
}

Task<bool> Journal::flush(Duration deadline) {
  const BootTime end = clock_.now() + deadline;
  while (broken_.empty() && (writing_ || !queue_.empty())) {
    if (clock_.now() >= end) co_return false;
    co_await changed_.wait_until(clock_, end);
  }
  co_return broken_.empty();
}

}  // namespace ordeal::journal
