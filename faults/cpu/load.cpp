// cpu.load: CPU time is taken by burner threads.
//
// Mechanism: one helper process with `workers` threads, each in a closed loop on its own CPU clock
// with sleeps to absolute deadlines, 20 ms a period; with `of: unit` it lives in that unit's
// cgroup, so that the unit's own limits and weights apply. It is an ordinary process: on a machine
// that is already busy it gets its share and no more, and what it got is what the report says.
// Source: clock_gettime(2) CLOCK_THREAD_CPUTIME_ID, proc(5) /proc/stat.
#include "engine/fault/parameters.hpp"

namespace ordeal::cpu {
namespace {

enum class Of { host, unit, core };
BOOST_DESCRIBE_ENUM(Of, host, unit, core)
enum class LoadMode { add, reach };
BOOST_DESCRIBE_ENUM(LoadMode, add, reach)

struct Parameters {
  Ppm load;
  Of of = Of::host;
  std::optional<std::int64_t> workers;
  LoadMode mode = LoadMode::add;
};
BOOST_DESCRIBE_STRUCT(Parameters, (), (load, of, workers, mode))

constexpr std::int64_t kCore = 1'000'000;  // one core, in parts per million

model::FaultDescription describe() {
  using enum model::ParameterKind;
  model::FaultDescription out;
  out.name = "cpu.load";
  out.summary = "Burner threads take CPU time from the host, or inside one unit.";
  out.parameters = {
      {.name = "load",
       .kind = percent,
       .summary = "How much CPU, in percent of what `of` says.",
       .required = true,
       .minimum = 1'000,
       .maximum = kCore},
      {.name = "of",
       .kind = choice,
       .summary = "The 100%: host (all CPUs we may use), unit (the CPU limit of target.unit, or "
                  "the host's CPUs without one), core (each worker's core).",
       .default_text = "host",
       .choices = {"host", "unit", "core"}},
      {.name = "workers",
       .kind = integer,
       .summary = "Burner threads; the load is spread evenly over them. Default: as many as the "
                  "base has CPUs.",
       .minimum = 1,
       .maximum = 1024},
      {.name = "mode",
       .kind = choice,
       .summary = "add: burn that much on top of what others use; reach: burn only what is missing "
                  "until the base is that busy.",
       .default_text = "add",
       .choices = {"add", "reach"}},
  };
  out.target = model::TargetKind::host_or_unit;
  out.needs = {"root"};
  out.example =
      "- fault: cpu.load\n"
      "  with: { load: 80%, of: host, mode: add }\n"
      "  duration: 60s\n";
  return out;
}

// What 100% is, in parts per million of one core, and how the plan says it.
struct Base {
  std::int64_t ppm = 0;
  std::string text;
  std::optional<std::string> cgroup;  // where the burners live
};

Result<Base> base_of(const fault::PlanContext& context, const Parameters& parameters) {
  TRY(const os::HostValues values, within("read the CPUs", context.host.machine().values()));
  const std::int64_t cpus = std::max(1, values.cpus);
  const std::string cpus_text = fmt::format("{} CPU{}", cpus, cpus == 1 ? "" : "s");
  const std::optional<std::string>& unit = context.request.target.unit;
  if (unit.has_value() != (parameters.of == Of::unit)) {
    return Error(Code::invalid, unit ? "target.unit needs `of: unit`, so that the base is said"
                                     : "`of: unit` needs target.unit");
  }
  if (!unit) {
    if (parameters.of == Of::host) return Base{cpus * kCore, cpus_text, std::nullopt};
    const std::int64_t workers = parameters.workers.value_or(cpus);
    return Base{workers * kCore, fmt::format("{} cores", workers), std::nullopt};
  }
  TRY(const auto cgroup, within("find " + *unit, context.host.cgroups().of_unit(*unit)));
  const auto limit = context.host.cgroups().cpu_limit(cgroup);
  if (limit.has_value() && limit.value() && limit.value()->value < cpus * kCore) {
    const std::string cores = format_percent(*limit.value());
    return Base{limit.value()->value, fmt::format("{} ({} of one core)", *unit, cores), cgroup};
  }
  return Base{cpus * kCore, fmt::format("{} ({}, it has no limit)", *unit, cpus_text), cgroup};
}

std::int64_t rounded_up(std::int64_t value, std::int64_t step) { return (value + step - 1) / step; }

struct Burn {
  std::int64_t workers = 1;
  std::int64_t total_ppm = 0;  // of one core, over all workers
  std::int64_t duty_ppm = 0;   // of each worker
};

Result<Burn> burn_of(const Parameters& parameters, const Base& base) {
  Burn out;
  out.workers = parameters.workers.value_or(rounded_up(base.ppm, kCore));
  // 4096 CPUs x 1e6 x 1e6 stays below 2^63.
  out.total_ppm = base.ppm * parameters.load.value / kCore;
  out.duty_ppm = out.total_ppm / out.workers;
  if (out.duty_ppm > kCore) {
    return Error(
        Code::refused,
        fmt::format("{} of {} is {} of one core; {} workers can burn at most {}: use "
                    "`workers: {}` or more",
                    format_percent(parameters.load), base.text, format_percent(Ppm{out.total_ppm}),
                    out.workers, format_percent(Ppm{out.workers * kCore}),
                    rounded_up(out.total_ppm, kCore)));
  }
  return out;
}

std::string summary_of(const Parameters& parameters, const Base& base, const Burn& burn) {
  const std::string load = format_percent(parameters.load);
  if (parameters.mode == LoadMode::reach) {
    return fmt::format("burn CPU until {} of {} is used ({} workers)", load, base.text,
                       burn.workers);
  }
  return fmt::format("burn {} of {}: {} worker{}, {} of a core each", load, base.text, burn.workers,
                     burn.workers == 1 ? "" : "s", format_percent(Ppm{burn.duty_ppm}));
}

Result<model::HostStep> plan(const fault::PlanContext& context) {
  TRY(auto parameters, fault::parameters<Parameters>(context.request));
  if (context.request.zero_magnitude) parameters.load = Ppm{0};
  const bool reach = parameters.mode == LoadMode::reach;
  if (reach && parameters.of == Of::core) {
    return Error(Code::invalid, "with.mode: reach needs `of: host` or `of: unit`");
  }
  TRY(const Base base, base_of(context, parameters));
  TRY(const Burn burn, burn_of(parameters, base));

  model::HostStep out;
  const std::string mark = context.token.mark();
  model::SpawnHelper helper;
  helper.mark = mark;
  helper.role = "cpu";
  helper.cgroup = base.cgroup;
  helper.arguments["workers"] = burn.workers;
  helper.arguments["load"] = burn.duty_ppm;
  helper.arguments["reach"] = !reach ? "no" : base.cgroup ? "cgroup" : "host";

  model::Change change;
  change.summary = summary_of(parameters, base, burn);
  change.apply = std::move(helper);
  change.undos.push_back(model::KillHelper{mark});
  out.summary.push_back(change.summary);
  out.summary.emplace_back(
      "it cannot take CPU from a contended machine: the report says what it got");
  out.changes.push_back(std::move(change));
  out.claims.push_back({"cpu", base.cgroup.value_or("host")});
  if (context.request.zero_magnitude) {
    out.summary.assign(1, "control: the burners start and burn nothing");
    return out;
  }
  // With `reach` the burners may have little to add: any time they took is the effect.
  out.effects.push_back(model::CpuBurned{mark, reach ? model::kAnyCpu : Ppm{burn.total_ppm}});
  return out;
}

}  // namespace

fault::Fault load() { return {describe(), plan}; }

}  // namespace ordeal::cpu
