// A game day as the command line leads it: the wiring of gameday::Conductor with the record on
// disk, the terminal, signals, a control socket, and run_session for each experiment.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "engine/cli/running.hpp"
#include "engine/gameday/conductor.hpp"
#include "engine/gameday/report.hpp"
#include "engine/os/linux/caller.hpp"
#include "engine/os/linux/clock.hpp"

namespace ordeal::cli {

// The file with the experiments that it names.
struct DayFiles {
  model::Gameday day;
  std::map<std::size_t, model::Experiment> experiments;  // by item of the agenda
  model::Inventory inventory;                            // of one local host when none is named
};
// `inventory`: instead of the one that the file names, or empty. Every problem is printed on
// stderr; nothing: there was one.
std::optional<DayFiles> read_gameday(const std::string& file, const std::string& inventory);

// Where records of game days are: HISTORY/gamedays/ID/day.jsonl.
std::string gamedays_folder(const std::string& history);
// A record of the past. Errors: it cannot be read; nothing is in it.
Result<gameday::Day> load_day(const std::string& folder);
// As `kind`: html, md, json, junit; else as text.
std::string render_day(const std::string& kind, const gameday::Day& day, const gameday::Runs& runs);
// The reports of its runs, from the history; those that left nothing are not there.
gameday::Runs load_runs(const gameday::Day& day, const std::string& history);

// What is needed to lead a day; whatever needs root was made before root was given up.
struct DayParts {
  Options options;  // of the runs
  DayFiles files;
  std::map<std::size_t, Prepared> prepared;  // by item
  gameday::Opened opened;                    // id, roles, ...; of a new day
  std::optional<gameday::Day> earlier;       // a day that is resumed
  os::Fd control;                            // listens
  std::string control_folder;                // where runs bind theirs
  os::Caller who;
  bool root = true;
};

class DayRunner {
 public:
  explicit DayRunner(DayParts parts);
  ~DayRunner();

  // To its end. The exit code.
  int run();

 private:
  Task<void> everything();
  Task<void> conduct();
  Task<void> watch_signals();
  Task<void> hear_control();
  Task<void> hear_terminal();
  Task<void> beside(Session::Told stop, Session::Told above);
  Task<gameday::RunResult> run_item(std::size_t item);

  boost::json::object answer(const boost::json::object& question);
  void heard(const std::string& line);
  void record(gameday::EntryData data);
  void question_changed();
  std::string where() const;  // "item 3 of 7: run x.yaml"
  std::vector<std::string> run_ids() const;
  std::string write_reports();

  DayParts parts_;
  std::string history_;
  std::string folder_;
  asio::io_context loop_{1};
  asio::signal_set signals_{loop_, SIGINT, SIGTERM, SIGHUP};
  os::LinuxClock clock_{loop_.get_executor()};
  std::FILE* record_ = nullptr;
  gameday::Fold fold_;
  gameday::Runs runs_;
  os::Fd terminal_;  // of its own: what is read there is nobody else's
  std::optional<gameday::Conductor> conductor_;
  Session::Told above_;  // while a run goes on: past its view
  model::Exit exit_ = model::Exit::error;
  bool write_failed_ = false;
};

}  // namespace ordeal::cli
