#include "engine/os/linux/launcher.hpp"

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "engine/os/linux/fd.hpp"
#include "engine/os/linux/spawn.hpp"
#include "engine/os/linux/stream.hpp"

namespace ordeal::os {
namespace {

// The wire to a child, which ends with it.
class ChildStream final : public Stream {
 public:
  ChildStream(asio::any_io_executor executor, Fd wire, Spawned child)
      : wire_(std::move(executor), std::move(wire)), child_(std::move(child)) {}
  ChildStream(const ChildStream&) = delete;
  ChildStream& operator=(const ChildStream&) = delete;
  ~ChildStream() override {
    wire_.close();
    ::kill(child_.pid, SIGKILL);  // not reaped, so the pid is still its own
    constexpr int kDeathMilliseconds = 1000;
    pollfd ended{child_.pidfd.get(), POLLIN, 0};
    ::poll(&ended, 1, kDeathMilliseconds);
    ignore(try_reap(child_.pidfd.get()), "one that hangs in D state is left to init");
  }

  Task<Result<std::string>> read_some(std::size_t limit) override { return wire_.read_some(limit); }
  Task<Result<void>> write(std::string bytes) override { return wire_.write(std::move(bytes)); }
  void close() override { wire_.close(); }

 private:
  FdStream wire_;
  Spawned child_;
};

Result<std::string> find_program(const std::string& name, const std::string& path) {
  if (name.find('/') != name.npos) return name;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string file = path.substr(begin, end - begin) + "/" + name;
    // Relative entries would mean whatever folder we happen to be in.
    if (file.starts_with('/') && ::access(file.c_str(), X_OK) == 0) return file;
    begin = end + 1;
  }
  return Error(Code::gone, name + " is not in PATH");
}

Identity identity_of(const Caller& who) {
  Identity out{who.uid, who.gid, {}};
  int count = 0;
  ::getgrouplist(who.name.c_str(), who.gid, nullptr, &count);
  out.groups.resize(static_cast<std::size_t>(count));
  ::getgrouplist(who.name.c_str(), who.gid, out.groups.data(), &count);
  return out;
}

}  // namespace

LinuxLauncher::LinuxLauncher(asio::any_io_executor executor, const Caller& who)
    : executor_(std::move(executor)), who_(who) {
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != text.npos) environment_[text.substr(0, equals)] = text.substr(equals + 1);
  }
  environment_.try_emplace("PATH", "/usr/local/bin:/usr/bin:/bin");
  environment_["HOME"] = who.home;
  environment_["USER"] = who.name;
  environment_["LOGNAME"] = who.name;
}

Result<Program> LinuxLauncher::start(const std::vector<std::string>& argv) {
  SpawnPlan plan;
  TRY(plan.path, find_program(argv.at(0), environment_["PATH"]));
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Error::system(errno, "socketpair");
  }
  Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  TRY(auto errors, make_pipe());
  plan.argv = argv;
  for (const auto& [name, value] : environment_) plan.environment.push_back(name + "=" + value);
  plan.descriptors = {theirs.get(), theirs.get(), errors.write.get()};
  plan.own_session = true;
  plan.dies_with_parent = true;
  if (is_root() && who_.uid != 0) plan.identity = identity_of(who_);
  TRY(auto child, spawn(plan));
  Program out;
  out.wire = std::make_unique<ChildStream>(executor_, std::move(ours), std::move(child));
  out.errors = std::make_unique<FdStream>(executor_, std::move(errors.read));
  return out;
}

}  // namespace ordeal::os
