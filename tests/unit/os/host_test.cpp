#include "engine/os/linux/linux_host.hpp"

#include <gtest/gtest.h>

#include "tests/unit/os/loop.hpp"

namespace ordeal::os {
namespace {

TEST(LinuxHost, GivesEverySeamOfThisHost) {
  asio::io_context context;
  LinuxHost linux_host(context.get_executor());
  const Host& host = linux_host;
  EXPECT_GT(host.clock().now().time_since_epoch(), 0s);
  const auto processes = host.processes().list();
  ASSERT_TRUE(processes);
  EXPECT_FALSE(processes.value().empty());
  const auto links = host.links().list();
  ASSERT_TRUE(links) << links.error().message();
  EXPECT_TRUE(std::any_of(links.value().begin(), links.value().end(),
                          [](const LinkInfo& link) { return link.loopback; }));
  EXPECT_TRUE(host.machine().values());
  EXPECT_TRUE(host.files().exists("/proc"));
}

}  // namespace
}  // namespace ordeal::os
