// tests/broken: NAME.yaml is an experiment that somebody got wrong, NAME.expected exactly what they
// are told. ORDEAL_WRITE_EXPECTED=1 writes the expected files anew, to be read before a commit.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/spec/files.hpp"

namespace ordeal::spec {
namespace {

std::vector<std::string> broken_files() {
  std::vector<std::string> out;
  const std::string folder = std::string(ORDEAL_SOURCE_DIR) + "/tests/broken";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") out.push_back(entry.path().stem().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class Broken : public testing::TestWithParam<std::string> {};

TEST_P(Broken, IsToldExactly) {
  const std::string base = "tests/broken/" + GetParam();
  const Outcome outcome = parse_file(base + ".yaml");
  EXPECT_FALSE(outcome.experiment.has_value());
  const std::string told = lines(outcome.problems);
  if (std::getenv("ORDEAL_WRITE_EXPECTED") != nullptr) {
    std::ofstream(std::string(ORDEAL_SOURCE_DIR) + "/" + base + ".expected") << told;
  }
  const auto expected = read_source(base + ".expected");
  ASSERT_TRUE(expected) << base << ".expected is missing; told:\n" << told;
  EXPECT_EQ(told, expected.value());
}

INSTANTIATE_TEST_SUITE_P(Files, Broken, testing::ValuesIn(broken_files()), [](const auto& file) {
  std::string name = file.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(BrokenFiles, AreAtLeastSixty) {
  EXPECT_GE(broken_files().size(), 60u);
}

}  // namespace
}  // namespace ordeal::spec
