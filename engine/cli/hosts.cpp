#include "engine/cli/hosts.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "engine/base/digest.hpp"
#include "engine/cli/files.hpp"
#include "engine/cli/paths.hpp"
#include "engine/cli/root.hpp"
#include "engine/os/group.hpp"
#include "engine/os/linux/clock.hpp"
#include "engine/os/linux/fd.hpp"
#include "engine/os/linux/launcher.hpp"
#include "engine/spec/inventory.hpp"
#include "engine/spec/yaml.hpp"

namespace ordeal::cli {
namespace {

class Asking {
 public:
  Asking(Rooted& rooted, const fleet::ExecutorFile& file, const Question& question,
         const Answered& answered)
      : clock_(loop_.get_executor()), launcher_(loop_.get_executor(), rooted.who), rooted_(rooted),
        file_(file), question_(question), answered_(answered) {}

  void run(const model::Inventory& inventory) {
    std::exception_ptr failure;
    asio::co_spawn(loop_, ask_all(inventory), [this, &failure](std::exception_ptr problem) {
      failure = problem;
      loop_.stop();
    });
    loop_.run();
    if (failure) std::rethrow_exception(failure);
  }

 private:
  Task<void> ask_all(const model::Inventory& inventory) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    os::Group group(executor);
    for (const model::InventoryHost& host : inventory.hosts) {
      group.spawn(ask(host, inventory.ssh_config));
    }
    co_await group.join();
  }

  Task<void> ask(const model::InventoryHost& host, std::string ssh_config) {
    if (!host.ssh) {
      auto answer = co_await ask_here();
      answered_(host, std::move(answer));
      co_return;
    }
    fleet::Route route{clock_, launcher_, file_, std::move(ssh_config)};
    model::InventoryHost copy = host;
    std::vector<std::string> arguments = question_.far;
    std::string input = question_.input;
    auto answer = co_await fleet::ask_far(std::move(route), std::move(copy), std::move(arguments),
                                          std::move(input), question_.within);
    answered_(host, std::move(answer));
  }

  Task<Result<fleet::FarAnswer>> ask_here() {
    if (question_.changes && !rooted_.root) {
      co_return Error(Code::denied, "this machine is one of the hosts, and that needs root: sudo");
    }
    if (!rooted_.side) co_return Error(Code::failed, "this machine's executor cannot be asked");
    CO_TRY(auto result, co_await ask_kept_executor(*rooted_.side));
    fleet::FarAnswer out;
    out.output = std::move(result.output);
    out.errors = std::move(result.errors);
    co_return out;
  }

  asio::io_context loop_{1};
  os::LinuxClock clock_;
  os::LinuxLauncher launcher_;
  Rooted& rooted_;
  const fleet::ExecutorFile& file_;
  const Question& question_;
  const Answered& answered_;
};

}  // namespace

std::optional<model::Inventory> read_inventory(const std::string& file) {
  spec::InventoryOutcome outcome = spec::parse_inventory({file, read_users_file});
  print_problems(outcome.problems);
  return std::move(outcome.inventory);
}

Result<fleet::ExecutorFile> executor_file() {
  constexpr std::size_t kMost = 256u << 20;
  TRY(auto path, executor_path());
  fleet::ExecutorFile out;
  TRY(out.bytes, os::read_file(path, kMost));
  out.sha256 = sha256_hex(out.bytes);
  out.machine = os::machine_name();
  return out;
}

Result<void> ask_hosts(const model::Inventory& inventory, Rooted& rooted, const Question& question,
                       const Answered& answered) {
  TRY(auto file, executor_file());
  Asking asking(rooted, file, question, answered);
  asking.run(inventory);
  return ok();
}

}  // namespace ordeal::cli
