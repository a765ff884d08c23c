// The keeper: watches the worker, and undoes from the journal what a dead worker left. It parses no
// order, opens no connection and plans nothing.
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/executor/executor.hpp"
#include "engine/executor/journals.hpp"
#include "engine/executor/paths.hpp"
#include "engine/executor/salvage.hpp"
#include "engine/os/event.hpp"

namespace ordeal::executor {

using namespace asio::experimental::awaitable_operators;

namespace {

constexpr Duration kSilence = 3s;  // behind a lease; the worker's own timer has 1.5 s
// Behind a lease. A keeper that runs notices before that nothing was renewed, and takes the time
// that it needs to deal with the worker; one that is stopped dies, and the worker sees that.
constexpr Duration kSelfKillSlack = 1500ms;
constexpr Duration kLapseNoticed = 1s;
constexpr Duration kSelfKillWhileDealing = 6s;
constexpr Duration kHaltAnswer = 1s;
constexpr Duration kDeath = 1s;  // after SIGKILL; longer: it hangs in D state
constexpr Duration kLiftPoll = 1s;
constexpr Duration kPulse = 1s;
constexpr Duration kPulseReach = 5s;
constexpr std::size_t kReadSize = 4096;

class Keeper {
 public:
  explicit Keeper(KeeperParts parts) : parts_(std::move(parts)), host_(parts_.host) {}

  Task<int> run() {
    parts_.self_kill.arm(host_.clock().now() + kIdleReach);
    co_await (worker_ends() || read_notices() || watch_silence() || watch_halt());
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (!end_) {
      parts_.worker.kill();
      co_await (worker_ends() || host_.clock().sleep(kDeath));
    }
    if (end_ && end_->clean) {
      parts_.self_kill.disarm();
      co_return 0;
    }
    co_await (recover() || pulse());
    parts_.self_kill.disarm();
    co_return clean_ ? 0 : 1;
  }

 private:
  Task<void> worker_ends() { end_ = co_await parts_.worker.wait(); }

  Task<void> read_notices() {
    NoticeReader notices;
    while (true) {
      const auto bytes = co_await parts_.pipe.read_some(kReadSize);
      // The worker is ending; its end itself is waited for, and its silence is watched.
      if (bytes.has_error()) break;
      notices.feed(bytes.value());
      while (const auto notice = notices.next()) {
        heard(*notice);
        if (notice->kind == Notice::Kind::ask) co_await say_so(notice->deadline);
      }
    }
    os::Event never;
    co_await never.wait();
  }

  void heard(const Notice& notice) {
    last_ = notice;
    if (notice.kind == Notice::Kind::ask) last_.kind = Notice::Kind::active;
    if (notice.kind != Notice::Kind::idle) parts_.self_kill.arm(notice.deadline + kSelfKillSlack);
    heard_.notify();
  }

  Task<void> say_so(BootTime deadline) {
    Notice notice;
    notice.kind = Notice::Kind::heard;
    notice.deadline = deadline;
    std::string bytes = encode(notice);
    co_await tell(std::move(bytes));
  }

  // Returns when the worker has not been heard of for too long while it held something.
  Task<void> watch_silence() {
    while (true) {
      const BootTime now = host_.clock().now();
      if (last_.kind == Notice::Kind::idle) {
        parts_.self_kill.arm(now + kIdleReach);
        co_await heard_.wait_until(host_.clock(), now + kIdlePulse);
        continue;
      }
      const BootTime noticed = last_.deadline + kLapseNoticed;
      const BootTime limit = last_.deadline + kSilence;
      if (now >= limit) {
        why_ = "worker was silent";
        co_return;
      }
      if (now >= noticed) parts_.self_kill.arm(last_.deadline + kSelfKillWhileDealing);
      co_await heard_.wait_until(host_.clock(), now >= noticed ? limit : noticed);
    }
  }

