// What a text costs to read grows with its length and not with the square of it: a file of 256 KiB
// is submitted to a loop that also answers a halt. Each shape is read at two sizes, and the
// processor time is compared: four times the text may cost eight times as much, sixteen times it
// would be if it were the square.
#include <gtest/gtest.h>

#include <ctime>
#include <functional>

#include <fmt/format.h>

#include "engine/spec/inventory.hpp"
#include "engine/spec/spec.hpp"
#include "engine/spec/yaml.hpp"
#include "tests/unit/spec/descriptions.hpp"

namespace ordeal::spec {
namespace {

using Text = std::function<std::string(int)>;

std::string repeat(const std::function<std::string(int)>& part, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += part(i);
  return out;
}

double seconds_of(const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    timespec begin{};
    timespec end{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    work();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    best = std::min(best, static_cast<double>(end.tv_sec - begin.tv_sec) +
                              static_cast<double>(end.tv_nsec - begin.tv_nsec) / 1e9);
  }
  return best;
}

void read(const std::string& text) {
  Input input;
  input.file = "x.yaml";
  input.read = [&text](const std::string&) -> Result<std::string> { return text; };
  const Outcome outcome = parse_experiment(input, descriptions());
  EXPECT_LE(outcome.problems.size(), 101u);
}

void expect_linear(const std::string& what, const Text& text, int most) {
  const std::string small = text(most / 4);
  const std::string large = text(most);
  ASSERT_LE(large.size(), kMostBytes) << what;
  const double quarter = seconds_of([&] { read(small); });
  const double whole = seconds_of([&] { read(large); });
  constexpr double kNoise = 0.02;
  EXPECT_LT(whole, 8 * quarter + kNoise) << what << ": " << quarter << " s, then " << whole << " s";
}

TEST(Cost, AWholeFileOnOneLine) {
  expect_linear(
      "list",
      [](int n) {
        return "a: [" + repeat([](int) { return std::string("aaaaaaaaaaaa,"); }, n) + "b]";
      },
      19'000);
  expect_linear(
      "quoted",
      [](int n) {
        return "a: [" + repeat([](int) { return std::string("\"aaaaaaaaa\","); }, n) + "b]";
      },
      19'000);
  expect_linear(
      "map",
      [](int n) {
        return "a: {" + repeat([](int i) { return fmt::format("k{}: aaaaaaa,", i); }, n) + "b: c}";
      },
      9'500);
}

TEST(Cost, ManyKeysOfOneMap) {
  expect_linear(
      "different",
      [](int n) { return repeat([](int i) { return fmt::format("key{}: 1\n", i); }, n); }, 9'900);
  expect_linear(
      "the same", [](int n) { return repeat([](int) { return std::string("key: 1\n"); }, n); },
      9'900);
  expect_linear(
      "almost right",
      [](int n) { return repeat([](int i) { return fmt::format("hypothesi{}: 1\n", i); }, n); },
      9'900);
}

TEST(Cost, ManyErrors) {
  expect_linear(
      "anchors",
      [](int n) { return "a: [" + repeat([](int) { return std::string("&a b,"); }, n) + "b]"; },
      19'000);
  expect_linear(
      "unknown variables",
      [](int n) {
        return "version: 1\nvars:\n" +
               repeat([](int i) { return fmt::format("  variable{}: 1\n", i); }, n) + "name: [" +
               repeat([](int i) { return fmt::format("\"${{varjable{}}}\",", i); }, n) + "b]\n";
      },
      4'500);
  expect_linear(
      "misspelt steps",
      [](int n) {
        return "version: 1\nmethod:\n" +
               repeat([](int) { return std::string("- {paralel: 1}\n"); }, n);
      },
      4'900);
}

TEST(Cost, ManyConditions) {
  const std::string head =
      "version: 1\nname: x\nslis: { shop: { http: { url: 'http://127.0.0.1/' } } }\n"
      "abort_if: none\nmethod: [ { fault: process.kill, duration: 10s, target: { process: "
      "{ name: x } } } ]\nsteady_state:\n";
  expect_linear(
      "lines",
      [&head](int n) {
        return head + repeat([](int) { return std::string("- shop.p95 < 100ms\n"); }, n);
      },
      12'000);
  expect_linear(
      "parts",
      [&head](int n) {
        return head +
               repeat(
                   [](int) {
                     return "- " +
                            repeat([](int) { return std::string("shop.p95 < 9s and "); }, 800) +
                            "shop.p95 < 9s\n";
                   },
                   n);
      },
      16);
}

// Sixteen texts of 16 KiB that name a variable of 16 KiB would be 4 GiB.
TEST(Cost, AVariableDoesNotMakeAFileGrow) {
  const std::string uses = repeat([](int) { return std::string("${v}"); }, 4'000);
  const std::string text = "version: 1\nvars: { v: " + std::string(16'000, 'x') + " }\ntags:\n" +
                           repeat([&uses](int) { return "- \"" + uses + "\"\n"; }, 14);
  Input input;
  input.file = "x.yaml";
  input.read = [&text](const std::string&) -> Result<std::string> { return text; };
  const double time = seconds_of([&] {
    const Outcome outcome = parse_experiment(input, descriptions());
    std::string told;
    for (const Problem& problem : outcome.problems) told += to_string(problem) + "\n";
    EXPECT_NE(told.find("with its variables a text of 32000 bytes; at most 16384 are read"),
              told.npos)
        << told;
  });
  EXPECT_LT(time, 2);
}

// What fits as it is fits with its variables too: no more than the limit of one text each.
TEST(Cost, VariablesMayAddAsMuchAsAFile) {
  const auto told = [](int uses) {
    const std::string text = "version: 1\nvars: { v: " + std::string(16'384, 'x') + " }\ntags: [" +
                             repeat([](int) { return std::string("\"${v}\","); }, uses) + "b]\n";
    Input input;
    input.file = "x.yaml";
    input.read = [&text](const std::string&) -> Result<std::string> { return text; };
    std::string out;
    for (const Problem& problem : parse_experiment(input, descriptions()).problems) {
      out += to_string(problem) + "\n";
    }
    return out;
  };
  const std::string refusal =
      "the values of variables make this file more than 262144 bytes longer";
  EXPECT_EQ(told(16).find(refusal), std::string::npos);
  EXPECT_NE(told(17).find(refusal), std::string::npos);
}

TEST(Cost, CountsTheErrorsThatItDoesNotKeep) {
  const std::string text = "a: [" + repeat([](int) { return std::string("&a b,"); }, 1'000) + "b]";
  Problems problems;
  parse_yaml("f", text, problems);
  EXPECT_EQ(problems.count(), 1'000u);
  ASSERT_EQ(problems.errors().size(), 101u);
  EXPECT_EQ(problems.errors().back().text, "... and 900 more");
}

}  // namespace
}  // namespace ordeal::spec
