#include "engine/model/touch.hpp"

#include "engine/base/text.hpp"

namespace ordeal::model {
namespace {

// One overload for each kind, and none that takes every kind: std::visit asks for all of them.

// ---- Apply
Result<void> reach(Touched&, const CreateIfb&) { return ok(); }  // a device of our own
Result<void> reach(Touched&, const CreateHole&) { return ok(); }
Result<void> reach(Touched& out, const CreateTable& change) {
  for (const NftChain& chain : change.table.chains) {
    if (!chain.device.empty()) out.devices.push_back(chain.device);
  }
  return ok();
}
Result<void> reach(Touched& out, const SignalProcess& change) {
  out.processes.push_back(change.process);
  return ok();
}
Result<void> reach(Touched& out, const FreezeCgroup& change) {
  out.frozen.push_back(change.cgroup);
  return ok();
}
Result<void> reach(Touched& out, const SpawnHelper& change) {
  if (change.cgroup) out.entered.push_back(*change.cgroup);
  if (change.role == "cpu" || change.role == "memory" || change.role == "shaper") return ok();
  if (change.role != "disk") {
    return Error(Code::invalid, "a helper of the unknown role " + printable(change.role, 40));
  }
  const auto* path = change.arguments.if_contains("path");
  const auto* device = change.arguments.if_contains("device");
  const auto* inode = change.arguments.if_contains("inode");
  if (path == nullptr || !path->is_string() || device == nullptr || !device->is_string() ||
      inode == nullptr || !inode->is_number()) {
    return Error(Code::invalid, "a disk helper without path, device and inode");
  }
  boost::json::error_code problem;
  FilledFolder folder{std::string(path->get_string()), std::string(device->get_string()),
                      inode->to_number<std::uint64_t>(problem)};
  if (problem) return Error(Code::invalid, "a disk helper with an inode that is none");
  out.filled.push_back(std::move(folder));
  return ok();
}
Result<void> reach(Touched& out, const StopUnit& change) {
  out.units.push_back(change.unit);
  return ok();
}
Result<void> reach(Touched& out, const RunCommand& change) {
  out.programs.push_back(change.command.argv);
  return ok();
}

// ---- Undo
Result<void> reach(Touched&, const DeleteLink&) { return ok(); }   // what bears our mark
Result<void> reach(Touched&, const DeleteTable&) { return ok(); }  // what bears our mark
Result<void> reach(Touched& out, const ResumeProcess& undo) {
  out.processes.push_back(undo.process);
  return ok();
}
Result<void> reach(Touched& out, const ThawCgroup& undo) {
  out.frozen.push_back(undo.cgroup);
  return ok();
}
Result<void> reach(Touched&, const KillHelper&) { return ok(); }  // what bears our mark
Result<void> reach(Touched& out, const StartUnit& undo) {
  out.units.push_back(undo.unit);
  return ok();
}
Result<void> reach(Touched& out, const RunUndoCommand& undo) {
  out.programs.push_back(undo.command.argv);
  return ok();
}
Result<void> reach(Touched&, const ExpectProcesses&) { return ok(); }  // only looks
Result<void> reach(Touched&, const NotUndoable&) { return ok(); }

// ---- Effect: every one only looks.
Result<void> reach(Touched&, const ProcessesGone&) { return ok(); }
Result<void> reach(Touched&, const ProcessesStopped&) { return ok(); }
Result<void> reach(Touched&, const CgroupFrozen&) { return ok(); }
Result<void> reach(Touched&, const TrafficMatched&) { return ok(); }
Result<void> reach(Touched&, const CpuBurned&) { return ok(); }
Result<void> reach(Touched&, const MemoryHeld&) { return ok(); }
Result<void> reach(Touched&, const DiskFilled&) { return ok(); }
Result<void> reach(Touched&, const UnitInactive&) { return ok(); }
Result<void> reach(Touched&, const NoProcessMatches&) { return ok(); }

template <class Variant>
Result<void> add(Touched& out, const Variant& any) {
  return std::visit([&](const auto& kind) { return reach(out, kind); }, any);
}

}  // namespace

Result<Touched> touches(const HostStep& step) {
  Touched out;
  for (const Change& change : step.changes) {
    CHECK_OK(add(out, change.apply));
    for (const Undo& undo : change.undos) {
      CHECK_OK(add(out, undo));
    }
  }
  for (const Effect& effect : step.effects) {
    CHECK_OK(add(out, effect));
  }
  return out;
}

}  // namespace ordeal::model
