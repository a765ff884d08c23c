#include "engine/os/linux/executor_process.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "engine/os/linux/settings.hpp"
#include "engine/os/linux/spawn.hpp"
#include "engine/os/linux/stream.hpp"

namespace ordeal::os {
namespace {

std::vector<std::string> clean_environment() {
  std::vector<std::string> out = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"};
  for (const char* name : {"ORDEAL_STATE", "ORDEAL_POLICY"}) {
    if (const std::string value = setting(name); !value.empty()) {
      out.push_back(std::string(name) + "=" + value);
    }
  }
  return out;
}

}  // namespace

Result<ExecutorProcess> start_executor(const std::string& path) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Error::system(errno, "socketpair");
  }
  Fd ours(ends[0]);
  Fd theirs(ends[1]);
  TRY(auto reports, make_pipe());

  SpawnPlan plan;
  plan.path = path;
  plan.argv = {path, "--stdio", "--own-scope"};
  plan.environment = clean_environment();
  plan.descriptors = {theirs.get(), theirs.get(), reports.write.get()};
  TRY(auto spawned, spawn(plan));

  ExecutorProcess out;
  out.wire = std::move(ours);
  out.reports = std::move(reports.read);
  out.pid = spawned.pid;
  return out;
}

void reap(const ExecutorProcess& process, Duration at_most) {
  if (process.pid <= 0) return;
  const Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  pollfd ended{handle.get(), POLLIN, 0};
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(at_most);
  if (handle) ::poll(&ended, 1, static_cast<int>(wait.count()));
  ::waitpid(process.pid, nullptr, WNOHANG);
}

std::unique_ptr<Stream> wire_stream(asio::any_io_executor executor, ExecutorProcess& process) {
  return std::make_unique<FdStream>(executor, std::move(process.wire));
}

std::unique_ptr<Stream> report_stream(asio::any_io_executor executor, ExecutorProcess& process) {
  return std::make_unique<FdStream>(executor, std::move(process.reports));
}

}  // namespace ordeal::os
