// disk.fill: a file system runs full.
//
// Mechanism: one file without a name (O_TMPFILE), filled with posix_fallocate and held open by a
// helper; when the helper dies, however it dies, the kernel frees the space. What must never
// happen is that ordeal's own journal finds the disk full: engine/executor/policy.cpp refuses that.
// Source: open(2) O_TMPFILE, posix_fallocate(3), statvfs(3) f_bavail.
#include "engine/base/text.hpp"
#include "engine/fault/parameters.hpp"

namespace ordeal::disk {
namespace {

struct Parameters {
  std::string path;
  std::optional<Ppm> percent;
  std::optional<Bytes> size;
  std::optional<Bytes> reserve;
  std::optional<Bytes> floor;
};
BOOST_DESCRIBE_STRUCT(Parameters, (), (path, percent, size, reserve, floor))

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kPiB = 1ll << 50;

model::FaultDescription describe() {
  using enum model::ParameterKind;
  model::FaultDescription out;
  out.name = "disk.fill";
  out.summary = "A file system runs full; the space is free again as soon as the step ends.";
  out.parameters = {
      {.name = "path",
       .kind = path,
       .summary = "A directory on the file system to fill; absolute.",
       .required = true},
      {.name = "percent",
       .kind = percent,
       .summary = "How full it gets: 95% leaves 5% of the file system's size to ordinary users.",
       .minimum = 1,
       .maximum = 1'000'000},
      {.name = "size",
       .kind = bytes,
       .summary = "Bytes to take.",
       .minimum = kMiB,
       .maximum = kPiB},
      {.name = "reserve",
       .kind = bytes,
       .summary = "Bytes to leave free; everything else is taken.",
       .minimum = kMiB,
       .maximum = kPiB},
      {.name = "floor",
       .kind = bytes,
       .summary = "Bytes that stay free whatever the other parameters say. Default: 64MiB, or "
                  "`reserve` when that is less.",
       .minimum = kMiB,
       .maximum = kPiB},
  };
  out.exactly_one_of = {{"percent", "size", "reserve"}};
  out.needs = {"root"};
  out.example =
      "- fault: disk.fill\n"
      "  with: { path: /srv/data, percent: 95% }\n"
      "  duration: 60s\n";
  return out;
}

Result<void> check_filesystem(const std::string& path, const os::Space& space) {
  // By the names of engine/os/linux/files.cpp. What lies behind fuse (sshfs, glusterfs) or virtiofs
  // cannot be seen from here.
  constexpr std::array<std::string_view, 11> kShared = {
      "nfs", "cifs", "smb2", "ceph", "afs", "gfs2", "ocfs2", "lustre", "fuse", "9p", "virtiofs"};
  constexpr std::array<std::string_view, 8> kNoDisk = {"proc",     "sysfs",   "cgroup", "cgroup2",
                                                       "devtmpfs", "tracefs", "ramfs",  "debugfs"};
  const auto is_one_of = [&](const auto& names) {
    return std::find(names.begin(), names.end(), space.filesystem) != names.end();
  };
  if (is_one_of(kShared)) {
    return Error(Code::refused, fmt::format("{} is on {}: other hosts may share it",
                                            printable(path), space.filesystem));
  }
  if (is_one_of(kNoDisk) || space.total.value <= 0) {
    return Error(Code::refused, fmt::format("{} is on {}: there is no space to fill",
                                            printable(path), space.filesystem));
  }
  return ok();
}

// A tmpfs is memory: a full one must not make the host run out of it.
Result<void> check_memory(const fault::PlanContext& context, const os::Space& space,
                          std::int64_t wanted, model::HostStep& step) {
  if (space.filesystem != "tmpfs") return ok();
  TRY(const os::HostValues values, within("read the memory", context.host.machine().values()));
  const double keep = std::max(values.memory_total / 20, 256.0 * kMiB);
  const double room = std::max(0.0, values.memory_available - keep);
  step.warnings.push_back(fmt::format(
      "this is a tmpfs: the fill takes {} of the host's memory ({} "
      "available)",
      format_bytes(Bytes{wanted}), format_bytes(Bytes{std::int64_t(values.memory_available)})));
  if (static_cast<double>(wanted) <= room) return ok();
  return Error(Code::refused,
               fmt::format("filling this tmpfs takes {} of memory; the host can give {}",
                           format_bytes(Bytes{wanted}), format_bytes(Bytes{std::int64_t(room)})));
}

std::int64_t floor_of(const Parameters& parameters) {
  if (parameters.floor) return parameters.floor->value;
  const std::int64_t usual = 64 * kMiB;
  return parameters.reserve ? std::min(usual, parameters.reserve->value) : usual;
}

// Bytes to take now so that what the file asks is reached.
Result<std::int64_t> wanted_of(const Parameters& parameters, const os::Space& space) {
  if (parameters.percent.has_value() + parameters.size.has_value() +
          parameters.reserve.has_value() !=
      1) {
    return Error(Code::invalid, "with: exactly one of percent, size and reserve");
  }
  std::int64_t wanted = 0;
  if (parameters.size) wanted = parameters.size->value;
  if (parameters.reserve) wanted = space.available.value - parameters.reserve->value;
  if (parameters.percent) {
    const double free_share = 1 - static_cast<double>(parameters.percent->value) / 1e6;
    wanted = space.available.value -
             static_cast<std::int64_t>(free_share * static_cast<double>(space.total.value));
  }
  const std::string now =
      fmt::format("{} of {} is free", format_bytes(space.available), format_bytes(space.total));
  if (wanted <= 0 && !parameters.size) {
    return Error(Code::refused, fmt::format("nothing to fill: {} already", now));
  }
  const std::int64_t most = space.available.value - floor_of(parameters);
  if (wanted <= most) return wanted;
  if (parameters.size || most <= 0) {
    return Error(
        Code::refused,
        fmt::format("{} cannot be taken: {}, and {} always stays free (`floor`)",
                    format_bytes(Bytes{wanted}), now, format_bytes(Bytes{floor_of(parameters)})));
  }
  return most;
}

Result<model::HostStep> plan(const fault::PlanContext& context) {
  TRY(const auto parameters, fault::parameters<Parameters>(context.request));
  TRY(const os::Folder folder, within("with.path", context.host.files().folder(parameters.path)));
  const os::Space& space = folder.space;
  CHECK_OK(check_filesystem(parameters.path, space));
  TRY(const std::int64_t asked, wanted_of(parameters, space));
  const bool zero = context.request.zero_magnitude;
  const Bytes wanted{zero ? 0 : asked};

  model::HostStep out;
  CHECK_OK(check_memory(context, space, wanted.value, out));
  const std::string mark = context.token.mark();
  model::SpawnHelper helper;
  helper.mark = mark;
  helper.role = "disk";
  helper.arguments["path"] = parameters.path;
  // What is checked now is what is filled then, whatever has taken its name.
  helper.arguments["device"] = folder.id.device;
  helper.arguments["inode"] = folder.id.inode;
  helper.arguments["bytes"] = wanted.value;
  helper.arguments["floor"] = floor_of(parameters);

  model::Change change;
  change.summary =
      fmt::format("take {} on {} ({}, {} free): {} stays free", format_bytes(wanted),
                  printable(parameters.path), space.filesystem, format_bytes(space.available),
                  format_bytes(Bytes{space.available.value - wanted.value}));
  change.apply = std::move(helper);
  change.undos.push_back(model::KillHelper{mark});
  out.summary.push_back(change.summary);
  out.changes.push_back(std::move(change));
  out.claims.push_back({"filesystem", space.device});
  if (zero) {
    out.summary = {"control: the helper opens its file and takes nothing"};
    return out;
  }
  out.effects.push_back(model::DiskFilled{parameters.path, mark, space.available, wanted});
  return out;
}

}  // namespace

fault::Fault fill() { return {describe(), plan}; }

}  // namespace ordeal::disk
