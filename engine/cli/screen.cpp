#include "engine/cli/screen.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "engine/cli/paths.hpp"
#include "engine/report/render.hpp"

namespace ordeal::cli {
namespace {

constexpr int kNarrowest = 80;  // columns; below, a log
constexpr int kWidest = 100;

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

class Live final : public Screen {
 public:
  // The cursor stays visible: after a kill -9 nobody could bring it back.
  explicit Live(report::Style style) : style_(style), view_(std::move(style)) {}

  void show(const model::Event&, const report::Report&) override {}

  void redraw(const report::Report& report, Duration now) override {
    const os::TerminalSize size = os::terminal_size(STDOUT_FILENO);
    const auto lines = view_.render(report, now, std::min(size.columns, kWidest), size.rows - 1);
    std::string out = back();
    window_ = size;
    for (const std::string& line : lines) out += "\x1b[2K" + line + "\n";
    out += "\x1b[J";  // what an earlier, longer view left below
    drawn_ = lines.size();
    print(out);
  }

  void finish(const report::Report& report) override {
    style_.width = std::clamp(os::terminal_size(STDOUT_FILENO).columns, kNarrowest, kWidest);
    print(back() + "\x1b[J" + report::to_text(report, style_));
    drawn_ = 0;
  }

  void not_stored(const std::string& why) override { style_.report_problem = why; }

  // Above the view, where the next frame leaves it standing.
  void say(const std::string& text) override {
    print(back() + "\x1b[J" + text + "\n");
    drawn_ = 0;
  }

 private:
  // A window that became narrower has folded lines, and one of another height has moved them: the
  // view then begins at its top.
  std::string back() const {
    if (drawn_ == 0) return "";
    const os::TerminalSize size = os::terminal_size(STDOUT_FILENO);
    const bool moved = size.columns < window_.columns || size.rows != window_.rows;
    return moved ? "\x1b[H" : fmt::format("\x1b[{}F", drawn_);
  }

  report::Style style_;
  report::LiveView view_;
  std::size_t drawn_ = 0;    // lines
  os::TerminalSize window_;  // then
};

class Log final : public Screen {
 public:
  Log(report::PlainLog::Volume volume, const std::string& report_path)
      : log_(volume, report_path) {}
  void show(const model::Event& event, const report::Report&) override {
    for (const std::string& line : log_.feed(event)) print(line + "\n");
  }
  void redraw(const report::Report&, Duration) override {}
  void finish(const report::Report&) override {}
  void not_stored(const std::string& why) override { log_.not_stored(why); }
  void say(const std::string& text) override { print(text + "\n"); }

 private:
  report::PlainLog log_;
};

class Json final : public Screen {
 public:
  explicit Json(std::string run) : run_(std::move(run)) {}
  void show(const model::Event& event, const report::Report&) override {
    print(model::to_json(event, run_) + "\n");
  }
  void redraw(const report::Report&, Duration) override {}
  void finish(const report::Report&) override {}

 private:
  std::string run_;
};

}  // namespace

void Screen::say(const std::string& text) { fmt::print(stderr, "{}\n", text); }

bool use_color(const Options& options) {
  if (options.color != Color::automatic) return options.color == Color::always;
  return ::isatty(STDOUT_FILENO) == 1 && environment("NO_COLOR").empty() &&
         environment("TERM") != "dumb";
}

std::unique_ptr<Screen> make_screen(const Options& options, const std::string& run,
                                    const std::string& report_path) {
  if (options.output == Output::json) return std::make_unique<Json>(run);
  const bool terminal =
      os::terminal_size(STDOUT_FILENO).columns >= kNarrowest && environment("TERM") != "dumb";
  // With --verbose lines come in between, which a view that is redrawn in place cannot bear.
  if (options.output == Output::text && terminal && !options.verbose) {
    report::Style style;
    style.color = use_color(options);
    style.report_path = report_path;
    return std::make_unique<Live>(std::move(style));
  }
  const auto volume = options.output == Output::quiet ? report::PlainLog::Volume::quiet
                                                      : report::PlainLog::Volume::normal;
  return std::make_unique<Log>(volume, report_path);
}

}  // namespace ordeal::cli
