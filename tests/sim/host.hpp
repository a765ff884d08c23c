// The seams of engine/os as one simulated process sees them. One file for each seam beside this.
//
// Every call asks `alive()` first: what a dead process's frames do while they are destroyed never
// happened. Every call that changes something is a point at which the process may be killed, and
// may fail before or after its effect.
#pragma once

#include <memory>
#include <vector>

#include "engine/os/client.hpp"
#include "engine/os/host.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/stream.hpp"

namespace ordeal::sim {

// What a call of a dead process returns; nobody reads it.
Error dead();
// An error that the call could really give.
Error injected(Prng& prng, std::string_view what);

// What all seams share: who calls, on which machine.
class Seam {
 public:
  explicit Seam(Node& node) : node_(node), machine_(node.machine()), world_(node.world()) {}

 protected:
  bool alive() const { return node_.alive(); }
  Task<void> sleep(Duration time);
  // Delay of an asynchronous call that takes about `usual`.
  Duration takes(Duration usual) const;
  // Reads that fail now and then.
  std::optional<Error> read_problem(std::string_view what) const;

  // One change of the machine, between two points.
  template <class F>
  auto act(std::string_view what, F effect) -> decltype(effect()) {
    if (!alive()) return dead();
    world_.point(node_, what, "before");
    if (!alive()) return dead();
    if (world_.prng().chance(machine_.misfortunes.call_fails)) {
      world_.trace(&node_, fmt::format("{} fails", what));
      world_.sometimes("a call failed");
      ++machine_.injected_failures;
      return injected(world_.prng(), what);
    }
    auto result = effect();
    world_.trace(&node_,
                 fmt::format("{}: {}", what, result.has_error() ? result.error().message() : "ok"));
    world_.point(node_, what, "after");
    if (!alive()) return dead();
    if (result.has_value() && world_.prng().chance(machine_.misfortunes.call_fails_after)) {
      world_.sometimes("a call took effect and failed");
      ++machine_.injected_failures;
      return injected(world_.prng(), what);
    }
    return result;
  }

  Node& node_;
  Machine& machine_;
  World& world_;
};

class SimClock : public os::Clock, private Seam {
 public:
  using Seam::Seam;
  BootTime now() const override { return world_.now(); }
  WallTime wall() const override { return world_.wall(); }
  Task<void> sleep_until(BootTime when) override;
};

// The kernel's timer: it kills a stopped process too.
class SimSelfKill : public os::SelfKill, private Seam {
 public:
  using Seam::Seam;
  void arm(BootTime deadline) override;
  void disarm() override;
  std::optional<BootTime> deadline() const { return deadline_; }

 private:
  std::optional<BootTime> deadline_;
};

class SimRandom : public os::Random, private Seam {
 public:
  using Seam::Seam;
  std::uint64_t next() override { return world_.prng().next(); }
};

class SimProcesses : public os::Processes, private Seam {
 public:
  using Seam::Seam;
  Result<std::vector<model::ProcessInfo>> list() const override;
  Result<model::ProcessInfo> find(model::ProcessId id) const override;
  Result<os::ProcessUsage> usage(model::ProcessId id) const override;
  Result<std::vector<std::int64_t>> holders_of_port(std::uint16_t port) const override;
  std::string protected_because(const model::ProcessInfo& process) const override;
  Result<std::string> boot_id() const override;
  Result<std::string> machine_id() const override;
  std::string host_name() const override { return machine_.name; }
  bool systemd_is_pid1() const override { return machine_.systemd; }
  Result<void> signal(model::ProcessId id, int signal) override;
  Task<Result<void>> wait_gone(model::ProcessId id, BootTime deadline) override;
  Task<Result<model::ProcessId>> spawn_helper(model::SpawnHelper helper) override;
  Result<std::vector<model::ProcessId>> find_marked(const std::string& mark) const override;
  Result<std::vector<os::Helper>> helpers() const override;
  Task<Result<os::CommandResult>> run(model::Command command,
                                      std::map<std::string, std::string> environment) override;

 private:
  Result<void> check_planned(const boost::json::object& arguments) const;
  Result<model::ProcessId> fork_helper(const model::SpawnHelper& helper);
  void systemctl(const std::vector<std::string>& argv,
                 const std::shared_ptr<os::CommandResult>& out, WaitId wait);
};

class SimLinks : public os::Links, private Seam {
 public:
  using Seam::Seam;
  Result<std::vector<os::LinkInfo>> list() const override;
  Result<void> may_change() const override;
  Result<void> can_ifb() const override;
  Result<void> add_ifb(const std::string& name) override;
  Result<void> add_hole(const std::string& name) override;
  void belong_to(const std::string& alias) override { alias_ = alias; }
  Result<void> remove(const std::string& name) override;
  Result<void> remove_all(std::span<const std::string> names) override;
  std::vector<std::string> loaded_modules() const override;

 private:
  Result<void> add(const std::string& name, bool up);

