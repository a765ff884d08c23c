// Every experiment and every condition on the two reference pages is read as the pages say.
#include <gtest/gtest.h>

#include "engine/spec/condition.hpp"
#include "engine/spec/reader.hpp"
#include "tests/unit/spec/files.hpp"

namespace ordeal::spec {
namespace {

const std::vector<std::string> kPages = {"docs/reference/experiment-file.md",
                                         "docs/reference/conditions.md"};

std::vector<std::string> experiments_of(const std::string& page) {
  std::vector<std::string> out;
  const std::string text = read_source(page).value();
  const std::string open = "```yaml\n";
  for (std::size_t at = 0; (at = text.find(open, at)) != text.npos;) {
    const std::size_t start = at + open.size();
    at = text.find("```", start);
    const std::string block = text.substr(start, at - start);
    if (block.starts_with("version: 1")) out.push_back(block);
  }
  return out;
}

TEST(Docs, ExperimentsAreRead) {
  std::size_t found = 0;
  for (const std::string& page : kPages) {
    for (const std::string& block : experiments_of(page)) {
      const Outcome outcome = parse_text(block);
      EXPECT_EQ(lines(outcome.problems), "") << page << "\n" << block;
      EXPECT_EQ(lines(outcome.warnings), "") << page << "\n" << block;
      ++found;
    }
  }
  EXPECT_EQ(found, 6u);
}

// Rows of the form | list | `condition` | reading |
TEST(Docs, ConditionsAreRead) {
  std::istringstream page(read_source("docs/reference/conditions.md").value());
  const std::string lists = "steady_state during abort_if expect until";
  std::size_t found = 0;
  for (std::string line; std::getline(page, line);) {
    const std::vector<std::string> cells = split(line, '|');
    if (cells.size() != 5 || cells[1].size() < 3) continue;
    const std::string list = cells[1].substr(1, cells[1].size() - 2);
    if (lists.find(list) == lists.npos) continue;
    const std::string text = cells[2].substr(2, cells[2].size() - 4);
    const auto condition = parse_condition(text);
    EXPECT_TRUE(condition) << text << ": " << condition.error().message();
    ++found;
  }
  EXPECT_EQ(found, 21u);
}

TEST(Docs, PagesNameEveryKey) {
  const std::string page = read_source(kPages[0]).value();
  for (const Table& keys : tables()) {
    for (const Key& key : keys.keys) {
      const std::string name = std::string(key.name);
      EXPECT_TRUE(page.find("`" + name) != page.npos || page.find(name + ":") != page.npos ||
                  page.find(name + " ") != page.npos)
          << keys.name << ": " << name;
    }
  }
}

// The section names the keys that are refused because they are not there yet, and no other.
TEST(Docs, WhatIsNotThereYetIsNamed) {
  const std::string page = read_source(kPages[0]).value();
  const std::string section = page.substr(page.find("\n## Not there yet\n"));
  std::vector<std::string> missing;
  for (const Hint& hint : experiment_hints()) {
    if (hint.text.find("not there yet") != hint.text.npos) missing.emplace_back(hint.wrong);
  }
  EXPECT_EQ(missing.size(), 2u);
  for (const std::string& name : missing) {
    EXPECT_NE(section.find('`' + name + '`'), section.npos) << name;
  }
  for (const Table& keys : tables()) {
    for (const Key& key : keys.keys) {
      EXPECT_EQ(section.find(fmt::format("`{}`", key.name)), section.npos) << key.name;
    }
  }
}

}  // namespace
}  // namespace ordeal::spec
