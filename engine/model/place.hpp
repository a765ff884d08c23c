// Where something was written: for error messages, annotations and the plan.
#pragma once

#include <string>
#include <vector>

#include <boost/describe.hpp>

namespace ordeal::model {

struct Place {
  std::string file;
  int line = 0;    // from 1; 0: not from a file
  int column = 0;  // from 1
};
BOOST_DESCRIBE_STRUCT(Place, (), (file, line, column))

}  // namespace ordeal::model
