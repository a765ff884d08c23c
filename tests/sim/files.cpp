// Files: a page cache that outlives kills, a platter that outlives power loss.
#include <cerrno>

#include "engine/base/text.hpp"
#include "tests/sim/host.hpp"

namespace ordeal::sim {
namespace {

constexpr std::size_t kSector = 512;

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

void sync(File& file) {
  if (!file.on_disk || file.durable.size() != file.cache.size()) {
    file.durable = file.cache;
  } else {
    for (const std::size_t sector : file.dirty) {
      const std::size_t offset = sector * kSector;
      if (offset < file.cache.size())
        file.durable.replace(offset, kSector, file.cache, offset, kSector);
    }
  }
  file.on_disk = true;
  file.dirty.clear();
}

class SimDurableFile : public os::DurableFile, private Seam {
 public:
  SimDurableFile(Node& node, std::string path, std::size_t size)
      : Seam(node), path_(std::move(path)), size_(size) {}
  ~SimDurableFile() override {
    if (!alive()) return;  // the kernel has closed it
    const auto found = machine_.disk.files.find(path_);
    if (found == machine_.disk.files.end()) return;
    if (found->second.lock == &node_) found->second.lock = nullptr;
    if (found->second.recovery == &node_) found->second.recovery = nullptr;
  }

  std::size_t size() const override { return size_; }

  Task<Result<void>> write(std::size_t offset, std::string bytes, Duration deadline) override {
    if (!alive()) co_return dead();
    if (offset + bytes.size() > size_) co_return Error(Code::invalid, "beyond the end");
    world_.point(node_, "journal write", "before");
    if (!alive()) co_return dead();
    const BootTime latest = world_.now() + deadline;
    // As in os/linux: one thread writes, so a write waits for those before it.
    while (alive() && writer_->busy && world_.now() < latest) co_await wait_for_writer(latest);
    if (!alive()) co_return dead();
    if (writer_->busy) co_return Error(Code::timeout, "the disk does not answer");
    if (writer_->failed) co_return Error(Code::failed, "an earlier sync failed");
    const std::uint64_t mine = begin(offset, bytes);
    while (alive() && writer_->done < mine && world_.now() < latest) {
      co_await wait_for_writer(latest);
    }
    if (!alive()) co_return dead();
    if (writer_->done < mine) co_return Error(Code::timeout, "the disk does not answer");
    world_.point(node_, "journal write", "after");
    if (!alive()) co_return dead();
    if (writer_->failed) co_return Error::system(EIO, "sync " + path_);
    co_return ok();
  }

 private:
  // What the kernel does for this descriptor, whatever becomes of the process.
  struct Writer {
    std::uint64_t begun = 0;  // writes, by number
    std::uint64_t done = 0;
    bool busy = false;
    bool failed = false;
    std::vector<WaitId> waiting;
  };

  Task<void> wait_for_writer(BootTime latest) {
    const WaitId wait = world_.next_wait();
    world_.wake_at(latest, wait);
    writer_->waiting.push_back(wait);
    co_await world_.suspend(node_, wait);
  }

  // The write is in the page cache now and on the platter later.
  std::uint64_t begin(std::size_t offset, const std::string& bytes) {
    File& file = machine_.disk.files[path_];
    file.cache.replace(offset, bytes.size(), bytes);
    for (std::size_t at = offset / kSector; at * kSector < offset + bytes.size(); ++at) {
      file.dirty.insert(at);
    }
    Duration time = takes(machine_.disk.write_takes);
    if (world_.prng().chance(machine_.misfortunes.disk_hangs)) {
      time = 1ms * world_.prng().between(100, 5000);
      world_.sometimes("the disk hung");
    }
    BootTime done = world_.now() + time;
    if (machine_.disk.hangs_until) done = std::max(done, *machine_.disk.hangs_until);
    const bool fails = world_.prng().chance(machine_.misfortunes.sync_fails);
    writer_->busy = true;
    world_.at(done, [path = path_, machine = &machine_, world = &world_, writer = writer_, fails] {
      const auto found = machine->disk.files.find(path);
      if (found != machine->disk.files.end() && fails) {
        world->sometimes("a sync failed");
        found->second.dirty.clear();  // clean, says the kernel, and lost
      } else if (found != machine->disk.files.end() && !machine->disk.lies_about_sync) {
        sync(found->second);
      }
      ++writer->done;
      writer->busy = false;
      writer->failed = writer->failed || fails;
      for (const WaitId wait : std::exchange(writer->waiting, {})) world->wake(wait);
    });
    return ++writer_->begun;
  }

