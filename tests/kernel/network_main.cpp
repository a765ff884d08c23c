// Network faults against a real kernel, in namespaces of our own. Runs on the build host (what its
// kernel can do) and in the vm lane (everything). Also plays the helper that the faults start.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "engine/executor/helper/enter.hpp"
#include "engine/executor/helper/roles.hpp"

int main(int count, char** arguments) {
  if (count > 1 && std::strcmp(arguments[1], "--helper") == 0) {
    auto call = ordeal::helper::helper_call(count, arguments);
    if (call.has_error()) return 1;
    auto orders = ordeal::helper::helper_enter(call.value());
    if (orders.has_error()) return 1;
    return ordeal::helper::run_shaper(orders.value());
  }
  if (::geteuid() != 0) {
    std::puts("skipped: needs root");
    return 77;
  }
  std::signal(SIGPIPE, SIG_IGN);
  // What measures milliseconds, and sleeps most of the time, should not queue behind other work.
  (void)::setpriority(PRIO_PROCESS, 0, -19);
  ::testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
