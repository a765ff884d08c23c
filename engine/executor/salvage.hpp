// Undoing from a journal alone: what the keeper does after its worker's death, and `ordeal recover`
// after everybody's.
#pragma once

#include "engine/executor/executor.hpp"
#include "engine/journal/journal.hpp"
#include "engine/undo/rollback.hpp"

namespace ordeal::executor {

wire::UndoResult to_wire(const undo::Outcome& outcome);

// What a record leaves to do.
undo::StepUndos undos_of(const journal::Record& record);

// Writes into the journal how far each undo is.
class JournalListener : public undo::Listener {
 public:
  // `journal` may be null: then nothing is written.
  explicit JournalListener(journal::Journal* journal) : journal_(journal) {}
  void trying(const undo::StepUndos& step, std::size_t index) override;
  void ended(const undo::StepUndos& step, std::size_t index, const undo::Outcome& outcome) override;
  // Tries that earlier processes did not survive.
  void remember(const journal::Record& record);

 private:
  int tries(const undo::StepUndos& step, std::size_t index) const;
  journal::Journal* journal_;
  std::map<std::uint64_t, std::vector<journal::UndoMark>> marks_;  // by record
};

// Undoes everything in the scan, in rank order over all its steps. Without `file` (its owner hangs
// in D state and holds the lock) nothing is marked. An undo that killed kPoison processes is not
// tried again but reported.
Task<RecoveredJournal> salvage(os::Host& host, journal::Scan scan,
                               std::unique_ptr<os::DurableFile> file, undo::Options options);

inline constexpr int kPoison = 3;

// What salvage would do, for `--print`.
RecoveredJournal describe(const journal::Scan& scan);

}  // namespace ordeal::executor
