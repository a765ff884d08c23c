// Reads how the kernel shows that a step took hold: counters that moved, states that changed.
// Never what we believe we did.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/model/change.hpp"
#include "engine/os/host.hpp"

namespace ordeal::fault {

class EffectReader {
 public:
  EffectReader() = default;
  // Call it right after the last change: what moves from here on is the step's doing.
  EffectReader(const os::Host& host, std::vector<model::Effect> effects);

  // All effects of the step in one: the weakest decides, the texts are joined.
  model::EffectReading read(const os::Host& host);

 private:
  model::EffectReading read_one(const os::Host& host, const model::Effect& effect);
  model::EffectReading cpu(const os::Host& host, const model::CpuBurned& effect);

  std::vector<model::Effect> effects_;
  BootTime begun_{};
  std::map<std::string, Duration> cpu_at_start_;   // by mark
  std::map<std::size_t, std::string> first_seen_;  // by effect: the text of its first sight
};

}  // namespace ordeal::fault
