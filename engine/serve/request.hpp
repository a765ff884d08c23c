// One request of the API as a value, and how its target is read.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace ordeal::serve {

struct Request {
  std::string method;
  std::vector<std::string> path;             // decoded segments: {"api", "v1", "runs"}
  std::map<std::string, std::string> query;  // decoded; of a repeated name the last one
  std::string content_type;                  // without parameters, lower case
  std::string if_none_match;
  std::string last_event_id;
  std::string body;
};

// Reads "/api/v1/runs?limit=5" into path and query. Errors: not an absolute path; broken percent
// encoding; control characters; too many parts.
Result<void> read_target(std::string_view target, Request& request);

// "Application/JSON; charset=utf-8" is "application/json".
std::string media_type(std::string_view content_type);

// "r-1121-0140-7f3a": nothing else may become part of a path.
bool is_run_id(std::string_view text);

// A whole number, not negative. Nothing: it is none.
std::optional<std::int64_t> whole_number(std::string_view text);

}  // namespace ordeal::serve
