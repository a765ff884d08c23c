// The worker's part in small: plan, apply, renew, roll back, with the production code.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <boost/asio/io_context.hpp>

#include "engine/base/json.hpp"
#include "engine/fault/apply.hpp"
#include "engine/fault/resolve.hpp"
#include "engine/os/linux/linux_host.hpp"
#include "engine/undo/rollback.hpp"
#include "tests/kernel/network_bed.hpp"

namespace ordeal {

namespace network {
fault::Fault delay();
fault::Fault loss();
fault::Fault partition();
}  // namespace network

namespace kernel {
namespace {

// Everything that the child does; answers are lines.
class Worker {
 public:
  Worker(int orders, int answers)
      : orders_(orders), answers_(answers), host_(context_.get_executor()) {}

  void serve(const std::string& fault, const std::string& with, Duration lease, bool control) {
    lease_ = lease;
    auto started = start(fault, with, control);
    if (started.has_error()) {
      say("problem " + started.error().message());
      return;
    }
    say("backend " + step_.backend);
    char order = 0;
    while (::read(orders_, &order, 1) == 1) {
      if (order == 'm') say(count());
      if (order == 'n') say(renew());
      if (order == 'r') say(revert());
    }
  }

 private:
  template <class T>
  static Task<void> store(Task<T> task, std::optional<T>& out) {
    T value = co_await std::move(task);
    out.emplace(std::move(value));
  }
  template <class T>
  T finish(Task<T> task) {
    std::optional<T> out;
    finish(store(std::move(task), out));
    return std::move(*out);
  }
  void finish(Task<void> task) {
    bool done = false;
    asio::co_spawn(context_.get_executor(), std::move(task), [&](std::exception_ptr problem) {
      if (problem) std::terminate();
      done = true;
    });
    context_.restart();
    while (!done && context_.run_one() > 0) {
    }
  }

  void say(const std::string& line) {
    const std::string whole = line + "\n";
    (void)!::write(answers_, whole.data(), whole.size());
  }

  Result<void> start(const std::string& name, const std::string& with, bool control) {
    model::StepRequest request;
    request.fault = name;
    TRY(auto parameters, json::parse(with));
    request.with = parameters.as_object();
    request.zero_magnitude = control;
    const Token token = Token::from_bits(host_.host().random().next());
    const fault::Fault all[] = {network::delay(), network::loss(), network::partition()};
    const fault::Protection none = [](const model::ProcessInfo&) { return std::string(); };
    TRY(auto step, fault::resolve(all, request, host_.host(), token, none));
    step_ = std::move(step);
    for (const model::Change& change : step_.changes) {
      CHECK_OK(finish(fault::apply(host_.host(), change.apply, lease_)));
    }
    return ok();
  }

  std::vector<os::TableId> tables() const {
    std::vector<os::TableId> out;
    for (const model::Change& change : step_.changes) {
      const auto* table = std::get_if<model::CreateTable>(&change.apply);
      if (table != nullptr) out.push_back({table->table.name, table->table.family});
    }
    return out;
  }

  std::string count() {
    auto matched = host_.host().nftables().matched(tables().front());
    return matched.has_value() ? std::to_string(matched.value()) : matched.error().message();
  }

  std::string renew() {
    auto renewed = host_.host().nftables().renew(tables(), lease_);
    return renewed.has_value() ? "" : renewed.error().message();
  }

  struct Listener : undo::Listener {
    void ended(const undo::StepUndos&, std::size_t, const undo::Outcome& outcome) override {
      if (!outcome.ok) problems += outcome.what + ": " + outcome.text + "; ";
    }
    std::string problems;
  };

  std::string revert() {
    std::vector<model::Undo> undos;
    std::vector<bool> idle;
    for (const model::Change& change : step_.changes) {
      for (const model::Undo& undo : change.undos) {
        undos.push_back(undo);
        idle.push_back(change.idle);
      }
    }
    std::vector<undo::StepUndos> steps;
    steps.push_back(undo::StepUndos::of("method.0", 1, std::move(undos), std::move(idle)));
    steps.back().drain = 300ms;
    Listener listener;
    finish(undo::rollback(host_.host(), steps, listener, undo::Options()));
    finish(undo::remove_leftovers(host_.host(), steps, listener, false));
    return steps.back().all_done() ? listener.problems : "not all undone: " + listener.problems;
  }

  int orders_;
  int answers_;
  asio::io_context context_;
  os::LinuxHost host_;
  Duration lease_{};
  model::HostStep step_;
};

}  // namespace

Owner::Owner(const std::string& fault, const std::string& with, Duration lease, bool control) {
  int orders[2];
  int answers[2];
  EXPECT_EQ(::pipe2(orders, O_CLOEXEC), 0);
  EXPECT_EQ(::pipe2(answers, O_CLOEXEC), 0);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(orders[1]);
    ::close(answers[0]);
    {
      Worker worker(orders[0], answers[1]);
      worker.serve(fault, with, lease, control);
    }
    ::_exit(0);
  }
  ::close(orders[0]);
  ::close(answers[1]);
  orders_ = orders[1];
  answers_ = answers[0];
  const std::string first = ask(0);
  if (first.starts_with("backend ")) {
    backend_ = first.substr(8);
  } else {
    problem_ = first.empty() ? "the owner died" : first;
  }
}

Owner::~Owner() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    wait_dead();
  }
  ::close(orders_);
  ::close(answers_);
}

std::string Owner::ask(char order) {
  if (order != 0 && ::write(orders_, &order, 1) != 1) return "no owner";
  std::string line;
  char c = 0;
  pollfd ready{answers_, POLLIN, 0};
  while (::poll(&ready, 1, 30'000) > 0 && ::read(answers_, &c, 1) == 1) {
    if (c == '\n') return line;
    line += c;
  }
  return "the owner gave no answer: " + line;
}

std::uint64_t Owner::matched() { return std::strtoull(ask('m').c_str(), nullptr, 10); }
std::string Owner::renew() { return ask('n'); }
std::string Owner::revert() { return ask('r'); }
void Owner::kill(int signal) { ::kill(pid_, signal); }

void Owner::wait_dead() {
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace kernel
}  // namespace ordeal
