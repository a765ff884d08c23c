// A schedule file with the experiments that it names.
#pragma once

#include <optional>
#include <string>

#include "engine/schedule/schedule.hpp"

namespace ordeal::cli {

// Reads the file and every experiment in it, whose lengths it fills in. Every problem is printed on
// stderr; nothing: there was one.
std::optional<schedule::Calendar> read_calendar(const std::string& file);

// Where `ordeal serve` keeps its records, whoever asks: /var/lib/ordeal/history.
std::string serve_directory();

}  // namespace ordeal::cli
