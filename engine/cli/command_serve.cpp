// `ordeal serve`: who may, where its records are, and that there is only one.
#include <fcntl.h>
#include <sys/file.h>

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "engine/cli/calendar.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/serve.hpp"
#include "engine/os/linux/caller.hpp"

namespace ordeal::cli {
namespace {

using model::Exit;

int refuse(const std::string& text) {
  complain(text);
  return static_cast<int>(Exit::refused);
}

}  // namespace

int command_serve(const Options& options) {
  if (options.schedule.empty() || !options.words.empty()) {
    complain("serve needs its file: ordeal serve --schedule FILE");
    return static_cast<int>(Exit::invalid);
  }
  if (!os::is_root()) {
    return refuse("serve starts runs, which need root: sudo ordeal serve --schedule " +
                  options.schedule);
  }
  auto calendar = read_calendar(options.schedule);
  if (!calendar) return static_cast<int>(Exit::invalid);

  constexpr unsigned kPrivate = 0700;
  const std::string folder = serve_directory();
  const auto made = os::make_directories(folder + "/schedule", kPrivate);
  if (made.has_error()) return refuse(made.error().message());
  auto lock = os::open_file(folder + "/serve.lock", O_RDWR | O_CREAT, 0600);
  if (lock.has_error()) return refuse(lock.error().message());
  if (::flock(lock.value().get(), LOCK_EX | LOCK_NB) != 0) {
    return refuse("another ordeal serve runs already and holds " + folder + "/serve.lock");
  }
  auto ledger = store::Ledger::open(store::ledger_path(folder));
  if (ledger.has_error()) return refuse(ledger.error().message());
  std::error_code problem;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", problem).string();
  if (problem) return refuse("/proc/self/exe: " + problem.message());
  Server server(options.schedule, self, std::move(ledger.value()));
  return server.run(std::move(*calendar));
}

}  // namespace ordeal::cli
