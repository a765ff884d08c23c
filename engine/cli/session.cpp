#include "engine/cli/session.hpp"

#include <csignal>

#include <fmt/format.h>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/cli/archive.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/control.hpp"
#include "engine/cli/paths.hpp"
#include "engine/cli/screen.hpp"
#include "engine/cli/wires.hpp"
#include "engine/os/event.hpp"
#include "engine/os/linux/cgroups.hpp"
#include "engine/os/linux/client/client.hpp"
#include "engine/os/linux/clock.hpp"
#include "engine/os/linux/files.hpp"
#include "engine/os/linux/processes.hpp"
#include "engine/os/linux/random.hpp"

namespace ordeal::cli {
namespace {

using namespace asio::experimental::awaitable_operators;

// A person's wish to stop, from a signal or from the control socket.
class Wish final : public run::Interrupt {
 public:
  void make(std::string reason) {
    if (!reason_.empty()) return;
    reason_ = std::move(reason);
    made_.notify();
  }
  Task<std::string> wait() override {
    while (reason_.empty()) co_await made_.wait();
    co_return reason_;
  }

 private:
  std::string reason_;
  os::Event made_;
};

std::string signal_reason(int signal) {
  switch (signal) {
    case SIGINT: return "ctrl-C";
    case SIGTERM: return "SIGTERM";
    case SIGHUP: return "SIGHUP: the terminal is gone";
    case SIGQUIT: return "ctrl-\\";
    default: return fmt::format("signal {}", signal);
  }
}

Task<void> watch_signals(asio::signal_set& signals, Wish& wish, Screen* screen) {
  for (;;) {
    const int signal = co_await signals.async_wait(asio::use_awaitable);
    if (signal == SIGTSTP) {
      // A stopped front lets its leases lapse: the faults would end while the user believes that
      // they are paused.
      if (screen != nullptr) {
        screen->say("ctrl-Z is off during a run; ctrl-C puts everything back and stops");
      }
    } else {
      wish.make(signal_reason(signal));
    }
  }
}

std::string phase_word(const report::Report& report) {
  return boost::describe::enum_to_string(report.current_phase(), "?");
}

boost::json::object answer(const boost::json::object& question, const report::Report& report,
                           Wish& wish) {
  boost::json::object out;
  out["run"] = boost::json::string(report.about.run);
  const auto* ask = question.if_contains("ask");
  if (ask != nullptr && *ask == "abort") {
    const auto* reason = question.if_contains("reason");
    const bool given = reason != nullptr && reason->is_string() && !reason->get_string().empty();
    wish.make(given ? "ordeal abort: " + std::string(reason->get_string()) : "ordeal abort");
    out["accepted"] = true;
    return out;
  }
  out["name"] = boost::json::string(report.about.name);
  out["phase"] = boost::json::string(phase_word(report));
  boost::json::array active;
  for (const report::StepRow& step : report.steps) {
    if (step.active()) active.push_back(boost::json::string(step.plan.name + " on " + step.host));
  }
  out["active"] = std::move(active);
  out["reverting"] = report.abort.has_value();
  return out;
}

Task<void> redraw(os::Clock& clock, Screen& screen, const report::Fold& fold, BootTime start) {
  constexpr Duration kFrame = 250ms;
  for (;;) {
    screen.redraw(fold.report(), clock.now() - start);
    co_await clock.sleep(kFrame);
  }
}

run::Mode mode_of(const Options& options) {
  if (options.control) return run::Mode::control;
  if (options.baseline_only) return run::Mode::baseline_only;
  return options.command == "plan" ? run::Mode::plan_only : run::Mode::run;
}

run::Options run_options(const Session& session) {
  run::Options out;
  out.run_id = session.run;
  out.seed = session.seed;
  out.stop_on_violation = session.options.stop_on_violation;
  out.mode = mode_of(session.options);
  if (!session.root) {
    out.unchecked.push_back("processes of others, and what earlier runs left: needs root");
  }
  out.about = about_here(session.options, session.user);
  return out;
}

class Runner {
 public:
  explicit Runner(Session session)
      : session_(std::move(session)), clock_(loop_.get_executor()), cgroups_(clock_),
        processes_(loop_.get_executor(), clock_, cgroups_), files_(loop_.get_executor(), clock_),
        client_(loop_.get_executor(), clock_), quiet_plan_(session_.options.command == "plan"),
        archive_(session_.history, session_.run),
        screen_(quiet_plan_ && session_.options.output != Output::json
                    ? nullptr
                    : make_screen(session_.options, session_.run, archive_.report_path())) {
    signals_.add(SIGQUIT);
    signals_.add(SIGTSTP);
  }

