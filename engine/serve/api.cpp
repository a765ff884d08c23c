#include "engine/serve/api.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/digest.hpp"
#include "engine/base/json.hpp"
#include "engine/base/text.hpp"
#include "engine/serve/assets.hpp"

namespace ordeal::serve {
namespace {

constexpr std::size_t kLongestReason = 1000;

Answer failed(const Error& error) {
  if (error.code() == Code::gone) return refusal(404, "not_found", error.message());
  return refusal(500, "failed", printable(error.message()));
}

boost::json::object object_of(const RunRow& row) {
  const store::RunRecord& record = row.record;
  boost::json::object out;
  out["run"] = record.run;
  out["name"] = printable(record.name);
  out["state"] = to_string(row.state);
  out["mode"] = record.mode;
  out["file"] = printable(record.file);
  out["user"] = printable(record.user);
  out["seed"] = record.seed;
  out["started"] = format_wall(record.started);
  out["duration_us"] = record.length.count();
  if (row.state == RunState::running) {
    out["phase"] = row.phase;
    out["active"] = boost::json::array(row.active.begin(), row.active.end());
  } else {
    out["exit"] = boost::json::object{
        {"code", record.exit < 0 ? boost::json::value(nullptr) : boost::json::value(record.exit)},
        {"name", record.exit_name},
        {"reason", record.reason}};
  }
  if (row.state == RunState::ended) {
    out["verdict"] = boost::json::object{
        {"hypothesis", record.hypothesis}, {"host", record.host}, {"service", record.service}};
  }
  return out;
}

// A limit out of the address: absent is the standard.
std::optional<std::size_t> limit_of(const Request& request, const char* name, std::size_t standard,
                                    std::size_t most) {
  const auto given = request.query.find(name);
  if (given == request.query.end()) return standard;
  const auto number = whole_number(given->second);
  if (!number || *number < 1 || static_cast<std::size_t>(*number) > most) return std::nullopt;
  return static_cast<std::size_t>(*number);
}

Answer bad_number(const char* name, std::size_t most) {
  return refusal(400, "bad_request", fmt::format("{}: expected 1 to {}", name, most));
}

// {"reason": "..."} and nothing else. Nothing: it is not that.
std::optional<std::string> reason_of(const Request& request, bool required) {
  if (request.body.empty() && !required) return std::string();
  const auto value = json::parse(request.body);
  if (value.has_error() || !value.value().is_object()) return std::nullopt;
  std::string out;
  for (const auto& [name, item] : value.value().get_object()) {
    if (name != "reason" || !item.is_string()) return std::nullopt;
    out = std::string(item.get_string());
  }
  const bool blank = out.find_first_not_of(" \t\r\n") == out.npos;
  if ((blank && required) || out.size() > kLongestReason) return std::nullopt;
  return blank ? std::string() : printable(out, kLongestReason);
}

Answer bad_reason(bool required) {
  return refusal(400, "bad_request",
                 required ? "expected {\"reason\": \"why\"}, which must say something"
                          : "expected {\"reason\": \"why\"} or an empty body");
}

bool matches(std::string_view pattern, const std::vector<std::string>& path) {
  std::size_t at = 0;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);  // '/'
    const std::size_t end = std::min(pattern.find('/'), pattern.size());
    const std::string_view part = pattern.substr(0, end);
    if (at == path.size() || (!part.starts_with('{') && part != path[at])) return false;
    pattern.remove_prefix(end);
    ++at;
  }
  return at == path.size();
}

constexpr std::size_t kIdAt = 3;  // of {"api", "v1", "runs", ID}

std::string path_of(const Request& request) {
  std::string out;
  for (const std::string& part : request.path) out += "/" + part;
  return out.empty() ? "/" : out;
}

std::string page_of(const std::string& run) { return "/api/v1/runs/" + run + "/report.html"; }

}  // namespace

Api::Api(std::string history, os::Clock& clock, Actions& actions, About about, Tickets tickets)
    : clock_(clock), actions_(actions), about_(std::move(about)), tickets_(std::move(tickets)),
      runs_(std::move(history), [this](const std::string& run) { return actions_.lives(run); }) {}

