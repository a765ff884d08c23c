#include "engine/undo/undo.hpp"

#include <algorithm>
#include <csignal>

#include "engine/base/text.hpp"
#include "engine/os/select.hpp"

namespace ordeal::undo {
namespace {

using model::Undo;

// How long a process that was told to end may take before it is taken for one that does not.
constexpr Duration kDying = 1s;

// What one attempt found.
struct Attempt {
  bool ok = false;
  bool gone_before = false;
  bool again = false;  // worth another attempt
  std::string text;
};

Attempt done(std::string text) { return Attempt{true, false, false, std::move(text)}; }
Attempt gone(std::string text) { return Attempt{true, true, false, std::move(text)}; }
Attempt failed(std::string text) { return Attempt{false, false, false, std::move(text)}; }

Attempt failed(const Error& error) {
  const bool lasting = error.code() == Code::denied || error.code() == Code::unsupported ||
                       error.code() == Code::refused || error.code() == Code::invalid;
  return Attempt{false, false, !lasting, error.message()};
}

// Polls that a kernel or init system answers: short first, since most answers are immediate.
class Poll {
 public:
  Poll(os::Host& host, Duration limit) : host_(host), end_(host.clock().now() + limit) {}

  Task<bool> wait() {
    const BootTime now = host_.clock().now();
    if (now >= end_) co_return false;
    co_await host_.clock().sleep_until(std::min(end_, now + pause_));
    pause_ = std::min<Duration>(pause_ * 2, 200ms);
    co_return true;
  }

