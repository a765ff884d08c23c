// The write-ahead journal of one executor: a file of fixed size, zeroed and synced before the first
// order, then only overwritten. One record holds all undos of a step and is durable before the
// step's first change; marks behind it, reserved with it, say how far its undos are.
//
// An append that fails or is late refuses every further injection, for ever; nothing here ever
// holds up a revert: marks are queued and written beside it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "engine/journal/record.hpp"
#include "engine/os/clock.hpp"
#include "engine/os/event.hpp"
#include "engine/os/host_files.hpp"

namespace ordeal::journal {

inline constexpr Duration kWriteDeadline = 2s;

class Journal {
 public:
  // Creates the file and its directory. Errors: what the file system says.
  static Task<Result<std::unique_ptr<Journal>>> create(os::Clock& clock, os::Files& files,
                                                       std::string path, Header header);
  // Goes on with the journal of a process that died, to mark what is taken back.
  Journal(os::Clock& clock, std::unique_ptr<os::DurableFile> file, Scan scan);

  // Durable when it returns; the sequence number of the record. That it returned is marked beside
  // what follows. Errors: full while a record is live; the disk failed or was late, now or before.
  Task<Result<std::uint64_t>> append(Intent intent);
  // Planted bug: says that it is durable before it is.
  std::uint64_t append_without_sync(Intent intent);

  // Queues the new state of an undo. Records that are unknown are ignored.
  void mark(std::uint64_t sequence, std::size_t undo, UndoMark mark);
  // Writes queued marks; runs beside everything else, until it is cancelled.
  Task<void> write_marks();
  // Waits until nothing is queued: false at the deadline, or when the disk has failed.
  Task<bool> flush(Duration deadline);

  // Why nothing more can be appended; empty: it can.
  const std::string& broken() const { return broken_; }

 private:
  Result<std::size_t> place(std::size_t sectors);
  void adopt(Record record);
  void confirm(Record& record);
  void forget_if_done(std::uint64_t sequence);
  Task<void> write_mark(std::uint64_t sequence, std::size_t index);

  os::Clock& clock_;
  std::unique_ptr<os::DurableFile> file_;
  std::map<std::uint64_t, Record> live_;  // until the mark that ends it is on the disk
  std::set<std::pair<std::uint64_t, std::size_t>> queue_;  // mark sectors: sequence, index
  bool writing_ = false;
  os::Event changed_;
  std::string broken_;
  std::size_t next_ = kHeaderSectors;  // sector
  std::uint64_t last_sequence_ = 0;
};

}  // namespace ordeal::journal
