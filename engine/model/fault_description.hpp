// What a fault is called, what it can be told, and what it needs: a plain value. `spec` checks
// files against it, `ordeal faults` prints it, and an executor sends its own in the hello frame.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

namespace ordeal::model {

// How a parameter is written in YAML, and what it is normalised to in a StepRequest.
enum class ParameterKind {
  duration,          // "300ms"            -> whole microseconds
  percent,           // "20%"              -> whole parts per million
  bytes,             // "512MiB"           -> whole bytes
  bytes_or_percent,  // "2GiB" or "50%"    -> {"bytes": N} or {"ppm": N}
  integer,           // 4                  -> whole number
  boolean,           // true               -> true
  text,              // "..."              -> text
  choice,            // one of `choices`   -> text
  choices,           // one or a list of `choices` -> list of texts
  ports,             // 5432, [80, 443] or "8000-8010" -> list of {"first": N, "last": N}
  addresses,         // 10.0.0.1, 10.0.0.0/24, [..], ::1 -> list of texts "address/prefix"
  path,              // absolute path      -> text
  signal,            // TERM, KILL, ...    -> text without SIG
  restore,           // unit | supervisor | none | {argv: [..]} -> {"how": ..., "argv": [..]}
  argv,              // ["/abs/program", "arg"] -> list of texts
};
BOOST_DESCRIBE_ENUM(ParameterKind, duration, percent, bytes, bytes_or_percent, integer, boolean,
                    text, choice, choices, ports, addresses, path, signal, restore, argv)

struct Parameter {
  std::string name;
  ParameterKind kind = ParameterKind::text;
  std::string summary;  // one sentence; says the unit and what it means
  bool required = false;
  std::optional<std::string> default_text;  // as a user would write it; absent: no default
  std::optional<std::int64_t> minimum;      // in the normalised unit, inclusive
  std::optional<std::int64_t> maximum;
  std::vector<std::string> choices;
};
BOOST_DESCRIBE_STRUCT(Parameter, (),
                      (name, kind, summary, required, default_text, minimum, maximum, choices))

// What `target:` of a step may say.
enum class TargetKind {
  none,             // the host itself; `target` may be absent
  process,          // `process:` is required
  unit,             // `unit:` is required
  host_or_unit,     // absent, or `unit:`
  unit_or_process,  // exactly one of `unit:` and `process:`
};
BOOST_DESCRIBE_ENUM(TargetKind, none, process, unit, host_or_unit, unit_or_process)

enum class Reversibility {
  reversible,  // the undo restores what was there
  restorable,  // what is gone is gone, but `restore` brings a new one
};
BOOST_DESCRIBE_ENUM(Reversibility, reversible, restorable)

struct FaultDescription {
  std::string name;     // "network.delay"
  std::string summary;  // one sentence
  std::vector<Parameter> parameters;
  // Exactly one parameter of each group is given.
  std::vector<std::vector<std::string>> exactly_one_of;
  TargetKind target = TargetKind::none;
  Reversibility reversibility = Reversibility::reversible;
  std::vector<std::string> needs;  // capability names as `ordeal doctor` prints them
  // True for faults that `with.interval`/repetition makes sense for (process.kill).
  bool repeatable = false;
  std::string example;  // a step in YAML, ready to paste under `method:`
};
BOOST_DESCRIBE_STRUCT(FaultDescription, (),
                      (name, summary, parameters, exactly_one_of, target, reversibility, needs,
                       repeatable, example))

}  // namespace ordeal::model
