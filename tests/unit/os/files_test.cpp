#include "engine/os/linux/files.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <semaphore>
#include <thread>

#include "engine/os/linux/durable_file.hpp"
#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

using namespace asio::experimental::awaitable_operators;

struct Fixture : Loop {
  Fixture() {
    char name[] = "/tmp/ordeal-files-XXXXXX";
    directory = ::mkdtemp(name);
  }
  ~Fixture() { std::filesystem::remove_all(directory); }
  std::string path(const std::string& name) const { return directory + "/" + name; }

  std::string directory;
  LinuxFiles files{executor(), clock};
};

TEST(LinuxFiles, WritesAtomicallyAndReadsBack) {
  Fixture host;
  ASSERT_TRUE(host.files.make_directory(host.path("a/b")));
  ASSERT_TRUE(host.files.make_directory(host.path("a/b")));
  const std::string path = host.path("a/b/file");
  ASSERT_TRUE(host.files.write_atomically(path, "one"));
  ASSERT_TRUE(host.files.write_atomically(path, "three"));
  EXPECT_EQ(host.files.read(path, 5).value(), "three");
  EXPECT_EQ(host.files.read(path, 4).error().code(), Code::invalid);
  EXPECT_EQ(host.files.list(host.path("a/b")).value(), std::vector<std::string>{"file"});
  EXPECT_TRUE(host.files.exists(path));
  ASSERT_TRUE(host.files.remove(path));
  EXPECT_FALSE(host.files.exists(path));
  EXPECT_EQ(host.files.remove(path).error().code(), Code::gone);
  EXPECT_EQ(host.files.read(path, 5).error().code(), Code::gone);
}

TEST(LinuxFiles, RefusesADirectoryThatOthersMayWriteTo) {
  Fixture host;
  ASSERT_TRUE(host.files.make_directory(host.path("open")));
  ::chmod(host.path("open").c_str(), 0777);
  EXPECT_EQ(host.files.make_directory(host.path("open")).error().code(), Code::refused);
}

TEST(LinuxFiles, TellsSpace) {
  Fixture host;
  const auto space = host.files.space("/proc");
  ASSERT_TRUE(space);
  EXPECT_EQ(space.value().filesystem, "proc");
  const auto real = host.files.space(host.directory);
  ASSERT_TRUE(real);
  // Equal on a tmpfs that nobody has written to yet.
  EXPECT_GE(real.value().total.value, real.value().available.value);
  EXPECT_GT(real.value().available.value, 0);
  EXPECT_NE(real.value().device.find(':'), std::string::npos);
  EXPECT_EQ(host.files.space(host.path("none")).error().code(), Code::gone);
}

TEST(LinuxFiles, OpensAFolderWithoutPassingALink) {
  Fixture host;
  std::filesystem::create_directories(host.path("real/deep"));
  std::filesystem::create_symlink("real", host.path("link"));
  const auto folder = host.files.folder(host.path("real/deep"));
  ASSERT_TRUE(folder) << folder.error().message();
  EXPECT_EQ(folder.value().id, host.files.identity(host.path("link/deep")).value());
  EXPECT_EQ(folder.value().above.front(), host.files.identity(host.path("real")).value());
  EXPECT_EQ(folder.value().above.back(), host.files.identity("/").value());
  EXPECT_EQ(folder.value().space.device, folder.value().id.device);
  const auto told = [&](const std::string& path) {
    const auto opened = host.files.folder(path);
    return opened ? "opened" : opened.error().message();
  };
  EXPECT_EQ(told(host.path("link/deep")), host.path("link/deep") +
                                              " leads through a symbolic link, which may be turned "
                                              "elsewhere; write " +
                                              host.path("real/deep"));
  EXPECT_NE(told(host.path("link")), "opened");
  EXPECT_NE(told("/proc/self/root" + host.path("real")), "opened");
  EXPECT_NE(told("/proc/self/cwd"), "opened");
  for (const std::string& path :
       {host.path("real/../real"), host.path("/real"), host.path("./real"), host.path("real/"),
        std::string("real"), std::string()}) {
    EXPECT_NE(told(path).find("is not a plain absolute path"), std::string::npos) << path;
  }
  EXPECT_EQ(told("/"), "opened");
  EXPECT_EQ(host.files.folder(host.path("none")).error().code(), Code::gone);
}

