#include "engine/model/verdict.hpp"

#include <algorithm>
#include <array>

namespace ordeal::model {

namespace {

constexpr std::array<const char*, 11> kNames = {
    "upheld",       "violated",    "invalid", "refused", "unsteady",     "aborted",
    "inconclusive", "interrupted", "error",   "dirty",   "not_recovered"};

}  // namespace

std::string to_string(Exit exit) { return kNames.at(static_cast<std::size_t>(exit)); }

std::optional<Exit> exit_named(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Exit>(found - kNames.begin());
}

Exit worse_of(Exit a, Exit b) {
  constexpr std::array<Exit, 11> kWorstFirst = {
      Exit::dirty,   Exit::not_recovered, Exit::error,        Exit::interrupted,
      Exit::aborted, Exit::violated,      Exit::inconclusive, Exit::unsteady,
      Exit::refused, Exit::invalid,       Exit::upheld};
  return *std::find_if(kWorstFirst.begin(), kWorstFirst.end(),
                       [&](Exit exit) { return exit == a || exit == b; });
}

}  // namespace ordeal::model
