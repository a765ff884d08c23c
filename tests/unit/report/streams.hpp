// Hand-written runs as event streams, one for each way in which a run can end.
#pragma once

#include <string>
#include <vector>

#include "engine/model/event.hpp"

namespace ordeal::report {

// "upheld", "violated", "inconclusive", "aborted", "no-data", "interrupted", "unsteady", "refused",
// "error", "dirty", "not-recovered", "unfinished"
const std::vector<std::string>& stories();
std::vector<model::Event> stream_of(const std::string& story);

// The stream as a file: one JSON line for each event.
std::string to_lines(const std::vector<model::Event>& events);

}  // namespace ordeal::report