// A link that is turned to and fro never leads elsewhere. ORDEAL_ATTACK_SECONDS: how long.
TEST(LinuxFiles, ATurnedLinkLeadsNowhere) {
  Fixture host;
  std::filesystem::create_directories(host.path("box/spot"));
  std::filesystem::create_directories(host.path("taboo"));
  std::filesystem::create_symlink(host.path("taboo"), host.path("box/link"));
  const FileId meant = host.files.identity(host.path("box/spot")).value();
  const std::string spot = host.path("box/spot");
  const std::string link = host.path("box/link");
  std::atomic<bool> over = false;
  std::thread attacker([&] {
    while (!over) ::renameat2(AT_FDCWD, spot.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
  });
  const char* seconds = std::getenv("ORDEAL_ATTACK_SECONDS");
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : 1);
  std::size_t opened = 0;
  std::size_t refused = 0;
  while (std::chrono::steady_clock::now() < end) {
    const auto folder = host.files.folder(spot);
    if (folder) {
      EXPECT_EQ(folder.value().id, meant);
    }
    ++(folder ? opened : refused);
  }
  over = true;
  attacker.join();
  EXPECT_GT(opened, 0u);
  EXPECT_GT(refused, 0u);
}

// A selector names files: a pipe held the executor for ever.
TEST(LinuxFiles, ReadsNothingButFiles) {
  Fixture host;
  ASSERT_EQ(::mkfifo(host.path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(host.files.read(host.path("pipe"), 10).error().code(), Code::invalid);
  EXPECT_EQ(host.files.read("/dev/zero", 10).error().code(), Code::invalid);
  EXPECT_EQ(host.files.read(host.directory, 10).error().code(), Code::invalid);
  EXPECT_TRUE(host.files.read("/proc/self/status", 1 << 16));
}

TEST(LinuxDurableFile, WritesInPlace) {
  Fixture host;
  const std::string path = host.path("journal");
  auto made = host.files.create_durable(path, 8192);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made.value()->size(), 8192u);
  EXPECT_EQ(host.files.read_durable(path).value(), std::string(8192, '\0'));
  ASSERT_TRUE(host.run(made.value()->write(512, "record", 10s)));
  ASSERT_TRUE(host.run(made.value()->write(8190, "zz", 10s)));
  const std::string bytes = host.files.read_durable(path).value();
  EXPECT_EQ(bytes.size(), 8192u);
  EXPECT_EQ(bytes.substr(512, 6), "record");
  EXPECT_TRUE(bytes.ends_with("zz"));
  EXPECT_EQ(host.run(made.value()->write(8190, "zzz", 10s)).error().code(), Code::invalid);
  EXPECT_EQ(host.files.create_durable(path, 512).error().code(), Code::busy);
}

TEST(LinuxDurableFile, IsBusyWhileItsOwnerLives) {
  Fixture host;
  const std::string path = host.path("journal");
  auto owner = host.files.create_durable(path, 4096);
  ASSERT_TRUE(owner);
  // OFD locks hold between descriptors of the same process too.
  EXPECT_EQ(host.files.open_durable(path).error().code(), Code::busy);
  EXPECT_EQ(host.files.holder(path).value(), Holder::owner);
  owner.value().reset();
  EXPECT_EQ(host.files.holder(path).value(), Holder::nobody);
  auto next = host.files.open_durable(path);
  ASSERT_TRUE(next);
  // Who asks is never taken for somebody, and who recovers is not taken for the owner.
  EXPECT_EQ(host.files.holder(path).value(), Holder::recoverer);
  EXPECT_EQ(host.files.open_durable(path).error().code(), Code::busy);
  EXPECT_EQ(next.value()->size(), 4096u);
  ASSERT_TRUE(host.run(next.value()->write(0, "x", 10s)));
}

// A disk that answers when the test says so: a real one may be quicker than any deadline.
std::binary_semaphore disk_answers{0};
int slow_sync(int) {
  disk_answers.acquire();
  disk_answers.release();
  return 0;
}

TEST(LinuxDurableFile, GivesUpAtTheDeadline) {
  Fixture host;
  const std::string path = host.path("journal");
  ASSERT_TRUE(host.files.create_durable(path, 4096));
  auto fd = open_file(path, O_RDWR);
  ASSERT_TRUE(fd);
  static_cast<void>(disk_answers.try_acquire());  // under --gtest_repeat it answered before
  LinuxDurableFile file(host.executor(), host.clock, std::move(fd).value(), 4096, slow_sync);
  const auto late = host.run(file.write(0, "late", 1ms));
  disk_answers.release();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::timeout);
  // The disk works after all: the write happened, and the next one is in order behind it.
  ASSERT_TRUE(host.run(file.write(4, "next", 10s)));
  EXPECT_TRUE(host.files.read_durable(path).value().starts_with("latenext"));
}