const Api::Route* Api::find_route(const Request& request, std::string& allowed) {
  static const Route kRoutes[] = {
      {"GET", "/api/v1/health", &Api::health},
      {"POST", "/api/v1/validate", &Api::validate},
      {"POST", "/api/v1/plan", &Api::plan},
      {"POST", "/api/v1/runs", &Api::start},
      {"GET", "/api/v1/runs", &Api::list_runs},
      {"GET", "/api/v1/runs/{run}", &Api::one_run},
      {"GET", "/api/v1/runs/{run}/report.json", &Api::report},
      {"GET", "/api/v1/runs/{run}/report.html", &Api::report_page},
      {"POST", "/api/v1/runs/{run}/report.html/link", &Api::link},
      {"GET", "/api/v1/runs/{run}/events", &Api::events},
      {"POST", "/api/v1/runs/{run}/abort", &Api::abort},
      {"GET", "/api/v1/halt", &Api::halted},
      {"POST", "/api/v1/halt", &Api::halt},
      {"DELETE", "/api/v1/halt", &Api::lift},
      {"GET", "/api/v1/host", &Api::host},
      {"GET", "/api/v1/schedules", &Api::schedules},
      {"POST", "/api/v1/schedules/{name}/resume", &Api::resume},
      {"GET", "/api/v1/firings", &Api::firings},
      {"GET", "/api/v1/firings/past", &Api::fired},
  };
  for (const Route& route : kRoutes) {
    if (!matches(route.path, request.path)) continue;
    if (request.method == route.method) return &route;
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  return nullptr;
}

Task<Answer> Api::answer(Request request) {
  std::string allowed;
  if (const Route* route = find_route(request, allowed)) {
    Task<Answer> task = (this->*route->handler)(std::move(request));
    co_return co_await std::move(task);
  }
  if (!allowed.empty()) {
    Answer out = refusal(405, "method_not_allowed", "expected " + allowed);
    out.headers.emplace_back("Allow", allowed);
    co_return out;
  }
  co_return asset(request);
}

bool Api::stops_things(const Request& request) {
  if (request.method != "POST") return false;
  return matches("/api/v1/halt", request.path) || matches("/api/v1/runs/{run}/abort", request.path);
}

bool Api::is_open(const Request& request) const {
  const std::string path = path_of(request);
  const auto ticket = request.query.find("ticket");
  if (request.path.size() == kIdAt + 2 && path == page_of(request.path[kIdAt]) &&
      ticket != request.query.end()) {
    return tickets_.open(path, ticket->second, clock_.now());
  }
  if (path.starts_with("/api/")) return false;
  return std::any_of(assets().begin(), assets().end(),
                     [&path](const Asset& asset) { return asset.path == path; });
}

Answer Api::asset(const Request& request) {
  const std::string path = path_of(request);
  for (const Asset& asset : assets()) {
    if (asset.path != path) continue;
    if (request.method != "GET") {
      Answer out = refusal(405, "method_not_allowed", "expected GET");
      out.headers.emplace_back("Allow", "GET");
      return out;
    }
    Answer out;
    const std::string tag = "\"" + sha256_hex(asset.body).substr(0, 32) + "\"";
    out.headers = {{"ETag", tag}, {"Cache-Control", "no-cache"}};
    if (request.if_none_match == tag) {
      out.status = 304;
      return out;
    }
    out.type = asset.type;
    out.body = asset.body;
    return out;
  }
  return refusal(404, "not_found", "there is nothing at this address; see /api/v1/openapi.json");
}

Task<Answer> Api::health(Request) {
  boost::json::object out;
  out["status"] = "ok";
  out["version"] = about_.version;
  out["host"] = about_.host;
  out["now"] = format_wall(clock_.wall());
  out["halted"] = actions_.halted().has_value();
  out["schedule"] = about_.schedule;
  out["token_file"] = about_.token_file;
  out["inventory"] = about_.inventory;
  const auto rows = runs_.list(1);
  out["running"] = runs_.running();
  if (rows.has_error()) co_return failed(rows.error());
  co_return json_answer(200, out);
}

// ---- Experiments
// Reading a file holds the loop, up to some 50 ms for one of 256 KiB. However many are submitted at
// once, two thirds of the time are for everything else: a halt is answered.
Task<void> Api::turn() {
  constexpr Duration kApart = 150ms;
  const BootTime mine = std::max(next_turn_, clock_.now());
  next_turn_ = mine + kApart;
  if (mine > clock_.now()) co_await clock_.sleep_until(mine);
}

Task<Answer> Api::validate(Request request) {
  co_await turn();
  Submitted submitted = read_submission(request);
  if (submitted.refused) co_return std::move(*submitted.refused);
  co_return actions_.validate(submitted.submission);
}

Task<Answer> Api::plan(Request request) {
  co_await turn();
  Submitted submitted = read_submission(request);
  if (submitted.refused) co_return std::move(*submitted.refused);
  co_return co_await actions_.plan(std::move(submitted.submission));
}

Task<Answer> Api::start(Request request) {
  co_await turn();
  Submitted submitted = read_submission(request);
  if (submitted.refused) co_return std::move(*submitted.refused);
  co_return co_await actions_.start(std::move(submitted.submission));
}

// ---- Runs
Task<Answer> Api::list_runs(Request request) {
  constexpr std::size_t kMost = 1000;
  const auto limit = limit_of(request, "limit", 50, kMost);
  if (!limit) co_return bad_number("limit", kMost);
  const auto rows = runs_.list(*limit);
  if (rows.has_error()) co_return failed(rows.error());
  boost::json::array items;
  for (const RunRow& row : rows.value()) items.push_back(object_of(row));
  boost::json::object out;
  out["runs"] = std::move(items);
  co_return json_answer(200, out);
}

Task<Answer> Api::one_run(Request request) {
  const auto run = runs_.resolve(request.path[kIdAt]);
  if (run.has_error()) co_return failed(run.error());
  const auto row = runs_.find(run.value());
  if (row.has_error()) co_return failed(row.error());
  co_return json_answer(200, object_of(row.value()));
}

Task<Answer> Api::report(Request request) {
  const auto run = runs_.resolve(request.path[kIdAt]);
  if (run.has_error()) co_return failed(run.error());
  auto body = runs_.report_json(run.value());
  if (body.has_error()) co_return failed(body.error());
  Answer out;
  out.body = std::move(body.value());
  co_return out;
}

Task<Answer> Api::report_page(Request request) {
  const auto run = runs_.resolve(request.path[kIdAt]);
  if (run.has_error()) co_return failed(run.error());
  auto body = runs_.report_html(run.value());
  if (body.has_error()) co_return failed(body.error());
  Answer out;
  out.type = "text/html; charset=utf-8";
  out.body = std::move(body.value());
  // It holds text of probes and hosts. Its own policy names its script by hash; this one also makes
  // it a stranger to this server, so that nothing in it could ask for anything here.
  out.headers.emplace_back("Content-Security-Policy",
                           "sandbox allow-scripts allow-popups; frame-ancestors 'none'");
  co_return out;
}

Task<Answer> Api::link(Request request) {
  const auto run = runs_.resolve(request.path[kIdAt]);
  if (run.has_error()) co_return failed(run.error());
  const std::string path = page_of(run.value());
  boost::json::object out;
  out["address"] = path + "?ticket=" + tickets_.issue(path, clock_.now());
  co_return json_answer(200, out);
}

Task<Answer> Api::events(Request request) {
  const auto run = runs_.resolve(request.path[kIdAt]);
  if (run.has_error()) co_return failed(run.error());
  // What the browser resumes from is newer than what the address said at first.
  std::string after = request.last_event_id;
  if (after.empty() && request.query.contains("after")) after = request.query.at("after");
  const auto number = whole_number(after);
  if (!after.empty() && !number) {
    co_return refusal(400, "bad_request", "Last-Event-ID: expected the seq of an event");
  }
  Answer out;
  out.type = "text/event-stream";
  EventStream stream;
  stream.run = run.value();
  stream.after = number.value_or(0);
  out.stream = std::move(stream);
  co_return out;
}

Task<Answer> Api::abort(Request request) {
  const auto run = runs_.resolve(request.path[kIdAt]);
  if (run.has_error()) co_return failed(run.error());
  auto reason = reason_of(request, false);
  if (!reason) co_return bad_reason(false);
  co_return co_await actions_.abort(run.value(), std::move(*reason));
}

// ---- This host
Task<Answer> Api::halted(Request) {
  const auto reason = actions_.halted();
  boost::json::object out;
  out["halted"] = reason.has_value();
  out["reason"] = reason.value_or("");
  co_return json_answer(200, out);
}

Task<Answer> Api::halt(Request request) {
  auto reason = reason_of(request, true);
  if (!reason) co_return bad_reason(true);
  co_return co_await actions_.halt(std::move(*reason));
}

Task<Answer> Api::lift(Request) { co_return co_await actions_.lift(); }

Task<Answer> Api::host(Request) { co_return co_await actions_.host(); }

// ---- Schedules
Task<Answer> Api::schedules(Request) { co_return actions_.schedules(); }

Task<Answer> Api::resume(Request request) { co_return actions_.resume(request.path[kIdAt]); }

Task<Answer> Api::firings(Request request) {
  constexpr std::size_t kMostDays = 400;
  constexpr std::size_t kMost = 1000;
  const auto days = limit_of(request, "days", 30, kMostDays);
  if (!days) co_return bad_number("days", kMostDays);
  const auto limit = limit_of(request, "limit", 50, kMost);
  if (!limit) co_return bad_number("limit", kMost);
  co_return actions_.firings(static_cast<std::int64_t>(*days) * 24h, *limit);
}

Task<Answer> Api::fired(Request request) {
  constexpr std::size_t kMost = 1000;
  const auto limit = limit_of(request, "limit", 50, kMost);
  if (!limit) co_return bad_number("limit", kMost);
  co_return actions_.fired(*limit);
}

}  // namespace ordeal::serve
