// The worker's loop over orders, and how a session begins and ends.
#include <cerrno>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/base/text.hpp"
#include "engine/executor/budget.hpp"
#include "engine/executor/journals.hpp"
#include "engine/executor/paths.hpp"
#include "engine/executor/session.hpp"

namespace ordeal::executor {

using namespace asio::experimental::awaitable_operators;

namespace {

constexpr std::size_t kReadSize = 64u << 10;
constexpr Duration kShortestInterval = 50ms;
constexpr Duration kLongestInterval = std::chrono::hours(1);
constexpr std::size_t kMostOrders = 4096;  // remembered, so that a repeated one changes nothing

}  // namespace

Task<int> run_worker(WorkerParts parts) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Session session(std::move(parts), executor);
  co_return co_await session.run();
}

Session::Session(WorkerParts parts, asio::any_io_executor executor)
    : parts_(std::move(parts)), host_(parts_.host), executor_(executor), handlers_(executor),
      outbox_(parts_.wire, [this] {
        wire_gone_ = true;
        leave("the front does not read");
      }) {}

Task<int> Session::run() {
  parts_.self_kill.arm(host_.clock().now() + kIdleReach);
  co_await (serve_to_the_end() || background());
  parts_.self_kill.disarm();
  parts_.wire.close();
  const bool clean = !failed_ && (!journal_ || journal_->broken().empty());
  bool all_done = true;
  for (const auto& [path, step] : steps_) all_done = all_done && step->undos.all_done();
  const std::string path = journal_path(parts_.state_directory, parts_.token.text());
  if (all_done && clean && host_.files().exists(path)) {
    journal_.reset();
    ignore(host_.files().remove(path), "a journal without live records is no residue");
  }
  co_return all_done && !failed_ ? 0 : 1;
}

// Were serve() to throw, `||` would wait for background(), which never ends. The keeper undoes what
// then still stands in the journal.
Task<void> Session::serve_to_the_end() {
  try {
    co_await serve();
  } catch (const std::exception&) {
    failed_ = true;
  }
}

void Session::spawn(std::int64_t id, Task<void> handler) {
  const std::size_t weight = id == 0 ? 0 : kOrderWeight + order_size_;
  at_work_ += weight;
  handlers_.spawn(weighed(weight, guarded(id, std::move(handler))));
}

Task<void> Session::weighed(std::size_t weight, Task<void> handler) {
  co_await std::move(handler);
  at_work_ -= weight;
}

// A handler that throws is a bug of ours, or has no memory or thread left: its order is refused,
// and everything is undone.
Task<void> Session::guarded(std::int64_t id, Task<void> handler) {
  std::string problem;
  try {
    co_await std::move(handler);
  } catch (const std::exception& thrown) {
    problem = fmt::format("internal error: {}", thrown.what());
  }
  if (problem.empty()) co_return;
  if (id != 0) refuse(id, Error(Code::failed, problem));
  leave(problem);
}

Task<void> Session::serve() {
  co_await (read_orders() || read_notices() || left_.wait());
  // From here on nothing may be cut short: what is injected is undone first.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  if (leaving_.empty()) leave("wire closed");
  co_await revert(all_steps(), leaving_);
  co_await handlers_.join();
  co_await remove_leftovers(bye_ == 0);
  // Nobody else may be there to say how this host was left.
  if (bye_ == 0 && !wire_gone_) {
    wire::HostReport parting = co_await check();
    outbox_.push(std::move(parting));
  }
  if (bye_ != 0) outbox_.answer(bye_, wire::Done{});
  if (journal_) co_await journal_->flush(journal::kWriteDeadline);
  co_await outbox_.flush(host_.clock(), 1s);
}

// Everything that runs as long as the session does.
Task<void> Session::background() {
  co_await (outbox_.send() && write_notices() && write_marks() && watch() && push_host_values());
}

Task<void> Session::write_marks() {
  while (!journal_) co_await journal_opened_.wait();
  co_await journal_->write_marks();
}

Task<void> Session::read_orders() {
  wire::FrameReader frames(wire::kOrderLimit);
  while (true) {
    auto bytes = co_await parts_.wire.read_some(kReadSize);
    if (bytes.has_error()) {
      wire_gone_ = true;
      leave("wire closed");
      co_return;
    }
    frames.feed(bytes.value());
    while (true) {
      auto frame = frames.next();
      if (frame.has_error()) {
        leave("wire broken: " + frame.error().message());
        co_return;
      }
      if (!frame.value()) break;
      order_size_ = frame.value()->size();
      auto order = wire::decode_order(*frame.value());
      if (order.has_error()) {
        refuse(0, order.error());
        continue;
      }
      co_await dispatch(std::move(order.value()));
    }
  }
}

