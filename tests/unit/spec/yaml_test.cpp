// Limits, each with the largest file that is read and the smallest that is not.
#include "engine/spec/yaml.hpp"

#include <gtest/gtest.h>

#include <functional>

#include <fmt/format.h>

namespace ordeal::spec {
namespace {

std::string told(const std::string& text) {
  Problems problems;
  parse_yaml("f", text, problems);
  std::string out;
  for (const Problem& problem : problems.errors()) out += to_string(problem);
  return out;
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Yaml, ReadsExactly256KiB) {
  const std::string head = "a: 1\n";
  const auto file = [&](std::size_t size) {
    return head + "#" + std::string(size - head.size() - 1, 'x');
  };
  EXPECT_EQ(told(file(kMostBytes)), "");
  EXPECT_EQ(told(file(kMostBytes + 1)), "f:1:1: 262145 bytes; at most 262144 are read");
}

TEST(Yaml, Nests32LevelsDeep) {
  const auto file = [](int depth) {  // the map is the first level
    return "a: " + repeat("[", depth - 1) + "x" + repeat("]", depth - 1);
  };
  EXPECT_EQ(told(file(32)), "");
  EXPECT_EQ(told(file(33)), "f:1:35: nested more than 32 levels deep");
  EXPECT_NE(told("a: " + repeat("[", 200'000)), "");
}

TEST(Yaml, Holds20000Nodes) {
  // The map, the key and the list are three of them.
  const auto file = [](int items) { return "a:\n" + repeat("- x\n", items); };
  EXPECT_EQ(told(file(19'997)), "");
  EXPECT_EQ(told(file(19'998)), "f:1:1: more than 20000 keys and values");
}

TEST(Yaml, ReadsScalarsOf16KiB) {
  EXPECT_EQ(told("a: " + std::string(kLongestScalar, 'x')), "");
  EXPECT_EQ(told("a: " + std::string(kLongestScalar + 1, 'x')),
            "f:1:4: a text of 16385 bytes; at most 16384 are read");
}

TEST(Yaml, CountsCharactersNotBytes) {
  Problems problems;
  const Node node = parse_yaml("f", "a: { é: 1, b: \"é: x\" }\n", problems);
  const Node& value = node.find("a")->value.find("b")->value;
  EXPECT_EQ(value.place.column, 15);
  EXPECT_EQ(value.place_at(4).column, 19);  // the x: byte 4, character 3, behind the quote
}

TEST(Yaml, PlacesAbsentValuesAtTheirKey) {
  Problems problems;
  const Node node = parse_yaml("f", "a: 1\nb:\n\nc: ~\n", problems);
  EXPECT_EQ(node.find("b")->value.place.line, 2);
  EXPECT_EQ(node.find("c")->value.place.line, 4);
  EXPECT_EQ(node.find("c")->value.place.column, 4);
}

TEST(Yaml, RefusesWhatIsNotText) {
  EXPECT_EQ(told("a: \xff\xfe"), "f:1:4: a byte that is not UTF-8 text");
  EXPECT_EQ(told(std::string("a: \0b", 5)), "f:1:4: a byte that is not UTF-8 text");
  EXPECT_EQ(told("\xef\xbb\xbf"
                 "a: b"),
            "");
}

TEST(Yaml, ReadsWindowsLines) {
  Problems problems;
  const Node node = parse_yaml("f", "a: 1\r\nb:\r\n  - x y\r\n", problems);
  EXPECT_TRUE(problems.none());
  EXPECT_EQ(node.find("b")->value.items.at(0).text, "x y");
}

// Whatever is cut off, nothing worse than a message happens (ASan and UBSan look on).
TEST(Yaml, EveryPrefixIsAnswered) {
  const std::string text =
      "a: &x [1, \"two\\n\", 'three'] # c\n? [k]\n: v\n<<: *x\nb: !t |\n  m\n  n\n---\n{c: d}\n";
  for (std::size_t end = 0; end <= text.size(); ++end) told(text.substr(0, end));
}

TEST(Yaml, WrittenTreesReadTheSame) {
  const std::string text =
      "a: [1, true, \"true\", 'no', ~, \"a: b\", \"#\", \"line\\nbreak\", \"\", [], {}]\n"
      "\"odd: key\": { x: [ { y: { z: [ -5, \" space \" ] } } ] }\n";
  Problems problems;
  const Node first = parse_yaml("f", text, problems);
  const std::string written = to_yaml(first);
  const Node second = parse_yaml("f", written, problems);
  EXPECT_TRUE(problems.none());
  EXPECT_EQ(to_yaml(second), written);
  const std::function<void(const Node&, const Node&)> same = [&](const Node& a, const Node& b) {
    EXPECT_EQ(a.kind, b.kind) << written;
    EXPECT_EQ(a.text, b.text);
    ASSERT_EQ(a.items.size(), b.items.size());
    ASSERT_EQ(a.entries.size(), b.entries.size());
    for (std::size_t i = 0; i < a.items.size(); ++i) same(a.items[i], b.items[i]);
    for (std::size_t i = 0; i < a.entries.size(); ++i) {
      EXPECT_EQ(a.entries[i].key, b.entries[i].key);
      same(a.entries[i].value, b.entries[i].value);
    }
  };
  same(first, second);
}

}  // namespace
}  // namespace ordeal::spec
