// The model of one Linux machine: what its kernel and disk hold, whatever ordeal believes.
//
// Tests set it up through the public members, run engine code against node.host(), and read the
// members again. `snapshot()` is everything that must be as before when ordeal is done.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/model/change.hpp"
#include "engine/os/client.hpp"
#include "engine/os/host.hpp"
#include "engine/os/stream.hpp"
#include "tests/sim/world.hpp"

namespace ordeal::sim {

class SimHost;  // the seams of one node (tests/sim/host.hpp)

// What a process of this machine is. `info.state` is 'S', 'T' or 'Z'.
struct Process {
  model::ProcessInfo info;
  std::vector<std::uint16_t> ports;
  bool ignores_term = false;
  std::string protected_because;
  Node* node = nullptr;  // a process of ours
  std::optional<model::SpawnHelper> helper;
  Node* parent_node = nullptr;  // a helper dies with it
  BootTime started{};
  double cores = 0;  // that it keeps busy
  Bytes resident{4 << 20};
  Bytes disk;              // space in unlinked files that it holds
  std::string disk_mount;  // on which mount
  std::string service;     // key in Machine::services
};

// Something that is kept running: a unit of systemd, or processes under a supervisor of their own.
struct Service {
  std::string name;  // comm
  std::string unit;  // empty: no unit
  std::string exe;
  std::string command;
  std::int64_t uid = 33;
  int count = 1;  // processes
  std::vector<std::uint16_t> ports;
  std::optional<Duration> restart_after = 200ms;  // of a process that dies; empty: never
  Duration start_takes = 50ms;
  bool ignores_term = false;
  bool active = true;
  bool start_fails = false;
  std::uint64_t job = 0;  // of systemd: a newer order replaces an older one
  std::string protected_because;
};

struct Link {
  os::LinkInfo info;
  std::optional<model::Netem> netem;
  std::uint64_t packets = 0;
  std::string foreign_qdisc;  // somebody else's root qdisc, never to be touched
};

struct Table {
  model::NftTable table;
  Node* owner = nullptr;  // null: somebody else's, for ever
  BootTime lease_end{};
  double packets = 0;  // that met counted rules
  BootTime counted_until{};
};

// Traffic of the services, in both directions.
struct Flow {
  std::string device = "lo";
  model::IpFamily family = model::IpFamily::ip;
  std::uint8_t protocol = 6;
  std::string local_address = "127.0.0.1";
  std::uint16_t local_port = 0;
  std::string remote_address = "127.0.0.1";
  std::uint16_t remote_port = 0;
  double packets_per_second = 50;  // each way
};

struct Cgroup {
  bool frozen = false;
  std::optional<Ppm> cpu_limit;
  std::optional<Bytes> memory_limit;
  Bytes memory_used;
};

// One file: what the page cache holds, what the platter holds.
struct File {
  std::string cache;
  std::string durable;
  bool on_disk = false;         // the name itself survives power loss
  std::set<std::size_t> dirty;  // sectors of 512 bytes, written and not synced
  Node* lock = nullptr;         // OFD write lock of the owner
  Node* recovery = nullptr;     // and of whoever undoes what a dead owner left
};

struct Disk {
  std::map<std::string, File> files;
  std::set<std::string> directories{"/"};
  Bytes total{100LL << 30};
  Bytes used{20LL << 30};  // by others
  std::string filesystem = "ext4";
  std::string device = "254:0";
  Duration write_takes = 80us;
  std::optional<BootTime> hangs_until;  // D state: no write ends before
  bool lies_about_sync = false;         // nothing written reaches the platter: a planted bug
};

// Another file system than that of the root and the state directory; holds nothing but space.
struct Mount {
  Bytes total{100LL << 30};
  Bytes used{20LL << 30};  // by others
  std::string filesystem = "ext4";
  std::string device = "254:16";
};

// How often what goes wrong, in a million calls. Set by the seed's configuration.
struct Misfortunes {
  int call_fails = 0;        // with an errno of the call; nothing happened
  int call_fails_after = 0;  // it took effect, and failed nevertheless
  int read_fails = 0;
  int sync_fails = 0;  // pages are clean afterwards, and lost
  int disk_hangs = 0;  // a write takes 0.1 to 5 s
  int slow_call = 0;   // an asynchronous call takes up to 300 ms more
};

class Machine {
 public:
  explicit Machine(World& world, std::string name = "simhost");
  ~Machine();

  World& world() { return world_; }
  // A process of ours: front, worker or keeper; `parent` as in fork.
  Node& start(const std::string& name, Node* parent = nullptr);

  // ---- setting up
  Process& add_process(Process process);
  // Starts its processes at once (when active).
  void add_service(Service service);
  void add_link(os::LinkInfo info, std::string foreign_qdisc = "");

  // ---- what happens to it
  void signal(std::int64_t pid, int signal);  // as the kernel does it
  void process_dies(std::int64_t pid);
  void stop_unit(const std::string& unit);
  bool start_unit(const std::string& unit);
  // Everything volatile is gone, the disk keeps a random part of what was not synced; boots at once.
  void power_loss();
  void close_descriptors(Node& node);  // what the kernel does when one of ours ends

