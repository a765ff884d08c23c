#include "engine/fault/apply.hpp"

#include <csignal>

#include "engine/base/text.hpp"

namespace ordeal::fault {
namespace {

Task<Result<void>> run(os::Host& host, model::Command command) {
  const std::string text = printable(join(command.argv, " "));
  const Duration timeout = command.timeout;
  CO_TRY(auto result, co_await host.processes().run(std::move(command)));
  if (result.timed_out) {
    co_return Error(Code::timeout,
                    fmt::format("{}: no end after {}", text, format_duration(timeout)));
  }
  // With an unknown exit code the effect tells whether it did what it should.
  if (result.exit_code.value_or(0) != 0) {
    co_return Error(Code::failed, fmt::format("{}: exit {}: {}", text, *result.exit_code,
                                              printable(result.errors)));
  }
  co_return ok();
}

Task<Result<void>> make(os::Host& host, model::CreateIfb change, Duration) {
  CO_CHECK_OK(host.links().add_ifb(change.link));
  co_return host.qdiscs().add_netem(change.link, change.netem);
}

Task<Result<void>> make(os::Host& host, model::CreateHole change, Duration) {
  co_return host.links().add_hole(change.link);
}

Task<Result<void>> make(os::Host& host, model::CreateTable change, Duration lease) {
  co_return host.nftables().create(change.table, lease);
}

Task<Result<void>> make(os::Host& host, model::SignalProcess change, Duration) {
  auto sent = host.processes().signal(change.process, change.signal);
  if (sent.has_error() && sent.error().code() == Code::gone) co_return ok();
  co_return sent;
}

Task<Result<void>> make(os::Host& host, model::FreezeCgroup change, Duration) {
  co_return co_await host.cgroups().set_frozen(change.cgroup, true);
}

Task<Result<void>> make(os::Host& host, model::SpawnHelper change, Duration) {
  CO_TRY(auto process, co_await host.processes().spawn_helper(std::move(change)));
  ignore(process, "the undo finds it by its mark");
  co_return ok();
}

Task<Result<void>> make(os::Host& host, model::StopUnit change, Duration) {
  model::Command command;
  command.argv.assign({"/usr/bin/systemctl", "--no-ask-password", "stop", "--", change.unit});
  co_return co_await run(host, std::move(command));
}

Task<Result<void>> make(os::Host& host, model::RunCommand change, Duration) {
  co_return co_await run(host, std::move(change.command));
}

}  // namespace

Task<Result<void>> apply(os::Host& host, model::Apply change, Duration lease) {
  Task<Result<void>> made = std::visit([&](auto& c) { return make(host, c, lease); }, change);
  co_return co_await std::move(made);
}

bool surely_not_made(const model::Apply& change, const Error& answer) {
  if (answer.code() != Code::denied) return false;
  // One system call, which the kernel refused.
  return std::holds_alternative<model::CreateTable>(change) ||
         std::holds_alternative<model::SignalProcess>(change);
}

Task<Result<void>> follow_up(os::Host& host, std::vector<model::Change> changes, BootTime applied) {
  for (const model::Change& change : changes) {
    const auto* shot = std::get_if<model::SignalProcess>(&change.apply);
    if (shot == nullptr || !shot->kill_after) continue;
    const auto waited =
        co_await host.processes().wait_gone(shot->process, applied + *shot->kill_after);
    if (waited.has_value()) continue;
    const auto killed = host.processes().signal(shot->process, SIGKILL);
    if (killed.has_error() && killed.error().code() != Code::gone) co_return killed;
  }
  co_return ok();
}

}  // namespace ordeal::fault
