// Probes that read a state: exec, process, host. One reading at a time; a reading that takes longer
// than its interval leaves out the moments that it slept through.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <vector>

#include "engine/base/text.hpp"
#include "engine/os/select.hpp"
#include "engine/probe/runner.hpp"
#include "engine/probe/secrets.hpp"

namespace ordeal::probe {
namespace {

void no_data(Sample& sample, std::string problem) {
  sample.no_data = true;
  sample.ok = false;
  sample.problem = std::move(problem);
}

// One number, alone on stdout. "inf" is a number that compares; "nan" is none.
std::optional<double> number_in(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const std::size_t end = text.find_last_not_of(" \t\r\n") + 1;
  if (begin >= end) return std::nullopt;
  std::string_view word = text.substr(begin, end - begin);
  if (word.starts_with('+')) word.remove_prefix(1);
  double value = 0;
  const auto [stop, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (problem != std::errc{} || stop != word.data() + word.size() || std::isnan(value)) {
    return std::nullopt;
  }
  return value;
}

void judge_command(Sample& sample, const model::ExecProbe& probe, double scale,
                   const Result<os::CommandResult>& result) {
  if (result.has_error()) return no_data(sample, result.error().message());
  const os::CommandResult& command = result.value();
  if (!command.exit_code) return no_data(sample, command.ending());
  const std::string late = "timeout " + format_duration(probe.timeout);
  if (probe.ok_mode) {
    sample.ok = !command.timed_out && command.exit_code == 0;
    sample.value = sample.ok ? 1 : 0;
    if (command.timed_out) {
      sample.problem = late;
    } else if (!sample.ok) {
      sample.problem = command.ending();
    }
    return;
  }
  if (command.timed_out) return no_data(sample, late);
  if (command.exit_code != 0) return no_data(sample, command.ending());
  sample.value = number_in(command.output);
  // What the command printed is not shown: it may hold what the environment gave it.
  if (!sample.value) return no_data(sample, "stdout is not one number");
  *sample.value *= scale;
}

// Restarts: a process that is new takes the place of one that is gone. More workers are no restart.
struct Generations {
  std::vector<model::ProcessId> alive;
  bool begun = false;
  std::int64_t gone = 0;  // and not replaced yet
  std::int64_t restarts = 0;

  void see(const std::vector<model::ProcessInfo>& now) {
    const auto had = [&](const model::ProcessId& id) {
      return std::find(alive.begin(), alive.end(), id) != alive.end();
    };
    std::int64_t kept = 0;
    for (const model::ProcessInfo& process : now) kept += had(process.id) ? 1 : 0;
    gone += static_cast<std::int64_t>(alive.size()) - kept;
    const std::int64_t fresh = static_cast<std::int64_t>(now.size()) - kept;
    const std::int64_t replaced = begun ? std::min(gone, fresh) : 0;
    restarts += replaced;
    gone -= replaced;
    begun = true;
    alive.clear();
    for (const model::ProcessInfo& process : now) alive.push_back(process.id);
  }
};

void read_processes(Runner& runner, const model::ProcessProbe& probe, Generations& generations,
                    Sample& sample) {
  auto found = os::select(runner.tools.processes, runner.tools.files, probe.matcher);
  if (found.has_error() && found.error().code() != Code::gone) {
    return no_data(sample, found.error().message());
  }
  std::vector<model::ProcessInfo> alive;  // a pid file that is gone means: nobody runs
  if (found.has_value()) alive = std::move(found.value());
  generations.see(alive);
  const auto count = static_cast<std::int64_t>(alive.size());
  sample.value = static_cast<double>(count);
  sample.restarts = static_cast<double>(generations.restarts);
  sample.ok = count >= std::max<std::int64_t>(probe.matcher.count_min.value_or(1), 1);
  if (!sample.ok) sample.problem = fmt::format("{} processes", count);
}

void read_space(Runner& runner, const model::HostProbe& probe, model::Unit unit, Sample& sample) {
  const auto space = runner.tools.files.space(probe.path);
  if (space.has_error()) return no_data(sample, space.error().message());
  const auto total = static_cast<double>(space.value().total.value);
  const auto available = static_cast<double>(space.value().available.value);
  const bool free = probe.what == model::HostProbe::What::disk_free;
  const double bytes = free ? available : total - available;
  if (unit == model::Unit::bytes) {
    sample.value = bytes;
  } else if (total > 0) {
    sample.value = 100.0 * bytes / total;
  } else {
    no_data(sample, "the filesystem has no size");
  }
}

Sample begin(std::size_t index, BootTime due) {
  Sample sample;
  sample.sli = index;
  sample.scheduled = due;
  return sample;
}

}  // namespace

Task<void> run_exec(Runner& runner, std::size_t index, const model::ExecProbe& probe,
                    double scale) {
  const auto environment = resolve_all(probe.env);
  const BootTime start = runner.now();
  BootTime due = start;
  for (;;) {
    co_await runner.tools.clock.sleep_until(due);
    Sample sample = begin(index, due);
    if (environment.has_error()) {
      no_data(sample, environment.error().message());
    } else {
      model::Command command;
      command.argv = probe.argv;
      command.timeout = probe.timeout;
      Task<Result<os::CommandResult>> run =
          runner.tools.processes.run(std::move(command), environment.value());
      const Result<os::CommandResult> result = co_await std::move(run);
      judge_command(sample, probe, scale, result);
    }
    runner.emit(std::move(sample));
    due = next_due(start, probe.every, runner.now());
  }
}

Task<void> run_process(Runner& runner, std::size_t index, const model::ProcessProbe& probe) {
  Generations generations;
  const BootTime start = runner.now();
  BootTime due = start;
  for (;;) {
    co_await runner.tools.clock.sleep_until(due);
    Sample sample = begin(index, due);
    read_processes(runner, probe, generations, sample);
    runner.emit(std::move(sample));
    due = next_due(start, probe.every, runner.now());
  }
}

Task<void> run_host(Runner& runner, std::size_t index, const model::HostProbe& probe,
                    model::Unit unit) {
  const BootTime start = runner.now();
  BootTime due = start;
  for (;;) {
    co_await runner.tools.clock.sleep_until(due);
    Sample sample = begin(index, due);
    read_space(runner, probe, unit, sample);
    runner.emit(std::move(sample));
    due = next_due(start, probe.every, runner.now());
  }
}

}  // namespace ordeal::probe
