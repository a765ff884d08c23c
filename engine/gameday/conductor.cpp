#include "engine/gameday/conductor.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::gameday {
namespace {

using model::After;
using model::Exit;

constexpr const char* kPersonSaidSo = "a person said so";

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

After after(const model::AgendaRun& run, const std::string& exit_name) {
  if (exit_name == "dirty") return After::stop;
  const auto told = run.after.find(exit_name);
  return told == run.after.end() ? model::default_after(exit_name) : told->second;
}

}  // namespace

Conductor::Conductor(const Day& day, std::vector<std::string> runs, Surroundings around)
    : day_(day), runs_(std::move(runs)), around_(std::move(around)), item_(day.next()),
      worst_(day.worst()) {}

void Conductor::set_interrupt(std::function<void(std::string)> interrupt) {
  interrupt_ = std::move(interrupt);
}

Result<void> Conductor::heard(const std::string& line, const std::string& by) {
  const std::string text = trimmed(line);
  if (text == "stop" || text.starts_with("stop ")) {
    stop(text.size() > 5 ? text.substr(5) : kPersonSaidSo, by);
    return ok();
  }
  if (text.starts_with("note ")) {
    note(text.substr(5), by);
    return ok();
  }
  return go_on(text, by);
}

// Silence and words that were not offered are never taken for a yes: what follows breaks a service.
Result<void> Conductor::plain_answer(const std::string& word, const std::string& by) {
  const bool asks = !question_->is_break;
  if (same_word(word, "stop") || (asks && same_word(word, "no"))) {
    stop(asks ? printable(question_->text, 200) + " " + word : kPersonSaidSo, by);
    return ok();
  }
  if (!same_word(word, "continue") && !(asks && same_word(word, "yes"))) {
    return Error(Code::invalid,
                 printable(question_->text, 200) +
                     ": answer continue or stop; to write something down: note TEXT");
  }
  answer_ = Said{"", by};
  said_.notify();
  return ok();
}

Result<void> Conductor::go_on(const std::string& answer, const std::string& by) {
  if (!question_) return Error(Code::invalid, "nothing waits for an answer now");
  const std::string word = trimmed(answer);
  if (question_->answers.empty()) return plain_answer(word, by);
  const auto meant = std::find_if(question_->answers.begin(), question_->answers.end(),
                                  [&](const std::string& one) { return same_word(one, word); });
  if (meant == question_->answers.end() && same_word(word, "stop")) {
    stop(kPersonSaidSo, by);
    return ok();
  }
  if (meant == question_->answers.end()) {
    return Error(Code::invalid,
                 fmt::format("{}: answer {}; stop ends the day", printable(question_->text, 200),
                             join_or(question_->answers)));
  }
  answer_ = Said{*meant, by};
  said_.notify();
  return ok();
}

void Conductor::note(const std::string& text, const std::string& by) {
  around_.record(NoteTaken{text, by});
}

void Conductor::stop(const std::string& reason, const std::string& by) {
  if (stop_) return;
  stop_ = Said{reason, by};
  said_.notify();
  if (interrupt_) interrupt_("the game day was stopped: " + reason);
}

Task<std::optional<Conductor::Said>> Conductor::ask(Question question) {
  answer_.reset();
  const std::optional<BootTime> until = question.until;
  question_ = std::move(question);
  around_.question_changed();
  while (!answer_ && !stop_) {
    if (!until) {
      co_await said_.wait();
    } else if (around_.clock.now() >= *until) {
      break;
    } else {
      co_await said_.wait_until(around_.clock, *until);
    }
  }
  question_.reset();
  around_.question_changed();
  std::optional<Said> out;
  if (!stop_) out = std::move(answer_);
  answer_.reset();
  co_return out;
}

Task<void> Conductor::checkpoint(std::size_t item, const model::Checkpoint& checkpoint) {
  around_.record(ItemBegun{static_cast<std::int64_t>(item), ""});
  Question question;
  question.item = item;
  question.text = checkpoint.text;
  question.answers = checkpoint.answers;
  question.on_timeout = checkpoint.on_timeout;
  if (checkpoint.timeout) question.until = around_.clock.now() + *checkpoint.timeout;
  const std::optional<Said> said = co_await ask(std::move(question));
  if (stop_) co_return;
  ItemEnded ended;
  ended.item = static_cast<std::int64_t>(item);
  if (said) {
    ended.answer = said->text;
    ended.by = said->by;
  }
  around_.record(std::move(ended));
  if (!said && checkpoint.on_timeout == After::stop) {
    stop("nobody answered within " + format_duration(*checkpoint.timeout) + ": " + checkpoint.text,
         "");
  }
}