  // ---- reading it
  // One line for each thing that a run must leave as it was. Process ids, times and our own state
  // directory are not in it.
  std::vector<std::string> snapshot() const;
  // What bears our mark or is in a state that only we put it in, each with the record that must
  // be in some journal. Read from the kernel alone.
  struct Trace {
    std::string kind;       // of model::Undo: "delete_table", "resume_process", ...
    std::string key;        // table, link, mark, pid, cgroup, unit
    bool effective = true;  // false for idle links and lapsed tables
    bool operator==(const Trace&) const = default;
    auto operator<=>(const Trace&) const = default;
  };
  std::vector<Trace> ours() const;
  Process* find(std::int64_t pid);
  std::vector<Process*> of_service(const std::string& key);
  std::int64_t available_bytes(const std::string& path = "/") const;
  std::string mount_of(const std::string& path) const;  // of what the path leads to
  // Where the kernel gets to: through `path_links`, ".", ".." and "//".
  std::string real_path(const std::string& path) const;
  os::FileId file_id(const std::string& path) const;
  double cores_busy() const;
  // What a packet of the flow meets now.
  struct Fate {
    Duration delay{};
    double loss = 0;  // share
    bool rejected = false;
    bool counted = false;
  };
  Fate fate(const Flow& flow, bool outgoing, const Table* only = nullptr) const;
  void count_packets();
  Duration queue_delay(std::uint16_t number) const;

  // ---- seams of one node
  SimHost& sim_host_of(Node& node);
  os::Host& host_of(Node& node);
  os::Client& client_of(Node& node);
  os::SelfKill& self_kill_of(Node& node);

  // ---- state
  std::string name;
  std::string boot_id = "11111111-0000-4000-8000-000000000001";
  std::string machine_id = "0123456789abcdef0123456789abcdef";
  bool systemd = true;
  std::map<std::int64_t, Process> processes;
  std::map<std::string, Service> services;  // by unit, or comm without one
  std::map<std::string, Link> links;
  std::map<std::pair<std::string, model::NftFamily>, Table> tables;
  std::map<std::string, Cgroup> cgroups;
  std::vector<Flow> flows;
  Disk disk;
  std::map<std::string, Mount> mounts;  // by path, "/" is `disk`
  // Symbolic links to directories, by their path; both ends absolute.
  std::map<std::string, std::string> path_links{{"/proc/self/root", "/"}};
  bool ifb_loaded = false;
  bool network_admin = true;  // CAP_NET_ADMIN in this network
  bool ifb_possible = true;
  bool netem_possible = true;
  bool owner_tables_possible = true;
  bool queue_possible = true;
  bool freezer_works = true;  // false: says that it has frozen, and has not
  std::vector<std::uint16_t> foreign_queues;
  std::vector<os::ExemptFlow> exempt_flows;
  int cpus = 2;
  Bytes memory_total{8LL << 30};
  Bytes memory_used{2LL << 30};  // by others
  std::int64_t pid_limit = 60;   // small, so that pids are used again
  Misfortunes misfortunes;
  // User commands by argv[0]; null result: could not be started.
  std::map<std::string, std::function<os::CommandResult(Machine&, const std::vector<std::string>&)>>
      commands;
  Duration command_takes = 20ms;
  // Called when the kernel is asked for something, before it is done: what a judge of a policy sees.
  std::function<void(const model::Apply&)> on_asked;
  // Called after something of ours came into being, for the rule "journal before change".
  std::function<void(const Trace&)> on_made;
  // Every kind and key that was ever effective: what a verdict may call seen.
  std::set<Trace> ever;

  void made(Trace trace);
  std::int64_t free_pid();
  std::int64_t start_ticks();
  bool marked_by_us(const Process& process) const;
  // Waits of coroutines for the death of a process or the birth of a file.
  std::multimap<std::int64_t, WaitId> death_waits;
  std::multimap<std::string, WaitId> file_waits;
  // Processes that somebody of ours stopped, and units that somebody of ours took down.
  std::set<std::pair<std::int64_t, std::int64_t>> stopped_by_us;  // pid, start
  std::map<std::string, Trace> taken_down;                        // by key of the service
  void take_down(const std::string& service, Trace trace);
  // Failures that were injected so far, and what they hit.
  std::uint64_t injected_failures = 0;

 private:
  void start_one(const std::string& key);

  World& world_;
  std::map<int, std::unique_ptr<SimHost>> hosts_;
  std::int64_t last_pid_ = 0;
  std::int64_t last_ticks_ = 0;
  int boots_ = 1;
};

// The usual machine of tests: lo and eth0 with somebody's htb, pid 1, sshd, shop.service with
// three processes on 8080, db.service on 5432, a worker under a supervisor, traffic of all.
void furnish(Machine& machine);

}  // namespace ordeal::sim
