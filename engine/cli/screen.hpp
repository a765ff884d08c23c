// Where events become visible while a run goes on: a live view on a terminal, a log elsewhere,
// events as JSON lines for machines.
#pragma once

#include <memory>
#include <string>

#include "engine/cli/options.hpp"
#include "engine/model/event.hpp"
#include "engine/report/live.hpp"

namespace ordeal::cli {

class Screen {
 public:
  virtual ~Screen() = default;
  virtual void show(const model::Event& event, const report::Report& report) = 0;
  // Four times a second.
  virtual void redraw(const report::Report& report, Duration now) = 0;
  virtual void finish(const report::Report& report) = 0;
  // Called before the end is shown, when there is no report at the path that was given.
  virtual void not_stored(const std::string&) {}
  // A line for the person at the terminal that is no event.
  virtual void say(const std::string& text);
};

// The screen that fits the options and this terminal.
std::unique_ptr<Screen> make_screen(const Options& options, const std::string& run,
                                    const std::string& report_path);
// Colours: asked for, or a terminal without NO_COLOR.
bool use_color(const Options& options);

}  // namespace ordeal::cli
