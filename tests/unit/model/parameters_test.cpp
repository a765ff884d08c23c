// Goal: no value reaches a fault that its description does not allow, whoever sent it.
#include <gtest/gtest.h>

#include "engine/base/json.hpp"
#include "engine/model/parameters.hpp"

namespace ordeal::model {
namespace {

FaultDescription every_kind() {
  using enum ParameterKind;
  FaultDescription out;
  out.name = "test.all";
  const auto add = [&](const char* name, ParameterKind kind) -> Parameter& {
    out.parameters.push_back({.name = name, .kind = kind});
    return out.parameters.back();
  };
  add("time", duration).maximum = 60'000'000;
  add("share", percent).maximum = 1'000'000;
  add("size", bytes).minimum = 1 << 20;
  add("amount", bytes_or_percent).minimum = 1 << 20;
  Parameter& workers = add("workers", integer);
  workers.minimum = 1;
  workers.maximum = 1024;
  add("free", integer);
  add("flag", boolean);
  add("device", text);
  add("way", choice).choices = {"in", "out"};
  add("protocols", choices).choices = {"tcp", "udp"};
  add("port", ports);
  add("remote", addresses);
  add("folder", path);
  add("kill", signal);
  add("back", restore);
  add("stop", argv);
  return out;
}

std::string told(const std::string& with, const FaultDescription& fault = every_kind()) {
  const auto checked = check_parameters(fault, json::parse(with).value().as_object());
  return checked.has_value() ? "" : checked.error().message();
}

TEST(CheckParameters, TakesTheNormalFormOfEveryKind) {
  EXPECT_EQ(told(R"({"time": 1000, "share": 1000000, "size": 1048576, "amount": {"ppm": 500000},
      "workers": 1024, "free": -5, "flag": true, "device": "eth0", "way": "in",
      "protocols": ["tcp", "udp"], "port": [{"first": 1, "last": 65535}],
      "remote": ["10.0.0.0/24", "::1/128"], "folder": "/srv", "kill": "KILL",
      "back": {"how": "argv", "argv": ["/bin/x", "", "a b"], "timeout": 1000000},
      "stop": ["/bin/x"]})"),
            "");
  EXPECT_EQ(told(R"({"amount": {"bytes": 1048576}, "back": {"how": "unit", "argv": []}})"), "");
  EXPECT_EQ(told("{}"), "");
}

TEST(CheckParameters, RefusesWhatTheDescriptionDoesNotAllow) {
  for (const char* with : {
           R"({"workers": 0})",
           R"({"workers": 1025})",
           R"({"workers": -9223372036854775808})",
           R"({"workers": 9223372036854775808})",
           R"({"workers": 1.0})",
           R"({"workers": "2"})",
           R"({"workers": null})",
           R"({"free": 9223372036854775807})",
           R"({"time": -1})",
           R"({"time": 60000001})",
           R"({"share": -1})",
           R"({"size": -1048576})",
           R"({"size": 9223372036854775807})",
           R"({"amount": {"bytes": -1}})",
           R"({"amount": {"ppm": 0}})",
           R"({"amount": {"ppm": 1000001}})",
           R"({"amount": {"ppm": 1, "bytes": 1048576}})",
           R"({"amount": {}})",
           R"({"amount": 5})",
           R"({"flag": "true"})",
           R"({"device": ""})",
           R"({"device": "eth0\u0000"})",
           R"({"way": "up"})",
           R"({"protocols": []})",
           R"({"protocols": ["tcp", "sctp"]})",
           R"({"protocols": "tcp"})",
           R"({"port": [{"first": 0, "last": 5}]})",
           R"({"port": [{"first": 9, "last": 5}]})",
           R"({"port": [{"first": 9, "last": 65536}]})",
           R"({"port": [{"first": 9}]})",
           R"({"remote": ["10.0.0.1"]})",
           R"({"remote": ["10.0.0.1/24"]})",
           R"({"remote": ["example.org/32"]})",
           R"({"folder": "srv"})",
           R"({"folder": "/srv\u0000/x"})",
           R"({"kill": "kill -9"})",
           R"({"back": {"how": "argv", "argv": []}})",
           R"({"back": {"how": "argv", "argv": ["x"]}})",
           R"({"back": {"how": "unit", "argv": ["/bin/x"]}})",
           R"({"back": {"how": "prayer", "argv": []}})",
           R"({"back": {"how": "argv", "argv": ["/bin/x"], "timeout": 0}})",
           R"({"stop": ["/bin/x\u0000y"]})",
           R"({"stop": ["/bin/x", 5]})",
           R"({"stop": "/bin/x"})",
           R"({"unheard": 5})",
       }) {
    EXPECT_NE(told(with), "") << with;
  }
}

TEST(CheckParameters, SaysWhatIsExpected) {
  EXPECT_EQ(told(R"({"workers": 0})"), "with.workers: expected 1 to 1024, found 0");
  EXPECT_EQ(told(R"({"time": 60000001})"), "with.time: expected 0s to 1m, found 60000001");
  EXPECT_EQ(told(R"({"way": "up"})"), "with.way: expected in or out, found \"up\"");
  EXPECT_EQ(told(R"({"unheard": 5})"), "with: test.all has no parameter `unheard`");
}

TEST(CheckParameters, AsksForWhatIsRequiredAndForOneOfEachGroup) {
  FaultDescription fault = every_kind();
  fault.parameters.at(4).required = true;
  fault.exactly_one_of = {{"size", "share"}};
  EXPECT_EQ(told(R"({"size": 1048576})", fault).substr(0, 29), "with: test.all needs `workers");
  EXPECT_EQ(told(R"({"workers": 1})", fault), "with: test.all needs exactly one of size or share");
  EXPECT_EQ(told(R"({"workers": 1, "size": 1048576, "share": 5})", fault),
            "with: test.all needs exactly one of size or share");
  EXPECT_EQ(told(R"({"workers": 1, "size": 1048576})", fault), "");
}

}  // namespace
}  // namespace ordeal::model
