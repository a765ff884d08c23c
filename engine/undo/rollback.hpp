// Takes back many steps at once: rank by rank, inside a rank all at once, inside a step newest
// first, never stopping at a failure (decisions: ranks are those of model::rank_of).
//
// Revert of a step has two facts. *Reverted*: nothing of it acts on the host any more, read back.
// *Removed*: idle leftovers are gone too: an ifb that has drained, a table whose chains had to stay
// because deleting a hooked chain drops every packet that anybody holds in NFQUEUE.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/undo/undo.hpp"

namespace ordeal::undo {

// What is left to undo of one step; read and updated by a rollback.
struct StepUndos {
  std::string step;
  std::uint64_t record = 0;        // the caller's number for it
  std::vector<model::Undo> undos;  // in the order of the changes
  std::vector<bool> idle;          // one for each: acts on nothing, removed last
  std::vector<bool> emptied;       // one for each: a table without rules, to be deleted last
  std::vector<bool> done;          // one for each
  Duration drain{};                // how long packets may sit in its ifb: latency + jitter + slack

  // One entry for each undo in all of the lists.
  static StepUndos of(std::string step, std::uint64_t record, std::vector<model::Undo> undos,
                      std::vector<bool> idle);
  bool all_done() const;
};

// Told as it happens; called on the rollback's own executor, must not wait.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void trying(const StepUndos&, std::size_t) {}
  virtual void ended(const StepUndos&, std::size_t, const Outcome&) {}
  virtual void reverted(const StepUndos&, const std::vector<Outcome>&, Duration) {}
};

struct Options {
  // Planted bug: the first failure ends it, and the rest is taken for done.
  bool drop_rest_on_first_error = false;
};

// Until every step's effect is gone or its undo has failed for good. Never cancelled, never throws.
Task<void> rollback(os::Host& host, std::vector<StepUndos>& steps, Listener& listener,
                    Options options);

// Removes what rollback left idle. `at_once`: after a crash nobody waits for packets.
Task<void> remove_leftovers(os::Host& host, std::vector<StepUndos>& steps, Listener& listener,
                            bool at_once);

// ---- By marks, without any journal -------------------------------------------------------------

// A mark that something on this host bears: links, tables, helpers. They stand or fall together.
struct Mark {
  std::string name;
  std::string kept;  // why it is not ours to touch: "its executor lives"; empty: nobody's
};

// The alias of every link that a run with this state directory makes. Error: it is not known whose
// links are ours.
Result<std::string> alias_of(const os::Host& host, const std::string& state_directory);

// `alias` is our own. An error is never "there is nothing".
Result<std::vector<Mark>> marks_on(const os::Host& host, const std::string& alias);

struct Swept {
  std::vector<Outcome> undone;
  std::vector<std::string> others;  // "ordeal-abcdefgh: its executor lives": left alone
};

// Marks that live runs of our own state directory may bear. Error: nobody knows.
using InUse = std::function<Result<std::set<std::string>>()>;

// Removes whatever bears a mark that is nobody's. `in_use` is asked after the marks were read, so
// that what appears meanwhile has its record already; when it cannot say, nothing is removed.
Task<Swept> sweep(os::Host& host, std::string state_directory, InUse in_use);

}  // namespace ordeal::undo
