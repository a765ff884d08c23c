// cpu.load, memory.load, disk.fill: what the helpers are told, and what is refused.
#include "tests/unit/faults/bench.hpp"

namespace ordeal::unit_faults {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGiB = 1 << 30;

model::SpawnHelper helper_of(const model::HostStep& step) {
  const auto helpers = applies_of<model::SpawnHelper>(step);
  EXPECT_THAT(helpers, SizeIs(1));
  return helpers.empty() ? model::SpawnHelper() : helpers[0];
}

std::int64_t number(const model::HostStep& step, const char* name) {
  return helper_of(step).arguments.at(name).as_int64();
}

TEST(CpuLoad, TakesAShareOfTheWholeHost) {
  Bench bench;  // 2 CPUs
  const auto step = bench.planned(cpu::load(), R"({"load": 800000, "of": "host", "mode": "add"})");
  EXPECT_EQ(helper_of(step).role, "cpu");
  EXPECT_EQ(helper_of(step).mark, bench.token.mark());
  EXPECT_EQ(number(step, "workers"), 2);
  EXPECT_EQ(number(step, "load"), 800'000);
  ASSERT_THAT(effects_of<model::CpuBurned>(step), SizeIs(1));
  EXPECT_EQ(effects_of<model::CpuBurned>(step)[0].wanted, percent(160));
  EXPECT_THAT(claims_of(step), ElementsAre("cpu host"));
  EXPECT_THAT(step.summary, Contains("burn 80% of 2 CPUs: 2 workers, 80% of a core each"));
  ASSERT_THAT(undos_of<model::KillHelper>(step), SizeIs(1));
  EXPECT_EQ(undos_of<model::KillHelper>(step)[0].mark, helper_of(step).mark);
}

TEST(CpuLoad, SpreadsTheLoadOverTheWorkers) {
  Bench bench;
  const auto step =
      bench.planned(cpu::load(), R"({"load": 500000, "of": "host", "mode": "add", "workers": 4})");
  EXPECT_EQ(number(step, "load"), 250'000);
  const auto cores =
      bench.planned(cpu::load(), R"({"load": 500000, "of": "core", "mode": "add", "workers": 1})");
  EXPECT_EQ(number(cores, "load"), 500'000);
}

TEST(CpuLoad, RefusesMoreThanItsWorkersCanBurn) {
  Bench bench;
  EXPECT_THAT(
      bench.refusal(cpu::load(), R"({"load": 800000, "of": "host", "mode": "add", "workers": 1})"),
      HasSubstr("refused: 80% of 2 CPUs is 160% of one core; 1 workers can burn at most "
                "100%: use `workers: 2` or more"));
}

TEST(CpuLoad, BurnsInsideTheUnitAndItsLimit) {
  Bench bench;
  bench.request.target.unit = "shop.service";
  bench.machine.cgroups["/system.slice/shop.service"].cpu_limit = percent(150);
  const auto step = bench.planned(cpu::load(), R"({"load": 1000000, "of": "unit", "mode": "add"})");
  EXPECT_EQ(helper_of(step).cgroup, std::optional<std::string>("/system.slice/shop.service"));
  EXPECT_EQ(number(step, "workers"), 2);  // 1.5 cores need two
  EXPECT_EQ(number(step, "load"), 750'000);
  EXPECT_THAT(claims_of(step), ElementsAre("cpu /system.slice/shop.service"));
}

TEST(CpuLoad, ReachBurnsOnlyWhatIsMissing) {
  Bench bench;
  const auto step =
      bench.planned(cpu::load(), R"({"load": 700000, "of": "host", "mode": "reach"})");
  EXPECT_EQ(helper_of(step).arguments.at("reach").as_string(), "host");
  EXPECT_EQ(number(step, "load") * number(step, "workers"), 1'400'000);
  EXPECT_LT(effects_of<model::CpuBurned>(step).at(0).wanted, percent(5));
  EXPECT_THAT(bench.refusal(cpu::load(), R"({"load": 1, "of": "core", "mode": "reach"})"),
              HasSubstr("invalid: with.mode: reach needs"));
}

TEST(CpuLoad, TheBaseAndTheTargetMustAgree) {
  Bench bench;
  EXPECT_THAT(bench.refusal(cpu::load(), R"({"load": 1, "of": "unit", "mode": "add"})"),
              HasSubstr("`of: unit` needs target.unit"));
  bench.request.target.unit = "shop.service";
  EXPECT_THAT(bench.refusal(cpu::load(), R"({"load": 1, "of": "host", "mode": "add"})"),
              HasSubstr("target.unit needs `of: unit`"));
}

TEST(CpuLoad, ControlBurnsNothing) {
  Bench bench;
  bench.request.zero_magnitude = true;
  const auto step = bench.planned(cpu::load(), R"({"load": 800000, "of": "host", "mode": "add"})");
  EXPECT_EQ(number(step, "load"), 0);
  EXPECT_THAT(step.effects, IsEmpty());
  EXPECT_THAT(undos_of<model::KillHelper>(step), SizeIs(1));
}

std::string memory_with(const std::string& size, const std::string& rest = "") {
  return R"({"size": )" + size + R"(, "of": "host", "ramp": 0, "oom": "stressor")" + rest + "}";
}

TEST(MemoryLoad, TakesBytesAndKeepsTheHeadroom) {
  Bench bench;  // 8 GiB, 2 GiB used
  const auto step = bench.planned(memory::load(), memory_with(R"({"bytes": 1073741824})"));
  EXPECT_EQ(number(step, "bytes"), kGiB);
  EXPECT_EQ(number(step, "reserve"), 8 * kGiB / 20);  // 5 %, more than 256 MiB
  EXPECT_EQ(number(step, "oom_score_adj"), 1000);
  const auto held = effects_of<model::MemoryHeld>(step);
  ASSERT_THAT(held, SizeIs(1));
  EXPECT_EQ(held[0].wanted.value, kGiB);
  EXPECT_FALSE(held[0].oom_expected);
  EXPECT_THAT(claims_of(step), ElementsAre("memory host"));
}

TEST(MemoryLoad, TakesAShareOfTheHost) {
  Bench bench;
  const auto step = bench.planned(memory::load(), memory_with(R"({"ppm": 250000})"));
  EXPECT_EQ(number(step, "bytes"), 2 * kGiB);
}

TEST(MemoryLoad, TheHeadroomIsAtLeast256MiB) {
  Bench bench;
  bench.machine.memory_total = Bytes{kGiB};
  bench.machine.memory_used = Bytes{100 * kMiB};
  const auto step = bench.planned(memory::load(), memory_with(R"({"bytes": 1048576})"));
  EXPECT_EQ(number(step, "reserve"), 256 * kMiB);
}

TEST(MemoryLoad, RefusesWhatTheHostCannotGive) {
  Bench bench;
  EXPECT_THAT(bench.refusal(memory::load(), memory_with(R"({"ppm": 900000})")),
              HasSubstr("is more than this host can give"));
}

TEST(MemoryLoad, WarnsWhenHugePagesAreOff) {
  Bench bench;
  bench.write("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  EXPECT_THAT(bench.planned(memory::load(), memory_with(R"({"bytes": 1048576})")).warnings,
              Contains(HasSubstr("huge pages are off")));
  bench.write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  EXPECT_THAT(bench.planned(memory::load(), memory_with(R"({"bytes": 1048576})")).warnings,
              IsEmpty());
}

class MemoryLoadInAUnit : public ::testing::Test {
 protected:
  MemoryLoadInAUnit() {
    bench.request.target.unit = "shop.service";
    bench.machine.cgroups[cgroup].memory_limit = Bytes{kGiB};
    bench.machine.cgroups[cgroup].memory_used = Bytes{300 * kMiB};
  }
  static std::string with(const std::string& size, const std::string& oom) {
    return R"({"size": )" + size + R"(, "of": "unit", "ramp": 20000000, "oom": ")" + oom + "\"}";
  }
  Bench bench;
  const std::string cgroup = "/system.slice/shop.service";
};

TEST_F(MemoryLoadInAUnit, OomTargetSparesTheStressor) {
  const auto step = bench.planned(memory::load(), with(R"({"ppm": 1000000})", "target"));
  EXPECT_EQ(helper_of(step).cgroup, std::optional<std::string>(cgroup));
  EXPECT_EQ(number(step, "bytes"), kGiB);
  EXPECT_EQ(number(step, "ramp_us"), 20'000'000);
  EXPECT_EQ(number(step, "oom_score_adj"), -999);
  EXPECT_TRUE(effects_of<model::MemoryHeld>(step).at(0).oom_expected);
  EXPECT_GT(effects_of<model::MemoryHeld>(step).at(0).by, 20s);
}

// systemd stops a unit in which the kernel had to kill.
TEST_F(MemoryLoadInAUnit, TheUnitIsStartedAgain) {
  for (const char* oom : {"target", "stressor"}) {
    const auto step = bench.planned(memory::load(), with(R"({"ppm": 100000})", oom));
    ASSERT_THAT(undos_of<model::StartUnit>(step), SizeIs(1));
    EXPECT_EQ(undos_of<model::StartUnit>(step)[0].unit, "shop.service");
    EXPECT_THAT(claims_of(step), Contains("unit shop.service"));
  }
}

TEST_F(MemoryLoadInAUnit, OomStressorMustFitIntoTheLimit) {
  EXPECT_THAT(bench.refusal(memory::load(), with(R"({"ppm": 1000000})", "stressor")),
              HasSubstr("our process would be killed"));
  bench.planned(memory::load(), with(R"({"ppm": 500000})", "stressor"));
}

TEST_F(MemoryLoadInAUnit, OomTargetNeedsALimit) {
  bench.machine.cgroups[cgroup].memory_limit.reset();
  EXPECT_THAT(bench.refusal(memory::load(), with(R"({"bytes": 1048576})", "target")),
              HasSubstr("refused: oom: target needs"));
}

TEST_F(MemoryLoadInAUnit, OomStressorCannotDieAloneInAGroup) {
  bench.write("/sys/fs/cgroup" + cgroup + "/memory.oom.group", "1\n");
  EXPECT_THAT(bench.refusal(memory::load(), with(R"({"bytes": 1048576})", "stressor")),
              HasSubstr("the whole unit would be killed"));
}

TEST(MemoryLoad, ControlTakesNothing) {
  Bench bench;
  bench.request.zero_magnitude = true;
  const auto step = bench.planned(memory::load(), memory_with(R"({"ppm": 900000})"));
  EXPECT_EQ(number(step, "bytes"), 0);
  EXPECT_THAT(step.effects, IsEmpty());
}

// The simulated disk under /data: 100 GiB, 20 GiB used by others, a device of its own.
TEST(DiskFill, FillsUpToAPercentage) {
  Bench bench;
  const auto step = bench.planned(disk::fill(), R"({"path": "/data", "percent": 950000})");
  EXPECT_EQ(number(step, "bytes"), 75 * kGiB);
  EXPECT_EQ(number(step, "floor"), 64 * kMiB);
  ASSERT_THAT(effects_of<model::DiskFilled>(step), SizeIs(1));
  EXPECT_EQ(effects_of<model::DiskFilled>(step)[0].free_before.value, 80 * kGiB);
  EXPECT_EQ(effects_of<model::DiskFilled>(step)[0].wanted.value, 75 * kGiB);
  EXPECT_THAT(claims_of(step), ElementsAre("filesystem 254:16"));
}

TEST(DiskFill, LeavesTheReserveAndNoMore) {
  Bench bench;
  const auto step = bench.planned(disk::fill(), R"({"path": "/data", "reserve": 52428800})");
  EXPECT_EQ(number(step, "bytes"), 80 * kGiB - 50 * kMiB);
  EXPECT_EQ(number(step, "floor"), 50 * kMiB);
}

TEST(DiskFill, TheFloorStandsAgainstEverythingElse) {
  Bench bench;
  EXPECT_EQ(
      number(bench.planned(disk::fill(), R"({"path": "/data", "percent": 1000000})"), "bytes"),
      80 * kGiB - 64 * kMiB);
  EXPECT_THAT(bench.refusal(disk::fill(), R"({"path": "/data", "size": 85899345920})"),
              HasSubstr("always stays free"));
  EXPECT_EQ(number(bench.planned(disk::fill(), R"({"path": "/data", "reserve": 1048576,
                                                   "floor": 104857600})"),
                   "bytes"),
            80 * kGiB - 100 * kMiB);
}

TEST(DiskFill, RefusesWhatIsFullEnoughAlready) {
  Bench bench;
  EXPECT_THAT(bench.refusal(disk::fill(), R"({"path": "/data", "percent": 100000})"),
              HasSubstr("nothing to fill: 80 GiB of 100 GiB is free already"));
}

TEST(DiskFill, RefusesFileSystemsThatAreSharedOrNoDisk) {
  Bench bench;
  for (const char* name : {"nfs", "smb2", "fuse"}) {
    bench.machine.mounts.at("/data").filesystem = name;
    EXPECT_THAT(bench.refusal(disk::fill(), R"({"path": "/data", "size": 1048576})"),
                HasSubstr("other hosts may share it"));
  }
  bench.machine.mounts.at("/data").filesystem = "cgroup2";
  EXPECT_THAT(bench.refusal(disk::fill(), R"({"path": "/data", "size": 1048576})"),
              HasSubstr("no space to fill"));
}

TEST(DiskFill, ATmpfsIsMemory) {
  Bench bench;
  bench.machine.mounts.at("/data").filesystem = "tmpfs";
  EXPECT_THAT(bench.planned(disk::fill(), R"({"path": "/data", "size": 1048576})").warnings,
              ElementsAre(HasSubstr("takes 1 MiB of the host's memory")));
  EXPECT_THAT(bench.refusal(disk::fill(), R"({"path": "/data", "size": 8589934592})"),
              HasSubstr("the host can give"));
}

TEST(DiskFill, ControlTakesNothing) {
  Bench bench;
  bench.request.zero_magnitude = true;
  const auto step = bench.planned(disk::fill(), R"({"path": "/data", "percent": 950000})");
  EXPECT_EQ(number(step, "bytes"), 0);
  EXPECT_THAT(step.effects, IsEmpty());
}

}  // namespace
}  // namespace ordeal::unit_faults
