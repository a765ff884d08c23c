// The pages under docs/reference/faults and the descriptions say the same.
#include <fstream>
#include <sstream>

#include "engine/base/text.hpp"
#include "faults/catalogue.hpp"
#include "tests/unit/faults/bench.hpp"

namespace ordeal::unit_faults {
namespace {

using ::testing::HasSubstr;

std::vector<model::FaultDescription> descriptions() {
  std::vector<model::FaultDescription> out;
  for (const fault::Fault& fault : catalogue()) out.push_back(fault.description);
  return out;
}

std::string page_of(const std::string& fault) {
  std::ifstream file(fmt::format("{}/docs/reference/faults/{}.md", ORDEAL_SOURCE_DIR, fault));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The row of the parameter table that begins with this name, or empty.
std::string row_of(const std::string& page, const std::string& parameter) {
  const std::size_t begin = page.find("\n| `" + parameter + "` |");
  return begin == page.npos ? "" : page.substr(begin + 1, page.find('\n', begin + 1) - begin - 1);
}

TEST(FaultPages, EveryParameterHasItsRowWithDefaultAndChoices) {
  for (const model::FaultDescription& fault : descriptions()) {
    const std::string page = page_of(fault.name);
    ASSERT_THAT(page, HasSubstr("# " + fault.name + "\n"));
    for (const model::Parameter& parameter : fault.parameters) {
      const std::string row = row_of(page, parameter.name);
      ASSERT_FALSE(row.empty()) << fault.name << " " << parameter.name;
      if (parameter.required) {
        EXPECT_THAT(row, HasSubstr("| required |"));
      }
      if (parameter.default_text) {
        EXPECT_THAT(row, HasSubstr("| `" + *parameter.default_text + "` |"));
      }
      for (const std::string& choice : parameter.choices) {
        EXPECT_THAT(row, HasSubstr("`" + choice + "`"));
      }
    }
  }
}

// What all network faults have is explained in the same words on the page of each.
TEST(FaultPages, SharedParametersHaveTheSameRow) {
  const std::string delay = page_of("network.delay");
  for (const char* name : {"network.loss", "network.partition"}) {
    const std::string page = page_of(name);
    for (const char* parameter : {"local_port", "remote_port", "remote_ip", "protocol", "direction",
                                  "device", "allow_whole_interface"}) {
      EXPECT_EQ(row_of(page, parameter), row_of(delay, parameter)) << name;
    }
  }
}

TEST(FaultPages, EachHasTheSameSectionsAndTheExampleOfTheDescription) {
  for (const model::FaultDescription& fault : descriptions()) {
    const std::string page = page_of(fault.name);
    std::size_t at = 0;
    for (const char* section :
         {"## Parameters", "## Mechanism", "## Effect", "## Undo", "## Limits"}) {
      const std::size_t found = page.find(section, at);
      EXPECT_NE(found, page.npos) << fault.name << ": " << section;
      at = found == page.npos ? at : found;
    }
    EXPECT_THAT(page, HasSubstr(fault.example)) << fault.name;
  }
}

}  // namespace
}  // namespace ordeal::unit_faults
