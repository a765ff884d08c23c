#include "engine/fleet/executor.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/base/text.hpp"
#include "engine/os/event.hpp"

namespace ordeal::fleet {
namespace {

using namespace asio::experimental::awaitable_operators;

constexpr Duration kAnswerTime = 10s;
// A revert may wait for services to start (rank 5) and for processes to come back (rank 6).
constexpr Duration kRevertTime = 90s;
// How long the keeper may take to put back what a dead worker left, and to say so.
constexpr Duration kKeeperTime = 45s;
constexpr std::size_t kReadSize = 64u << 10;
constexpr std::string_view kKeeperPrefix = "{\"keeper\":";

// Each fact that nobody waits for costs of this, and what is asked for adds to it. An honest host
// pushes its values once a second (300 bytes) and the end of each step, answers two renewals a
// second (50 bytes each), and says of a step with 1000 processes some 200 KiB: of 1000 steps that
// are reverted at once it sends 1000 facts, usually 500 bytes each. A hostile one is lost after
// 4 MiB, or after 30 MiB in an hour: all of it may become events on the disk.
constexpr std::int64_t kFactsAtOnce = 4000;
constexpr std::int64_t kFactsEachSecond = 50;
constexpr std::int64_t kBytesAtOnce = 4 << 20;
constexpr std::int64_t kBytesEachSecond = 8 << 10;
constexpr std::int64_t kBytesOfAnswer = 4 << 10;

// Orders for a host that does not read. Renewals are 60 bytes, twice a second; what is asked for is
// waited for.
constexpr std::size_t kMostUnsent = 1u << 20;

// What may still come: refilled with time, up to what may come at once.
class Allowance {
 public:
  Allowance(std::int64_t at_once, std::int64_t each_second, BootTime now)
      : at_once_(at_once), each_second_(each_second), left_(at_once), since_(now) {}

  bool take(std::int64_t amount, BootTime now) {
    const auto seconds = (now - since_) / std::chrono::seconds(1);
    since_ += std::chrono::seconds(seconds);
    // A run may last days: no overflow.
    left_ = std::min(at_once_, left_ + std::min<std::int64_t>(seconds, at_once_) * each_second_);
    left_ -= amount;
    return left_ >= 0;
  }
  void add(std::int64_t amount) { left_ = std::min(at_once_, left_ + amount); }

 private:
  std::int64_t at_once_;
  std::int64_t each_second_;
  std::int64_t left_;
  BootTime since_;
};

// The answers that may be large: a plan, what a host is, how it was left. Each was asked for.
bool is_large(const wire::FactBody& body) {
  return std::holds_alternative<wire::Prepared>(body) ||
         std::holds_alternative<wire::HelloFact>(body) ||
         std::holds_alternative<wire::HostReport>(body);
}

struct Pending {
  os::Event answered;
  std::optional<wire::FactBody> answer;
};

}  // namespace

class Executor::Impl {
 public:
  Impl(os::Clock& clock, std::unique_ptr<os::Stream> wire, std::unique_ptr<os::Stream> keeper,
       Pushed pushed)
      : clock_(clock), wire_(std::move(wire)), keeper_(std::move(keeper)),
        pushed_(std::move(pushed)), facts_(kFactsAtOnce, kFactsEachSecond, clock.now()),
        bytes_(kBytesAtOnce, kBytesEachSecond, clock.now()) {}

  Task<void> run() {
    if (keeper_) {
      co_await (read_wire() && write_wire() && read_keeper());
    } else {
      co_await (read_wire() && write_wire());
    }
  }

  // Queues the order at once, in the order of calls, and waits for the fact that answers it.
  Task<Result<wire::FactBody>> ask(wire::OrderBody body, Duration timeout) {
    if (lost_) co_return Error(Code::closed, "the executor is gone: " + lost_reason_);
    const std::int64_t id = send(std::move(body));
    auto pending = std::make_shared<Pending>();
    pending_[id] = pending;
    bytes_.add(kBytesOfAnswer);
    const BootTime deadline = clock_.now() + timeout;
    while (!pending->answer && !lost_ && clock_.now() < deadline) {
      co_await pending->answered.wait_until(clock_, deadline);
    }
    pending_.erase(id);
    if (!pending->answer) {
      if (lost_) co_return Error(Code::closed, "the executor is gone: " + lost_reason_);
      co_return Error(Code::timeout,
                      fmt::format("the executor did not answer in {}", format_duration(timeout)));
    }
    if (auto* refused = std::get_if<wire::Refused>(&*pending->answer)) {
      co_return Error(wire::code_of(refused->why), refused->text);
    }
    co_return std::move(*pending->answer);
  }

  template <class Answer>
  Task<Result<Answer>> ask_for(wire::OrderBody body, Duration timeout) {
    CO_TRY(auto answer, co_await ask(std::move(body), timeout));
    if (auto* wanted = std::get_if<Answer>(&answer)) co_return std::move(*wanted);
    co_return Error(Code::failed, "the executor answered with something else");
  }

