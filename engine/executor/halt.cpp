#include "engine/base/text.hpp"
#include "engine/executor/executor.hpp"
#include "engine/executor/paths.hpp"

namespace ordeal::executor {
namespace {

constexpr std::size_t kLongestReason = 4096;

}  // namespace

Result<void> set_halt(os::Host& host, const std::string& state_directory,
                      const std::string& reason) {
  CHECK_OK(host.files().make_directory(state_directory));
  return host.files().write_atomically(halt_file(state_directory),
                                       printable(reason, kLongestReason / 2) + "\n");
}

Result<void> lift_halt(os::Host& host, const std::string& state_directory) {
  auto removed = host.files().remove(halt_file(state_directory));
  if (removed.has_error() && removed.error().code() == Code::gone) return ok();
  return removed;
}

std::optional<std::string> halt_reason(const os::Host& host, const std::string& state_directory) {
  const std::string path = halt_file(state_directory);
  if (!host.files().exists(path)) return std::nullopt;
  auto text = host.files().read(path, kLongestReason);
  // Who may not look is not root and plans at most: he is told what could not be checked.
  if (text.has_error() && text.error().code() == Code::denied) return std::nullopt;
  std::string reason = text.has_value() ? text.value() : "";
  while (!reason.empty() && (reason.back() == '\n' || reason.back() == ' ')) reason.pop_back();
  return reason.empty() ? "no reason given" : printable(reason);
}

}  // namespace ordeal::executor
