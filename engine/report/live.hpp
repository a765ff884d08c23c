// A run while it goes on: a screen that redraws, and a log that does not.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/report/render.hpp"

namespace ordeal::report {

// The whole screen as lines without newlines; the caller moves the cursor, at most four times a
// second. Before the end it shows what runs; from an abort on, only what is being put back; then
// to_text() takes over.
class LiveView {
 public:
  explicit LiveView(Style style) : style_(std::move(style)) {}
  // `now` is since the start of the run. At most `height` lines of at most `width` columns.
  std::vector<std::string> render(const Report& report, Duration now, int width, int height) const;

 private:
  Style style_;
};

// One line for each change of state and one every ten seconds; no cursor movement, no colour.
class PlainLog {
 public:
  enum class Volume { normal, quiet };  // quiet: only the lines that are marked with a star
  explicit PlainLog(Volume volume, std::string report_path = {})
      : volume_(volume), report_path_(std::move(report_path)) {}

  // What to print for this event: often nothing. Lines have no newline.
  std::vector<std::string> feed(const model::Event& event);
  // From here on the last line says why there is no report, instead of where it is.
  void not_stored(std::string why) { report_problem_ = std::move(why); }
  const Report& report() const { return fold_.report(); }

 private:
  void star(std::string text);
  void line(std::string text);
  void on_start();
  void on_plan();
  void on_phase(const model::PhaseStarted& event);
  void on_step(const model::StepChanged& event);
  void on_host(const model::HostChecked& event);
  void on_condition(const model::ConditionStatus& event);
  void on_end();
  void progress();
  std::string at() const;
  std::string place_of(const std::string& condition) const;  // "   checkout.yaml:17", or empty

  Fold fold_;
  Volume volume_;
  std::string report_path_;
  std::string report_problem_;
  std::vector<std::string> out_;
  std::set<std::string> broken_;  // conditions already said to be broken
  std::int64_t last_progress_ = 0;
};

}  // namespace ordeal::report