  report::Report run() {
    asio::co_spawn(loop_, everything(), [this](std::exception_ptr problem) {
      failure_ = problem;
      loop_.stop();
    });
    os::hold_stop_signals(false);
    loop_.run();
    os::hold_stop_signals(true);
    if (failure_) say_failure();
    os::reap(session_.executor, 3s);
    store();
    if (screen_) screen_->finish(fold_.report());
    for (const std::string& problem : problems_) complain("history not stored: " + problem);
    return fold_.report();
  }

 private:
  Task<void> everything() {
    const BootTime start = clock_.now();
    Screen* screen = screen_.get();
    if (screen != nullptr) {
      co_await (the_run() || watch_signals(signals_, wish_, screen) || control() || beside() ||
                redraw(clock_, *screen, fold_, start));
    } else {
      co_await (the_run() || watch_signals(signals_, wish_, screen) || control() || beside());
    }
  }

  Task<void> control() {
    if (session_.control) {
      Answerer answerer = [this](const boost::json::object& question) {
        return answer(question, fold_.report(), wish_);
      };
      co_await serve_control(std::move(session_.control), std::move(answerer));
    }
    os::Event never;
    co_await never.wait();
  }

  Task<void> beside() {
    if (session_.beside) {
      Session::Told stop = [this](std::string reason) { wish_.make(std::move(reason)); };
      Session::Told say = [this](std::string text) {
        if (screen_) screen_->say(text);
      };
      co_await session_.beside(std::move(stop), std::move(say));
    }
    os::Event never;
    co_await never.wait();
  }

  Task<void> the_run() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    Wires wires(executor, clock_, os::caller(), session_.inventory.ssh_config, session_.executor);
    run::Surroundings around{clock_,
                             random_,
                             probe::Tools{clock_, client_, processes_, files_},
                             wish_,
                             session_.inventory,
                             [&wires](const model::InventoryHost& host, fleet::Pushed pushed) {
                               return wires.connect(host, std::move(pushed));
                             }};
    run::Options options = run_options(session_);
    options.about.wall = clock_.wall();
    run::EventSink sink = [this](const model::Event& event) { take(event); };
    co_await run::run_experiment(session_.experiment, std::move(options), std::move(around),
                                 std::move(sink));
  }

  void take(const model::Event& event) {
    const bool samples = std::holds_alternative<model::Samples>(event.data);
    if (verbose() && !samples) detail(model::to_json(event, session_.run));
    fold_.apply(event);
    if (!quiet_plan_) archive_.add(event);
    if (std::holds_alternative<model::RunEnded>(event.data)) store();
    if (screen_) screen_->show(event, fold_.report());
  }

  // Once, before the screen's last words: they say where the report is.
  void store() {
    if (quiet_plan_ || stored_) return;
    stored_ = true;
    problems_ = archive_.finish(fold_.report());
    const std::string& why_not = archive_.report_problem();
    if (screen_ && !why_not.empty()) screen_->not_stored(why_not);
  }

  // Our own bug. The executor saw the wire close and puts everything back.
  void say_failure() {
    try {
      std::rethrow_exception(failure_);
    } catch (const std::exception& problem) {
      complain(fmt::format("internal error: {}; see ordeal status", problem.what()));
    }
  }

  Session session_;
  asio::io_context loop_{1};
  asio::signal_set signals_{loop_, SIGINT, SIGTERM, SIGHUP};
  os::LinuxClock clock_;
  os::LinuxRandom random_;
  os::LinuxCgroups cgroups_;
  os::LinuxProcesses processes_;
  os::LinuxFiles files_;
  os::LinuxClient client_;
  bool quiet_plan_;
  Wish wish_;
  report::Fold fold_;
  Archive archive_;
  bool stored_ = false;
  std::vector<std::string> problems_;  // of storing
  std::unique_ptr<Screen> screen_;
  std::exception_ptr failure_;
};

}  // namespace

model::RunStarted about_here(const Options& options, const std::string& user) {
  model::RunStarted out;
  out.version = ORDEAL_VERSION;
  out.host = os::node_name();
  out.user = user;
  out.kernel = os::kernel_release();
  out.started_by = environment("CI").empty() ? "cli" : "ci";
  out.mode = run::to_string(mode_of(options));
  return out;
}

report::Report run_session(Session session) {
  Runner runner(std::move(session));
  return runner.run();
}

}  // namespace ordeal::cli
