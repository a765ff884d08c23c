#include "engine/os/linux/caller.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "engine/os/linux/fd.hpp"
#include "engine/os/linux/proc.hpp"

namespace ordeal::os {
namespace {

std::optional<unsigned> number_from(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : proc::parse_number<unsigned>(value);
}

// Who was lent root, by what he was lent it through. All three set these last: nobody who may not
// set root's whole environment can choose them.
const passwd* lent_to() {
  if (const auto uid = number_from("PKEXEC_UID")) return ::getpwuid(*uid);
  const char* doas = std::getenv("DOAS_USER");
  return doas == nullptr ? nullptr : ::getpwnam(doas);
}

}  // namespace

bool is_root() { return ::geteuid() == 0; }

std::string kernel_release() {
  utsname names{};
  ::uname(&names);
  return names.release;
}

std::string node_name() {
  utsname names{};
  ::uname(&names);
  return names.nodename;
}

std::string machine_name() {
  utsname names{};
  ::uname(&names);
  return names.machine;
}

Caller caller() {
  Caller out;
  out.uid = ::getuid();
  out.gid = ::getgid();
  const auto sudo_uid = number_from("SUDO_UID");
  const auto sudo_gid = number_from("SUDO_GID");
  if (is_root() && sudo_uid && sudo_gid) {
    out.uid = *sudo_uid;
    out.gid = *sudo_gid;
  } else if (const passwd* entry = is_root() ? lent_to() : nullptr) {
    out.uid = entry->pw_uid;
    out.gid = entry->pw_gid;
  }
  if (const passwd* entry = ::getpwuid(out.uid)) {
    out.name = entry->pw_name;
    out.home = entry->pw_dir;
  } else {
    out.name = std::to_string(out.uid);
    out.home = "/";
  }
  return out;
}

Result<void> become_caller(const Caller& who) {
  if (!is_root() || who.uid == 0) return ok();
  if (::initgroups(who.name.c_str(), who.gid) != 0) return Error::system(errno, "initgroups");
  if (::setresgid(who.gid, who.gid, who.gid) != 0) return Error::system(errno, "setresgid");
  if (::setresuid(who.uid, who.uid, who.uid) != 0) return Error::system(errno, "setresuid");
  if (::setuid(0) == 0) return Error(Code::failed, "root could not be given up");
  return ok();
}

Result<void> make_directories(const std::string& path, unsigned mode) {
  std::error_code problem;
  const bool made = std::filesystem::create_directories(path, problem);
  if (problem) return Error::system(problem.value(), path);
  if (made && ::chmod(path.c_str(), mode) != 0) return Error::system(errno, path);
  return ok();
}

Result<void> replace_file(const std::string& path, const std::string& bytes) {
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) {
    CHECK_OK(make_directories(parent.string(), 0755));
  }
  TRY(auto fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (wrote <= 0) return Error::system(errno, path);
    done += static_cast<std::size_t>(wrote);
  }
  return ok();
}

Result<void> give_to(const std::string& path, const Caller& who) {
  if (!is_root() || who.uid == 0) return ok();
  if (::chown(path.c_str(), who.uid, who.gid) != 0) return Error::system(errno, path);
  return ok();
}

void hold_stop_signals(bool hold) {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&signals, signal);
  ::sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &signals, nullptr);
}

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (::isatty(fd) != 1 || ::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_col, size.ws_row};
}

}  // namespace ordeal::os