  std::int64_t send(wire::OrderBody body) {
    wire::Order order;
    order.id = ++last_id_;
    order.body = std::move(body);
    outbox_ += wire::encode(order);
    if (outbox_.size() > kMostUnsent) cut_off("it does not read its orders");
    outgoing_.notify();
    return order.id;
  }

  // From here on it may speak of this step.
  void expect(const std::string& step) { ordered_.insert(step); }

  bool lost() const { return lost_; }
  void expect_end() { leaving_ = true; }

 private:
  Task<void> read_wire() {
    wire::FrameReader frames(wire::kFactLimit);
    std::string reason = "the wire was closed";
    for (bool open = true; open;) {
      auto bytes = co_await wire_->read_some(kReadSize);
      if (bytes.has_error()) break;
      frames.feed(bytes.value());
      for (; open;) {
        auto frame = frames.next();
        if (frame.has_error()) cut_off(frame.error().message());
        if (frame.has_error() || !frame.value()) break;
        auto fact = wire::decode_fact(*frame.value());
        if (fact.has_error()) cut_off(fact.error().message());
        if (fact.has_value() && may_say(fact.value(), frame.value()->size())) {
          take(std::move(fact.value()));
        }
        open = breach_.empty();
      }
      open = breach_.empty();
    }
    if (!breach_.empty()) reason = breach_;
    co_await lose(std::move(reason));
  }

  // Its worker sees the end of the wire, and puts everything back.
  void cut_off(std::string why) {
    if (breach_.empty()) breach_ = std::move(why);
    wire_->close();
  }

  bool waited_for(std::int64_t order) const {
    const auto found = pending_.find(order);
    return found != pending_.end() && !found->second->answer;
  }

  // A host that says more than it was asked for is lost before it fills our memory or our disk.
  bool may_say(const wire::Fact& fact, std::size_t size) {
    const auto* reverted = std::get_if<wire::StepReverted>(&fact.body);
    if (reverted != nullptr && !ordered_.contains(reverted->step)) {
      cut_off(fmt::format("it spoke of step {}, which was not ordered there",
                          printable(reverted->step, 80)));
      return false;
    }
    const bool asked = reverted == nullptr && waited_for(fact.re);
    if (asked && is_large(fact.body)) return true;
    const BootTime now = clock_.now();
    const bool few = asked || facts_.take(1, now);
    if (few && bytes_.take(static_cast<std::int64_t>(size), now)) return true;
    cut_off("it said far more than it was asked for");
    return false;
  }

  // One writer: an order is never cut in half by a cancelled caller.
  Task<void> write_wire() {
    while (!lost_) {
      if (outbox_.empty()) {
        co_await outgoing_.wait();
        continue;
      }
      std::string bytes;
      bytes.swap(outbox_);
      auto written = co_await wire_->write(std::move(bytes));
      if (written.has_error()) co_return;  // the reader sees the end and says so
    }
  }

  Task<void> read_keeper() {
    std::string buffer;
    for (;;) {
      auto bytes = co_await keeper_->read_some(kReadSize);
      if (bytes.has_error()) break;
      buffer += bytes.value();
      std::size_t at = 0;
      for (std::size_t end; (end = buffer.find('\n', at)) != buffer.npos; at = end + 1) {
        take_keeper_line(std::string_view(buffer).substr(at, end - at));
      }
      buffer.erase(0, at);
      // No keeper's: whatever it is, a host does not fill our memory with it.
      if (buffer.size() > wire::kFactLimit) buffer.clear();
    }
    keeper_closed_ = true;
    keeper_spoke_.notify();
  }

  void take_keeper_line(std::string_view line) {
    if (!line.starts_with(kKeeperPrefix)) {
      constexpr std::size_t kDiagnosticsKept = 2000;
      if (diagnostics_.size() > kDiagnosticsKept) return;
      if (!diagnostics_.empty()) diagnostics_ += "; ";
      diagnostics_ += printable(line, kDiagnosticsKept);  // of the executor, or of ssh
      return;
    }
    auto report = wire::decode_keeper(line);
    if (report.has_error()) return;
    keeper_report_ = std::move(report.value());
    keeper_spoke_.notify();
  }

  void take(wire::Fact fact) {
    if (auto* values = std::get_if<wire::HostFact>(&fact.body)) {
      if (pushed_.host_values) pushed_.host_values(*values);
      return;
    }
    if (auto* reverted = std::get_if<wire::StepReverted>(&fact.body)) {
      if (pushed_.step_reverted) pushed_.step_reverted(*reverted);
      return;
    }
    if (auto* halted = std::get_if<wire::Halted>(&fact.body)) {
      if (pushed_.halted) pushed_.halted(*halted);
      return;
    }
    const auto* parting = std::get_if<wire::HostReport>(&fact.body);
    if (parting != nullptr && fact.re == 0) {
      if (pushed_.parting) pushed_.parting(*parting);
      return;
    }
    const auto found = pending_.find(fact.re);
    if (found == pending_.end()) return;  // the caller gave up waiting
    found->second->answer = std::move(fact.body);
    found->second->answered.notify();
  }

