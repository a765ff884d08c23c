#include "engine/cli/files.hpp"

#include <fmt/format.h>

#include "engine/os/linux/fd.hpp"
#include "engine/spec/yaml.hpp"
#include "faults/catalogue.hpp"

namespace ordeal::cli {

Result<std::string> read_users_file(const std::string& path) {
  return os::read_file(path, spec::kMostBytes + 1);
}

bool print_problems(const std::vector<spec::Problem>& problems) {
  for (const spec::Problem& problem : problems) {
    fmt::print(stderr, "{}\n", spec::to_string(problem));
  }
  return problems.empty();
}

std::vector<model::FaultDescription> descriptions() {
  std::vector<model::FaultDescription> out;
  for (const fault::Fault& fault : catalogue()) out.push_back(fault.description);
  return out;
}

}  // namespace ordeal::cli