  // Returns when the latch is set and the worker does nothing about it.
  Task<void> watch_halt() {
    const std::string path = halt_file(parts_.state_directory);
    while (true) {
      co_await host_.files().wait_for_file(path);
      Notice notice;
      notice.kind = Notice::Kind::halt;
      std::string bytes = encode(notice);
      const BootTime end = host_.clock().now() + kHaltAnswer;
      // A worker that does not read must not hold us up.
      co_await (tell(std::move(bytes)) || host_.clock().sleep_until(end));
      while (last_.kind == Notice::Kind::active && host_.clock().now() < end) {
        co_await heard_.wait_until(host_.clock(), end);
      }
      if (last_.kind == Notice::Kind::active) {
        why_ = "halt";
        co_return;
      }
      while (host_.files().exists(path)) co_await host_.clock().sleep(kLiftPoll);
    }
  }

  Task<void> tell(std::string bytes) {
    const auto written = co_await parts_.pipe.write(std::move(bytes));
    ignore(written, "a worker that is gone needs no word");
  }

  // Shows the kernel that this loop turns.
  Task<void> pulse() {
    while (true) {
      parts_.self_kill.arm(host_.clock().now() + kPulseReach);
      co_await host_.clock().sleep(kPulse);
    }
  }

  std::string what_happened() const {
    if (!end_) {
      return fmt::format("{}worker stuck, {}", why_.empty() ? "" : why_ + ": ",
                         parts_.worker.state());
    }
    return fmt::format("{}worker died ({})", why_.empty() ? "" : why_ + ": ", end_->text);
  }

  Task<void> recover() {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    wire::KeeperReport report;
    report.keeper = what_happened();
    const bool stuck = !end_;
    RecoveredJournal undone = co_await from_journal(stuck);
    report.undos = std::move(undone.undos);
    report.clean = undone.clean && !stuck;
    for (const std::string& problem : undone.problems) report.keeper += "; " + problem;
    auto in_use = [this] {
      return marks_in_use(host_, parts_.state_directory, parts_.token.text());
    };
    undo::InUse asked(in_use);
    const auto swept = co_await undo::sweep(host_, parts_.state_directory, std::move(asked));
    for (const undo::Outcome& outcome : swept.undone) {
      report.clean = report.clean && outcome.ok;
      report.undos.push_back(to_wire(outcome));
    }
    clean_ = report.clean;
    std::string line = wire::encode(report);
    const auto written = co_await parts_.reports.write(std::move(line));
    ignore(written, "the front may be gone; the journal tells the next one");
    // Last, because a disk that hangs hangs this call.
    const std::string path = journal_path(parts_.state_directory, parts_.token.text());
    if (clean_ && host_.files().exists(path)) {
      ignore(host_.files().remove(path), "a journal without live records is no residue");
    }
  }

  Task<RecoveredJournal> from_journal(bool stuck) {
    const std::string path = journal_path(parts_.state_directory, parts_.token.text());
    RecoveredJournal nothing;
    nothing.token = parts_.token.text();
    if (!host_.files().exists(path)) co_return nothing;
    std::unique_ptr<os::DurableFile> file;
    if (!stuck) {
      auto opened = host_.files().open_durable(path);
      for (int i = 0; i < 10 && opened.has_error(); ++i) {
        co_await host_.clock().sleep(50ms);
        opened = host_.files().open_durable(path);
      }
      if (opened.has_value()) file = std::move(opened.value());
    }
    auto bytes = host_.files().read_durable(path);
    for (int i = 0; i < 10 && bytes.has_error(); ++i) {
      co_await host_.clock().sleep(50ms);
      bytes = host_.files().read_durable(path);
    }
    if (bytes.has_error()) {
      nothing.problems.push_back("its journal cannot be read: " + bytes.error().message());
      nothing.clean = false;
      co_return nothing;
    }
    journal::Scan scan = journal::scan(bytes.value());
    // It was begun while we lived: of this machine and this boot.
    if (!scan.header) journal::keep_what_applies(scan, "", "");
    undo::Options options;
    options.drop_rest_on_first_error = parts_.bugs.drop_rest_on_first_error;
    co_return co_await salvage(host_, std::move(scan), std::move(file), options);
  }

  KeeperParts parts_;
  os::Host& host_;
  Notice last_;
  os::Event heard_;
  std::optional<WorkerEnd> end_;
  std::string why_;  // why the worker had to be killed
  bool clean_ = true;
};

}  // namespace

Task<int> run_keeper(KeeperParts parts) {
  Keeper keeper(std::move(parts));
  co_return co_await keeper.run();
}

}  // namespace ordeal::executor
