#include "engine/fault/effect.hpp"

#include <algorithm>

#include "engine/os/select.hpp"

namespace ordeal::fault {
namespace {

using model::EffectReading;
using model::Seen;

// What fraction of the asked amount counts as "it took hold": a busy or nearly full host gives
// less, and the text says how much.
constexpr std::int64_t kEnoughPercent = 50;

EffectReading yes(std::string text) { return {Seen::yes, std::move(text)}; }
EffectReading not_yet(std::string text) { return {Seen::not_yet, std::move(text)}; }
EffectReading no(std::string text) { return {Seen::no, std::move(text)}; }

// 1204 -> "1 204"
std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ' ');
  return text;
}

bool is_gone(const os::Host& host, const model::ProcessId& id) {
  const auto found = host.processes().find(id);
  return found.has_error() && found.error().code() == Code::gone;
}

EffectReading read(const os::Host& host, const model::ProcessesGone& effect, Duration age) {
  const auto gone = std::count_if(effect.processes.begin(), effect.processes.end(),
                                  [&](const auto& id) { return is_gone(host, id); });
  const auto all = static_cast<std::ptrdiff_t>(effect.processes.size());
  std::string text = fmt::format("{} of {} gone", gone, all);
  if (gone < all) return not_yet(std::move(text));
  return yes(fmt::format("{} in {}", text, format_short(age)));
}

EffectReading read(const os::Host& host, const model::ProcessesStopped& effect, Duration) {
  std::size_t stopped = 0;
  std::size_t ended = 0;
  for (const model::ProcessId& id : effect.processes) {
    const auto found = host.processes().find(id);
    if (found.has_error() && found.error().code() == Code::gone) ++ended;
    if (found.has_value() && (found.value().state == 'T' || found.value().state == 't')) ++stopped;
  }
  std::string text = fmt::format("{} of {} stopped", stopped, effect.processes.size());
  if (ended > 0) text += fmt::format(", {} ended", ended);
  if (ended == effect.processes.size()) return no(std::move(text));
  return stopped + ended == effect.processes.size() ? yes(std::move(text))
                                                    : not_yet(std::move(text));
}

EffectReading read(const os::Host& host, const model::CgroupFrozen& effect, Duration) {
  const auto frozen = host.cgroups().frozen(effect.cgroup);
  if (frozen.has_error()) return no(frozen.error().message());
  return frozen.value() ? yes(effect.cgroup + " is frozen") : not_yet(effect.cgroup + " runs");
}

struct Helper {
  bool alive = false;
  Duration cpu{};
  Bytes resident;
};

Helper helper_of(const os::Host& host, const std::string& mark) {
  Helper out;
  const auto processes = host.processes().find_marked(mark);
  if (processes.has_error()) return out;
  for (const model::ProcessId& id : processes.value()) {
    const auto usage = host.processes().usage(id);
    if (usage.has_error()) continue;
    out.alive = true;
    out.cpu += usage.value().cpu;
    out.resident.value += usage.value().resident.value;
  }
  return out;
}

EffectReading read(const os::Host& host, const model::TrafficMatched& effect, Duration) {
  if (!effect.holder.empty() && !helper_of(host, effect.holder).alive) {
    return no("the process that held the packets is gone");
  }
  const auto matched = host.nftables().matched(os::TableId{effect.table, effect.family});
  if (matched.has_error()) {
    const bool gone = matched.error().code() == Code::gone;
    return gone ? no(matched.error().message()) : not_yet(matched.error().message());
  }
  std::string text = fmt::format("{} packet{} {}", grouped(matched.value()),
                                 matched.value() == 1 ? "" : "s", effect.what);
  return matched.value() > 0 ? yes(std::move(text)) : not_yet(std::move(text));
}

EffectReading read(const os::Host& host, const model::MemoryHeld& effect, Duration age) {
  const Helper helper = helper_of(host, effect.mark);
  if (!helper.alive) {
    const bool expected = effect.oom_expected && age > Duration::zero();
    return expected ? yes("the kernel killed the holder, as asked")
                    : no("the process that held the memory is gone");
  }
  std::string text =
      fmt::format("{} of {} held", format_bytes(helper.resident), format_bytes(effect.wanted));
  const bool enough = helper.resident.value * 100 >= effect.wanted.value * kEnoughPercent;
  const bool ramp_over = age >= effect.by || helper.resident.value >= effect.wanted.value;
  return enough && ramp_over ? yes(std::move(text)) : not_yet(std::move(text));
}

