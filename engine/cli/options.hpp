// The command line, read into one value. Unknown words get the nearest right one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.hpp"

namespace ordeal::cli {

enum class Output { text, json, quiet };
enum class Color { automatic, always, never };

struct Options {
  std::string command;             // "run", "plan", ...; empty: help was asked for
  std::vector<std::string> words;  // files, run ids, fault names
  bool help = false;
  bool verbose = false;

  std::map<std::string, std::string> vars;
  std::string vars_file;  // more of them; "-" is stdin
  std::string inventory;  // file; empty: this machine alone
  std::optional<std::uint64_t> seed;
  Output output = Output::text;
  Color color = Color::automatic;
  std::vector<std::pair<std::string, std::string>> reports;  // kind, path
  bool baseline_only = false;
  bool control = false;
  bool fail_fast = false;
  bool stop_on_violation = false;
  bool yes = false;

  bool exit_code = false;                    // status
  bool print = false;                        // recover
  bool dry_run = false;                      // recover
  bool lift = false;                         // halt
  std::string reason;                        // halt, abort
  std::string format = "text";               // report
  bool strict = false;                       // plan
  std::int64_t limit = 20;                   // runs; of schedule 100
  std::int64_t days = 30;                    // schedule forecast
  std::string from;                          // schedule forecast
  std::string schedule;                      // serve: the file
  std::string listen;                        // serve: ADDRESS:PORT
  std::vector<std::string> allow_hosts;      // serve
  std::map<std::string, std::string> roles;  // gameday run: person by role
  bool resume = false;                       // gameday run
  std::string by;                            // gameday continue, note, stop: who says so
};

// Errors: one sentence with the nearest right word.
Result<Options> read_options(int argc, const char* const* argv);

// The first page, or the page of one command.
std::string help_text(const std::string& command);

}  // namespace ordeal::cli
