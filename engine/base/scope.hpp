// Runs a callable when the scope ends. The callable must not throw and must not wait.
#pragma once

#include <utility>

namespace ordeal {

template <class F>
class [[nodiscard]] ScopeGuard {
 public:
  explicit ScopeGuard(F action) : action_(std::move(action)) {}
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;
  ~ScopeGuard() { action_(); }

 private:
  F action_;
};

}  // namespace ordeal
