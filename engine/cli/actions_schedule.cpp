// What the API says about schedules, and the API beside the scheduler.
#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/cli/actions.hpp"

namespace ordeal::cli {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using namespace asio::experimental::awaitable_operators;
using serve::Answer;
using serve::json_answer;
using serve::refusal;

const char* trigger_word(const schedule::Trigger& trigger) {
  static constexpr const char* kWords[] = {"cron", "every", "at", "random"};
  return kWords[trigger.index()];
}

object moment(const schedule::Zone& zone, WallTime when) {
  return {{"due", format_wall(when)}, {"local", schedule::format_local(zone, when)}};
}

object schedule_of(const schedule::Schedule& schedule, const std::string& paused, WallTime now) {
  object out;
  out["name"] = schedule.name;
  out["experiment"] = printable(schedule.file);
  out["trigger"] = trigger_word(schedule.trigger);
  out["time_zone"] = schedule.zone.name();
  array windows;
  for (const schedule::Window& window : schedule.windows) {
    windows.push_back(boost::json::string(window.text));
  }
  out["windows"] = std::move(windows);
  out["leashed"] = schedule.leashed;
  out["paused"] = paused;
  const auto next = schedule::next_firing(schedule, now);
  out["next"] = next ? value(moment(schedule.zone, *next)) : value(nullptr);
  return out;
}

}  // namespace

Answer Actions::schedules() {
  array items;
  for (const schedule::Schedule& schedule : server_.calendar().schedules) {
    const auto ends = server_.ledger().ends(schedule.name);
    if (ends.has_error()) return refusal(500, "failed", ends.error().message());
    items.push_back(
        schedule_of(schedule, schedule::paused(schedule, ends.value()), server_.clock().wall()));
  }
  object out;
  out["schedules"] = std::move(items);
  return json_answer(200, out);
}

Answer Actions::firings(Duration ahead, std::size_t limit) {
  const WallTime now = server_.clock().wall();
  auto rows = schedule::forecast(server_.calendar(), now, now + ahead, limit + 1);
  const bool more = rows.size() > limit;
  if (more) rows.pop_back();
  array items;
  for (const schedule::Forecast& row : rows) {
    const auto ends = server_.ledger().ends(row.schedule->name);
    if (ends.has_error()) return refusal(500, "failed", ends.error().message());
    const std::string paused = schedule::paused(*row.schedule, ends.value());
    object item = moment(row.schedule->zone, row.when);
    item["schedule"] = row.schedule->name;
    item["experiment"] = printable(row.schedule->file);
    item["note"] = paused.empty() ? row.note : paused;
    items.push_back(std::move(item));
  }
  object out;
  out["firings"] = std::move(items);
  out["more"] = more;
  return json_answer(200, out);
}

Answer Actions::fired(std::size_t limit) {
  const auto firings = server_.ledger().list(static_cast<std::int64_t>(limit));
  if (firings.has_error()) return refusal(500, "failed", firings.error().message());
  array items;
  for (const store::Firing& firing : firings.value()) {
    object item;
    item["due"] = format_wall(firing.due);
    item["schedule"] = firing.schedule;
    item["experiment"] = printable(firing.experiment);
    item["state"] = store::to_string(firing.state);
    item["leashed"] = firing.leashed;
    item["run"] = firing.run;
    item["exit_name"] = firing.exit_name;
    item["reason"] = printable(firing.reason, 2000);
    items.push_back(std::move(item));
  }
  object out;
  out["firings"] = std::move(items);
  return json_answer(200, out);
}

Answer Actions::resume(const std::string& schedule) {
  if (!server_.ledger().decided(schedule)) {
    return refusal(404, "not_found", "no such schedule was ever served here");
  }
  const auto done = server_.ledger().resume(schedule, server_.clock().wall());
  if (done.has_error()) return refusal(500, "failed", done.error().message());
  server_.nudge();
  object out;
  out["schedule"] = schedule;
  out["resumed"] = true;
  return json_answer(200, out);
}

// ---- Beside the scheduler
ApiBeside::ApiBeside(Actions& actions, serve::Api& api, std::vector<serve::Listener> listeners)
    : actions_(actions), api_(api), http_(api), listeners_(std::move(listeners)) {}

Task<void> ApiBeside::look_after() {
  for (;;) {
    actions_.collect();
    co_await api_.clock().sleep(500ms);
  }
}

Task<void> ApiBeside::serve() {
  if (listeners_.size() == 1) {
    co_await (look_after() || http_.serve(std::move(listeners_[0])));
  } else {
    co_await (look_after() || http_.serve(std::move(listeners_[0])) ||
              http_.serve(std::move(listeners_[1])));
  }
}

}  // namespace ordeal::cli
