// What this kernel and this user can do, found by trying, and the command that mends the rest.
#pragma once

#include <optional>
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
  // What is used in its place, when that works here: no lack then. Optional, because a host over
  // ssh may have an executor that does not know of it.
  std::optional<std::string> instead;

  bool lacking() const { return !ok && !instead; }
  // What a row begins with.
  const char* word() const { return ok ? "ok" : instead ? "other" : "no"; }
};
BOOST_DESCRIBE_STRUCT(Capability, (), (name, ok, detail, mend, instead))

struct DoctorReport {
  std::vector<Capability> capabilities;
};
BOOST_DESCRIBE_STRUCT(DoctorReport, (), (capabilities))

// Tries each in a throw-away way; nothing is left behind.
DoctorReport doctor(os::Host& host, const std::string& state_directory);

}  // namespace ordeal::executor
