// Golden files: what came out once, read by a person and kept. ORDEAL_UPDATE_GOLDEN=1 writes them.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "engine/report/report.hpp"

namespace ordeal::report {

inline std::string golden_path(const std::string& name) {
  return std::string(ORDEAL_SOURCE_DIR) + "/tests/golden/" + name;
}

inline std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void expect_golden(const std::string& name, const std::string& actual) {
  if (std::getenv("ORDEAL_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(golden_path(name), std::ios::binary) << actual;
  }
  const std::string expected = read_all(golden_path(name));
  EXPECT_FALSE(expected.empty()) << name << " is missing";
  EXPECT_EQ(actual, expected) << name;
}

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