Task<void> Session::dispatch(wire::Order order) {
  const std::int64_t id = order.id;
  if (id <= forgotten_ || !seen_orders_.insert(id).second) {
    outbox_.repeat(id);  // or its answer is still being made
    co_return;
  }
  if (seen_orders_.size() > kMostOrders) {
    forgotten_ = *seen_orders_.begin();
    seen_orders_.erase(seen_orders_.begin());
  }
  if (auto* hello = std::get_if<wire::Hello>(&order.body)) {
    co_await greet(id, std::move(*hello));
    co_return;
  }
  if (!greeted_) {
    refuse(id, Error(Code::invalid, "the first order must be hello"));
    co_return;
  }
  if (!leaving_.empty()) {
    refuse(id, Error(Code::refused, "this executor is leaving: " + leaving_));
    co_return;
  }
  // A front that sends orders without end and waits for no answer would fill our memory.
  if (at_work_ + kOrderWeight + order_size_ > kMostAtWork) {
    refuse(id, Error(Code::busy, "too many orders at once"));
    leave("too many orders at once");
    co_return;
  }
  std::visit([&](auto& body) { handle(id, std::move(body)); }, order.body);
}

Task<void> Session::greet(std::int64_t id, wire::Hello hello) {
  if (greeted_) {
    refuse(id, Error(Code::invalid, "hello was said already"));
    co_return;
  }
  if (hello.protocol_min > wire::kProtocolMax || hello.protocol_max < wire::kProtocolMin) {
    refuse(id, Error(Code::unsupported,
                     fmt::format("this executor ({}) speaks protocol {} to {}", ORDEAL_VERSION,
                                 wire::kProtocolMin, wire::kProtocolMax)));
    co_return;
  }
  greeted_ = true;
  run_ = printable(hello.run, 64);
  auto policy = load_policy(host_, parts_.policy_file);
  if (policy.has_error()) policy_problem_ = policy.error().message();
  if (policy.has_value()) policy_ = std::move(policy.value());
  const auto pids = host_.processes().pids_are_ours();
  if (pids.has_error()) pids_problem_ = pids.error().message();
  const StatusReport before = status(host_, parts_.state_directory);
  dirty_at_start_ = before.dirty;
  co_await open_journal();

  wire::HelloFact fact;
  fact.version = ORDEAL_VERSION;
  fact.host = host_.processes().host_name();
  fact.kernel = host_.machine().kernel();
  fact.boot_id = boot_id_;
  fact.machine_id = machine_id_;
  fact.token = parts_.token;
  for (const fault::Fault& fault : parts_.catalogue) fact.faults.push_back(fault.description);
  fact.dirty = dirty_at_start_;
  fact.halted = before.halted;
  fact.unready = !pids_problem_.empty()      ? pids_problem_
                 : !journal_problem_.empty() ? journal_problem_
                                             : policy_problem_;
  fact.warnings = state_warnings();
  outbox_.answer(id, std::move(fact));
}

// A journal without boot and machine could not be told from one that a reboot has ended.
Result<void> Session::learn_where_we_are() {
  TRY(boot_id_, within("tell which boot this is", host_.processes().boot_id()));
  TRY(machine_id_, within("tell which machine this is", host_.processes().machine_id()));
  return ok();
}

Task<void> Session::open_journal() {
  const auto known = learn_where_we_are();
  if (known.has_error()) {
    journal_problem_ = known.error().message();
    co_return;
  }
  journal::Header header;
  header.token = parts_.token.text();
  header.run = run_;
  header.boot_id = boot_id_;
  header.machine_id = machine_id_;
  header.created = host_.clock().wall();
  std::string path = journal_path(parts_.state_directory, parts_.token.text());
  auto made = co_await journal::Journal::create(host_.clock(), host_.files(), std::move(path),
                                                std::move(header));
  if (made.has_error()) {
    journal_problem_ = made.error().message();
    if (made.error().system_errno() == EROFS) {
      journal_problem_ += ": mount something writable there (in a container: --tmpfs " +
                          parts_.state_directory + "), or name another folder in ORDEAL_STATE";
    }
    co_return;
  }
  const auto alias = undo::alias_of(host_, parts_.state_directory);
  if (alias.has_error()) {
    journal_problem_ = alias.error().message();
    co_return;
  }
  host_.links().belong_to(alias.value());
  journal_ = std::move(made.value());
  journal_problem_.clear();
  marks_ = std::make_unique<JournalListener>(journal_.get());
  journal_opened_.notify();
}

std::vector<std::string> Session::state_warnings() const {
  std::vector<std::string> out;
  const auto space = host_.files().space(parts_.state_directory);
  if (space.has_value()) {
    const std::string& kind = space.value().filesystem;
    if (kind == "tmpfs" || kind == "ramfs" || kind == "overlay") {
      out.push_back(fmt::format("{} is on {}: the journal does not survive a reboot",
                                parts_.state_directory, kind));
    }
    if (kind == "btrfs" || kind == "zfs" || kind == "bcachefs") {
      out.push_back(fmt::format("{} is on {}, which copies on write: a full disk stops the journal",
                                parts_.state_directory, kind));
    }
  }
  if (!host_.processes().systemd_is_pid1()) {
    out.push_back("no systemd here: were all of ordeal killed at once, run: sudo ordeal recover");
  }
  return out;
}

