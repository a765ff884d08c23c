#include "engine/executor/salvage.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

namespace ordeal::executor {
namespace {

using namespace asio::experimental::awaitable_operators;

// Collects outcomes beside marking them. A later attempt at the same undo replaces the earlier.
class Collector : public JournalListener {
 public:
  using JournalListener::JournalListener;
  void ended(const undo::StepUndos& step, std::size_t index,
             const undo::Outcome& outcome) override {
    JournalListener::ended(step, index, outcome);
    outcomes_[{step.record, index}] = to_wire(outcome);
  }
  std::vector<wire::UndoResult> results() const {
    std::vector<wire::UndoResult> out;
    for (const auto& [key, outcome] : outcomes_) out.push_back(outcome);
    return out;
  }

 private:
  std::map<std::pair<std::uint64_t, std::size_t>, wire::UndoResult> outcomes_;
};

RecoveredJournal begin_report(const journal::Scan& scan) {
  RecoveredJournal out;
  if (scan.header) {
    out.token = scan.header->token;
    out.run = scan.header->run;
  }
  for (const journal::Record& record : scan.records) {
    out.steps.push_back(record.intent.step + " " + record.intent.fault);
  }
  out.problems = scan.problems;
  return out;
}

Task<void> undo_all(os::Host& host, std::vector<undo::StepUndos>& steps, Collector& listener,
                    journal::Journal* journal, undo::Options options) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await undo::rollback(host, steps, listener, options);
  if (!options.drop_rest_on_first_error) {
    co_await undo::remove_leftovers(host, steps, listener, true);
  }
  if (journal != nullptr) co_await journal->flush(journal::kWriteDeadline);
}

}  // namespace

wire::UndoResult to_wire(const undo::Outcome& outcome) {
  wire::UndoResult out;
  out.what = outcome.what;
  out.text = outcome.text;
  out.command = outcome.command;
  out.took = outcome.took;
  out.ok = outcome.ok;
  out.gone_before = outcome.gone_before;
  return out;
}

undo::StepUndos undos_of(const journal::Record& record) {
  auto out = undo::StepUndos::of(record.intent.step, record.sequence, record.intent.undos,
                                 record.intent.idle);
  for (std::size_t i = 0; i < record.marks.size(); ++i) out.done[i] = record.marks[i].done;
  return out;
}

void JournalListener::remember(const journal::Record& record) {
  marks_[record.sequence] = record.marks;
}

int JournalListener::tries(const undo::StepUndos& step, std::size_t index) const {
  const auto found = marks_.find(step.record);
  return found == marks_.end() ? 0 : found->second.at(index).tries;
}

void JournalListener::trying(const undo::StepUndos& step, std::size_t index) {
  if (journal_ == nullptr) return;
  journal_->mark(step.record, index, journal::UndoMark{tries(step, index) + 1, false});
}

void JournalListener::ended(const undo::StepUndos& step, std::size_t index, const undo::Outcome&) {
  if (journal_ == nullptr) return;
  journal_->mark(step.record, index, journal::UndoMark{tries(step, index), step.done[index]});
}

Task<RecoveredJournal> salvage(os::Host& host, journal::Scan scan,
                               std::unique_ptr<os::DurableFile> file, undo::Options options) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  RecoveredJournal out = begin_report(scan);
  std::vector<undo::StepUndos> steps;
  std::vector<wire::UndoResult> poisoned;
  for (const journal::Record& record : scan.records) {
    steps.push_back(undos_of(record));
    for (std::size_t i = 0; i < record.marks.size(); ++i) {
      if (record.marks[i].done || record.marks[i].tries < kPoison) continue;
      undo::Outcome skipped = undo::outcome_of(record.intent.undos[i]);
      skipped.ok = false;
      skipped.text =
          fmt::format("not tried: {} processes died while they did this", record.marks[i].tries);
      poisoned.push_back(to_wire(skipped));
      steps.back().done[i] = true;
    }
  }
  std::unique_ptr<journal::Journal> journal;
  if (file) journal = std::make_unique<journal::Journal>(host.clock(), std::move(file), scan);
  Collector listener(journal.get());
  for (const journal::Record& record : scan.records) listener.remember(record);
  if (journal) {
    co_await (undo_all(host, steps, listener, journal.get(), options) || journal->write_marks());
  } else {
    co_await undo_all(host, steps, listener, nullptr, options);
  }
  out.undos = listener.results();
  out.clean = poisoned.empty() && out.problems.empty() &&
              std::all_of(steps.begin(), steps.end(),
                          [](const undo::StepUndos& step) { return step.all_done(); });
  out.undos.insert(out.undos.end(), poisoned.begin(), poisoned.end());
  co_return out;
}

RecoveredJournal describe(const journal::Scan& scan) {
  RecoveredJournal out = begin_report(scan);
  out.clean = scan.records.empty() && scan.problems.empty();
  std::vector<const model::Undo*> undos;
  for (const journal::Record& record : scan.records) {
    for (std::size_t i = record.marks.size(); i > 0; --i) {
      if (!record.marks[i - 1].done) undos.push_back(&record.intent.undos[i - 1]);
    }
  }
  // As recovery does them: who types the commands starts a service before he looks for it.
  std::stable_sort(undos.begin(), undos.end(), [](const auto* a, const auto* b) {
    return model::rank_of(*a) < model::rank_of(*b);
  });
  for (const model::Undo* undo : undos) out.undos.push_back(to_wire(undo::outcome_of(*undo)));
  return out;
}

}  // namespace ordeal::executor
