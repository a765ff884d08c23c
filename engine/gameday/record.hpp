// What happened on a game day, one entry at a time, and the fold that everything else reads: the
// report, a second terminal, and the next process when this one dies. Entries are written before
// what they say is done; kinds are append-only, as those of events are.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/describe.hpp>

#include "engine/base/result.hpp"
#include "engine/model/gameday.hpp"
#include "engine/model/verdict.hpp"

namespace ordeal::gameday {

// First entry. The agenda is in it, so that a report needs no file.
struct Opened {
  static constexpr const char* kKind = "opened";
  std::string id;
  std::string version;
  std::string name;
  std::string title;
  std::string briefing;
  std::map<std::string, std::string> roles;  // person by role; "": nobody was named
  std::string file;
  std::string sha256;
  std::string by;
  std::string host;
  std::vector<model::AgendaItem> agenda;
};
BOOST_DESCRIBE_STRUCT(Opened, (),
                      (id, version, name, title, briefing, roles, file, sha256, by, host, agenda))

struct ItemBegun {
  static constexpr const char* kKind = "item_begun";
  std::int64_t item = 0;  // from 0
  std::string run;        // of a run: its id
};
BOOST_DESCRIBE_STRUCT(ItemBegun, (), (item, run))

struct ItemEnded {
  static constexpr const char* kKind = "item_ended";
  std::int64_t item = 0;
  std::string exit_name;  // of a run
  std::string reason;     // of a run: of its verdict
  std::string answer;     // of a checkpoint
  std::string by;         // who answered or skipped; "": the clock
};
BOOST_DESCRIBE_STRUCT(ItemEnded, (), (item, exit_name, reason, answer, by))

// A question that the agenda does not have: whether it goes on after this verdict.
struct Asked {
  static constexpr const char* kKind = "asked";
  std::int64_t item = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Asked, (), (item, text))

struct Answered {
  static constexpr const char* kKind = "answered";
  std::int64_t item = 0;
  std::string answer;
  std::string by;
};
BOOST_DESCRIBE_STRUCT(Answered, (), (item, answer, by))

struct NoteTaken {
  static constexpr const char* kKind = "note";
  std::string text;
  std::string by;
};
BOOST_DESCRIBE_STRUCT(NoteTaken, (), (text, by))

// A later process goes on with the day.
struct Resumed {
  static constexpr const char* kKind = "resumed";
  std::string by;
};
BOOST_DESCRIBE_STRUCT(Resumed, (), (by))

struct Closed {
  static constexpr const char* kKind = "closed";
  std::int64_t exit = 0;
  std::string exit_name;
  std::string reason;  // why it was stopped; "": its agenda is done
  std::string by;
};
BOOST_DESCRIBE_STRUCT(Closed, (), (exit, exit_name, reason, by))

using EntryData =
    std::variant<Opened, ItemBegun, ItemEnded, Asked, Answered, NoteTaken, Resumed, Closed>;

struct Entry {
  WallTime wall{};
  EntryData data;
};
std::string to_json(const Entry& entry);  // one line, without its end
Result<Entry> entry_from_json(std::string_view line);

// ---- The fold

enum class ItemState { pending, active, done };

struct ItemRow {
  ItemState state = ItemState::pending;
  std::optional<WallTime> begun;
  std::optional<WallTime> ended;
  ItemEnded end;
  std::string run;
};

// A line of the day's own timeline; the runs' lines come from their reports.
struct Line {
  WallTime wall{};
  bool note = false;
  std::string text;
  std::string by;
};

struct Day {
  Opened about;
  std::optional<WallTime> opened;  // always, once the first entry is there
  std::vector<ItemRow> items;      // one for each of about.agenda
  std::vector<Line> timeline;
  std::optional<WallTime> closed;  // of this or an earlier process; not when it was resumed after
  Closed end;
  WallTime latest{};

  // The first that is not done; the number of items: none is left.
  std::size_t next() const;
  // Of the runs so far.
  model::Exit worst() const;
  // For a later process: a run that the end of the day cut off is to be asked about again.
  void reopen();
};

class Fold {
 public:
  void apply(const Entry& entry);
  const Day& day() const { return day_; }

 private:
  void on(const Opened& entry);
  void on(const ItemBegun& entry);
  void on(const ItemEnded& entry);
  void on(const Asked& entry);
  void on(const Answered& entry);
  void on(const NoteTaken& entry);
  void on(const Resumed& entry);
  void on(const Closed& entry);
  void say(std::string text, std::string by = {});
  ItemRow* row(std::int64_t item);

  Day day_;
};

// "checkpoint: Everybody on the bridge", "run 01-kill.yaml", "break of 10m"
std::string text_of(const model::AgendaItem& item);
model::Exit exit_of(const std::string& exit_name);

}  // namespace ordeal::gameday
