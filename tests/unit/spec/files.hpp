// Reads test data by its path under the source tree, and names it by that path in messages.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "engine/spec/spec.hpp"
#include "tests/unit/spec/descriptions.hpp"

namespace ordeal::spec {

inline Result<std::string> read_source(const std::string& path) {
  std::ifstream stream(std::string(ORDEAL_SOURCE_DIR) + "/" + path);
  if (!stream) return Error(Code::gone, path + ": no such file");
  std::ostringstream out;
  out << stream.rdbuf();
  return out.str();
}

inline Outcome parse_file(const std::string& path,
                          const std::map<std::string, std::string>& vars = {}) {
  const auto faults = descriptions();
  return parse_experiment({path, vars, read_source}, faults);
}

// Files that exist only here, by name; the experiment is "test.yaml".
inline Outcome parse_texts(const std::map<std::string, std::string>& files,
                           const std::map<std::string, std::string>& vars = {}) {
  const auto faults = descriptions();
  const auto read = [&](const std::string& path) -> Result<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return Error(Code::gone, path + ": no such file");
    return found->second;
  };
  return parse_experiment({"test.yaml", vars, read}, faults);
}

inline Outcome parse_text(const std::string& text,
                          const std::map<std::string, std::string>& vars = {}) {
  return parse_texts({{"test.yaml", text}}, vars);
}

inline std::string lines(const std::vector<Problem>& problems) {
  std::string out;
  for (const Problem& problem : problems) out += to_string(problem) + "\n";
  return out;
}

// ---- Files that somebody got wrong: NAME.yaml in a folder of tests/broken, and NAME.expected with
// exactly what they are told. ORDEAL_WRITE_EXPECTED=1 writes the latter anew, to be read before a
// commit.

// "tests/broken/NAME" of each, sorted.
inline std::vector<std::string> broken_files(const std::string& folder) {
  std::vector<std::string> out;
  const auto whole = std::filesystem::path(ORDEAL_SOURCE_DIR) / folder;
  for (const auto& entry : std::filesystem::directory_iterator(whole)) {
    if (entry.path().extension() != ".yaml") continue;
    out.push_back(folder + "/" + entry.path().stem().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

inline void expect_told_exactly(const std::string& base, const std::vector<Problem>& problems) {
  const std::string told = lines(problems);
  if (std::getenv("ORDEAL_WRITE_EXPECTED") != nullptr) {
    std::ofstream(std::string(ORDEAL_SOURCE_DIR) + "/" + base + ".expected") << told;
  }
  const auto expected = read_source(base + ".expected");
  ASSERT_TRUE(expected) << base << ".expected is missing; told:\n" << told;
  EXPECT_EQ(told, expected.value());
}

// The name of the test of one of them.
inline std::string test_name(const testing::TestParamInfo<std::string>& file) {
  std::string name = std::filesystem::path(file.param).filename().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace ordeal::spec
