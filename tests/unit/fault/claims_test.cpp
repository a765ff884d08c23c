#include "engine/fault/claims.hpp"

#include <gtest/gtest.h>

namespace ordeal::fault {
namespace {

Traffic towards(std::uint16_t port, const std::string& device = "eth0") {
  Traffic traffic;
  traffic.direction = "egress";
  traffic.devices = {device};
  traffic.protocols = {"tcp", "udp"};
  traffic.remote_ports = {{port, port}};
  return traffic;
}

bool overlap(const Traffic& a, const Traffic& b) {
  const bool one = traffic_overlap(traffic_key(a), traffic_key(b));
  EXPECT_EQ(one, traffic_overlap(traffic_key(b), traffic_key(a)));
  return one;
}

TEST(TrafficClaim, KeyIsCanonical) {
  Traffic traffic = towards(5432);
  traffic.devices = {"lo", "eth0", "lo"};
  traffic.local_ports = {{8000, 8010}, {80, 80}};
  traffic.addresses = {"::1/128", "10.0.0.0/24"};
  EXPECT_EQ(traffic_key(traffic),
            "egress devices=eth0/lo protocols=tcp/udp local=80/8000-8010 remote=5432 "
            "ip=10.0.0.0/24,::1/128");
}

TEST(TrafficClaim, OtherPortsDevicesProtocolsAndDirectionsAreFree) {
  EXPECT_TRUE(overlap(towards(80), towards(80)));
  EXPECT_FALSE(overlap(towards(80), towards(81)));
  EXPECT_FALSE(overlap(towards(80), towards(80, "eth1")));
  Traffic icmp = towards(80);
  icmp.protocols = {"icmp"};
  EXPECT_FALSE(overlap(towards(80), icmp));
  Traffic arriving = towards(80);
  arriving.direction = "ingress";
  EXPECT_FALSE(overlap(towards(80), arriving));
  arriving.direction = "both";
  EXPECT_TRUE(overlap(towards(80), arriving));
  Traffic range = towards(1);
  range.remote_ports = {{70, 90}};
  EXPECT_TRUE(overlap(towards(80), range));
}

TEST(TrafficClaim, AnyMeetsEverything) {
  Traffic any;
  any.direction = "both";
  EXPECT_TRUE(overlap(any, towards(80)));
}

TEST(TrafficClaim, AddressesMeetWhenOneNetworkHoldsTheOther) {
  Traffic a = towards(80);
  Traffic b = towards(80);
  a.addresses = {"10.0.0.0/24"};
  b.addresses = {"10.0.0.7/32"};
  EXPECT_TRUE(overlap(a, b));
  b.addresses = {"10.0.1.7/32", "::1/128"};
  EXPECT_FALSE(overlap(a, b));
  b.addresses = {"0.0.0.0/0"};
  EXPECT_TRUE(overlap(a, b));
}

TEST(TrafficClaim, OnLoAPacketLeavesAndArrives) {
  Traffic query = towards(5432, "lo");
  Traffic served;  // the same packets, seen as what arrives at the service
  served.direction = "ingress";
  served.devices = {"lo"};
  served.local_ports = {{5432, 5432}};
  EXPECT_TRUE(overlap(query, served));
  served.local_ports = {{6379, 6379}};
  EXPECT_FALSE(overlap(query, served));
}

TEST(TrafficClaim, WhatCannotBeReadConflicts) {
  EXPECT_TRUE(traffic_overlap("from a later version", traffic_key(towards(80))));
}

TEST(Conflicts, SameKindAndKey) {
  EXPECT_TRUE(conflicts({"unit", "a"}, {"unit", "a"}));
  EXPECT_FALSE(conflicts({"unit", "a"}, {"unit", "b"}));
  EXPECT_FALSE(conflicts({"unit", "a"}, {"cgroup", "a"}));
  EXPECT_TRUE(
      conflicts({"traffic", traffic_key(towards(80))}, {"traffic", traffic_key(towards(80))}));
}

}  // namespace
}  // namespace ordeal::fault
