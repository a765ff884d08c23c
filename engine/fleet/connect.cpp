#include "engine/fleet/connect.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/base/text.hpp"
#include "engine/os/event.hpp"

namespace ordeal::fleet {
namespace {

using namespace asio::experimental::awaitable_operators;

constexpr Duration kReachTime = 30s;  // ssh itself gives up on a dead host after 10 s
constexpr Duration kCopyTime = 120s;
constexpr Duration kLastWords = 1s;  // of ssh, after the wire was closed
constexpr std::size_t kReadSize = 64u << 10;
constexpr std::size_t kLongestLine = 8u << 10;
constexpr std::size_t kMostChatter = 64u << 10;
constexpr std::size_t kMostErrors = 4u << 10;
constexpr std::size_t kMostOutput = 4u << 20;

Task<void> for_ever() {
  os::Event never;
  co_await never.wait();
}

// Reads to the end, keeps the first part.
Task<void> collect(os::Stream& stream, std::string& text, std::size_t limit) {
  for (;;) {
    auto bytes = co_await stream.read_some(kReadSize);
    if (bytes.has_error()) co_return;
    text += bytes.value().substr(0, limit - std::min(limit, text.size()));
  }
}

Task<void> collect_and_stay(os::Stream& stream, std::string& text, std::size_t limit) {
  co_await collect(stream, text, limit);
  co_await for_ever();
}

// What is said on a connection before the executor has it.
class Dialogue {
 public:
  Dialogue(Route& route, os::Program& program) : route_(route), program_(program) {}

  Task<void> run() {
    deadline_ = route_.clock.now() + kReachTime;
    co_await (listen() || send_copy() || watch_time() ||
              collect_and_stay(*program_.errors, errors_, kMostErrors));
    if (!last_) co_await (collect(*program_.errors, errors_, kMostErrors) || last_words());
  }

  // The line that ended it: ready or refused. Nothing: the wire was closed, or the time was up.
  const std::optional<FarWord>& last() const { return last_; }
  bool late() const { return late_; }
  const std::string& errors() const { return errors_; }
  std::string chatter() const { return printable(chatter_, 200); }
  // What came behind the last line.
  std::string take_rest() { return std::move(buffer_); }

 private:
  Task<void> listen() {
    while (!last_) {
      auto bytes = co_await program_.wire->read_some(kReadSize);
      if (bytes.has_error()) co_return;
      buffer_ += bytes.value();
      std::size_t at = 0;
      for (std::size_t end; !last_ && (end = buffer_.find('\n', at)) != buffer_.npos;) {
        take(std::string_view(buffer_).substr(at, end - at));
        at = end + 1;
      }
      buffer_.erase(0, at);
      if (buffer_.size() > kLongestLine || chatter_.size() > kMostChatter) co_return;
    }
  }

  void take(std::string_view line) {
    FarWord word = far_word(line);
    switch (word.kind) {
      case FarWord::Kind::other: chatter_ += std::string(line) + " "; break;
      case FarWord::Kind::need:
        deadline_ = route_.clock.now() + kCopyTime;
        needed_ = true;
        need_.notify();
        break;
      case FarWord::Kind::ready:
      case FarWord::Kind::refused: last_ = std::move(word);
    }
  }

  Task<void> send_copy() {
    while (!needed_) co_await need_.wait();
    std::string bytes = route_.file.bytes;
    const auto written = co_await program_.wire->write(std::move(bytes));
    ignore(written, "the far side says what went wrong");
    co_await for_ever();
  }

  Task<void> watch_time() {
    while (route_.clock.now() < deadline_) co_await route_.clock.sleep_until(deadline_);
    late_ = true;
  }

  Task<void> last_words() { co_await route_.clock.sleep(kLastWords); }

  Route& route_;
  os::Program& program_;
  BootTime deadline_{};
  bool needed_ = false;
  os::Event need_;
  bool late_ = false;
  std::optional<FarWord> last_;
  std::string buffer_;
  std::string errors_;
  std::string chatter_;
};

Error failure(const Route& route, const model::InventoryHost& host, const Dialogue& dialogue) {
  std::string text;
  if (const auto& word = dialogue.last()) {
    text = refusal_text(*word);
    if (!dialogue.errors().empty()) text += " (" + printable(dialogue.errors(), 300) + ")";
  } else if (dialogue.late()) {
    text = "no answer in time; " + ssh_failure(host, route.ssh_config, dialogue.errors());
  } else {
    text = ssh_failure(host, route.ssh_config, dialogue.errors());
    if (!dialogue.chatter().empty()) text += "; it printed: " + dialogue.chatter();
  }
  return Error(Code::refused, std::move(text));
}

}  // namespace

Task<Result<Reached>> reach(Route route, model::InventoryHost host,
                            std::vector<std::string> arguments) {
  const std::string command = far_command(route.file, host.sudo, arguments);
  CO_TRY(const auto argv, ssh_argv(host, route.ssh_config, command));
  CO_TRY(auto program, route.launcher.start(argv));
  Dialogue dialogue(route, program);
  co_await dialogue.run();
  const auto& word = dialogue.last();
  if (!word || word->kind != FarWord::Kind::ready) co_return failure(route, host, dialogue);
  Reached out;
  out.program = std::move(program);
  out.begun = dialogue.take_rest();
  out.errors = dialogue.errors();
  out.how = word->what;
  out.path = word->text;
  co_return out;
}

Task<Result<FarAnswer>> ask_far(Route route, model::InventoryHost host,
                                std::vector<std::string> arguments, std::string input,
                                Duration within) {
  os::Clock& clock = route.clock;
  const BootTime deadline = clock.now() + within;
  CO_TRY(auto reached, co_await reach(std::move(route), std::move(host), std::move(arguments)));
  if (!input.empty()) {
    const auto written = co_await reached.program.wire->write(std::move(input));
    ignore(written, "then there is no answer");
  }
  FarAnswer out;
  out.how = reached.how;
  out.path = reached.path;
  out.output = std::move(reached.begun);
  out.errors = std::move(reached.errors);
  auto both = collect(*reached.program.wire, out.output, kMostOutput) &&
              collect(*reached.program.errors, out.errors, kMostErrors);
  auto alarm = clock.sleep_until(deadline);
  const auto first = co_await (std::move(both) || std::move(alarm));
  if (first.index() == 1) {
    co_return Error(Code::timeout, "no answer in " + format_duration(within));
  }
  co_return out;
}

}  // namespace ordeal::fleet