 private:
  os::Host& host_;
  BootTime end_;
  Duration pause_ = 1ms;
};

Task<Attempt> attempt(os::Host& host, model::DeleteLink undo) {
  const auto removed = host.links().remove(undo.link);
  const bool was_gone = removed.has_error() && removed.error().code() == Code::gone;
  if (removed.has_error() && !was_gone) co_return failed(removed.error());
  const auto links = host.links().list();
  if (links.has_error()) co_return failed(links.error());
  for (const os::LinkInfo& link : links.value()) {
    if (link.name == undo.link) co_return failed(Error(Code::busy, "the link is still there"));
  }
  co_return was_gone ? gone("was gone already") : done("gone");
}

Task<Attempt> attempt(os::Host& host, model::DeleteTable undo) {
  const os::TableId id{undo.table, undo.family};
  const auto there = [&]() -> Result<bool> {
    TRY(auto tables, host.nftables().list_marked());
    return std::any_of(tables.begin(), tables.end(), [&](const os::TableId& table) {
      return table.name == id.name && table.family == id.family;
    });
  };
  const auto before = there();
  if (before.has_error()) co_return failed(before.error());
  if (!before.value()) co_return gone("was gone already");
  const auto removed = host.nftables().remove(std::span(&id, 1), false);
  if (removed.has_error()) co_return failed(removed.error());
  const auto after = there();
  if (after.has_error()) co_return failed(after.error());
  if (after.value()) co_return failed(Error(Code::busy, "the table is still there"));
  co_return done("gone");
}

Task<Attempt> attempt(os::Host& host, model::ResumeProcess undo) {
  const auto before = host.processes().find(undo.process);
  if (before.has_error() && before.error().code() == Code::gone) co_return gone("has ended");
  // Also when it does not look stopped: a SIGSTOP may still be on its way, and this cancels it.
  const auto sent = host.processes().signal(undo.process, SIGCONT);
  if (sent.has_error() && sent.error().code() == Code::gone) co_return gone("has ended");
  if (sent.has_error()) co_return failed(sent.error());
  Poll poll(host, 1s);
  do {
    const auto now = host.processes().find(undo.process);
    if (now.has_error() && now.error().code() == Code::gone) co_return gone("has ended");
    if (now.has_value() && now.value().state != 'T') {
      const bool stopped = before.has_value() && before.value().state == 'T';
      co_return stopped ? done("running") : gone("was running already");
    }
  } while (co_await poll.wait());
  co_return failed(Error(Code::timeout, "it is still stopped 1 s after SIGCONT"));
}

Task<Attempt> attempt(os::Host& host, model::ThawCgroup undo) {
  const auto before = host.cgroups().frozen(undo.cgroup);
  if (before.has_error() && before.error().code() == Code::gone) co_return gone("has ended");
  const auto thawed = co_await host.cgroups().set_frozen(undo.cgroup, false);
  if (thawed.has_error() && thawed.error().code() == Code::gone) co_return gone("has ended");
  if (thawed.has_error()) co_return failed(thawed.error());
  const auto after = host.cgroups().frozen(undo.cgroup);
  if (after.has_error()) co_return failed(after.error());
  if (after.value()) co_return failed(Error(Code::busy, "the cgroup is still frozen"));
  co_return before.has_value() && !before.value() ? gone("was running already") : done("running");
}

Task<bool> all_gone(os::Host& host, std::vector<model::ProcessId> processes, Duration limit) {
  const BootTime deadline = host.clock().now() + limit;
  bool every = true;
  for (const model::ProcessId& process : processes) {
    const auto waited = co_await host.processes().wait_gone(process, deadline);
    every = every && waited.has_value();
  }
  co_return every;
}

Task<Attempt> attempt(os::Host& host, model::KillHelper undo) {
  const auto found = host.processes().find_marked(undo.mark);
  if (found.has_error()) co_return failed(found.error());
  if (found.value().empty()) co_return gone("had ended already");
  bool ended = false;
  if (undo.grace > Duration::zero()) {
    for (const auto& id : found.value()) {
      ignore(host.processes().signal(id, SIGTERM), "KILL follows, whatever became of TERM");
    }
    ended = co_await all_gone(host, found.value(), undo.grace);
  }
  if (!ended) {
    for (const auto& id : found.value()) {
      const auto killed = host.processes().signal(id, SIGKILL);
      if (killed.has_error() && killed.error().code() != Code::gone) {
        co_return failed(killed.error());
      }
    }
    ended = co_await all_gone(host, found.value(), 2s);
  }
  const auto left = host.processes().find_marked(undo.mark);
  if (left.has_error()) co_return failed(left.error());
  if (!left.value().empty()) co_return failed(Error(Code::busy, "it does not end"));
  co_return done("ended");
}

bool unit_runs(const os::Host& host, const std::string& unit) {
  const auto runs = host.cgroups().unit_runs(unit);
  return runs.has_value() && runs.value();
}

Task<Attempt> attempt(os::Host& host, model::StartUnit undo) {
  // Also when it runs: a stop that a dead worker ordered may still be under way in systemd, and
  // only this order replaces it.
  const bool ran = unit_runs(host, undo.unit);
  model::Command command;
  command.argv.assign({"/usr/bin/systemctl", "--no-ask-password", "start", "--", undo.unit});
  const auto result = co_await host.processes().run(std::move(command));
  if (result.has_error()) co_return failed(result.error());
  if (result.value().exit_code.value_or(0) != 0) {
    const std::string why =
        result.value().timed_out ? "no end after 30 s" : printable(result.value().errors);
    co_return failed(Error(Code::failed, "systemctl start: " + why));
  }
  Poll poll(host, 5s);
  do {
    if (unit_runs(host, undo.unit)) co_return ran ? gone("was running already") : done("running");
  } while (co_await poll.wait());
  co_return failed("systemctl start succeeded, but the unit has no process");
}

Task<Attempt> attempt(os::Host& host, model::RunUndoCommand undo) {
  const auto result = co_await host.processes().run(undo.command);
  if (result.has_error()) co_return failed(result.error());
  if (result.value().timed_out) {
    co_return failed(fmt::format("no end after {}", format_duration(undo.command.timeout)));
  }
  // An unknown exit code is no reason to repeat it: each such command has an ExpectProcesses beside
  // it, which looks for what it was to bring back.
  if (result.value().exit_code.value_or(0) == 0) co_return done(result.value().ending());
  co_return failed(Error(Code::failed, fmt::format("{}: {}", result.value().ending(),
                                                   printable(result.value().errors))));
}

Task<Attempt> attempt(os::Host& host, model::ExpectProcesses undo) {
  const BootTime begun = host.clock().now();
  Poll poll(host, undo.within);
  std::string text;
  do {
    const auto found = os::select(host, undo.matcher);
    if (found.has_error()) {
      text = found.error().message();
      continue;
    }
    std::int64_t count = 0;
    std::int64_t survivors = 0;
    const bool survived = host.clock().now() >= begun + std::min(kDying, undo.within);
    for (const model::ProcessInfo& process : found.value()) {
      const auto killed = std::find(undo.killed.begin(), undo.killed.end(), process.id);
      if (killed == undo.killed.end() || survived) ++count;
      if (killed != undo.killed.end() && survived) ++survivors;
    }
    text = fmt::format("{} of {} are back", count, undo.count);
    if (survivors > 0) text += fmt::format(", {} of them never ended", survivors);
    if (count >= undo.count) {
      co_return done(fmt::format("{} after {}", text, format_short(host.clock().now() - begun)));
    }
  } while (co_await poll.wait());
  co_return failed(fmt::format("{} after {}", text, format_duration(undo.within)));
}

Task<Attempt> attempt(os::Host&, model::NotUndoable undo) {
  co_return done("cannot be undone: " + undo.reason);
}

}  // namespace

Task<void> wait_for_dying(os::Host& host, std::vector<Undo> undos) {
  for (const Undo& undo : undos) {
    const auto* expected = std::get_if<model::ExpectProcesses>(&undo);
    if (expected == nullptr) continue;
    ignore(co_await all_gone(host, expected->killed, expected->within), "it is looked at later");
  }
}

std::string name_of(const Undo& undo) {
  return std::visit(
      [](const auto& u) -> std::string {
        using Kind = std::remove_cvref_t<decltype(u)>;
        std::string object;
        if constexpr (requires { u.link; }) object = u.link;
        if constexpr (requires { u.table; }) object = u.table;
        if constexpr (requires { u.process; }) object = std::to_string(u.process.pid);
        if constexpr (requires { u.cgroup; }) object = u.cgroup;
        if constexpr (requires { u.mark; }) object = u.mark;
        if constexpr (requires { u.unit; }) object = u.unit;
        if constexpr (requires { u.command; }) object = join(u.command.argv, " ");
        if constexpr (requires { u.matcher; }) object = os::describe(u.matcher);
        return object.empty() ? Kind::kKind : fmt::format("{} {}", Kind::kKind, printable(object));
      },
      undo);
}

Outcome outcome_of(const Undo& undo) {
  Outcome outcome;
  outcome.what = name_of(undo);
  outcome.command = model::command_of(undo);
  return outcome;
}

Task<Outcome> run(os::Host& host, Undo undo, Duration patience) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  Outcome outcome = outcome_of(undo);
  const BootTime begun = host.clock().now();
  Duration pause = 20ms;
  Attempt last;
  while (true) {
    Task<Attempt> next = std::visit([&](auto& u) { return attempt(host, u); }, undo);
    last = co_await std::move(next);
    if (last.ok || !last.again || host.clock().now() + pause > begun + patience) break;
    co_await host.clock().sleep(pause);
    pause *= 2;
  }
  outcome.ok = last.ok;
  outcome.gone_before = last.gone_before;
  outcome.text = std::move(last.text);
  outcome.took = host.clock().now() - begun;
  co_return outcome;
}

}  // namespace ordeal::undo
