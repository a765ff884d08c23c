#include "engine/cli/gameday.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/base/text.hpp"
#include "engine/cli/control.hpp"
#include "engine/cli/log.hpp"
#include "engine/cli/paths.hpp"
#include "engine/os/linux/random.hpp"
#include "engine/report/render.hpp"
#include "engine/store/store.hpp"

namespace ordeal::cli {
namespace {

using namespace asio::experimental::awaitable_operators;
using model::Exit;

constexpr std::size_t kLongestLine = 4096;

std::string text_in(const boost::json::object& object, const char* name) {
  const auto* found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

std::string junit_of(const gameday::Runs& runs) {
  std::vector<report::Report> all;
  for (const auto& [item, run] : runs) all.push_back(run);
  return report::to_junit(all);
}

Result<std::string> read_record(const std::string& folder) {
  return os::read_file(folder + "/day.jsonl", 64u << 20);
}

gameday::Fold fold_of(const std::string& record) {
  gameday::Fold out;
  std::istringstream lines(record);
  for (std::string line; std::getline(lines, line);) {
    auto entry = gameday::entry_from_json(line);
    if (entry.has_value()) out.apply(entry.value());  // the last one may be half a line
  }
  return out;
}

void say(const std::string& text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

}  // namespace

DayRunner::DayRunner(DayParts parts)
    : parts_(std::move(parts)), history_(history_directory(parts_.who)) {
  if (parts_.earlier) parts_.opened = parts_.earlier->about;
  folder_ = gamedays_folder(history_) + "/" + parts_.opened.id;
  if (::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) {
    auto terminal = os::open_file("/dev/tty", O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (terminal.has_value()) terminal_ = std::move(terminal.value());
    std::signal(SIGTTIN, SIG_IGN);  // in the background nobody is heard there
  }
}

DayRunner::~DayRunner() {
  if (record_ != nullptr) std::fclose(record_);
}

std::vector<std::string> DayRunner::run_ids() const {
  std::vector<std::string> out(parts_.files.day.agenda.size());
  for (const auto& [item, prepared] : parts_.prepared) out[item] = prepared.run;
  return out;
}

std::string DayRunner::where() const {
  const auto& agenda = parts_.files.day.agenda;
  const std::size_t item = conductor_ ? conductor_->item() : 0;
  if (item >= agenda.size()) return "its agenda is done";
  return fmt::format("item {} of {}: {}", item + 1, agenda.size(),
                     printable(gameday::text_of(agenda[item])));
}

// ---- The record
void DayRunner::record(gameday::EntryData data) {
  gameday::Entry entry;
  entry.wall = clock_.wall();
  entry.data = std::move(data);
  const std::string line = to_json(entry) + "\n";
  const bool written = record_ != nullptr &&
                       std::fwrite(line.data(), 1, line.size(), record_) == line.size() &&
                       std::fflush(record_) == 0 && ::fdatasync(::fileno(record_)) == 0;
  if (!written && !write_failed_) {
    write_failed_ = true;
    complain("the record of the day is not complete: " + Error::system(errno, folder_).message());
  }
  fold_.apply(entry);
  if (fold_.day().timeline.empty()) return;
  const gameday::Line& last = fold_.day().timeline.back();
  const bool begun = std::holds_alternative<gameday::ItemBegun>(entry.data);
  const std::string text = fmt::format(
      "{}{} {}{}{}", begun ? "\n" : "", gameday::clock_of(entry.wall),
      begun       ? fmt::format("[{}/{}] ", conductor_->item() + 1, fold_.day().items.size())
      : last.note ? "note: "
                  : "",
      printable(last.text, 2000), last.by.empty() ? "" : "  (" + printable(last.by) + ")");
  above_ ? above_(text) : say(text);
}

void DayRunner::question_changed() {
  const auto& question = conductor_->question();
  if (!question) return;
  if (terminal_) ::tcflush(terminal_.get(), TCIFLUSH);  // what was typed before is no answer
  std::string how = "type continue";
  if (!question->answers.empty()) how = "answer " + join_or(question->answers);
  if (question->is_break) how = "continue ends it";
  if (!terminal_) how = "ordeal gameday continue";
  if (!terminal_ && !question->answers.empty()) how += " " + join_or(question->answers);
  if (terminal_) how += ", or stop";
  std::string until;
  if (question->until && !question->is_break) {
    until = fmt::format("; within {}, else it {}", format_duration(*question->until - clock_.now()),
                        question->on_timeout == model::After::stop ? "stops" : "goes on");
  }
  say(fmt::format("         {}{}; or: ordeal gameday note TEXT, ordeal gameday stop [WHY]", how,
                  until));
}

// ---- People
void DayRunner::heard(const std::string& line) {
  const auto taken = conductor_->heard(line, parts_.who.name);
  if (taken.has_error()) say("         " + taken.error().message());
}

boost::json::object DayRunner::answer(const boost::json::object& question) {
  boost::json::object out;
  out["day"] = boost::json::string(parts_.opened.id);
  const std::string ask = text_in(question, "ask");
  const std::string by = text_in(question, "by");
  const std::string text = text_in(question, "text");
  Result<void> taken = ok();
  if (ask == "continue") taken = conductor_->go_on(text.empty() ? ask : text, by);
  if (ask == "note") conductor_->note(text, by);
  if (ask == "stop") conductor_->stop(text.empty() ? "a person said so" : text, by);
  std::string now = where();
  if (const auto& waits = conductor_->question()) {
    now += fmt::format("; waits: {}{}", printable(waits->text, 400),
                       waits->answers.empty() ? "" : " [" + join_or(waits->answers) + "]");
  }
  if (conductor_->stopped()) now += "; is being stopped";
  if (taken.has_error()) out["error"] = boost::json::string(taken.error().message());
  out["text"] = boost::json::string(now);
  return out;
}

Task<void> DayRunner::hear_control() {
  Answerer answerer = [this](const boost::json::object& question) { return answer(question); };
  // Each loop listens by a descriptor of its own: that of a run, and ours between runs.
  os::Fd listener(::fcntl(parts_.control.get(), F_DUPFD_CLOEXEC, 3));
  if (listener) co_await serve_control(std::move(listener), std::move(answerer));
  os::Event never;
  co_await never.wait();
}

Task<void> DayRunner::hear_terminal() {
  if (terminal_) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::posix::basic_stream_descriptor<asio::any_io_executor> stream(
        executor, ::fcntl(terminal_.get(), F_DUPFD_CLOEXEC, 3));
    std::string buffer;
    for (;;) {
      boost::system::error_code problem;
      auto token = asio::redirect_error(asio::use_awaitable, problem);
      const std::size_t size = co_await asio::async_read_until(
          stream, asio::dynamic_buffer(buffer, kLongestLine), '\n', token);
      if (problem) break;  // ctrl-D, or no terminal any more
      const std::string line = buffer.substr(0, size - 1);
      buffer.erase(0, size);
      heard(line);
    }
  }
  os::Event never;
  co_await never.wait();
}

Task<void> DayRunner::watch_signals() {
  for (;;) {
    const int signal = co_await signals_.async_wait(asio::use_awaitable);
    conductor_->stop(signal == SIGINT    ? "ctrl-C"
                     : signal == SIGTERM ? "SIGTERM"
                                         : "SIGHUP: the terminal is gone",
                     parts_.who.name);
  }
}

// ---- Runs
Task<void> DayRunner::beside(Session::Told stop, Session::Told above) {
  above_ = std::move(above);
  conductor_->set_interrupt(std::move(stop));
  co_await hear_control();
}

// Blocks this loop: the run has its own, in which people are heard too.
Task<gameday::RunResult> DayRunner::run_item(std::size_t item) {
  // Whoever just said `continue` in another terminal gets his answer before that.
  co_await clock_.sleep(10ms);
  Prepared& prepared = parts_.prepared.at(item);
  os::LinuxRandom random;
  auto control = bind_control(parts_.control_folder, prepared.run, parts_.who.uid, parts_.who.gid);
  if (control.has_error()) complain(control.error().message());
  Session session{parts_.options,
                  parts_.files.experiments.at(item),
                  parts_.files.inventory,
                  prepared.run,
                  random.next() >> 32,
                  std::move(prepared.executor),
                  control.has_value() ? std::move(control.value()) : os::Fd(),
                  history_,
                  parts_.who.name,
                  parts_.root,
                  {}};
  session.beside = [this](Session::Told stop, Session::Told above) {
    return beside(std::move(stop), std::move(above));
  };
  report::Report report = run_session(std::move(session));
  above_ = nullptr;
  os::hold_stop_signals(false);
  gameday::RunResult result;
  result.exit_name = to_string(exit_of(report));
  if (report.verdict) result.reason = report.verdict->reason;
  runs_[item] = std::move(report);
  co_return result;
}

// ---- The day
Task<void> DayRunner::conduct() { exit_ = co_await conductor_->conduct(); }

Task<void> DayRunner::everything() {
  co_await (conduct() || watch_signals() || hear_control() || hear_terminal());
}

// Why there is no page in its folder; empty: it is there.
std::string DayRunner::write_reports() {
  std::string problem;
  const gameday::Day& day = fold_.day();
  std::vector<std::pair<std::string, std::string>> wanted = {{"html", folder_ + "/report.html"},
                                                             {"md", folder_ + "/report.md"},
                                                             {"json", folder_ + "/report.json"}};
  wanted.insert(wanted.end(), parts_.options.reports.begin(), parts_.options.reports.end());
  for (const auto& [kind, path] : wanted) {
    const auto written = os::replace_file(path, render_day(kind, day, runs_));
    if (written.has_value()) continue;
    complain("report not written: " + written.error().message());
    if (path == folder_ + "/report.html") problem = written.error().message();
  }
  return problem;
}

int DayRunner::run() {
  constexpr unsigned kPrivate = 0700;
  const auto made = os::make_directories(folder_, kPrivate);
  if (made.has_error()) complain(made.error().message());
  record_ = std::fopen((folder_ + "/day.jsonl").c_str(), "ae");
  if (record_ == nullptr) {
    complain(Error::system(errno, folder_ + "/day.jsonl").message());
    return static_cast<int>(Exit::refused);  // what is not recorded is not done
  }
  if (parts_.earlier) {
    runs_ = load_runs(*parts_.earlier, history_);
    // A line that the death of a process cut off must not swallow the next one.
    const auto old = read_record(folder_);
    if (old.has_value() && !old.value().empty() && old.value().back() != '\n') {
      std::fputc('\n', record_);
    }
    if (old.has_value()) fold_ = fold_of(old.value());
    record(gameday::Resumed{parts_.who.name});
  } else {
    record(parts_.opened);
  }
  const gameday::Day before = fold_.day();
  gameday::Surroundings around{clock_, [this](gameday::EntryData data) { record(std::move(data)); },
                               [this](std::size_t item) { return run_item(item); },
                               [this] { question_changed(); }};
  conductor_.emplace(before, run_ids(), std::move(around));
  std::exception_ptr failure;
  asio::co_spawn(loop_, everything(), [&](std::exception_ptr problem) {
    failure = problem;
    loop_.stop();
  });
  os::hold_stop_signals(false);
  loop_.run();
  os::hold_stop_signals(true);
  if (failure) complain("internal error: the game day ended early; see ordeal status");
  const std::string problem = write_reports();
  say("\n" + gameday::to_text(fold_.day(), runs_));
  say(fmt::format(" report   {}   exit {}",
                  problem.empty() ? folder_ + "/report.html" : "not stored: " + problem,
                  static_cast<int>(exit_)));
  return static_cast<int>(exit_);
}

// ---- Records of the past
std::string gamedays_folder(const std::string& history) { return history + "/gamedays"; }

Result<gameday::Day> load_day(const std::string& folder) {
  TRY(auto text, read_record(folder));
  const gameday::Fold fold = fold_of(text);
  if (!fold.day().opened) return Error(Code::invalid, folder + ": nothing is recorded there");
  return fold.day();
}

std::string render_day(const std::string& kind, const gameday::Day& day,
                       const gameday::Runs& runs) {
  if (kind == "html") return gameday::to_html(day, runs);
  if (kind == "md") return gameday::to_markdown(day, runs);
  if (kind == "json") return gameday::to_json(day, runs);
  return kind == "junit" ? junit_of(runs) : gameday::to_text(day, runs);
}

gameday::Runs load_runs(const gameday::Day& day, const std::string& history) {
  gameday::Runs out;
  for (std::size_t i = 0; i < day.items.size(); ++i) {
    if (day.items[i].run.empty()) continue;
    auto report = store::replay(store::run_folder(history, day.items[i].run) + "/events.jsonl");
    if (report.has_value() && !report.value().about.run.empty()) out[i] = std::move(report.value());
  }
  return out;
}

}  // namespace ordeal::cli
