// Stored streams of events, and the reports that are folded from them.
#pragma once

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "engine/report/report.hpp"
#include "tests/unit/golden.hpp"

namespace ordeal::report {

using test::expect_golden;
using test::golden_path;
using test::read_all;

// The events of a stored file, read back.
inline std::vector<model::Event> stored_events(const std::string& story) {
  std::vector<model::Event> events;
  std::ifstream file(golden_path(story + ".jsonl"));
  for (std::string line; std::getline(file, line);) {
    auto event = model::event_from_json(line);
    EXPECT_TRUE(event.has_value()) << story << ": " << line;
    if (event.has_value()) events.push_back(std::move(event.value()));
  }
  return events;
}

inline Report fold(const std::vector<model::Event>& events) {
  Fold fold;
  for (const auto& event : events) fold.apply(event);
  return fold.report();
}

}  // namespace ordeal::report
