#pragma once

#include <memory>
#include <string>

#include "engine/base/units.hpp"
#include "engine/os/linux/fd.hpp"
#include "engine/os/stream.hpp"

namespace ordeal::os {

// A started `ordeal-executor --stdio`: the wire on its stdin and stdout, its keeper's lines on
// stderr. It leaves our session at once, so a ctrl-C here does not reach it. When our ends are
// closed it puts everything back and ends.
struct ExecutorProcess {
  Fd wire;
  Fd reports;
  int pid = -1;
};

// Starts it with no descriptor but those three and a clean environment (PATH, LANG, ORDEAL_*); with
// systemd, as root, it moves into a scope of its own.
Result<ExecutorProcess> start_executor(const std::string& path);

// Waits until it has ended, at most so long, and takes its exit status.
void reap(const ExecutorProcess& process, Duration at_most);

std::unique_ptr<Stream> wire_stream(asio::any_io_executor executor, ExecutorProcess& process);
std::unique_ptr<Stream> report_stream(asio::any_io_executor executor, ExecutorProcess& process);

}  // namespace ordeal::os
