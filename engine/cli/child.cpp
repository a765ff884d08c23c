#include "engine/cli/child.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/cli/control.hpp"
#include "engine/cli/paths.hpp"
#include "engine/model/event.hpp"
#include "engine/os/linux/spawn.hpp"

namespace ordeal::cli {
namespace {

constexpr std::size_t kTail = 64u << 10;

std::vector<std::string> child_environment() {
  std::vector<std::string> out;
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!text.starts_with("SUDO_")) out.push_back(text);  // the child runs as who we are
  }
  return out;
}

Result<os::Fd> open_output(const std::string& path) {
  TRY(auto out, os::open_file(path, O_RDWR | O_CREAT | O_APPEND, 0600));
  if (::flock(out.get(), LOCK_EX | LOCK_NB) != 0) return Error::system(errno, "lock " + path);
  if (::ftruncate(out.get(), 0) != 0) return Error::system(errno, path);
  return out;
}

// In memory of its own: no file that others could open, and no pipe that would have to be fed.
Result<os::Fd> open_input(const std::string& text) {
  os::Fd out(::memfd_create("ordeal-input", MFD_CLOEXEC));
  if (!out) return Error::system(errno, "memfd_create");
  const auto size = static_cast<ssize_t>(text.size());
  if (::write(out.get(), text.data(), text.size()) != size ||
      ::lseek(out.get(), 0, SEEK_SET) != 0) {
    return Error::system(errno, "write what a run is given");
  }
  return out;
}

// The first or the last bytes of a file; empty when it is not there.
std::string part_of(const std::string& path, bool last) {
  auto file = os::open_file(path, O_RDONLY);
  if (file.has_error()) return {};
  struct stat status {};
  const auto tail = static_cast<off_t>(kTail);
  if (last && ::fstat(file.value().get(), &status) == 0 && status.st_size > tail) {
    ::lseek(file.value().get(), status.st_size - tail, SEEK_SET);
  }
  std::string out(kTail, '\0');
  const ssize_t size = ::read(file.value().get(), out.data(), out.size());
  out.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return out;
}

// The last line that ends.
std::string last_line(std::string text) {
  text.resize(text.rfind('\n') == text.npos ? 0 : text.rfind('\n'));
  const std::size_t before = text.rfind('\n');
  return before == text.npos ? text : text.substr(before + 1);
}

// Every event line begins with {"v":1,"seq":N,"run":"ID".
std::string run_of(std::string_view line) {
  constexpr std::string_view kKey = "\"run\":\"";
  const std::size_t at = line.substr(0, 100).find(kKey);
  if (!line.starts_with("{\"v\":") || at == line.npos) return {};
  const std::string_view rest = line.substr(at + kKey.size());
  return std::string(rest.substr(0, rest.find('"')));
}

}  // namespace

Result<Child> Child::start(const std::string& program, std::vector<std::string> arguments,
                           const std::string& input, const std::string& file) {
  TRY(auto given, open_input(input));
  TRY(auto output, open_output(file + ".jsonl"));
  TRY(auto errors, os::open_file(file + ".err", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600));
  os::SpawnPlan plan;
  plan.path = program;
  plan.argv = {program};
  plan.argv.insert(plan.argv.end(), arguments.begin(), arguments.end());
  plan.environment = child_environment();
  plan.descriptors = {given.get(), output.get(), errors.get()};
  plan.own_session = true;
  TRY(auto spawned, os::spawn(plan));
  Child out(file);
  out.pidfd_ = std::move(spawned.pidfd);
  return out;  // our `output` closes: only the child holds the lock now
}

std::optional<Child> Child::find(const std::string& file) {
  auto output = os::open_file(file + ".jsonl", O_RDWR);
  if (output.has_error()) return std::nullopt;
  Child out(file);
  out.output_ = std::move(output.value());
  if (out.lives()) return out;
  const Traces traces = out.traces();
  // The lock was never handed over, or the child died before it said anything, and so before it
  // touched anything.
  if (!traces.any && traces.complaint.empty()) return std::nullopt;
  return out;
}

bool Child::lives() {
  if (pidfd_) {
    auto ended = os::try_reap(pidfd_.get());
    if (ended.has_value() && !ended.value()) return true;
    if (ended.has_value()) exit_code_ = *ended.value();
    pidfd_.reset();
    return false;
  }
  if (!output_) return false;
  if (::flock(output_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return true;
  output_.reset();
  return false;
}

Traces Child::traces() const {
  Traces out;
  const std::string begin = part_of(file_ + ".jsonl", false);
  out.any = !begin.empty();
  out.run = run_of(begin);
  out.complaint = printable(last_line(part_of(file_ + ".err", true)));
  const auto event = model::event_from_json(last_line(part_of(file_ + ".jsonl", true)));
  if (event.has_error()) return out;
  if (const auto* ended = std::get_if<model::RunEnded>(&event.value().data)) {
    out.verdict = ended->verdict;
  }
  return out;
}

bool Child::interrupt(const std::string& reason) {
  const std::string run = traces().run;
  if (!run.empty()) {
    const boost::json::object question{{"ask", "abort"}, {"reason", reason}};
    if (ask_run(control_directory(), run, question).has_value()) return true;
  }
  if (!pidfd_) return false;
  return ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGTERM, nullptr, 0) == 0;
}

void Child::remove_files() {
  std::error_code ignored;
  std::filesystem::remove(file_ + ".jsonl", ignored);
  std::filesystem::remove(file_ + ".err", ignored);
}

}  // namespace ordeal::cli
