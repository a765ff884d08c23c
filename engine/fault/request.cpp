#include "engine/fault/request.hpp"

#include "engine/base/text.hpp"
#include "engine/model/parameters.hpp"

namespace ordeal::fault {
namespace {

using model::TargetKind;

constexpr Duration kLongestStep = std::chrono::hours(24 * 3650);  // as a file may say
constexpr std::int64_t kMostProcesses = 1'000'000;
constexpr std::size_t kLongestUnit = 255;   // systemd's own limit
constexpr std::size_t kLongestText = 4096;  // PATH_MAX
constexpr std::size_t kMostBeside = 4096;

Error invalid(std::string text) { return Error(Code::invalid, std::move(text)); }

const char* expected_target(TargetKind kind) {
  switch (kind) {
    case TargetKind::none: return "neither `unit` nor `process`";
    case TargetKind::process: return "`process`";
    case TargetKind::unit: return "`unit`";
    case TargetKind::host_or_unit: return "`unit` or nothing";
    case TargetKind::unit_or_process: return "exactly one of `unit` and `process`";
  }
  return "a kind that this version knows";
}

bool fits(TargetKind kind, const model::Target& target) {
  const bool unit = target.unit.has_value();
  const bool process = target.process.has_value();
  switch (kind) {
    case TargetKind::none: return !unit && !process;
    case TargetKind::process: return !unit && process;
    case TargetKind::unit: return unit && !process;
    case TargetKind::host_or_unit: return !process;
    case TargetKind::unit_or_process: return unit != process;
  }
  return false;
}

Result<void> check_unit_name(const std::string& what, const std::optional<std::string>& unit) {
  if (!unit) return ok();
  const bool good = !unit->empty() && unit->size() <= kLongestUnit &&
                    unit->find_first_of(std::string_view("/\0", 2)) == unit->npos;
  if (good) return ok();
  return invalid(
      fmt::format("{}: expected the name of a unit, found '{}'", what, printable(*unit, 60)));
}

Result<void> check_matcher(const model::ProcessMatcher& matcher) {
  CHECK_OK(check_unit_name("target.process.unit", matcher.unit));
  for (const auto* text :
       {&matcher.name, &matcher.exe, &matcher.argv, &matcher.user, &matcher.pid_file}) {
    if (*text && ((*text)->empty() || (*text)->size() > kLongestText ||
                  (*text)->find('\0') != std::string::npos)) {
      return invalid(
          fmt::format("target.process: expected texts of 1 to {} characters", kLongestText));
    }
  }
  for (const auto* path : {&matcher.exe, &matcher.pid_file}) {
    if (*path && !(*path)->starts_with('/')) {
      return invalid(fmt::format("target.process: expected an absolute path, found '{}'",
                                 printable(**path, 60)));
    }
  }
  for (const auto* count : {&matcher.count_min, &matcher.count_max}) {
    if (*count && (**count < 0 || **count > kMostProcesses)) {
      return invalid(fmt::format("target.process.count: expected 0 to {}", kMostProcesses));
    }
  }
  return ok();
}

Result<void> check_how_many(const model::Target& target) {
  if (target.value_count && (*target.value_count < 1 || *target.value_count > kMostProcesses)) {
    return invalid(fmt::format("target.value: expected 1 to {}, found {}", kMostProcesses,
                               *target.value_count));
  }
  if (target.value_share &&
      (target.value_share->value <= 0 || *target.value_share > percent(100))) {
    return invalid(fmt::format("target.value: expected more than 0% and at most 100%, found {}",
                               format_percent(*target.value_share)));
  }
  return ok();
}

}  // namespace

Result<void> check_request(const model::FaultDescription& fault,
                           const model::StepRequest& request) {
  if (request.duration < Duration::zero() || request.duration > kLongestStep) {
    return invalid(fmt::format("duration: expected 0s to {}", format_duration(kLongestStep)));
  }
  if (request.beside.size() > kMostBeside) {
    return invalid(fmt::format("beside: at most {} steps", kMostBeside));
  }
  if (!fits(fault.target, request.target)) {
    return invalid(fmt::format("target: {} takes {}", fault.name, expected_target(fault.target)));
  }
  CHECK_OK(check_unit_name("target.unit", request.target.unit));
  if (request.target.process) {
    CHECK_OK(check_matcher(*request.target.process));
  }
  CHECK_OK(check_how_many(request.target));
  return model::check_parameters(fault, request.with);
}

}  // namespace ordeal::fault
