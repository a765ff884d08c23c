#include "engine/cli/actions.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "engine/base/json.hpp"
#include "engine/base/scope.hpp"
#include "engine/base/text.hpp"
#include "engine/cli/calendar.hpp"
#include "engine/cli/consent.hpp"
#include "engine/cli/control.hpp"
#include "engine/cli/files.hpp"
#include "engine/cli/hosts.hpp"
#include "engine/cli/paths.hpp"
#include "engine/cli/tool.hpp"
#include "engine/os/linux/caller.hpp"
#include "engine/os/linux/settings.hpp"
#include "engine/report/render.hpp"
#include "engine/serve/runs.hpp"
#include "engine/spec/inventory.hpp"
#include "engine/spec/spec.hpp"
#include "engine/spec/yaml.hpp"
#include "engine/store/store.hpp"

namespace ordeal::cli {
namespace {

namespace fs = std::filesystem;
using namespace asio::experimental::awaitable_operators;
using boost::json::array;
using boost::json::object;
using model::Exit;
using serve::Answer;
using serve::json_answer;
using serve::refusal;
using serve::Submission;

constexpr Duration kLook = 50ms;
constexpr Duration kLatchLook = 5ms;
constexpr Duration kLongestPlan = 60s;
constexpr Duration kLongestStart = 10s;  // then it goes on, and the page shows how far it is
constexpr Duration kHostIsFresh = 10s;
constexpr std::size_t kMostRuns = 16;

// A submitted file cannot begin with a dot, so it never is one of its child's output files.
constexpr const char* kOutput = "/.output";

std::string submitted_folder() { return serve_directory() + "/submitted"; }

array problems_of(const std::vector<spec::Problem>& problems) {
  array out;
  for (const spec::Problem& problem : problems) {
    out.push_back(object{
        {"line", problem.place.line}, {"column", problem.place.column}, {"text", problem.text}});
  }
  return out;
}

object summary_of(const model::Experiment& experiment) {
  object out;
  out["name"] = printable(experiment.name);
  out["hypothesis"] = printable(experiment.hypothesis);
  out["steps"] = model::steps_of(experiment).size();
  out["method_us"] = model::method_duration(experiment).count();
  out["earliest_end_us"] = model::shortest_run(experiment).count();
  out["without_net"] = without_net(experiment);
  return out;
}

Answer invalid(const spec::Outcome& outcome) {
  object more;
  more["problems"] = problems_of(outcome.problems);
  return refusal(422, "invalid", "the experiment has mistakes", std::move(more));
}

// `data` of the first event of this kind, as it was written.
object data_of(const std::string& events, std::string_view kind) {
  std::ifstream file(events, std::ios::binary);
  for (std::string line; std::getline(file, line);) {
    const auto head = serve::head_of_event(line);
    if (!head || head->kind != kind) continue;
    auto value = json::parse(line, 4u << 20);
    if (value.has_value() && value.value().is_object()) {
      if (const auto* data = value.value().get_object().if_contains("data")) {
        if (data->is_object()) return data->get_object();
      }
    }
  }
  return {};
}

array lines_of(const std::string& text) {
  array out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) out.push_back(boost::json::string(printable(rest.substr(0, end), 2000)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

// What `ordeal halt --inventory` said, when that was not good. Whether it was.
bool add_far(const Result<os::CommandResult>& far, array& left) {
  if (far.has_error()) {
    left.push_back(boost::json::string("the inventory was not asked: " + far.error().message()));
    return false;
  }
  if (far.value().exit_code == 0) return true;
  for (const std::string& text : {far.value().output, far.value().errors}) {
    for (const auto& line : lines_of(text)) left.push_back(line);
  }
  return false;
}

void remove_folder(const std::string& folder) {
  std::error_code ignored;  // what stays is found at the next start
  fs::remove_all(folder, ignored);
}

}  // namespace

Actions::Actions(Server& server, std::string program, std::string inventory)
    : server_(server), program_(std::move(program)), inventory_(std::move(inventory)),
      cgroups_(server.clock()), processes_(server.executor(), server.clock(), cgroups_) {}

// ---- Experiments
spec::Outcome Actions::parse(const Submission& submission) const {
  spec::Input input;
  input.file = submission.file;
  input.vars = submission.vars;
  input.read = [&submission](const std::string& path) -> Result<std::string> {
    if (path == submission.file) return submission.text;
    return Error(Code::refused,
                 "what is submitted over the API has no files beside it; "
                 "write this part into the experiment");
  };
  spec::Outcome out = spec::parse_experiment(input, descriptions());
  if (!out.experiment) return out;
  model::Inventory inventory = spec::local_inventory();
  if (!inventory_.empty()) {
    auto read = read_inventory(inventory_);
    if (read) inventory = std::move(*read);
    if (!read) out.problems.push_back({{}, "the inventory of this server is broken: see its log"});
  }
  const auto unknown = spec::check_hosts(*out.experiment, inventory);
  out.problems.insert(out.problems.end(), unknown.begin(), unknown.end());
  return out;
}

Answer Actions::validate(const Submission& submission) {
  const spec::Outcome outcome = parse(submission);
  object out;
  out["valid"] = outcome.problems.empty();
  out["problems"] = problems_of(outcome.problems);
  out["warnings"] = problems_of(outcome.warnings);
  if (outcome.experiment) out["experiment"] = summary_of(*outcome.experiment);
  return json_answer(200, out);
}

// Writes the file and starts `ordeal ARGUMENTS FILE`.
Result<Actions::Begun> Actions::begin(const Submission& submission,
                                      std::vector<std::string> arguments) {
  constexpr unsigned kPrivate = 0700;
  const std::string folder = submitted_folder() + "/" + Token::from_bits(random_.next()).text();
  CHECK_OK(os::make_directories(folder, kPrivate));
  const std::string file = folder + "/" + submission.file;
  CHECK_OK(os::replace_file(file, submission.text));
  arguments.insert(arguments.end(), {"--vars", "-"});
  if (!inventory_.empty()) arguments.insert(arguments.end(), {"--inventory", inventory_});
  if (!submission.seed.empty()) arguments.insert(arguments.end(), {"--seed", submission.seed});
  arguments.push_back(file);
  auto child =
      Child::start(program_, std::move(arguments), to_json(submission.vars), folder + kOutput);
  if (child.has_error()) {
    remove_folder(folder);
    return std::move(child.error());
  }
  return Begun{folder, std::move(child.value())};
}

Task<Answer> Actions::plan(Submission submission) {
  const spec::Outcome outcome = parse(submission);
  if (!outcome.problems.empty()) co_return invalid(outcome);
  std::vector<std::string> arguments = {"plan", "--output", "json"};
  auto begun = begin(submission, std::move(arguments));
  if (begun.has_error()) co_return refusal(500, "failed", begun.error().message());
  Begun& plan = begun.value();
  const BootTime end = server_.clock().now() + kLongestPlan;
  while (plan.child.lives() && server_.clock().now() < end) {
    co_await server_.clock().sleep(kLook);
  }
  const Traces traces = plan.child.traces();
  const std::string events = plan.folder + kOutput + ".jsonl";
  serve::FollowedRun followed(events);
  const auto read = followed.refresh();
  object planned = data_of(events, "plan_made");
  if (plan.child.lives()) {
    plan.child.interrupt("the plan took too long");
  } else {
    remove_folder(plan.folder);
  }
  const report::Report& report = followed.report();
  if (read.has_error() || !report.verdict) {
    co_return refusal(500, "failed",
                      traces.complaint.empty() ? "the plan came to no end" : traces.complaint);
  }
  object out;
  out["would_run"] = report.verdict->exit == 0;
  out["reason"] = report.verdict->exit == 0 ? "" : printable(report.verdict->reason, 4000);
  out["seed"] = report.about.seed;
  out["experiment"] = summary_of(*outcome.experiment);
  out["plan"] = report.planned ? boost::json::value(std::move(planned)) : nullptr;
  report::Style style;
  out["text"] = report.planned ? report::to_plan_text(report, style) : "";
  co_return json_answer(200, out);
}

Task<Answer> Actions::start(Submission submission) {
  if (const auto reason = halted()) {
    co_return refusal(409, "halted", "this host is halted: " + *reason);
  }
  const spec::Outcome outcome = parse(submission);
  if (!outcome.problems.empty()) co_return invalid(outcome);
  const std::string danger = without_net(*outcome.experiment);
  if (!danger.empty() && !submission.yes && submission.mode != "baseline-only") {
    co_return refusal(409, "consent_required", danger + "; \"yes\": true agrees to that");
  }
  if (collect() >= kMostRuns) {
    co_return refusal(409, "too_many_runs",
                      fmt::format("{} runs that were started here go on", kMostRuns));
  }
  std::vector<std::string> arguments = {"run", "--output", "json"};
  if (submission.mode != "run") arguments.push_back("--" + submission.mode);
  if (submission.yes) arguments.push_back("--yes");
  auto begun = begin(submission, std::move(arguments));
  if (begun.has_error()) co_return refusal(500, "failed", begun.error().message());
  Begun& run = begun.value();
  flights_.push_back(Flight{run.folder, std::move(run.child), "", false, true});
  co_return co_await settle(flights_.back());
}

// Until it is known whether the run may begin: it has made its plan, or it said no.
Task<Answer> Actions::settle(Flight& flight) {
  const ScopeGuard over([&flight] { flight.starting = false; });
  const BootTime end = server_.clock().now() + kLongestStart;
  serve::FollowedRun followed(flight.folder + kOutput + ".jsonl");
  for (;;) {
    const bool lives = flight.child.lives();  // first: what it said before it ended is then read
    const auto read = followed.refresh();
    const report::Report& report = followed.report();
    const std::string& run = report.about.run;
    object more;
    if (!run.empty()) more["run"] = run;
    if (report.verdict && (report.verdict->exit == static_cast<int>(Exit::refused))) {
      co_return refusal(409, "refused", printable(report.verdict->reason, 4000), std::move(more));
    }
    const bool on_its_way = !run.empty() && report.current_phase() >= model::Phase::baseline;
    if (on_its_way || (report.verdict && !run.empty())) {
      more["state"] = "running";
      co_return json_answer(201, more);
    }
    if (read.has_error() || !lives) {
      const std::string why = flight.child.traces().complaint;
      co_return refusal(500, "failed", why.empty() ? "it ended without a word" : why,
                        std::move(more));
    }
    if (server_.clock().now() >= end) {
      if (run.empty()) co_return refusal(500, "failed", "it has not said anything in 10 s");
      more["state"] = "running";
      co_return json_answer(201, more);
    }
    co_await server_.clock().sleep(kLook);
  }
}

Task<Answer> Actions::abort(std::string run, std::string reason) {
  std::vector<std::string> argv = {program_, "abort", run};
  if (!reason.empty()) argv.push_back("--reason=" + reason);
  const auto asked = co_await ask(std::move(argv));
  if (asked.has_error()) co_return refusal(500, "failed", asked.error().message());
  if (asked.value().exit_code != 0) {
    co_return refusal(409, "not_running", printable(asked.value().errors));
  }
  object out;
  out["run"] = run;
  out["accepted"] = true;
  co_return json_answer(202, out);
}

// ---- This host
// A command that ends by itself, as whoever we are, in our own settings.
Task<Result<os::CommandResult>> Actions::ask(std::vector<std::string> argv) {
  model::Command command;
  command.argv = std::move(argv);
  command.timeout = 120s;  // services that start again may take long
  std::map<std::string, std::string> settings;
  for (const char* name : {"ORDEAL_STATE", "ORDEAL_POLICY", "ORDEAL_EXECUTOR"}) {
    if (std::string value = os::setting(name); !value.empty()) settings[name] = std::move(value);
  }
  co_return co_await processes_.run(std::move(command), std::move(settings));
}

std::optional<std::string> Actions::halted() const { return halted_here(); }

// The same on every host of the inventory; without one there is nothing to ask.
Task<Result<os::CommandResult>> Actions::ask_inventory(std::vector<std::string> argv) {
  if (inventory_.empty()) co_return os::CommandResult();
  argv.insert(argv.begin(), program_);
  argv.insert(argv.end(), {"--inventory", inventory_});
  co_return co_await ask(std::move(argv));
}

// A run that works on other hosts alone does not see the latch of this one. Those that see it have
// stopped by themselves a moment later, and say so. The answer: what still goes on.
Task<std::vector<std::string>> Actions::stop_runs(std::string reason) {
  constexpr Duration kLatch = 300ms;
  constexpr Duration kPatience = 60s;
  const auto living = [this] {
    std::vector<std::string> out = runs_under_control(control_directory());
    std::erase_if(out, [this](const std::string& run) { return !lives(run); });
    return out;
  };
  // What begins once the latch is set sees it; until then one may begin unseen.
  const BootTime set = server_.clock().now() + kLatch;
  while (!halted() && server_.clock().now() < set) co_await server_.clock().sleep(kLatchLook);
  if (living().empty() && collect() == 0) co_return std::vector<std::string>();
  co_await server_.clock().sleep(kLatch);
  std::vector<std::string> runs = living();
  for (const std::string& run : runs) {
    std::vector<std::string> argv = {program_, "abort", run, "--reason=halt: " + reason};
    const auto asked = co_await ask(std::move(argv));
    if (asked.has_error()) continue;  // it is among those that still go on
  }
  const BootTime end = server_.clock().now() + kPatience;
  std::vector<std::string> left;
  for (;;) {
    left.clear();
    for (const std::string& run : runs) {
      if (lives(run)) left.push_back("run " + run + " still goes on");
    }
    if (left.empty() || server_.clock().now() >= end) co_return left;
    co_await server_.clock().sleep(kLook);
  }
}

Task<Answer> Actions::halt(std::string reason) {
  const auto path = executor_path();
  if (path.has_error()) co_return refusal(500, "not_halted", path.error().message());
  if (reason == "-") reason = "(-)";  // to the executor that is its stdin
  std::vector<std::string> here = {path.value(), "--halt", "--reason", reason};
  std::vector<std::string> everywhere = {"halt", "--reason=" + reason};
  const auto done =
      co_await (ask(std::move(here)) && ask_inventory(std::move(everywhere)) && stop_runs(reason));
  const Result<os::CommandResult>& asked = std::get<0>(done);
  const Result<os::CommandResult>& far = std::get<1>(done);
  if (asked.has_error()) co_return refusal(500, "not_halted", asked.error().message());
  if (!asked.value().errors.empty()) {  // the latch itself could not be set
    co_return refusal(500, "not_halted", printable(asked.value().errors, 2000));
  }
  const auto now = halted();
  if (!now) co_return refusal(500, "not_halted", "the latch was not set");
  array left = lines_of(asked.value().output);
  for (const std::string& line : std::get<2>(done)) left.push_back(boost::json::string(line));
  const bool far_clean = add_far(far, left);
  object out;
  out["halted"] = true;
  out["reason"] = *now;
  out["clean"] = asked.value().exit_code == 0 && std::get<2>(done).empty() && far_clean;
  out["left"] = std::move(left);
  co_return json_answer(200, out);
}

Task<Answer> Actions::lift() {
  const auto path = executor_path();
  if (path.has_error()) co_return refusal(500, "not_lifted", path.error().message());
  std::vector<std::string> here = {path.value(), "--lift"};
  const auto asked = co_await ask(std::move(here));
  if (asked.has_error()) co_return refusal(500, "not_lifted", asked.error().message());
  if (asked.value().exit_code != 0) {
    co_return refusal(500, "not_lifted", printable(asked.value().errors, 2000));
  }
  std::vector<std::string> everywhere = {"halt", "--lift"};
  const auto far = co_await ask_inventory(std::move(everywhere));
  array left;
  add_far(far, left);
  object out;
  out["halted"] = false;
  out["reason"] = "";
  out["left"] = std::move(left);
  co_return json_answer(200, out);
}

Task<Result<object>> Actions::ask_executor_for(std::string what) {
  CO_TRY(const auto path, executor_path());
  std::vector<std::string> argv = {path, std::move(what), "--json"};
  CO_TRY(const auto answer, co_await ask(std::move(argv)));
  CO_TRY(auto value, json::parse(answer.output));
  if (!value.is_object()) co_return Error(Code::failed, "ordeal-executor said nothing");
  co_return std::move(value.get_object());
}

// It starts processes, so the answer serves everybody who asks within some seconds.
Task<Answer> Actions::host() {
  while (asking_host_) co_await server_.clock().sleep(kLook);
  if (host_ && server_.clock().now() - host_asked_ < kHostIsFresh) {
    co_return json_answer(200, *host_);
  }
  asking_host_ = true;
  const ScopeGuard over([this] { asking_host_ = false; });
  auto doctor = co_await ask_executor_for("--doctor");
  auto status = co_await ask_executor_for("--status");
  if (doctor.has_error()) co_return refusal(500, "failed", doctor.error().message());
  if (status.has_error()) co_return refusal(500, "failed", status.error().message());
  object out;
  out["host"] = os::node_name();
  out["kernel"] = os::kernel_release();
  out["checked"] = format_wall(server_.clock().wall());
  out["capabilities"] = doctor.value()["capabilities"];
  for (const char* name : {"journals", "orphans", "dirty"}) out[name] = status.value()[name];
  host_ = out;
  host_asked_ = server_.clock().now();
  co_return json_answer(200, out);
}

bool Actions::lives(const std::string& run) const {
  return is_under_control(control_directory(), run);
}

// ---- Runs that were started here
void Actions::restore() {
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(submitted_folder(), problem)) {
    const std::string folder = entry.path().string();
    auto child = Child::find(folder + kOutput);
    if (child && child->lives()) {
      flights_.push_back(Flight{folder, std::move(*child), "", false, false});
    } else {
      remove_folder(folder);  // its events are in the history
    }
  }
}

std::size_t Actions::collect() {
  for (auto flight = flights_.begin(); flight != flights_.end();) {
    if (!flight->starting && !flight->child.lives()) {
      remove_folder(flight->folder);
      flight = flights_.erase(flight);
      continue;
    }
    if (!flight->interrupt.empty() && !flight->told) {
      flight->told = flight->child.interrupt(flight->interrupt);
    }
    ++flight;
  }
  return flights_.size();
}

void Actions::interrupt_all(const std::string& reason) {
  for (Flight& flight : flights_) flight.interrupt = reason;
}

}  // namespace ordeal::cli
