#include "engine/cli/consent.hpp"

namespace ordeal::cli {
namespace {

bool is_restore_none(const model::Step& step) {
  const auto* restore = step.with.if_contains("restore");
  const auto* object = restore == nullptr ? nullptr : restore->if_object();
  const auto* how = object == nullptr ? nullptr : object->if_contains("how");
  return how != nullptr && *how == "none";
}

}  // namespace

std::string without_net(const model::Experiment& experiment) {
  std::string out;
  if (experiment.abort_if_none) out = "nothing stops it early (abort_if: none)";
  for (const model::Step* step : model::steps_of(experiment)) {
    if (!is_restore_none(*step)) continue;
    out += (out.empty() ? "" : ", and ") + step->name + " is NOT UNDOABLE (restore: none)";
  }
  return out;
}

}  // namespace ordeal::cli
