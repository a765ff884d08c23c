// One simulated host and the means to plan a fault on it, as the engine does it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/json.hpp"
#include "engine/fault/fault.hpp"
#include "tests/sim/machine.hpp"

namespace ordeal {

namespace process {
fault::Fault kill();
fault::Fault pause();
}  // namespace process
namespace cpu {
fault::Fault load();
}
namespace memory {
fault::Fault load();
}
namespace disk {
fault::Fault fill();
}
namespace service {
fault::Fault stop();
}

namespace unit_faults {

class Bench {
 public:
  Bench() { sim::furnish(machine); }

  // `with` as the spec hands it over: normalised, defaults filled in.
  Result<model::HostStep> plan(const fault::Fault& fault, const std::string& with) {
    request.with = json::parse(with).value().as_object();
    fault::PlanContext context{request, node.host(), token, picked,
                               static_cast<std::int64_t>(picked.size())};
    if (matched) context.matched = *matched;
    return fault.plan(context);
  }

  // Plans for a fault that must accept; a refusal fails the test with its reason.
  model::HostStep planned(const fault::Fault& fault, const std::string& with) {
    Result<model::HostStep> out = plan(fault, with);
    EXPECT_TRUE(out.has_value()) << out.error().message();
    return out.has_value() ? std::move(out.value()) : model::HostStep();
  }

  // The reason of a fault that must refuse, with its code in front: "refused: ...".
  std::string refusal(const fault::Fault& fault, const std::string& with) {
    const Result<model::HostStep> out = plan(fault, with);
    if (out.has_value()) return "accepted";
    return std::string(to_string(out.error().code())) + ": " + out.error().message();
  }

  // target.process: {name: NAME}, and everything that bears it is picked.
  void pick(const std::string& name) {
    request.target.process = model::ProcessMatcher();
    request.target.process->name = name;
    picked.clear();
    for (const auto& [pid, process] : machine.processes) {
      if (process.info.name == name) picked.push_back(process.info);
    }
  }

  void write(const std::string& path, const std::string& text) {
    machine.disk.files[path].cache = text;
  }

  sim::World world{7};
  sim::Machine machine{world};
  sim::Node& node = machine.start("worker");
  Token token = Token::from_bits(0x123456789a);
  model::StepRequest request;
  std::vector<model::ProcessInfo> picked;
  std::optional<std::int64_t> matched;
};

template <class T>
std::vector<T> undos_of(const model::HostStep& step) {
  std::vector<T> out;
  for (const model::Change& change : step.changes) {
    for (const model::Undo& undo : change.undos) {
      if (const T* found = std::get_if<T>(&undo)) out.push_back(*found);
    }
  }
  return out;
}

template <class T>
std::vector<T> applies_of(const model::HostStep& step) {
  std::vector<T> out;
  for (const model::Change& change : step.changes) {
    if (const T* found = std::get_if<T>(&change.apply)) out.push_back(*found);
  }
  return out;
}

template <class T>
std::vector<T> effects_of(const model::HostStep& step) {
  std::vector<T> out;
  for (const model::Effect& effect : step.effects) {
    if (const T* found = std::get_if<T>(&effect)) out.push_back(*found);
  }
  return out;
}

inline std::vector<std::string> claims_of(const model::HostStep& step) {
  std::vector<std::string> out;
  for (const model::Claim& claim : step.claims) out.push_back(claim.kind + " " + claim.key);
  return out;
}

}  // namespace unit_faults
}  // namespace ordeal
