// Which hosts a run needs, and the wires to them.
#include <fmt/format.h>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/os/group.hpp"
#include "engine/run/state.hpp"

namespace ordeal::run {

using namespace model;
using namespace asio::experimental::awaitable_operators;

namespace {

// All of them, beside each other; who cancels this cancels each. In halves, so that a hundred are
// nested seven deep.
Task<void> together(std::vector<Task<void>> tasks) {
  if (tasks.empty()) co_return;
  if (tasks.size() == 1) {
    Task<void> only = std::move(tasks.front());
    co_await std::move(only);
    co_return;
  }
  const auto middle = tasks.begin() + static_cast<std::ptrdiff_t>(tasks.size() / 2);
  std::vector<Task<void>> rest(std::make_move_iterator(middle),
                               std::make_move_iterator(tasks.end()));
  tasks.erase(middle, tasks.end());
  Task<void> first = together(std::move(tasks));
  Task<void> second = together(std::move(rest));
  co_await (std::move(first) && std::move(second));
}

// What each host of one side of a partition must lose sight of.
std::vector<std::string> addresses_of(const Side& side, std::string& missing) {
  std::vector<std::string> out;
  for (const fleet::PickedHost& picked : side.selection.picked) {
    const auto& ip = picked.host->ip;
    out.insert(out.end(), ip.begin(), ip.end());
    if (ip.empty()) missing += (missing.empty() ? "" : ", ") + picked.host->name;
  }
  return out;
}

}  // namespace

Member& Run::member_of(const InventoryHost& host) {
  for (const auto& member : members_) {
    if (member->entry == &host) return *member;
  }
  members_.push_back(std::make_unique<Member>());
  Member& made = *members_.back();
  made.entry = &host;
  made.name = host.name;
  return made;
}

// The one host of a run without an inventory calls itself as it does.
void Run::name_member(Member& member) const {
  if (around_.inventory.file.empty()) member.name = member.hello.host;
}

Result<Side> Run::side_of(const Step& step, const HostSelector& selector) const {
  Side out;
  out.selector = &selector;
  out.candidates = fleet::candidates(around_.inventory, selector);
  if (out.candidates.empty()) return fleet::no_host(around_.inventory, selector);
  if (!step.target.where) {
    TRY(out.selection, fleet::pick(out.candidates, selector, options_.seed, step.path));
  } else {
    // Who of them it is, they say themselves.
    for (const InventoryHost* host : out.candidates) out.selection.picked.push_back({host, ""});
  }
  return out;
}

Result<std::vector<Side>> Run::sides_of(const Step& step) const {
  const Inventory& inventory = around_.inventory;
  std::vector<Side> out;
  if (!step.hosts && !step.between) {
    if (!inventory.file.empty()) {
      return Error(Code::refused,
                   "with an inventory a target must say which hosts it means: "
                   "target: { hosts: { names: [...] } }, or labels");
    }
    Side only;
    only.candidates.push_back(&inventory.hosts.front());
    only.selection = {{{&inventory.hosts.front(), ""}}, 1};
    out.push_back(std::move(only));
    return out;
  }
  if (inventory.file.empty()) {
    return Error(Code::refused,
                 "it names hosts, which are in an inventory: give it with "
                 "--inventory FILE");
  }
  if (step.hosts) {
    TRY(Side side, side_of(step, *step.hosts));
    out.push_back(std::move(side));
    return out;
  }
  TRY(Side first, side_of(step, step.between->first));
  TRY(Side second, side_of(step, step.between->second));
  for (const fleet::PickedHost& one : first.selection.picked) {
    for (const fleet::PickedHost& other : second.selection.picked) {
      if (one.host != other.host) continue;
      return Error(Code::refused, one.host->name + " is on both sides of `between`");
    }
  }
  std::string missing;
  addresses_of(first, missing);
  addresses_of(second, missing);
  if (!missing.empty()) {
    return Error(Code::refused,
                 fmt::format("`between` needs addresses: write `ip: [10.0.0.1]` in {} for {}",
                             inventory.file, missing));
  }
  out.push_back(std::move(first));
  out.push_back(std::move(second));
  return out;
}

// From the file and the inventory alone; nobody is asked yet.
bool Run::choose_hosts() {
  std::string reasons;
  for (const Step* step : steps_of(experiment_)) {
    auto sides = sides_of(*step);
    if (sides.has_error()) {
      reasons += fmt::format("{}:{}:{}: {}: {}\n", step->place.file, step->place.line,
                             step->place.column, step->name, sides.error().message());
      continue;
    }
    for (const Side& side : sides.value()) {
      for (const fleet::PickedHost& picked : side.selection.picked) member_of(*picked.host);
    }
    sides_[step->path] = std::move(sides.value());
  }
  for (const InventoryHost& host : around_.inventory.hosts) {
    if (judge_.watches_host(host.name, host.labels)) member_of(host);
  }
  if (members_.empty()) member_of(around_.inventory.hosts.front());
  if (reasons.empty()) return true;
  reasons.pop_back();
  refuse(Phase::plan, std::move(reasons));
  return false;
}

// `between`: what the hosts of one side are told about the other.
void Run::cut_off(const Step& step, std::size_t side, StepRequest& request) const {
  if (!step.between) return;
  std::string missing;  // was looked for before
  boost::json::array others;
  for (const std::string& address : addresses_of(sides_.at(step.path)[1 - side], missing)) {
    // As the reader of files writes addresses: networks.
    others.emplace_back(address + (address.find(':') == address.npos ? "/32" : "/128"));
  }
  request.with["remote_ip"] = std::move(others);
}

fleet::Pushed Run::pushed_by(Member& member) {
  fleet::Pushed out;
  out.host_values = [this, &member](const wire::HostFact& fact) {
    judge_.add_host(member.name, fact.values, now());
    evaluate(now());
  };
  out.step_reverted = [this, &member](const wire::StepReverted& fact) {
    on_step_reverted(member, fact);
  };
  out.halted = [this, &member](const wire::Halted& fact) {
    stop(AbortCause::halt, said_of(member, "halted: " + fact.reason));
  };
  out.parting = [&member](const wire::HostReport& report) { member.parting = report; };
  out.lost = [this, &member](std::string reason, std::optional<wire::KeeperReport> keeper) {
    on_lost(member, reason, keeper);
  };
  return out;
}

// With its host's name in front when there are several.
std::string Run::said_of(const Member& member, std::string text) const {
  return members_.size() > 1 ? member.name + ": " + text : text;
}

Task<void> Run::open(Member& member, std::string& problem) {
  auto opened = co_await around_.connect(*member.entry, pushed_by(member));
  if (opened.has_error()) {
    problem = said_of(member, "no executor: " + opened.error().message());
  } else {
    member.executor = std::move(opened.value());
  }
}

// All at once: a slow or dead host delays no other.
Task<bool> Run::connect() {
  os::Group group(co_await asio::this_coro::executor);
  std::vector<std::string> problems(members_.size());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    group.spawn(open(*members_[i], problems[i]));
  }
  co_await group.join();
  co_return !refused_by(problems);
}

