// Which other units systemd stops together with one: what the undo must start again.
#pragma once

#include <string>
#include <vector>

#include "engine/os/host.hpp"

namespace ordeal::service {

// Running services that systemd stops when `unit` is stopped: those that say Requires=, BindsTo=
// or PartOf= of it in their unit files or drop-ins, and what depends on them in turn. Read from
// the files alone: what was changed without `systemctl daemon-reload` may differ.
// Source: systemd.unit(5), "Unit file load path" and "[Unit] section options".
std::vector<std::string> stopped_together_with(const os::Host& host, const std::string& unit);

// The socket that would start the unit again at its next connection, or empty.
std::string socket_of(const os::Host& host, const std::string& unit);

}  // namespace ordeal::service
