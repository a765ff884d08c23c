// memory.load: memory is taken and held by one process.
//
// Mechanism: an anonymous mapping with huge pages, every page written with data of its own that
// same-page merging cannot share and compression hardly shrinks. Before each 64 MiB the helper
// reads MemAvailable again and stops growing at the headroom floor. oom_score_adj makes the kernel
// kill the helper first (`oom: stressor`) or last (`oom: target`, only inside a limited unit).
// Source: madvise(2) MADV_HUGEPAGE, proc(5) oom_score_adj, cgroup-v2.rst memory.max.
#include "engine/fault/parameters.hpp"

namespace ordeal::memory {
namespace {

enum class Of { host, unit };
BOOST_DESCRIBE_ENUM(Of, host, unit)
enum class Oom { stressor, target };
BOOST_DESCRIBE_ENUM(Oom, stressor, target)

struct Parameters {
  fault::BytesOrShare size;
  Of of = Of::host;
  Duration ramp{};
  std::optional<Bytes> reserve;
  Oom oom = Oom::stressor;
};
BOOST_DESCRIBE_STRUCT(Parameters, (), (size, of, ramp, reserve, oom))

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kTiB = 1ll << 40;

model::FaultDescription describe() {
  using enum model::ParameterKind;
  model::FaultDescription out;
  out.name = "memory.load";
  out.summary = "One process takes memory and holds it, on the host or inside one unit.";
  out.parameters = {
      {.name = "size",
       .kind = bytes_or_percent,
       .summary = "How much is taken in addition to what others use: bytes, or percent of what "
                  "`of` says.",
       .required = true,
       .minimum = kMiB,
       .maximum = 64 * kTiB},
      {.name = "of",
       .kind = choice,
       .summary = "The 100%: host (all of its memory), unit (the memory limit of target.unit, or "
                  "the host's memory without one; the memory is charged to the unit).",
       .default_text = "host",
       .choices = {"host", "unit"}},
      {.name = "ramp",
       .kind = duration,
       .summary = "Time over which the memory is taken evenly; 0s: as fast as possible.",
       .default_text = "0s",
       .minimum = 0,
       .maximum = 3'600'000'000},
      {.name = "reserve",
       .kind = bytes,
       .summary = "Bytes of the host's MemAvailable that are never taken. Default: 5% of the "
                  "host's memory, at least 256MiB.",
       .minimum = 64 * kMiB,
       .maximum = 64 * kTiB},
      {.name = "oom",
       .kind = choice,
       .summary = "Whom the kernel kills first when memory runs out: stressor (ours), or target "
                  "(the unit's own processes; only with `of: unit` and a limit).",
       .default_text = "stressor",
       .choices = {"stressor", "target"}},
  };
  out.target = model::TargetKind::host_or_unit;
  out.needs = {"root"};
  out.example =
      "- fault: memory.load\n"
      "  with: { size: 50%, of: host, ramp: 10s }\n"
      "  duration: 60s\n";
  return out;
}

struct Base {
  std::int64_t bytes = 0;  // what 100% is
  std::string text;
  std::optional<std::string> cgroup;
  std::optional<std::int64_t> room;  // what the unit's limit still allows
};

Result<Base> base_of(const fault::PlanContext& context, const Parameters& parameters,
                     const os::HostValues& values) {
  const std::optional<std::string>& unit = context.request.target.unit;
  if (unit.has_value() != (parameters.of == Of::unit)) {
    return Error(Code::invalid, unit ? "target.unit needs `of: unit`, so that the base is said"
                                     : "`of: unit` needs target.unit");
  }
  const auto total = static_cast<std::int64_t>(values.memory_total);
  const std::string total_text = format_bytes(Bytes{total});
  if (!unit) return Base{total, fmt::format("the host ({})", total_text), {}, {}};
  TRY(const auto cgroup, within("find " + *unit, context.host.cgroups().of_unit(*unit)));
  TRY(const auto memory,
      within("read the limits of " + *unit, context.host.cgroups().memory(cgroup)));
  if (!memory.limit || memory.limit->value >= total) {
    return Base{total, fmt::format("{} ({}, it has no limit)", *unit, total_text), cgroup, {}};
  }
  return Base{memory.limit->value, fmt::format("{} (limit {})", *unit, format_bytes(*memory.limit)),
              cgroup, std::max<std::int64_t>(0, memory.limit->value - memory.used.value)};
}

// With memory.oom.group the kernel kills the whole cgroup, so our helper cannot die in the
// unit's place. The file's place depends on how the host mounts cgroup v2.
bool kills_whole_group(const os::Host& host, const std::string& cgroup) {
  for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    const auto text = host.files().read(mount + cgroup + "/memory.oom.group", 16);
    if (text.has_value()) return text.value().starts_with('1');
  }
  return false;
}

Result<void> check_oom(const fault::PlanContext& context, const Parameters& parameters,
                       const Base& base, std::int64_t wanted) {
  if (parameters.oom == Oom::target) {
    if (!base.room) {
      return Error(Code::refused,
                   "oom: target needs `of: unit` with a memory limit (MemoryMax=): without one the "
                   "kernel would choose among all processes of the host");
    }
    return ok();
  }
  if (base.cgroup && kills_whole_group(context.host, *base.cgroup)) {
    return Error(Code::refused,
                 fmt::format("oom: stressor, but {} has memory.oom.group (OOMPolicy=kill): the "
                             "whole unit would be killed with our process; say oom: target if "
                             "that is wanted",
                             *context.request.target.unit));
  }
  if (base.room && wanted > *base.room) {
    return Error(
        Code::refused,
        fmt::format("{} more does not fit into {}, {} is left: our process would be "
                    "killed. Ask for less, or say oom: target",
                    format_bytes(Bytes{wanted}), base.text, format_bytes(Bytes{*base.room})));
  }
  return ok();
}

Result<void> check_headroom(const os::HostValues& values, std::int64_t wanted,
                            std::int64_t reserve) {
  const auto available = static_cast<std::int64_t>(values.memory_available);
  if (wanted <= available - reserve) return ok();
  return Error(Code::refused,
               fmt::format("{} is more than this host can give: {} is available and {} stays free, "
                           "so at most {}",
                           format_bytes(Bytes{wanted}), format_bytes(Bytes{available}),
                           format_bytes(Bytes{reserve}),
                           format_bytes(Bytes{std::max<std::int64_t>(0, available - reserve)})));
}

bool huge_pages_are_off(const os::Host& host) {
  const auto text = host.files().read("/sys/kernel/mm/transparent_hugepage/enabled", 64);
  return text.has_error() || text.value().find("[never]") != std::string::npos;
}

model::SpawnHelper helper_of(const std::string& mark, const Parameters& parameters,
                             const Base& base, std::int64_t wanted, std::int64_t reserve) {
  model::SpawnHelper out;
  out.mark = mark;
  out.role = "memory";
  out.cgroup = base.cgroup;
  out.arguments["bytes"] = wanted;
  out.arguments["ramp_us"] = parameters.ramp.count();
  out.arguments["reserve"] = reserve;
  // -999, not -1000: when nothing else is left in the unit, even we may be killed.
  out.arguments["oom_score_adj"] = parameters.oom == Oom::stressor ? 1000 : -999;
  return out;
}

// Filling takes the ramp, or as long as cold pages need: 2 GiB took 0.6 s to 4.4 s.
Duration filled_by(Duration ramp, std::int64_t wanted) {
  return ramp + 2s + std::chrono::microseconds(wanted / (256 * kMiB) * 1'000'000);
}

std::int64_t asked_of(const Parameters& parameters, const Base& base) {
  if (parameters.size.bytes) return parameters.size.bytes->value;
  const double share = static_cast<double>(parameters.size.ppm.value_or(Ppm{}).value) / 1e6;
  return static_cast<std::int64_t>(share * static_cast<double>(base.bytes));
}

std::int64_t reserve_of(const Parameters& parameters, const os::HostValues& values) {
  if (parameters.reserve) return parameters.reserve->value;
  return std::max<std::int64_t>(static_cast<std::int64_t>(values.memory_total / 20), 256 * kMiB);
}

std::string summary_of(const Parameters& parameters, const Base& base, std::int64_t wanted,
                       std::int64_t reserve) {
  const std::string ramp = parameters.ramp > 0s ? " over " + format_duration(parameters.ramp) : "";
  return fmt::format("take {} of {}{}, keeping {} of the host available",
                     format_bytes(Bytes{wanted}), base.text, ramp, format_bytes(Bytes{reserve}));
}

Result<model::HostStep> plan(const fault::PlanContext& context) {
  TRY(const auto parameters, fault::parameters<Parameters>(context.request));
  TRY(const os::HostValues values, within("read the memory", context.host.machine().values()));
  TRY(const Base base, base_of(context, parameters, values));
  const bool zero = context.request.zero_magnitude;
  const std::int64_t wanted = zero ? 0 : asked_of(parameters, base);
  const std::int64_t reserve = reserve_of(parameters, values);
  CHECK_OK(check_headroom(values, wanted, reserve));
  CHECK_OK(check_oom(context, parameters, base, wanted));

  model::HostStep out;
  const std::string mark = context.token.mark();
  model::Change change;
  change.summary = summary_of(parameters, base, wanted, reserve);
  change.apply = helper_of(mark, parameters, base, wanted, reserve);
  change.undos.push_back(model::KillHelper{mark});
  if (base.cgroup) {
    // systemd stops a unit when the kernel had to kill in it, our helper too (OOMPolicy=stop).
    change.undos.push_back(model::StartUnit{*context.request.target.unit});
    out.claims.push_back({"unit", *context.request.target.unit});
  }
  out.summary.push_back(change.summary);
  out.summary.push_back(parameters.oom == Oom::stressor
                            ? "when memory runs out, the kernel kills our process first"
                            : "when the unit's memory runs out, the kernel kills the unit's "
                              "processes before ours");
  out.changes.push_back(std::move(change));
  out.claims.push_back({"memory", base.cgroup.value_or("host")});
  if (zero) {
    out.summary = {"control: the helper starts and takes nothing"};
    return out;
  }
  if (huge_pages_are_off(context.host)) {
    out.warnings.push_back(
        "huge pages are off on this host: filling is slower, and giving back "
        "takes about 75 ms per GiB");
  }
  out.effects.push_back(model::MemoryHeld{mark, Bytes{wanted}, filled_by(parameters.ramp, wanted),
                                          parameters.oom == Oom::target});
  return out;
}

}  // namespace

fault::Fault load() { return {describe(), plan}; }

}  // namespace ordeal::memory
