#include "tests/sim/campaign/config.hpp"

#include "engine/base/text.hpp"

namespace ordeal::sim {
namespace {

Strike make_strike(Prng& prng, bool early) {
  Strike out;
  const std::uint64_t kind = prng.below(21);
  out.blow = kind < 9    ? Blow::kill
             : kind < 14 ? Blow::stop
             : kind < 16 ? Blow::power_loss
             : kind < 17 ? Blow::cut_wire
             : kind < 18 ? Blow::halt
             : kind < 19 ? Blow::interrupt
             : kind < 20 ? Blow::meddle
                         : Blow::wall_clock;
  const std::uint64_t who = 1 + prng.below(7);
  out.front = who & 1;
  out.worker = who & 2;
  out.keeper = who & 4;
  if (early && prng.below(2) == 0) {
    out.point = 1 + prng.below(80);
  } else {
    out.after = 1ms * prng.between(0, 16'000);
  }
  if (prng.below(2) == 0) out.resume_after = 1ms * prng.between(10, 12'000);
  return out;
}

Misfortunes make_misfortunes(Prng& prng) {
  Misfortunes out;
  auto sometimes = [&](int& rate, int most) {
    if (prng.below(2) == 0) rate = static_cast<int>(prng.between(1, most));
  };
  if (prng.below(2) == 0) return out;  // half of the seeds judge the time limits
  sometimes(out.call_fails, 60'000);
  sometimes(out.call_fails_after, 60'000);
  sometimes(out.read_fails, 20'000);
  sometimes(out.sync_fails, 60'000);
  sometimes(out.disk_hangs, 60'000);
  sometimes(out.slow_call, 100'000);
  return out;
}

}  // namespace

bool Config::strict() const {
  return machine_obeys && misfortunes.call_fails == 0 && misfortunes.call_fails_after == 0 &&
         misfortunes.read_fails == 0;
}

bool Config::prompt() const {
  return strict() && misfortunes.sync_fails == 0 && misfortunes.disk_hangs == 0 &&
         misfortunes.slow_call == 0;
}

executor::PlantedBugs bugs_of(Plant plant) {
  executor::PlantedBugs out;
  out.inject_before_journal = plant == Plant::inject_before_journal;
  out.no_fsync = plant == Plant::no_fsync;
  out.drop_rest_on_first_error = plant == Plant::drop_rest;
  return out;
}

const char* objection_to(Plant plant) {
  switch (plant) {
    case Plant::none: return "nothing";
    case Plant::inject_before_journal:
    case Plant::no_fsync:
    case Plant::lying_disk: return "P2: ";
    case Plant::drop_rest: return "";  // what is dropped decides who sees it
    case Plant::late_keeper:
    case Plant::deaf_to_halt:
    case Plant::slow_abort: return "after someone knew that it must go";
    case Plant::long_lease: return "after its last possible renewal";
    case Plant::early_word: return "is reverted, says the front; the kernel has";
    case Plant::damage: return "the verdict says clean: missing [link eth0";
    case Plant::false_clean: return "the verdict says clean, the kernel has";
    case Plant::false_dirty: return "the verdict says dirty, and nothing is left";
    case Plant::false_upheld: return "worker or keeper was killed under a fault";
    case Plant::false_error: return "nothing went wrong";
  }
  return "nothing";
}

Config make_config(std::uint64_t seed) {
  Prng prng(Prng(seed).next());  // neighbours have nothing in common
  Config out;
  out.seed = seed;
  out.misfortunes = make_misfortunes(prng);
  out.lease = 1ms * prng.between(1500, 6000);
  out.renew = out.lease / 4;
  out.wire_latency = 1us * prng.between(10, prng.below(4) == 0 ? 50'000 : 500);
  out.shuffle = prng.below(4) == 0;
  out.systemd_recovers = prng.below(2) == 0;
  std::string method;
  const std::uint64_t items = 1 + prng.below(3);
  for (std::uint64_t i = 0; i < items; ++i) {
    const bool parallel = prng.below(3) == 0;
    if (parallel) method += "  - parallel:\n";
    for (int j = 0; j < (parallel ? 2 : 1); ++j) {
      const Wish& wish = wishes()[prng.below(wishes().size())];
      out.faults.push_back(wish.fault);
      method += step_yaml(wish, 1ms * prng.between(2000, 6000), parallel ? "      " : "  ");
    }
    if (prng.below(4) == 0) method += "  - wait: 500ms\n";
  }
  out.yaml = experiment_yaml(method);
  const std::uint64_t strikes = prng.below(4);  // none in a quarter
  for (std::uint64_t i = 0; i < strikes; ++i) out.strikes.push_back(make_strike(prng, i == 0));
  return out;
}

Config make_config_of(const Wish& wish) {
  Config out;
  out.faults = {wish.fault};
  out.lease = 2s;
  out.renew = 500ms;
  out.yaml = experiment_yaml(step_yaml(wish, 2s, "  "));
  return out;
}

std::string to_string(const Strike& strike) {
  static constexpr std::array kBlows = {"kill -9", "SIGSTOP",   "power loss", "cut wire",
                                        "halt",    "interrupt", "meddle",     "wall clock jumps"};
  static constexpr std::array kWhose = {"", " of the keeper", " of recover"};
  std::string out = kBlows[static_cast<std::size_t>(strike.blow)];
  std::vector<std::string> who;
  if (strike.front) who.emplace_back("front");
  if (strike.worker) who.emplace_back("worker");
  if (strike.keeper) who.emplace_back("keeper");
  if (strike.blow == Blow::kill || strike.blow == Blow::stop) out += " of " + join(who, " and ");
  out += strike.after ? " after " + format_duration(*strike.after)
                      : fmt::format(" at point {}{}", strike.point,
                                    kWhose[static_cast<std::size_t>(strike.of)]);
  if (strike.blow == Blow::stop && strike.resume_after) {
    out += ", SIGCONT " + format_duration(*strike.resume_after) + " later";
  }
  return out;
}

std::string describe(const Config& config) {
  const Misfortunes& m = config.misfortunes;
  std::string out = fmt::format(
      "seed {}: lease {}, wire {}, shuffle {}, recover by systemd {}\n"
      "misfortunes in a million: call fails {}, fails after its effect {}, read fails {}, sync "
      "fails {}, disk hangs {}, slow call {}\n",
      config.seed, format_duration(config.lease), format_duration(config.wire_latency),
      config.shuffle, config.systemd_recovers, m.call_fails, m.call_fails_after, m.read_fails,
      m.sync_fails, m.disk_hangs, m.slow_call);
  for (const Strike& strike : config.strikes) out += "strike: " + to_string(strike) + "\n";
  return out + config.yaml;
}

}  // namespace ordeal::sim
