// tests/broken: NAME.yaml is an experiment that somebody got wrong, NAME.expected exactly what they
// are told. ORDEAL_WRITE_EXPECTED=1 writes the expected files anew, to be read before a commit.
#include <gtest/gtest.h>

#include "tests/unit/spec/files.hpp"

namespace ordeal::spec {
namespace {

constexpr const char* kBroken = "tests/broken";

class Broken : public testing::TestWithParam<std::string> {};

TEST_P(Broken, IsToldExactly) {
  const Outcome outcome = parse_file(GetParam() + ".yaml");
  EXPECT_FALSE(outcome.experiment.has_value());
  expect_told_exactly(GetParam(), outcome.problems);
}

INSTANTIATE_TEST_SUITE_P(Files, Broken, testing::ValuesIn(broken_files(kBroken)), test_name);

TEST(BrokenFiles, AreAtLeastSixty) { EXPECT_GE(broken_files(kBroken).size(), 60u); }

}  // namespace
}  // namespace ordeal::spec