Task<void> Conductor::pause(std::size_t item, Duration length) {
  around_.record(ItemBegun{static_cast<std::int64_t>(item), ""});
  Question question;
  question.item = item;
  question.text = "break of " + format_duration(length);
  question.is_break = true;
  question.on_timeout = After::go_on;
  question.until = around_.clock.now() + length;
  const std::optional<Said> said = co_await ask(std::move(question));
  if (stop_) co_return;
  ItemEnded ended;
  ended.item = static_cast<std::int64_t>(item);
  if (said) ended.by = said->by;
  around_.record(std::move(ended));
}

// Of a run that was cut off when the day was stopped or its process died: its host was put back,
// and nobody knows what it would have shown.
Task<bool> Conductor::again(std::size_t item) {
  const model::AgendaItem& what = day_.about.agenda[item];
  Question question;
  question.item = item;
  question.text = text_of(what) + " was cut off. Run it again?";
  question.answers = {"again", "skip"};
  around_.record(Asked{static_cast<std::int64_t>(item), question.text});
  const std::optional<Said> said = co_await ask(std::move(question));
  if (!said) co_return false;
  around_.record(Answered{static_cast<std::int64_t>(item), said->text, said->by});
  if (said->text == "again") co_return true;
  worst_ = model::worse_of(worst_, Exit::interrupted);
  ItemEnded ended;
  ended.item = static_cast<std::int64_t>(item);
  ended.exit_name = to_string(Exit::interrupted);
  ended.reason = "it was cut off and not run again";
  ended.by = said->by;
  around_.record(std::move(ended));
  co_return false;
}

Task<void> Conductor::run(std::size_t item, const model::AgendaRun& run) {
  const auto number = static_cast<std::int64_t>(item);
  if (day_.items[item].state == ItemState::active) {
    const bool wanted = co_await again(item);
    if (!wanted) co_return;
  }
  around_.record(ItemBegun{number, runs_[item]});
  const RunResult result = co_await around_.run(item);
  interrupt_ = nullptr;
  worst_ = model::worse_of(worst_, exit_of(result.exit_name));
  ItemEnded ended;
  ended.item = number;
  ended.exit_name = result.exit_name;
  ended.reason = result.reason;
  around_.record(std::move(ended));
  // A signal that ended the run is for the whole day; whoever hears it must get his turn first.
  co_await around_.clock.sleep(1ms);
  if (stop_) co_return;
  const std::string told = result.exit_name + (result.reason.empty() ? "" : ": " + result.reason);
  const After rule = after(run, result.exit_name);
  if (rule == After::stop) stop(text_of(day_.about.agenda[item]) + " ended " + told, "");
  if (rule != After::ask || item + 1 == day_.items.size()) co_return;
  Question question;
  question.item = item;
  question.text = text_of(day_.about.agenda[item]) + " ended " + told + ". Go on?";
  around_.record(Asked{number, question.text});
  const std::optional<Said> said = co_await ask(std::move(question));
  if (said) around_.record(Answered{number, said->text, said->by});
}

Task<void> Conductor::one(std::size_t item) {
  const model::AgendaItem& what = day_.about.agenda[item];
  if (const auto* asked = std::get_if<model::Checkpoint>(&what)) {
    co_await checkpoint(item, *asked);
  } else if (const auto* rest = std::get_if<model::Break>(&what)) {
    co_await pause(item, rest->length);
  } else {
    co_await run(item, std::get<model::AgendaRun>(what));
  }
}

void Conductor::close(Exit exit) {
  Closed closed;
  closed.exit = static_cast<int>(exit);
  closed.exit_name = to_string(exit);
  if (stop_) {
    closed.reason = stop_->text;
    closed.by = stop_->by;
  }
  around_.record(std::move(closed));
}

Task<Exit> Conductor::conduct() {
  for (; item_ < day_.items.size() && !stop_; ++item_) {
    co_await one(item_);
  }
  // Stopped by its own rule after the last item: nothing was left out.
  const bool complete = item_ == day_.items.size();
  const Exit exit = stop_ && !complete ? model::worse_of(worst_, Exit::interrupted) : worst_;
  close(exit);
  co_return exit;
}

}  // namespace ordeal::gameday
