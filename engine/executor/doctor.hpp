// What this kernel and this user can do, found by trying, and the command that mends the rest.
#pragma once

#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "engine/os/host.hpp"

namespace ordeal::executor {

struct Capability {
  std::string name;  // as FaultDescription::needs names it: "root", "netem", "nft-carrier", ...
  bool ok = false;
  std::string detail;  // what was found
  std::string mend;    // the command that mends it, or empty
};
BOOST_DESCRIBE_STRUCT(Capability, (), (name, ok, detail, mend))

struct DoctorReport {
  std::vector<Capability> capabilities;
};
BOOST_DESCRIBE_STRUCT(DoctorReport, (), (capabilities))

// Tries each in a throw-away way; nothing is left behind.
DoctorReport doctor(os::Host& host, const std::string& state_directory);

}  // namespace ordeal::executor