bool Run::refused_by(const std::vector<std::string>& problems) {
  std::string reasons;
  for (const std::string& problem : problems) {
    if (!problem.empty()) reasons += (reasons.empty() ? "" : "\n") + problem;
  }
  if (!reasons.empty()) refuse(Phase::plan, reasons);
  return !reasons.empty();
}

// Reads every wire until it is cancelled.
Task<void> Run::read_wires() {
  std::vector<Task<void>> readers;
  for (const auto& member : members_) readers.push_back(member->executor->run());
  Task<void> all = together(std::move(readers));
  co_await std::move(all);
  os::Event never;
  co_await never.wait();
}

Task<void> Run::greet(Member& member, std::string& problem) {
  wire::Hello greeting;
  greeting.version = options_.about.version;
  greeting.run = options_.run_id;
  greeting.seed = options_.seed;
  auto hello = co_await member.executor->hello(std::move(greeting));
  if (hello.has_error()) {
    problem = said_of(member, "no executor: " + hello.error().message());
    co_return;
  }
  member.hello = std::move(hello.value());
  name_member(member);
  problem = objections(member);
}

// Why nothing may be injected there, a reason a line; empty: it may.
std::string Run::objections(const Member& member) {
  const wire::HelloFact& hello = member.hello;
  const std::string there = member.remote() ? " --inventory " + around_.inventory.file : "";
  for (const std::string& warning : hello.warnings) note("warning", said_of(member, warning));
  std::string out;
  const auto object = [&](std::string text) {
    out += (out.empty() ? "" : "\n") + said_of(member, std::move(text));
  };
  if (!hello.halted.empty()) {
    object(fmt::format("halted: {}; lift it with: sudo ordeal halt --lift{}", hello.halted, there));
  }
  if (!hello.unready.empty()) {
    const std::string why =
        fmt::format("nothing can be injected on {}: {}", member.name, hello.unready);
    // A plan without root could not make a journal anyway, and says so.
    const bool injects = options_.mode == Mode::run || options_.mode == Mode::control ||
                         (options_.mode == Mode::plan_only && options_.unchecked.empty());
    if (injects) object(why);
    if (!injects) note("warning", why);
  }
  if (!hello.dirty.empty()) {
    std::string left;
    for (const std::string& one : hello.dirty) left += (left.empty() ? "" : "; ") + one;
    object(fmt::format("{} is not clean: {}; mend it with: sudo ordeal recover{}", member.name,
                       left, there));
  }
  return out;
}

Task<bool> Run::greet_all() {
  os::Group group(co_await asio::this_coro::executor);
  std::vector<std::string> problems(members_.size());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    group.spawn(greet(*members_[i], problems[i]));
  }
  co_await group.join();
  co_return !refused_by(problems);
}

}  // namespace ordeal::run
