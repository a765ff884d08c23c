// The tests start this very program as a helper.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "engine/executor/helper/enter.hpp"
#include "engine/executor/helper/roles.hpp"

namespace {

int be_helper(int count, char** arguments) {
  const auto call = ordeal::helper::helper_call(count, arguments);
  if (!call) return 2;
  const auto orders = ordeal::helper::helper_enter(call.value(), 500);
  if (!orders) {
    ordeal::helper::helper_error(orders.error().message());
    return 1;
  }
  if (call.value().role == "refuses") {
    const auto* why = orders.value().if_contains("why");
    ordeal::helper::helper_error(why != nullptr ? why->as_string() : "no reason");
    return 1;
  }
  if (call.value().role == "ends") return 0;
  if (call.value().role == "stays") ordeal::helper::helper_ready();
  for (;;) ::pause();  // "hangs" comes here without a word
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1 && std::string_view(arguments[1]) == "--helper") {
    return be_helper(count, arguments);
  }
  if (count > 1 && std::string_view(arguments[1]) == "--swallow") {
    return ordeal::helper::run_swallow();
  }
  std::signal(SIGPIPE, SIG_IGN);
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
