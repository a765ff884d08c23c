// Prints the four JSON Schemas, as `ordeal schema` does, in one object by the kind of file.
//   schema --read   reads an experiment on stdin instead, and prints what is wrong with it
#include <cstdio>
#include <iostream>
#include <iterator>

#include <boost/json.hpp>

#include "engine/spec/gameday.hpp"
#include "engine/spec/inventory.hpp"
#include "engine/spec/schedule.hpp"
#include "engine/spec/spec.hpp"
#include "faults/catalogue.hpp"

int main(int count, char**) {
  using namespace ordeal;
  std::vector<model::FaultDescription> faults;
  for (const fault::Fault& fault : catalogue()) faults.push_back(fault.description);
  if (count > 1) {
    spec::Input input;
    input.file = "stdin";
    input.read = [](const std::string&) -> Result<std::string> {
      return std::string(std::istreambuf_iterator<char>(std::cin), {});
    };
    const spec::Outcome outcome = spec::parse_experiment(input, faults);
    for (const spec::Problem& problem : outcome.problems) {
      std::puts(spec::to_string(problem).c_str());
    }
    return outcome.problems.empty() ? 0 : 1;
  }
  boost::json::object out;
  out["experiment"] = boost::json::parse(spec::json_schema(faults));
  out["schedule"] = boost::json::parse(spec::json_schema_of_schedules());
  out["inventory"] = boost::json::parse(spec::json_schema_of_inventories());
  out["gameday"] = boost::json::parse(spec::json_schema_of_gamedays());
  std::puts(boost::json::serialize(out).c_str());
  return 0;
}