EffectReading read(const os::Host& host, const model::DiskFilled& effect, Duration) {
  if (!helper_of(host, effect.mark).alive) return no("the process that held the space is gone");
  const auto folder = host.files().folder(effect.path);
  if (folder.has_error()) return no(folder.error().message());
  const os::Space& space = folder.value().space;
  const std::int64_t taken = effect.free_before.value - space.available.value;
  std::string text = fmt::format("{} taken, {} free", format_bytes(Bytes{std::max(taken, 0L)}),
                                 format_bytes(space.available));
  return taken * 100 >= effect.wanted.value * kEnoughPercent ? yes(std::move(text))
                                                             : not_yet(std::move(text));
}

EffectReading read(const os::Host& host, const model::UnitInactive& effect, Duration) {
  const auto runs = host.cgroups().unit_runs(effect.unit);
  if (runs.has_error()) return not_yet(runs.error().message());
  if (runs.value()) return not_yet(effect.unit + " is active");
  return yes(effect.unit + " is inactive");  // since when, its stop command alone knows
}

EffectReading read(const os::Host& host, const model::NoProcessMatches& effect, Duration) {
  const auto left = os::select(host, effect.matcher);
  const bool nobody = left.has_error() ? left.error().code() == Code::gone  // its pid file is
                                       : left.value().empty();
  if (nobody) return yes("all gone");
  if (left.has_error()) return not_yet(left.error().message());
  return not_yet(fmt::format("{} still there", left.value().size()));
}

EffectReading read(const os::Host&, const model::CpuBurned&, Duration) { return {}; }

// "gone in 3 ms": how soon it was seen, however often it is read afterwards.
bool says_how_soon(const model::Effect& effect) {
  return std::holds_alternative<model::ProcessesGone>(effect);
}

}  // namespace

EffectReader::EffectReader(const os::Host& host, std::vector<model::Effect> effects)
    : effects_(std::move(effects)), begun_(host.clock().now()) {
  for (const model::Effect& effect : effects_) {
    const auto* burned = std::get_if<model::CpuBurned>(&effect);
    if (burned != nullptr) cpu_at_start_[burned->mark] = helper_of(host, burned->mark).cpu;
  }
}

EffectReading EffectReader::cpu(const os::Host& host, const model::CpuBurned& effect) {
  const Helper helper = helper_of(host, effect.mark);
  if (!helper.alive) return no("the burner is gone");
  const Duration age = host.clock().now() - begun_;
  if (age < 100ms) return not_yet("measured over too short a time");
  // The same reading twice must give the same text, so the whole time since injection counts.
  const Duration burned = helper.cpu - cpu_at_start_[effect.mark];
  const Ppm achieved{static_cast<std::int64_t>(1e6 * static_cast<double>(burned.count()) /
                                               static_cast<double>(age.count()))};
  std::string text = fmt::format("{:.1f}% of a core", static_cast<double>(achieved.value) / 1e4);
  text += effect.wanted > model::kAnyCpu
              ? fmt::format(" of {} asked", format_percent(effect.wanted))
              : " taken";
  const bool enough = achieved.value * 100 >= effect.wanted.value * kEnoughPercent;
  return enough && achieved.value > 0 ? yes(std::move(text)) : not_yet(std::move(text));
}

EffectReading EffectReader::read_one(const os::Host& host, const model::Effect& effect) {
  if (const auto* burned = std::get_if<model::CpuBurned>(&effect)) return cpu(host, *burned);
  const Duration age = host.clock().now() - begun_;
  return std::visit([&](const auto& e) { return fault::read(host, e, age); }, effect);
}

EffectReading EffectReader::read(const os::Host& host) {
  if (effects_.empty()) return not_yet("nothing to see: this step changes nothing");
  EffectReading all = yes("");
  for (std::size_t i = 0; i < effects_.size(); ++i) {
    EffectReading one = read_one(host, effects_[i]);
    if (one.seen == Seen::yes && says_how_soon(effects_[i])) {
      one.text = first_seen_.try_emplace(i, one.text).first->second;
    }
    if (!all.text.empty()) all.text += "; ";
    all.text += one.text;
    if (one.seen == Seen::no || all.seen == Seen::no) {
      all.seen = Seen::no;
    } else if (one.seen == Seen::not_yet) {
      all.seen = Seen::not_yet;
    }
  }
  return all;
}

}  // namespace ordeal::fault
