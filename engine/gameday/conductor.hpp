// Leads a game day through its agenda: runs, checkpoints, breaks, and what follows each verdict. It
// knows neither terminals nor sockets: whoever hears a person calls go_on, note or stop, and it may
// be at any moment, also while an experiment runs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/gameday/record.hpp"
#include "engine/os/event.hpp"

namespace ordeal::gameday {

struct RunResult {
  std::string exit_name;
  std::string reason;
};

struct Surroundings {
  os::Clock& clock;
  // Before what it says is done.
  std::function<void(EntryData)> record;
  // Runs the experiment of this item to its verdict.
  std::function<Task<RunResult>(std::size_t item)> run;
  // Somebody is to be asked, or no more.
  std::function<void()> question_changed;
};

struct Question {
  std::size_t item = 0;
  std::string text;
  std::vector<std::string> answers;  // none: `continue` or `stop`
  bool is_break = false;
  std::optional<BootTime> until;
  model::After on_timeout = model::After::stop;
};

class Conductor {
 public:
  // `day`: with what was done before, when it is resumed. `runs`: ids by item.
  Conductor(const Day& day, std::vector<std::string> runs, Surroundings around);

  // To the end of the agenda, or until it is stopped. Its exit: the worst of the runs; interrupted
  // when it was stopped.
  Task<model::Exit> conduct();

  // What is asked now.
  const std::optional<Question>& question() const { return question_; }
  // The item that is at work now.
  std::size_t item() const { return item_; }
  // A line that a person typed: `note TEXT`, `stop WHY`, or an answer.
  Result<void> heard(const std::string& line, const std::string& by);
  // A person's answer: one of the words that are offered, whatever their case, and nothing else.
  // Without words of the file: `continue` or `yes`; `stop` or `no` end the day.
  // Errors: nothing is asked; not one of the words.
  Result<void> go_on(const std::string& answer, const std::string& by);
  void note(const std::string& text, const std::string& by);
  void stop(const std::string& reason, const std::string& by);
  bool stopped() const { return stop_.has_value(); }
  // Called when the day is stopped while a run goes on; empty: none does.
  void set_interrupt(std::function<void(std::string)> interrupt);

 private:
  struct Said {
    std::string text;
    std::string by;
  };

  Task<void> one(std::size_t item);
  Task<void> checkpoint(std::size_t item, const model::Checkpoint& checkpoint);
  Task<void> pause(std::size_t item, Duration length);
  Task<void> run(std::size_t item, const model::AgendaRun& run);
  Task<bool> again(std::size_t item);
  Result<void> plain_answer(const std::string& word, const std::string& by);
  // The answer, or nothing when the time is up or the day was stopped.
  Task<std::optional<Said>> ask(Question question);
  void close(model::Exit exit);

  Day day_;
  std::vector<std::string> runs_;
  Surroundings around_;
  std::size_t item_ = 0;
  model::Exit worst_ = model::Exit::upheld;
  std::optional<Question> question_;
  std::optional<Said> answer_;
  std::optional<Said> stop_;
  std::function<void(std::string)> interrupt_;
  os::Event said_;
};

}  // namespace ordeal::gameday
