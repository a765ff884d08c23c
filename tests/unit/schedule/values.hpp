// Schedules for tests, in few words.
#pragma once

#include <gtest/gtest.h>

#include "engine/schedule/scheduler.hpp"

namespace ordeal::schedule {

inline Zone zone(const std::string& name) { return Zone::find(name).value(); }
inline WallTime instant(const std::string& text) { return parse_instant(text).value(); }
inline WallTime at_second(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }
inline std::int64_t seconds_of(WallTime when) {
  return std::chrono::floor<std::chrono::seconds>(when.time_since_epoch()).count();
}

inline Schedule schedule_of(Trigger trigger, const std::string& zone_name = "Etc/UTC") {
  Schedule out;
  out.name = "test";
  out.file = "test.yaml";
  out.trigger = std::move(trigger);
  out.zone = zone(zone_name);
  return out;
}
inline Cron cron(const std::string& text) {
  Cron out;
  const auto problem = parse_cron(text, out);
  EXPECT_FALSE(problem) << text << ": " << problem->text;
  return out;
}
inline Window window(const std::string& text) {
  Window out;
  const auto problem = parse_window(text, out);
  EXPECT_FALSE(problem) << text << ": " << problem->text;
  return out;
}
inline Blackout blackout(const std::string& dates, const std::string& reason) {
  Blackout out;
  EXPECT_FALSE(parse_dates(dates, out));
  out.reason = reason;
  return out;
}

inline std::string to_text(const Decision& decision) {
  static const std::map<Decision::What, std::string> kWords = {
      {Decision::What::start, "start"},
      {Decision::What::wait, "wait"},
      {Decision::What::skip, "skip"},
      {Decision::What::miss, "miss"},
      {Decision::What::interrupt, "interrupt"}};
  std::string out = kWords.at(decision.what) + " " + decision.schedule + " " +
                    format_wall(decision.due).substr(11, 8);
  return decision.reason.empty() ? out : out + ": " + decision.reason;
}
inline std::vector<std::string> to_texts(const std::vector<Decision>& decisions) {
  std::vector<std::string> out;
  for (const Decision& decision : decisions) out.push_back(to_text(decision));
  return out;
}
using Texts = std::vector<std::string>;

}  // namespace ordeal::schedule
