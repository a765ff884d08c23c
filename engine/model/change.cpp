#include "engine/model/change.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ordeal::model {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

std::string quoted(const std::vector<std::string>& argv) {
  std::string out;
  for (const std::string& word : argv) {
    if (!out.empty()) out += ' ';
    const bool plain =
        !word.empty() &&
        word.find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+%") ==
            word.npos;
    if (plain) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

}  // namespace

int rank_of(const Undo& undo) {
  return std::visit(Overloaded{
                        [](const DeleteLink&) { return 0; },
                        [](const DeleteTable&) { return 0; },
                        [](const KillHelper& kill) { return kill.network ? 0 : 1; },
                        [](const ThawCgroup&) { return 3; },
                        [](const ResumeProcess&) { return 3; },
                        [](const StartUnit&) { return 5; },
                        [](const RunUndoCommand&) { return 5; },
                        [](const ExpectProcesses&) { return 6; },
                        [](const NotUndoable&) { return 6; },
                    },
                    undo);
}

Lifetime lifetime_of(const Undo& undo) {
  return std::visit(Overloaded{
                        [](const DeleteTable&) { return Lifetime::process; },
                        [](const KillHelper&) { return Lifetime::process; },
                        [](const DeleteLink&) { return Lifetime::boot; },
                        [](const ResumeProcess&) { return Lifetime::boot; },
                        [](const ThawCgroup&) { return Lifetime::boot; },
                        [](const auto&) { return Lifetime::never; },
                    },
                    undo);
}

std::string command_of(const Undo& undo) {
  return std::visit(
      Overloaded{
          [](const DeleteLink& u) { return fmt::format("ip link del {}", u.link); },
          [](const DeleteTable& u) {
            return fmt::format("nft delete table {} {}",
                               u.family == NftFamily::netdev ? "netdev" : "inet", u.table);
          },
          [](const KillHelper& u) { return fmt::format("pkill -KILL -x {}", u.mark); },
          [](const ThawCgroup& u) {
            return fmt::format("echo 0 > /sys/fs/cgroup{}/cgroup.freeze", u.cgroup);
          },
          [](const ResumeProcess& u) { return fmt::format("kill -CONT {}", u.process.pid); },
          [](const StartUnit& u) { return fmt::format("systemctl start -- {}", u.unit); },
          [](const RunUndoCommand& u) { return quoted(u.command.argv); },
          [](const ExpectProcesses& u) {
            return fmt::format("# {} process(es) must come back by themselves", u.count);
          },
          [](const NotUndoable& u) { return "# cannot be undone: " + u.reason; },
      },
      undo);
}

}  // namespace ordeal::model
