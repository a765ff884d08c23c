#include <gtest/gtest.h>

#include "engine/serve/tickets.hpp"

namespace ordeal::serve {
namespace {

constexpr std::string_view kPath = "/api/v1/runs/r-1121-0140-7f3a/report.html";
const BootTime kNow{1000s};

TEST(Tickets, OpenTheirPathForFiveMinutes) {
  const Tickets tickets("key");
  const std::string ticket = tickets.issue(kPath, kNow);
  EXPECT_TRUE(tickets.open(kPath, ticket, kNow));
  EXPECT_TRUE(tickets.open(kPath, ticket, kNow + 5min));
  EXPECT_FALSE(tickets.open(kPath, ticket, kNow + 301s));
  EXPECT_FALSE(tickets.open("/api/v1/runs", ticket, kNow));
  EXPECT_FALSE(Tickets("other").open(kPath, ticket, kNow));
}

TEST(Tickets, AreNotMadeByHand) {
  const Tickets tickets("key");
  const std::string ticket = tickets.issue(kPath, kNow);
  const std::string seal = ticket.substr(ticket.find('.'));
  for (const std::string& wrong : {std::string(), std::string("."), seal, "9999" + seal,
                                   std::string("1300."), std::string("1300"), ticket + "0"}) {
    EXPECT_FALSE(tickets.open(kPath, wrong, kNow)) << wrong;
  }
}

}  // namespace
}  // namespace ordeal::serve
