// What ordeal says about itself, on stderr: problems always, with --verbose also what it does.
#pragma once

#include <string_view>

namespace ordeal::cli {

// Once, before anything is said. Verbose lines carry the local time in milliseconds.
void start_log(bool verbose);

// "ordeal: text": something is wrong, and what mends it.
void complain(std::string_view text);

// Only with --verbose; `verbose()` saves the making of a text that nobody wants.
bool verbose();
void detail(std::string_view text);

}  // namespace ordeal::cli