TEST(LinuxDurableFile, RefusesEverythingAfterAFailure) {
  Fixture host;
  auto file = host.files.create_durable(host.path("journal"), 4096);
  ASSERT_TRUE(file);
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit none = before;
  none.rlim_cur = 0;
  ::setrlimit(RLIMIT_FSIZE, &none);
  const auto failed = host.run(file.value()->write(0, "x", 10s));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().system_errno(), EFBIG);
  const auto later = host.run(file.value()->write(0, "x", 10s));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code(), Code::failed);
}

TEST(LinuxFilesLock, IsHeldWhileTheObjectLives) {
  Fixture host;
  const std::string path = host.path("lock");
  auto first = host.run(host.files.lock(path, 0s));
  ASSERT_TRUE(first);
  const BootTime start = host.clock.now();
  const auto second = host.run(host.files.lock(path, 50ms));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::busy);
  EXPECT_GE(host.since(start), 50ms);
  const auto release = [](Fixture& at, std::shared_ptr<void> held) -> Task<void> {
    co_await at.clock.sleep(50ms);
    held.reset();
  };
  const auto both = [&](Fixture& at, std::shared_ptr<void> held) -> Task<void> {
    Task<void> later = release(at, std::move(held));
    Task<Result<std::shared_ptr<void>>> wanted = at.files.lock(path, 10s);
    const Result<std::shared_ptr<void>> got = co_await (std::move(later) && std::move(wanted));
    EXPECT_TRUE(got);
  };
  host.run(both(host, std::move(first.value())));
}

TEST(LinuxFilesWait, ReturnsAtOnceForAFileThatIsThere) {
  Fixture host;
  ASSERT_TRUE(host.files.write_atomically(host.path("halt"), ""));
  host.run(host.files.wait_for_file(host.path("halt")));
}

TEST(LinuxFilesWait, SeesAFileAppearEvenWithItsDirectory) {
  Fixture host;
  for (const std::string& name : {std::string("halt"), std::string("new/deep/halt")}) {
    const std::string path = host.path(name);
    const auto create = [](Fixture& at, std::string file) -> Task<void> {
      co_await at.clock.sleep(50ms);
      EXPECT_FALSE(at.files.exists(file));
      EXPECT_TRUE(at.files.make_directory(std::filesystem::path(file).parent_path()));
      EXPECT_TRUE(at.files.write_atomically(file, "stop"));
    };
    const auto both = [&](Fixture& at) -> Task<void> {
      Task<void> waits = at.files.wait_for_file(path);
      Task<void> creates = create(at, path);
      co_await (std::move(waits) && std::move(creates));
    };
    const BootTime start = host.clock.now();
    host.run(both(host));
    EXPECT_GE(host.since(start), 50ms);
    EXPECT_LT(host.since(start), 10s);
  }
}

TEST(LinuxFilesWait, CanBeCancelled) {
  Fixture host;
  const auto race = [](Fixture& at) -> Task<std::size_t> {
    Task<void> waits = at.files.wait_for_file(at.path("never"));
    Task<void> moment = at.clock.sleep(20ms);
    const auto first = co_await (std::move(waits) || std::move(moment));
    co_return first.index();
  };
  EXPECT_EQ(host.run(race(host)), 1u);
}

}  // namespace
}  // namespace ordeal::os
