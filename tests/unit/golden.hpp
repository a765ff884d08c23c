// Golden files: what came out once, read by a person and kept. ORDEAL_UPDATE_GOLDEN=1 writes them.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace ordeal::test {

inline bool updates_golden() { return std::getenv("ORDEAL_UPDATE_GOLDEN") != nullptr; }

inline std::string golden_path(const std::string& name) {
  return std::string(ORDEAL_SOURCE_DIR) + "/tests/golden/" + name;
}

inline std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void expect_golden(const std::string& name, const std::string& actual) {
  if (updates_golden()) std::ofstream(golden_path(name), std::ios::binary) << actual;
  const std::string expected = read_all(golden_path(name));
  EXPECT_FALSE(expected.empty()) << name << " is missing";
  EXPECT_EQ(actual, expected) << name;
}

// Of a format that stays: what is stored is never written over, because others have stored it too.
inline void expect_kept(const std::string& name, const std::string& actual) {
  const std::string path = golden_path(name);
  if (updates_golden() && read_all(path).empty()) std::ofstream(path, std::ios::binary) << actual;
  EXPECT_EQ(actual, read_all(path)) << name;
}

}  // namespace ordeal::test