void Session::refuse(std::int64_t id, const Error& error) {
  wire::Refused refused;
  refused.why = wire::refusal_of(error.code());
  refused.text = error.message();
  outbox_.answer(id, std::move(refused));
}

void Session::handle(std::int64_t, wire::Hello) {}

void Session::handle(std::int64_t id, wire::Prepare order) {
  spawn(id, prepare_order(id, std::move(order.request)));
}

void Session::handle(std::int64_t id, wire::Ready order) {
  auto step = claim(order.step, order.digest);
  if (step.has_error()) return refuse(id, step.error());
  spawn(id, ready_order(id, step.value()));
}

void Session::handle(std::int64_t id, wire::Inject order) {
  auto step = claim(order.step, order.digest);
  if (step.has_error()) return refuse(id, step.error());
  spawn(id, inject_order(id, step.value(), order.lease, host_.clock().now()));
}

void Session::handle(std::int64_t id, wire::Renew order) {
  auto renewed = renew(order.lease, order.sample);
  if (renewed.has_error()) return refuse(id, renewed.error());
  outbox_.answer(id, wire::Done{});
}

void Session::handle(std::int64_t id, wire::ReadEffect order) {
  const auto found = steps_.find(order.step);
  if (found == steps_.end() || found->second->state != Step::State::active) {
    return refuse(id, Error(Code::gone, "step " + printable(order.step) + " is not active"));
  }
  wire::EffectRead read;
  read.step = order.step;
  read.effect = found->second->effects.read(host_);
  outbox_.answer(id, std::move(read));
}

void Session::handle(std::int64_t id, wire::Revert order) {
  spawn(id, revert_order(id, std::move(order.steps)));
}

void Session::handle(std::int64_t id, wire::ObserveHost order) {
  if (order.interval < Duration::zero() || order.interval > kLongestInterval) {
    return refuse(id, Error(Code::invalid, fmt::format("an interval of {}: 0s to {} is expected",
                                                       format_duration(order.interval),
                                                       format_duration(kLongestInterval))));
  }
  observe_every_ = order.interval;
  if (observe_every_ > Duration::zero()) {
    observe_every_ = std::max(observe_every_, kShortestInterval);
  }
  observe_changed_.notify();
  outbox_.answer(id, wire::Done{});
}

void Session::handle(std::int64_t id, wire::CheckHost) { spawn(id, check_order(id)); }

void Session::handle(std::int64_t id, wire::Bye) {
  bye_ = id;
  leave("ordered");
}

void Session::leave(std::string why) {
  if (!leaving_.empty()) return;
  leaving_ = std::move(why);
  left_.notify();
}

Task<void> Session::read_notices() {
  NoticeReader notices;
  while (true) {
    auto bytes = co_await parts_.keeper.read_some(kReadSize);
    if (bytes.has_error()) {
      leave("keeper died");
      co_return;
    }
    notices.feed(bytes.value());
    while (const auto notice = notices.next()) {
      if (notice->kind == Notice::Kind::halt) spawn(0, halt());
      if (notice->kind == Notice::Kind::heard) {
        ++asks_heard_;
        keeper_heard_.notify();
      }
    }
  }
}

Task<void> Session::write_notices() {
  while (true) {
    while (notice_ || ask_) {
      std::string bytes = std::exchange(notice_, std::nullopt).value_or("");
      if (std::exchange(ask_, false)) {
        const BootTime now = host_.clock().now();
        bytes += encode(Notice{Notice::Kind::ask, earliest_deadline().value_or(now)});
        ++asks_written_;
      }
      const auto written = co_await parts_.keeper.write(std::move(bytes));
      if (written.has_error()) leave("keeper died");
      if (written.has_error()) break;
    }
    co_await notice_changed_.wait();
  }
}

Task<void> Session::push_host_values() {
  BootTime next = host_.clock().now();
  while (true) {
    if (observe_every_ <= Duration::zero()) {
      co_await observe_changed_.wait();
      next = host_.clock().now();
      continue;
    }
    next = std::max(next + observe_every_, host_.clock().now());
    if (co_await observe_changed_.wait_until(host_.clock(), next)) continue;
    const auto values = host_.machine().values();
    if (values.has_error()) continue;
    const os::HostValues& now = values.value();
    wire::HostFact fact;
    fact.values["cpu"] = now.cpu;
    fact.values["memory_available"] = now.memory_available;
    fact.values["memory_used"] = now.memory_total - now.memory_available;
    fact.values["memory_total"] = now.memory_total;  // so that shares can be judged too
    fact.values["swap_used"] = now.swap_used;
    fact.values["load1"] = now.load1;
    if (now.cpu_pressure) fact.values["cpu_pressure"] = *now.cpu_pressure;
    if (now.memory_pressure) fact.values["memory_pressure"] = *now.memory_pressure;
    if (now.io_pressure) fact.values["io_pressure"] = *now.io_pressure;
    outbox_.push(std::move(fact));
  }
}

}  // namespace ordeal::executor
