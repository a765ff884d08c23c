#include "tests/sim/host.hpp"

namespace ordeal::sim {

Error dead() { return Error(Code::failed, "this process is dead"); }

// Not EPERM: a kernel that denies has not acted, and that is relied on.
Error injected(Prng& prng, std::string_view what) {
  static constexpr std::array kErrors = {EIO,    ENOMEM,  EAGAIN, EBUSY,
                                         ENOSPC, ENOBUFS, EINTR,  EMFILE};
  return Error::system(kErrors[prng.below(kErrors.size())], fmt::format("{} (injected)", what));
}

Task<void> Seam::sleep(Duration time) {
  const WaitId wait = world_.next_wait();
  world_.wake_at(world_.now() + time, wait);
  co_await world_.suspend(node_, wait);
}

Duration Seam::takes(Duration usual) const {
  Duration time = usual / 2 + 1us * world_.prng().between(0, usual.count());
  if (world_.prng().chance(machine_.misfortunes.slow_call)) {
    time += 1us * world_.prng().between(1, 300'000);
  }
  return time;
}

std::optional<Error> Seam::read_problem(std::string_view what) const {
  if (!alive()) return dead();
  if (!world_.prng().chance(machine_.misfortunes.read_fails)) return std::nullopt;
  world_.sometimes("a reading failed");
  ++machine_.injected_failures;
  return injected(world_.prng(), what);
}

Task<void> SimClock::sleep_until(BootTime when) {
  const WaitId wait = world_.next_wait();
  world_.wake_at(when, wait);
  co_await world_.suspend(node_, wait);
}

void SimSelfKill::arm(BootTime deadline) {
  if (!alive()) return;
  deadline_ = deadline;
  world_.at(deadline, [this, deadline] {
    if (deadline_ != deadline || !alive()) return;
    world_.sometimes("a process killed itself");
    machine_.signal(node_.pid(), 9);
  });
}

void SimSelfKill::disarm() {
  if (alive()) deadline_.reset();
}

SimHost::SimHost(Node& node)
    : node_(node), clock_(node), self_kill_(node), random_(node), processes_(node), links_(node),
      qdiscs_(node), nftables_(node), sockets_(node), cgroups_(node), files_(node), machine_(node),
      client_(node), host_(clock_, random_, processes_, links_, qdiscs_, nftables_, sockets_,
                           cgroups_, files_, machine_) {}

}  // namespace ordeal::sim
