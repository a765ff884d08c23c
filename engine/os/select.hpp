// Which processes a matcher means, by reading only.
#pragma once

#include <string_view>
#include <vector>

#include "engine/model/target.hpp"
#include "engine/os/host.hpp"

namespace ordeal::os {

// Every living process that meets all criteria of the matcher, by pid; its counts are not judged.
// Errors: a user or pid file that does not exist; a matcher without any criterion.
Result<std::vector<model::ProcessInfo>> select(const Host& host,
                                               const model::ProcessMatcher& matcher);
Result<std::vector<model::ProcessInfo>> select(const Processes& processes, const Files& files,
                                               const model::ProcessMatcher& matcher);

// "unit nginx.service, name nginx": for messages.
std::string describe(const model::ProcessMatcher& matcher);

// '*' any text, '?' any character; the whole text must match.
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace ordeal::os