  Task<void> lose(std::string reason) {
    lost_reason_ = with_diagnostics(reason);
    lost_ = true;
    outgoing_.notify();
    for (const auto& [id, pending] : pending_) pending->answered.notify();
    if (leaving_) co_return;
    const BootTime deadline = clock_.now() + kKeeperTime;
    while (keeper_ && !keeper_report_ && !keeper_closed_ && clock_.now() < deadline) {
      co_await keeper_spoke_.wait_until(clock_, deadline);
    }
    lost_reason_ = with_diagnostics(reason);  // ssh says why a little later than it ends
    if (pushed_.lost) pushed_.lost(lost_reason_, keeper_report_);
  }

  std::string with_diagnostics(const std::string& reason) const {
    return diagnostics_.empty() ? reason : reason + " (" + diagnostics_ + ")";
  }

  os::Clock& clock_;
  std::unique_ptr<os::Stream> wire_;
  std::unique_ptr<os::Stream> keeper_;
  Pushed pushed_;
  std::map<std::int64_t, std::shared_ptr<Pending>> pending_;
  Allowance facts_;  // that nobody waits for
  Allowance bytes_;
  std::set<std::string> ordered_;  // steps
  std::string breach_;             // why the wire was cut off
  std::int64_t last_id_ = 0;
  std::string outbox_;
  os::Event outgoing_;
  os::Event keeper_spoke_;
  std::optional<wire::KeeperReport> keeper_report_;
  std::string diagnostics_;
  std::string lost_reason_;
  bool keeper_closed_ = false;
  bool lost_ = false;
  bool leaving_ = false;
};

Executor::Executor(os::Clock& clock, std::unique_ptr<os::Stream> wire,
                   std::unique_ptr<os::Stream> keeper, Pushed pushed)
    : impl_(std::make_unique<Impl>(clock, std::move(wire), std::move(keeper), std::move(pushed))) {}
Executor::~Executor() = default;

Task<void> Executor::run() { return impl_->run(); }
bool Executor::lost() const { return impl_->lost(); }

Task<Result<wire::HelloFact>> Executor::hello(wire::Hello hello) {
  wire::OrderBody body = std::move(hello);
  co_return co_await impl_->ask_for<wire::HelloFact>(std::move(body), kAnswerTime);
}

Task<Result<wire::Prepared>> Executor::prepare(model::StepRequest request) {
  wire::OrderBody body = wire::Prepare{std::move(request)};
  co_return co_await impl_->ask_for<wire::Prepared>(std::move(body), kAnswerTime);
}

Task<Result<void>> Executor::ready(std::string step, std::string digest) {
  impl_->expect(step);
  wire::OrderBody body = wire::Ready{std::move(step), std::move(digest)};
  CO_CHECK_OK(co_await impl_->ask_for<wire::Done>(std::move(body), kAnswerTime));
  co_return ok();
}

Task<Result<wire::Injected>> Executor::inject(std::string step, std::string digest,
                                              Duration lease) {
  impl_->expect(step);
  wire::OrderBody body = wire::Inject{std::move(step), std::move(digest), lease};
  // A service may take long to stop.
  constexpr Duration kInjectTime = 60s;
  co_return co_await impl_->ask_for<wire::Injected>(std::move(body), kInjectTime);
}

Result<void> Executor::renew(Duration lease, std::int64_t sample) {
  if (impl_->lost()) return Error(Code::closed, "the executor is gone");
  impl_->send(wire::Renew{lease, sample});
  return ok();
}

Task<Result<wire::EffectRead>> Executor::read_effect(std::string step) {
  wire::OrderBody body = wire::ReadEffect{std::move(step)};
  co_return co_await impl_->ask_for<wire::EffectRead>(std::move(body), kAnswerTime);
}

Task<Result<wire::AllReverted>> Executor::revert(std::vector<std::string> steps) {
  wire::OrderBody body = wire::Revert{std::move(steps)};
  co_return co_await impl_->ask_for<wire::AllReverted>(std::move(body), kRevertTime);
}

Task<Result<void>> Executor::observe_host(Duration interval) {
  wire::OrderBody body = wire::ObserveHost{interval};
  CO_CHECK_OK(co_await impl_->ask_for<wire::Done>(std::move(body), kAnswerTime));
  co_return ok();
}

Task<Result<wire::HostReport>> Executor::check_host() {
  wire::OrderBody body = wire::CheckHost{};
  co_return co_await impl_->ask_for<wire::HostReport>(std::move(body), kRevertTime);
}

Task<Result<void>> Executor::bye() {
  impl_->expect_end();
  wire::OrderBody body = wire::Bye{};
  auto answer = co_await impl_->ask_for<wire::Done>(std::move(body), kRevertTime);
  if (answer.has_error() && answer.error().code() != Code::closed) co_return answer.error();
  co_return ok();
}

}  // namespace ordeal::fleet
