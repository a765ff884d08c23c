// `ordeal serve`: who may, where its records are, and that there is only one.
#include <fcntl.h>
#include <sys/file.h>

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "engine/cli/actions.hpp"
#include "engine/cli/calendar.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/hosts.hpp"
#include "engine/cli/listen.hpp"
#include "engine/cli/paths.hpp"
#include "engine/cli/root.hpp"
#include "engine/cli/serve.hpp"
#include "engine/os/linux/caller.hpp"

namespace ordeal::cli {
namespace {

using model::Exit;

int refuse(const std::string& text) {
  complain(text);
  return static_cast<int>(Exit::refused);
}

std::string token_path() { return state_directory() + "/serve.token"; }

struct Doors {
  std::vector<serve::Listener> listeners;
  std::vector<std::string> said;  // a line each, for whoever started us
};

// Errors say what to write instead.
Result<Doors> open_doors(const Options& options) {
  Doors out;
  const std::string path = control_directory() + "/serve.sock";
  TRY(auto local, bind_unix(path));
  serve::Listener trusted;
  trusted.descriptor = local.release();
  trusted.door.trusted = true;
  out.listeners.push_back(std::move(trusted));
  out.said.push_back("API: unix socket " + path + ", for root" +
                     (group_of_the_api() ? " and the group ordeal" : ""));
  if (options.listen.empty()) return out;
  TRY(const auto address, parse_address(options.listen));
  if (!address.loopback) {
    return Error(Code::refused,
                 fmt::format("--listen {}: other machines could reach it, and it speaks no TLS. "
                             "Listen on 127.0.0.1: from another machine by ssh -L "
                             "8420:127.0.0.1:8420 HOST, or behind a reverse proxy with TLS and "
                             "--allow-host NAME",
                             options.listen));
  }
  os::LinuxRandom random;
  const std::string token_file = token_path();
  TRY(auto token, token_in(token_file, random));
  TRY(auto bound, bind_tcp(address));
  serve::Listener tcp;
  tcp.descriptor = bound.socket.release();
  tcp.tcp = true;
  tcp.door.token = std::move(token);
  tcp.door.hosts = serve::names_of(address.host, bound.port);
  for (const std::string& name : options.allow_hosts) tcp.door.hosts.push_back(name);
  out.said.push_back(fmt::format("page: http://{}/", tcp.door.hosts.front()));
  out.said.push_back("token: in " + token_file);
  out.listeners.push_back(std::move(tcp));
  return out;
}

}  // namespace

std::optional<int> serve_as_root(const Options& options, Rooted& rooted) {
  if (!rooted.root) return refuse("serve starts runs, which need root: start it as a service");
  // It opens files and starts programs as root for as long as it lives.
  if (rooted.who.uid != 0) {
    return refuse(fmt::format(
        "serve stays root, and would open the files that {} names as root. Start it as a service: "
        "sudo systemctl start ordeal; who may do everything as root: sudo env -u SUDO_UID ordeal "
        "serve ...",
        printable(rooted.who.name)));
  }
  std::optional<schedule::Calendar> calendar = schedule::Calendar();
  if (!options.schedule.empty()) calendar = read_calendar(options.schedule);
  if (!calendar) return static_cast<int>(Exit::invalid);
  if (!options.inventory.empty() && !read_inventory(options.inventory)) {
    return static_cast<int>(Exit::invalid);
  }

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
  auto doors = open_doors(options);
  if (doors.has_error()) return refuse(doors.error().message());
  for (const std::string& line : doors.value().said) fmt::print("{}\n", line);

  Server server(options.schedule, self, std::move(ledger.value()));
  Actions actions(server, self, options.inventory);
  actions.restore();
  os::LinuxRandom random;
  serve::Api api(folder, server.clock(), actions,
                 serve::Api::About{ORDEAL_VERSION, os::node_name(), options.schedule, token_path(),
                                   options.inventory},
                 serve::Tickets(fmt::format("{:016x}{:016x}{:016x}{:016x}", random.next(),
                                            random.next(), random.next(), random.next())));
  ApiBeside beside(actions, api, std::move(doors.value().listeners));
  server.attach(beside);
  return server.run(std::move(*calendar));
}

}  // namespace ordeal::cli
