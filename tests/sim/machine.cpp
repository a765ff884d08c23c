#include "tests/sim/machine.hpp"

#include <csignal>
#include <deque>

#include "engine/base/assert.hpp"
#include "engine/base/digest.hpp"
#include "engine/base/ids.hpp"
#include "tests/sim/host.hpp"

namespace ordeal::sim {

namespace {

constexpr const char* kExecutorName = "ordeal-executor";

std::string cgroup_of(const Service& service) {
  return service.unit.empty() ? "/" : "/system.slice/" + service.unit;
}

}  // namespace

Machine::Machine(World& world, std::string host_name) : name(std::move(host_name)), world_(world) {
  cgroups["/"];
  mounts["/data"] = Mount{};  // what disk.fill may fill
  Process init;
  init.info.name = systemd ? "systemd" : "init";
  init.info.exe = "/usr/lib/systemd/systemd";
  init.protected_because = "it is pid 1";
  add_process(std::move(init));
}

Machine::~Machine() {
  for (auto& [id, host] : hosts_) host->node().kill("the machine is no more");
  world_.bury();  // while the seams that its frames refer to are still there
}

Node& Machine::start(const std::string& node_name, Node* parent) {
  Node& node = world_.add_node(*this, node_name);
  hosts_[node.id()] = std::make_unique<SimHost>(node);
  Process process;
  process.info.name = node_name == "front" ? "ordeal" : kExecutorName;
  process.info.exe = "/usr/bin/" + process.info.name;
  process.info.command = process.info.exe + " " + node_name;
  process.info.parent = parent ? parent->pid() : 1;
  process.node = &node;
  process.protected_because = "it is ordeal itself";
  node.set_pid(add_process(std::move(process)).info.id.pid);
  node.at_death.push_back([this, &node] { close_descriptors(node); });
  world_.trace(&node, fmt::format("starts as pid {}", node.pid()));
  return node;
}

std::int64_t Machine::free_pid() {
  for (std::int64_t tried = 0; tried <= pid_limit; ++tried) {
    last_pid_ = last_pid_ % pid_limit + 1;
    if (!processes.contains(last_pid_)) return last_pid_;
  }
  ORDEAL_ASSERT(!"the machine has run out of process ids");
  return 0;
}

std::int64_t Machine::start_ticks() {
  const std::int64_t ticks = world_.now().time_since_epoch().count() / 10'000;
  last_ticks_ = std::max(ticks, last_ticks_ + 1);
  return last_ticks_;
}

Process& Machine::add_process(Process process) {
  if (process.info.id.pid == 0) process.info.id.pid = free_pid();
  process.info.id.start_ticks = start_ticks();
  if (process.info.state == '?') process.info.state = 'S';
  if (process.info.cgroup.empty()) process.info.cgroup = "/";
  process.started = world_.now();
  const std::int64_t pid = process.info.id.pid;
  ORDEAL_ASSERT(!processes.contains(pid));
  return processes.emplace(pid, std::move(process)).first->second;
}

void Machine::add_service(Service service) {
  const std::string key = service.unit.empty() ? service.name : service.unit;
  if (!service.unit.empty()) cgroups[cgroup_of(service)];
  const bool active = service.active;
  const int count = service.count;
  services[key] = std::move(service);
  for (int i = 0; active && i < count; ++i) start_one(key);
}

void Machine::add_link(os::LinkInfo info, std::string foreign_qdisc) {
  info.index = info.index != 0 ? info.index : static_cast<int>(links.size()) + 1;
  Link link;
  link.foreign_qdisc = std::move(foreign_qdisc);
  link.info = info;
  links[info.name] = std::move(link);
}

void Machine::start_one(const std::string& key) {
  const Service& service = services.at(key);
  Process process;
  process.info.name = service.name;
  process.info.exe = service.exe.empty() ? "/usr/sbin/" + service.name : service.exe;
  process.info.command = service.command.empty() ? process.info.exe : service.command;
  process.info.uid = service.uid;
  process.info.parent = 1;
  process.info.cgroup = cgroup_of(service);
  process.info.unit = service.unit;
  process.ports = service.ports;
  process.ignores_term = service.ignores_term;
  process.protected_because = service.protected_because;
  process.service = key;
  process.cores = 0.05;
  add_process(std::move(process));
}

Process* Machine::find(std::int64_t pid) {
  const auto found = processes.find(pid);
  return found == processes.end() ? nullptr : &found->second;
}

std::vector<Process*> Machine::of_service(const std::string& key) {
  std::vector<Process*> out;
  for (auto& [pid, process] : processes) {
    if (process.service == key && process.info.state != 'Z') out.push_back(&process);
  }
  return out;
}

void Machine::signal(std::int64_t pid, int number) {
  Process* process = find(pid);
  if (process == nullptr || process->info.state == 'Z' || number == 0) return;
  switch (number) {
    case SIGSTOP:
      process->info.state = 'T';
      if (process->node) process->node->stop();
      return;
    case SIGCONT:
      process->info.state = 'S';
      stopped_by_us.erase({pid, process->info.id.start_ticks});
      if (process->node) process->node->resume();
      return;
    case SIGKILL: process_dies(pid); return;
    case SIGTERM:
      if (process->ignores_term) return;
      [[fallthrough]];
    default: {
      const std::int64_t start = process->info.id.start_ticks;
      const auto takes = 1us * world_.prng().between(100, 20'000);
      world_.at(world_.now() + takes, [this, pid, start] {
        const Process* later = find(pid);
        if (later && later->info.id.start_ticks == start && later->info.state != 'T') {
          process_dies(pid);
        }
      });
    }
  }
}

void Machine::process_dies(std::int64_t pid) {
  const auto found = processes.find(pid);
  if (found == processes.end()) return;
  Process process = std::move(found->second);
  processes.erase(found);
  stopped_by_us.erase({pid, process.info.id.start_ticks});
  const auto [first, last] = death_waits.equal_range(pid);
  for (auto it = first; it != last; ++it) world_.wake(it->second);
  death_waits.erase(first, last);
  if (process.node) process.node->kill("its process was killed");
  const auto service = services.find(process.service);
  if (service == services.end() || !service->second.active) return;
  if (!service->second.restart_after) return;
  const std::string key = service->first;
  world_.at(world_.now() + *service->second.restart_after, [this, key, boot = boots_] {
    const Service& it = services.at(key);
    if (boot != boots_ || !it.active) return;
    if (static_cast<int>(of_service(key).size()) < it.count) start_one(key);
  });
}

void Machine::stop_unit(const std::string& unit) {
  const auto found = services.find(unit);
  if (found == services.end()) return;
  found->second.active = false;
  for (Process* process : of_service(unit)) process_dies(process->info.id.pid);
}

void Machine::take_down(const std::string& service, Trace trace) {
  if (!services.at(service).active) return;
  stop_unit(service);
  taken_down[service] = trace;
  made(std::move(trace));
}

bool Machine::start_unit(const std::string& unit) {
  const auto found = services.find(unit);
  if (found == services.end() || found->second.start_fails) return false;
  Service& service = found->second;
  service.active = true;
  taken_down.erase(unit);
  const int running = static_cast<int>(of_service(unit).size());
  // What its supervisor is about to start anyway is left to it.
  if (running > 0 && service.restart_after) return true;
  for (int i = running; i < service.count; ++i) start_one(unit);
  return true;
}

// Descriptors are closed, the owner's tables go, locks go, children with PDEATHSIG die.
void Machine::close_descriptors(Node& node) {
  count_packets();
  std::erase_if(tables, [&](const auto& item) { return item.second.owner == &node; });
  for (auto& [path, file] : disk.files) {
    if (file.lock == &node) file.lock = nullptr;
    if (file.recovery == &node) file.recovery = nullptr;
  }
  std::vector<std::int64_t> dying;
  for (const auto& [pid, process] : processes) {
    if (process.parent_node == &node || process.node == &node) dying.push_back(pid);
  }
  for (const std::int64_t pid : dying) {
    if (Process* process = find(pid)) process->node = nullptr;
    process_dies(pid);
  }
  hosts_.at(node.id())->close_streams();
}

void Machine::power_loss() {
  world_.trace(nullptr, name + ": power loss");
  for (auto& [id, host] : hosts_) host->node().kill("power loss");
  ++boots_;
  boot_id = fmt::format("11111111-0000-4000-8000-{:012}", boots_);
  std::erase_if(tables, [](const auto& item) { return item.second.owner != nullptr; });
  std::erase_if(links, [](const auto& item) { return item.second.info.kind == "ifb"; });
  ifb_loaded = false;
  processes.clear();
  stopped_by_us.clear();
  taken_down.clear();
  for (auto& [path, cgroup] : cgroups) cgroup.frozen = false;
  lose_unsynced(disk, world_.prng());
  Process init;
  init.info.name = "systemd";
  init.protected_because = "it is pid 1";
  init.info.id.pid = 1;
  last_pid_ = 1;
  add_process(std::move(init));
  for (auto& [key, service] : services) {
    service.active = true;  // every service is enabled
    ++service.job;
    for (int i = 0; i < service.count; ++i) start_one(key);
  }
}

bool Machine::marked_by_us(const Process& process) const { return is_mark(process.info.name); }

void Machine::made(Trace trace) {
  if (trace.effective) ever.insert(trace);
  if (on_made) on_made(trace);
}

std::string Machine::real_path(const std::string& path) const {
  std::deque<std::string> names;
  const auto put_first = [&](std::string_view text) {
    while (!text.empty()) {
      const std::size_t slash = text.rfind('/');
      const std::size_t from = slash == text.npos ? 0 : slash + 1;
      if (from < text.size()) names.emplace_front(text.substr(from));
      text = text.substr(0, slash == text.npos ? 0 : slash);
    }
  };
  put_first(path);
  std::string at;
  for (int followed = 0; !names.empty();) {
    const std::string next = std::move(names.front());
    names.pop_front();
    if (next == ".") continue;
    if (next == "..") {
      at.resize(at.rfind('/') == at.npos ? 0 : at.rfind('/'));
      continue;
    }
    const auto link = path_links.find(at + "/" + next);
    if (link == path_links.end() || ++followed > 40) {
      at += "/" + next;
      continue;
    }
    at.clear();
    put_first(link->second);
  }
  return at.empty() ? "/" : at;
}

os::FileId Machine::file_id(const std::string& path) const {
  const std::string real = real_path(path);
  const std::string mount = mount_of(real);
  const std::string& device = mount == "/" ? disk.device : mounts.at(mount).device;
  return {device, mix_hash(std::uint64_t{1}, real, "inode")};
}

std::string Machine::mount_of(const std::string& path) const {
  const std::string real = real_path(path);
  for (const auto& [mount, item] : mounts) {
    if (real == mount || real.starts_with(mount + "/")) return mount;
  }
  return "/";
}

std::int64_t Machine::available_bytes(const std::string& path) const {
  const std::string mount = mount_of(path);
  std::int64_t free = disk.total.value - disk.used.value;
  if (mount != "/") {
    free = mounts.at(mount).total.value - mounts.at(mount).used.value;
  } else {
    for (const auto& [file_name, file] : disk.files) {
      free -= static_cast<std::int64_t>(file.cache.size());
    }
  }
  for (const auto& [pid, process] : processes) {
    if (process.disk_mount == mount) free -= process.disk.value;
  }
  return std::max<std::int64_t>(free, 0);
}

double Machine::cores_busy() const {
  double busy = 0;
  for (const auto& [pid, process] : processes) {
    if (process.info.state == 'S') busy += process.cores;
  }
  return busy;
}

std::vector<std::string> Machine::snapshot() const {
  std::vector<std::string> out;
  for (const auto& [link, item] : links) {
    out.push_back(fmt::format("link {} {} up={} group={} qdisc={} netem={}", link, item.info.kind,
                              item.info.up, item.info.group, item.foreign_qdisc,
                              item.netem.has_value()));
  }
  for (const auto& [id, table] : tables) {
    out.push_back(fmt::format("table {} family {}", id.first, static_cast<int>(id.second)));
  }
  for (const auto& [pid, process] : processes) {
    if (process.node) continue;
    out.push_back(fmt::format("process {} {} {} {}", process.info.name, process.info.state,
                              process.info.cgroup, process.info.uid));
  }
  for (const auto& [path, cgroup] : cgroups) {
    out.push_back(fmt::format("cgroup {} frozen={}", path, cgroup.frozen));
  }
  for (const auto& [key, service] : services) {
    out.push_back(fmt::format("service {} active={}", key, service.active));
  }
  std::int64_t held = 0;
  for (const auto& [pid, process] : processes) held += process.disk.value;
  out.push_back(fmt::format("disk others={} held={}", disk.used.value, held));
  for (const auto& [path, file] : disk.files) {
    if (!path.starts_with("/var/lib/ordeal/")) out.push_back("file " + path + " " + file.cache);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<Machine::Trace> Machine::ours() const {
  std::vector<Trace> out;
  for (const auto& [id, table] : tables) {
    if (!is_mark(id.first)) continue;
    out.push_back(Trace{"delete_table", id.first, table.lease_end > world_.now()});
  }
  for (const auto& [link, item] : links) {
    if (is_mark(link)) out.push_back(Trace{"delete_link", link, false});
  }
  for (const auto& [pid, process] : processes) {
    if (is_mark(process.info.name)) out.push_back(Trace{"kill_helper", process.info.name, true});
    if (stopped_by_us.contains({pid, process.info.id.start_ticks}) && process.info.state == 'T') {
      out.push_back(Trace{"resume_process", std::to_string(pid), true});
    }
  }
  for (const auto& [path, cgroup] : cgroups) {
    if (cgroup.frozen) out.push_back(Trace{"thaw_cgroup", path, true});
  }
  for (const auto& [key, trace] : taken_down) {
    if (!services.at(key).active) out.push_back(trace);
  }
  return out;
}

SimHost& Machine::sim_host_of(Node& node) { return *hosts_.at(node.id()); }
os::Host& Machine::host_of(Node& node) { return hosts_.at(node.id())->host(); }
os::Client& Machine::client_of(Node& node) { return hosts_.at(node.id())->client(); }
os::SelfKill& Machine::self_kill_of(Node& node) { return hosts_.at(node.id())->self_kill(); }

void furnish(Machine& machine) {
  os::LinkInfo lo;
  lo.name = "lo";
  lo.up = lo.has_address = lo.loopback = true;
  machine.add_link(lo);
  os::LinkInfo ethernet;
  ethernet.name = "eth0";
  ethernet.up = ethernet.has_address = true;
  machine.add_link(ethernet, "htb 1: root");
  model::NftTable theirs;
  theirs.name = "filter";
  theirs.family = model::NftFamily::inet;
  Table table;
  table.table = theirs;
  machine.tables[{theirs.name, theirs.family}] = table;
  Service sshd;
  sshd.name = "sshd";
  sshd.unit = "ssh.service";
  sshd.uid = 0;
  sshd.protected_because = "it is sshd";
  machine.add_service(sshd);
  Service shop;
  shop.name = "shop";
  shop.unit = "shop.service";
  shop.count = 3;
  shop.ports = {8080};
  machine.add_service(shop);
  Cgroup& limited = machine.cgroups["/system.slice/shop.service"];
  limited.cpu_limit = percent(200);
  limited.memory_limit = Bytes{1 << 30};
  Service db;
  db.name = "postgres";
  db.unit = "db.service";
  db.ports = {5432};
  db.start_takes = 800ms;
  machine.add_service(db);
  Service jobs;
  jobs.name = "jobs";
  jobs.count = 2;
  jobs.restart_after = 500ms;
  jobs.ignores_term = true;
  machine.add_service(jobs);
  Flow clients;
  clients.local_port = 8080;
  clients.remote_port = 40000;
  machine.flows.push_back(clients);
  Flow queries;
  queries.local_port = 40001;
  queries.remote_port = 5432;
  machine.flows.push_back(queries);
  Flow outside;
  outside.device = "eth0";
  outside.local_address = "192.0.2.10";
  outside.local_port = 8080;
  outside.remote_address = "198.51.100.7";
  outside.remote_port = 50000;
  machine.flows.push_back(outside);
}

}  // namespace ordeal::sim