  bool loaded_ = false;
  std::string alias_;
};

class SimQdiscs : public os::Qdiscs, private Seam {
 public:
  using Seam::Seam;
  Result<void> can_netem() const override;
  Result<void> add_netem(const std::string& link, const model::Netem& netem) override;
  Result<os::QdiscStats> stats(const std::string& link) const override;
};

class SimNftables : public os::Nftables, private Seam {
 public:
  using Seam::Seam;
  Result<void> can_carry() const override;
  Result<void> create(const model::NftTable& table, Duration lease) override;
  Result<void> renew(std::span<const os::TableId> tables, Duration lease) override;
  Result<void> remove(std::span<const os::TableId> tables, bool keep_chains) override;
  Result<std::uint64_t> matched(const os::TableId& table) const override;
  Result<std::vector<os::MarkedTable>> list_marked() const override;
  Result<std::vector<std::uint16_t>> queues() const override;
  Result<void> can_queue() const override;
};

class SimSockets : public os::Sockets, private Seam {
 public:
  using Seam::Seam;
  std::vector<os::ExemptFlow> exempt_flows() const override { return machine_.exempt_flows; }
};

class SimCgroups : public os::Cgroups, private Seam {
 public:
  using Seam::Seam;
  Result<std::string> of_unit(const std::string& unit) const override;
  Result<bool> populated(const std::string& cgroup) const override;
  Result<bool> frozen(const std::string& cgroup) const override;
  Result<std::vector<std::int64_t>> processes(const std::string& cgroup) const override;
  Result<std::optional<Ppm>> cpu_limit(const std::string& cgroup) const override;
  Result<Memory> memory(const std::string& cgroup) const override;
  Task<Result<void>> set_frozen(std::string cgroup, bool frozen) override;
};

class SimMachine : public os::Machine, private Seam {
 public:
  using Seam::Seam;
  Result<os::HostValues> values() const override;
  std::string kernel() const override { return "6.1.0-sim"; }
};

class SimFiles : public os::Files, private Seam {
 public:
  using Seam::Seam;
  Result<std::string> read(const std::string& path, std::size_t limit) const override;
  Result<std::vector<std::string>> list(const std::string& directory) const override;
  Result<os::Space> space(const std::string& path) const override;
  bool exists(const std::string& path) const override;
  Result<os::Folder> folder(const std::string& path) const override;
  Result<os::FileId> identity(const std::string& path) const override;
  Result<os::Holder> holder(const std::string& path) const override;
  Result<void> make_directory(const std::string& path) override;
  Result<void> write_atomically(const std::string& path, const std::string& bytes) override;
  Result<void> remove(const std::string& path) override;
  Result<std::unique_ptr<os::DurableFile>> create_durable(const std::string& path,
                                                          std::size_t size) override;
  Result<std::unique_ptr<os::DurableFile>> open_durable(const std::string& path) override;
  Result<std::string> read_durable(const std::string& path) const override;
  Task<Result<std::shared_ptr<void>>> lock(std::string path, Duration wait) override;
  Task<void> wait_for_file(std::string path) override;
};

// A random part of what was not synced reaches the platter; the rest is as it was before.
void lose_unsynced(Disk& disk, Prng& prng);

// Answers as the services of this machine would: by who listens, who is stopped, who is starved,
// and by what the network rules of ours do to the packets.
class SimClient : public os::Client, private Seam {
 public:
  using Seam::Seam;
  Task<Result<os::HttpAnswer>> http(os::HttpRequest request, BootTime deadline) override;
  Task<Result<void>> tcp_connect(std::string address, BootTime deadline) override;
  Task<Result<std::string>> udp_exchange(std::string address, std::string query,
                                         BootTime deadline) override;

 private:
  // One exchange of `round_trips` with whoever holds the port.
  Task<Result<void>> exchange(std::uint16_t port, int round_trips, BootTime deadline);
};

class SimHost {
 public:
  explicit SimHost(Node& node);
  Node& node() { return node_; }
  os::Host& host() { return host_; }
  os::Client& client() { return client_; }
  SimSelfKill& self_kill() { return self_kill_; }
  // Streams whose end this process holds: closed when it dies.
  void keep(std::weak_ptr<Pipe> pipe) { pipes_.push_back(std::move(pipe)); }
  void close_streams();
  // Nothing passes between this process and the other any more, and neither is told.
  void cut_from(const Node& peer);

 private:
  Node& node_;
  SimClock clock_;
  SimSelfKill self_kill_;
  SimRandom random_;
  SimProcesses processes_;
  SimLinks links_;
  SimQdiscs qdiscs_;
  SimNftables nftables_;
  SimSockets sockets_;
  SimCgroups cgroups_;
  SimFiles files_;
  SimMachine machine_;
  SimClient client_;
  os::Host host_;
  std::vector<std::weak_ptr<Pipe>> pipes_;
};

}  // namespace ordeal::sim
