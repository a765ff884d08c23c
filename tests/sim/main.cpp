// ordeal-sim: the real front, worker and keeper against a simulated machine, by seed.
//
//   ordeal-sim --seed 7 [--trace]        one seed, what happened
//   ordeal-sim --seeds 500 [--from 1]    many; one in 50 twice, to compare the traces
//   ordeal-sim --planted no_fsync        must find a violation in some seed: tests the tests
//   ordeal-sim --every-point             each step of wishes.cpp, struck at each call of those who
//                                        make and undo it
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/sim/campaign/lab.hpp"

namespace ordeal::sim {
namespace {

struct Arguments {
  std::optional<std::uint64_t> seed;
  std::uint64_t seeds = 0;
  std::uint64_t from = 1;
  bool trace = false;
  bool every_point = false;
  std::string planted;
};

struct Totals {
  std::uint64_t runs = 0;
  std::uint64_t steps = 0;
  Duration time{};
  std::map<std::string, std::uint64_t> sometimes;

  void add(const Outcome& outcome) {
    ++runs;
    steps += outcome.steps;
    time += outcome.time;
    for (const auto& [what, count] : outcome.sometimes) sometimes[what] += count;
  }
  void print() const {
    fmt::print("{} runs, {:.1f} virtual hours, {:.1f} million steps\n", runs,
               static_cast<double>(time.count()) / 3.6e9, static_cast<double>(steps) / 1e6);
    for (const auto& [what, count] : sometimes) fmt::print("  {:8} {}\n", count, what);
  }
};

void print_failure(const Config& config, const Outcome& outcome) {
  fmt::print("VIOLATION {}\n{}\nreplay: ordeal-sim --seed {} --trace\n", outcome.violation,
             describe(config), config.seed);
}

// False: there is no such bug.
bool plant(Config& config, const std::string& bug) {
  if (!boost::describe::enum_from_string(bug.c_str(), config.plant)) return false;
  // It needs an error to drop the rest at.
  if (config.plant == Plant::drop_rest) config.misfortunes.call_fails = 100'000;
  return config.plant != Plant::none;
}

int run_one(const Arguments& arguments) {
  Config config = make_config(*arguments.seed);
  if (!arguments.planted.empty() && !plant(config, arguments.planted)) return 2;
  fmt::print("{}\n", describe(config));
  const Outcome outcome = run_seed(config, arguments.trace);
  if (outcome.verdict) {
    fmt::print("verdict {}: {}\n", outcome.verdict->exit_name, outcome.verdict->reason);
  }
  fmt::print("trace hash {:016x}, {} steps, {} points of the worker\n", outcome.hash, outcome.steps,
             outcome.points.front());
  if (!outcome.violation.empty()) fmt::print("VIOLATION {}\n", outcome.violation);
  return outcome.violation.empty() ? 0 : 1;
}

int run_many(const Arguments& arguments) {
  Totals totals;
  int failures = 0;
  for (std::uint64_t seed = arguments.from; seed < arguments.from + arguments.seeds; ++seed) {
    const Config config = make_config(seed);
    const Outcome outcome = run_seed(config, false);
    totals.add(outcome);
    if (!outcome.violation.empty()) {
      print_failure(config, outcome);
      if (++failures == 5) break;
    }
    if (seed % 50 == 0 && run_seed(config, false).hash != outcome.hash) {
      fmt::print("VIOLATION seed {} does not repeat its trace\n", seed);
      ++failures;
    }
  }
  totals.print();
  return failures == 0 ? 0 : 1;
}

int find_planted(const Arguments& arguments) {
  const std::uint64_t seeds = arguments.seeds != 0 ? arguments.seeds : 300;
  for (std::uint64_t seed = arguments.from; seed < arguments.from + seeds; ++seed) {
    Config config = make_config(seed);
    if (!plant(config, arguments.planted)) {
      fmt::print("no such bug: {}\n", arguments.planted);
      return 2;
    }
    const Outcome outcome = run_seed(config, false);
    if (outcome.violation.empty()) continue;
    // Found only counts by the judge that it is planted for, and when the same seed is well
    // without the bug.
    if (outcome.violation.find(objection_to(config.plant)) == std::string::npos) continue;
    config.plant = Plant::none;
    if (!run_seed(config, false).violation.empty()) continue;
    fmt::print("{} found at seed {}: {}\n", arguments.planted, seed, outcome.violation);
    return 0;
  }
  fmt::print("{} NOT found in {} seeds\n", arguments.planted, seeds);
  return 1;
}

// One blow at each point of a role in turn, until a run has no such point.
int strike_each_point(const Config& base, Strike strike, Totals& totals) {
  std::uint64_t last = 4;
  for (strike.point = 1; strike.point <= last; ++strike.point) {
    Config config = base;
    config.strikes.push_back(strike);
    const Outcome outcome = run_seed(config, false);
    totals.add(outcome);
    const std::uint64_t points = outcome.points[static_cast<std::size_t>(strike.of)];
    if (points >= strike.point) last = std::max(last, strike.point + 1);
    if (outcome.violation.empty()) continue;
    print_failure(config, outcome);
    return 1;
  }
  return 0;
}

// A step that is refused, or shows no effect, would be struck at nothing.
bool takes_hold(const Wish& wish) {
  const Outcome outcome = run_seed(make_config_of(wish), false);
  if (outcome.sometimes.contains(fmt::format("{} verified", wish.fault))) return true;
  fmt::print("VIOLATION no effect of {} with {}\n", wish.fault, wish.with);
  return false;
}

// Not by luck: each step that makes sense, each point of its worker, each blow; then each point of
// the keeper that reverts what a dead worker left, and of the `recover` that does it when both are
// dead.
int strike_every_point() {
  struct Kind {
    Blow blow;
    bool front, worker, keeper;
  };
  constexpr std::array kKinds = {
      Kind{Blow::kill, true, false, false}, Kind{Blow::kill, false, true, false},
      Kind{Blow::kill, false, false, true}, Kind{Blow::kill, false, true, true},
      Kind{Blow::kill, true, true, true},   Kind{Blow::stop, true, false, false},
      Kind{Blow::stop, false, true, false}, Kind{Blow::stop, false, false, true},
      Kind{Blow::stop, false, true, true},  Kind{Blow::power_loss, false, false, false}};
  constexpr Duration kInjected = 4600ms;  // into the run: everything is
  Totals totals;
  int failures = 0;
  for (const Wish& wish : wishes()) {
    failures += takes_hold(wish) ? 0 : 1;
    for (const Kind& kind : kKinds) {
      Strike strike;
      strike.blow = kind.blow;
      strike.front = kind.front;
      strike.worker = kind.worker;
      strike.keeper = kind.keeper;
      failures += strike_each_point(make_config_of(wish), strike, totals);
    }
    Config orphaned = make_config_of(wish);
    Strike first;
    first.worker = true;
    first.after = kInjected;
    orphaned.strikes.push_back(first);
    Strike second;
    second.keeper = true;
    second.of = Whose::keeper;
    failures += strike_each_point(orphaned, second, totals);
    orphaned.systemd_recovers = false;
    orphaned.strikes.back().keeper = true;
    second.of = Whose::recover;
    failures += strike_each_point(orphaned, second, totals);
  }
  totals.print();
  return failures == 0 ? 0 : 1;
}

std::optional<Arguments> read(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : "0"; };
    if (word == "--seed")
      out.seed = std::strtoull(value().c_str(), nullptr, 10);
    else if (word == "--seeds")
      out.seeds = std::strtoull(value().c_str(), nullptr, 10);
    else if (word == "--from")
      out.from = std::strtoull(value().c_str(), nullptr, 10);
    else if (word == "--planted")
      out.planted = value();
    else if (word == "--trace")
      out.trace = true;
    else if (word == "--every-point")
      out.every_point = true;
    else
      return std::nullopt;
  }
  return out;
}

}  // namespace
}  // namespace ordeal::sim

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a crash must not hide what led to it
  using namespace ordeal::sim;
  const auto arguments = read(argc, argv);
  if (arguments && arguments->seed) return run_one(*arguments);
  if (arguments && !arguments->planted.empty()) return find_planted(*arguments);
  if (arguments && arguments->every_point) return strike_every_point();
  if (arguments && arguments->seeds != 0) return run_many(*arguments);
  fmt::print(
      "usage: ordeal-sim --seed N [--trace] | --seeds N [--from M] | --every-point |\n"
      "       --planted BUG [--seeds N] (tests/sim/campaign/config.hpp: Plant)\n");
  return 2;
}
