// Every file under experiments/ is valid, teaches something, and each fault has one.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/spec/spec.hpp"
#include "faults/catalogue.hpp"

namespace ordeal {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(ORDEAL_SOURCE_DIR) + "/experiments")) {
    if (entry.path().extension() == ".yaml") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

spec::Outcome parse(const std::filesystem::path& path) {
  std::vector<model::FaultDescription> faults;
  for (const fault::Fault& fault : catalogue()) faults.push_back(fault.description);
  spec::Input input;
  input.file = path.string();
  input.read = [](const std::string& name) -> Result<std::string> { return read(name); };
  return spec::parse_experiment(input, faults);
}

TEST(Experiments, AllAreValidWithoutAWarning) {
  for (const auto& path : files()) {
    const spec::Outcome outcome = parse(path);
    for (const spec::Problem& problem : outcome.problems) {
      ADD_FAILURE() << spec::to_string(problem);
    }
    for (const spec::Problem& warning : outcome.warnings) {
      ADD_FAILURE() << "warning: " << spec::to_string(warning);
    }
  }
}

TEST(Experiments, EachSaysWhatItTeachesAndHowToStartTheService) {
  for (const auto& path : files()) {
    const std::string text = read(path);
    EXPECT_TRUE(text.starts_with("# Teaches: ")) << path;
    EXPECT_THAT(text, ::testing::ContainsRegex("\n# Start: sudo experiments/services/[a-z]+\\.sh"))
        << path;
  }
}

TEST(Experiments, EveryFaultHasOne) {
  std::set<std::string> shown;
  for (const auto& path : files()) {
    const spec::Outcome outcome = parse(path);
    if (!outcome.experiment) continue;
    for (const model::Step* step : model::steps_of(*outcome.experiment)) shown.insert(step->fault);
  }
  for (const fault::Fault& fault : catalogue()) {
    EXPECT_TRUE(shown.contains(fault.description.name)) << fault.description.name;
  }
  EXPECT_GE(files().size(), 12u);
}

}  // namespace
}  // namespace ordeal