  std::shared_ptr<Writer> writer_ = std::make_shared<Writer>();
  std::string path_;
  std::size_t size_;
};

}  // namespace

void lose_unsynced(Disk& disk, Prng& prng) {
  std::erase_if(disk.files, [](const auto& item) { return !item.second.on_disk; });
  for (auto& [path, file] : disk.files) {
    std::string kept = file.durable;
    for (const std::size_t sector : file.dirty) {
      const std::size_t offset = sector * kSector;
      if (offset >= file.cache.size() || kept.size() != file.cache.size()) continue;
      switch (prng.below(3)) {
        case 0: break;  // lost
        case 1: kept.replace(offset, kSector, file.cache, offset, kSector); break;
        default: kept.replace(offset, kSector / 2, file.cache, offset, kSector / 2); break;  // torn
      }
    }
    file.cache = file.durable = kept;
    file.dirty.clear();
    file.lock = file.recovery = nullptr;
  }
}

Result<std::string> SimFiles::read(const std::string& path, std::size_t limit) const {
  if (auto problem = read_problem("read " + path)) return *std::move(problem);
  const auto found = machine_.disk.files.find(path);
  if (found == machine_.disk.files.end()) return Error::system(ENOENT, "open " + path);
  return found->second.cache.substr(0, limit);
}

Result<std::vector<std::string>> SimFiles::list(const std::string& directory) const {
  if (auto problem = read_problem("list " + directory)) return *std::move(problem);
  if (!machine_.disk.directories.contains(directory)) {
    return Error::system(ENOENT, "open " + directory);
  }
  std::vector<std::string> out;
  for (const auto& [path, file] : machine_.disk.files) {
    if (parent_of(path) == directory) out.push_back(path.substr(path.rfind('/') + 1));
  }
  return out;
}

Result<os::Space> SimFiles::space(const std::string& path) const {
  if (auto problem = read_problem("statvfs")) return *std::move(problem);
  const std::string mount = machine_.mount_of(path);
  os::Space space;
  space.total = machine_.disk.total;
  space.filesystem = machine_.disk.filesystem;
  space.device = machine_.disk.device;
  if (mount != "/") {
    space.total = machine_.mounts.at(mount).total;
    space.filesystem = machine_.mounts.at(mount).filesystem;
    space.device = machine_.mounts.at(mount).device;
  }
  space.available = Bytes{machine_.available_bytes(path)};
  return space;
}

// Every name is a directory here.
Result<os::Folder> SimFiles::folder(const std::string& path) const {
  if (!is_plain_path(path) || machine_.real_path(path) != path) {
    return Error(Code::refused, fmt::format("{} leads through a symbolic link; write {}", path,
                                            machine_.real_path(path)));
  }
  os::Folder out;
  TRY(auto space, this->space(path));
  out.space = std::move(space);
  out.id = machine_.file_id(path);
  for (std::string up = path; up != "/";) {
    up = parent_of(up);
    out.above.push_back(machine_.file_id(up));
  }
  return out;
}

Result<os::FileId> SimFiles::identity(const std::string& path) const {
  if (auto problem = read_problem("stat")) return *std::move(problem);
  return machine_.file_id(path);
}

bool SimFiles::exists(const std::string& path) const {
  return machine_.disk.files.contains(path) || machine_.disk.directories.contains(path);
}

Result<void> SimFiles::make_directory(const std::string& path) {
  return act("mkdir " + path, [&]() -> Result<void> {
    for (std::string up = path; up != "/"; up = parent_of(up)) machine_.disk.directories.insert(up);
    return ok();
  });
}

Result<void> SimFiles::write_atomically(const std::string& path, const std::string& bytes) {
  return act("write " + path, [&]() -> Result<void> {
    if (!machine_.disk.directories.contains(parent_of(path))) {
      return Error::system(ENOENT, "open " + path);
    }
    if (machine_.available_bytes() < static_cast<std::int64_t>(bytes.size())) {
      return Error::system(ENOSPC, "write " + path);
    }
    File& file = machine_.disk.files[path];
    file.cache = file.durable = bytes;
    file.on_disk = true;
    file.dirty.clear();
    const auto [first, last] = machine_.file_waits.equal_range(path);
    for (auto it = first; it != last; ++it) world_.wake(it->second);
    machine_.file_waits.erase(first, last);
    return ok();
  });
}

Result<void> SimFiles::remove(const std::string& path) {
  return act("remove " + path, [&]() -> Result<void> {
    if (machine_.disk.files.erase(path) == 0) return Error::system(ENOENT, "remove " + path);
    return ok();
  });
}

Result<std::unique_ptr<os::DurableFile>> SimFiles::create_durable(const std::string& path,
                                                                  std::size_t size) {
  using Made = Result<std::unique_ptr<os::DurableFile>>;
  return act("create " + path, [&]() -> Made {
    if (!machine_.disk.directories.contains(parent_of(path))) {
      return Error::system(ENOENT, "create " + path);
    }
    if (machine_.disk.files.contains(path)) return Error::system(EEXIST, "create " + path);
    if (machine_.available_bytes() < static_cast<std::int64_t>(size)) {
      return Error::system(ENOSPC, "create " + path);
    }
    File& file = machine_.disk.files[path];
    file.cache.assign(size, '\0');
    sync(file);
    file.lock = &node_;
    return Made(std::make_unique<SimDurableFile>(node_, path, size));
  });
}

Result<std::unique_ptr<os::DurableFile>> SimFiles::open_durable(const std::string& path) {
  using Made = Result<std::unique_ptr<os::DurableFile>>;
  return act("open " + path, [&]() -> Made {
    const auto found = machine_.disk.files.find(path);
    if (found == machine_.disk.files.end()) return Error::system(ENOENT, "open " + path);
    if (found->second.lock != nullptr || found->second.recovery != nullptr) {
      return Error(Code::busy, path + " is locked");
    }
    found->second.recovery = &node_;
    return Made(std::make_unique<SimDurableFile>(node_, path, found->second.cache.size()));
  });
}

Result<os::Holder> SimFiles::holder(const std::string& path) const {
  if (auto problem = read_problem("ask who has locked " + path)) return *std::move(problem);
  const auto found = machine_.disk.files.find(path);
  if (found == machine_.disk.files.end()) return Error::system(ENOENT, "open " + path);
  if (found->second.lock != nullptr) return os::Holder::owner;
  return found->second.recovery != nullptr ? os::Holder::recoverer : os::Holder::nobody;
}

Result<std::string> SimFiles::read_durable(const std::string& path) const {
  return read(path, std::string::npos);
}

Task<Result<std::shared_ptr<void>>> SimFiles::lock(std::string path, Duration wait) {
  const BootTime deadline = world_.now() + wait;
  while (alive()) {
    File& file = machine_.disk.files[path];
    file.on_disk = true;
    if (file.lock == nullptr) {
      file.lock = &node_;
      auto release = [this, path](void*) {
        if (!alive()) return;
        const auto found = machine_.disk.files.find(path);
        if (found != machine_.disk.files.end()) found->second.lock = nullptr;
      };
      std::shared_ptr<void> held(static_cast<void*>(&node_), release);
      co_return held;
    }
    if (world_.now() >= deadline) co_return Error(Code::busy, path + " is locked");
    co_await sleep(std::min<Duration>(5ms, deadline - world_.now()));
  }
  co_return dead();
}

Task<void> SimFiles::wait_for_file(std::string path) {
  while (alive() && !machine_.disk.files.contains(path)) {
    const WaitId wait = world_.next_wait();
    machine_.file_waits.emplace(path, wait);
    co_await world_.suspend(node_, wait);
  }
}

}  // namespace ordeal::sim
