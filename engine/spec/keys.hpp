// Every key that a file may have, in one table: the reader checks files against it, and the JSON
// Schema is written from it, so that they cannot differ.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ordeal::spec {

// What stands behind a key.
enum class Shape {
  version,  // 1
  text,
  integer,
  boolean,
  duration,    // "1m30s"
  percent,     // "50%"
  rate,        // "50/s"
  choice,      // one of `detail`, separated by |
  texts,       // list of texts
  argv,        // list of texts, not empty
  text_map,    // any key, each with a text
  value_map,   // any key, each with a scalar or null: `vars`
  secret,      // {env: NAME} or {file: PATH}
  secret_map,  // any key, each with a text or a secret
  statuses,    // 200, "200-299", or a list of them
  conditions,  // list of conditions
  conditions_or_none,
  condition,
  table,              // a map with the keys of table `detail`
  table_map,          // any key, each with a map of table `detail`
  recovery,           // duration, or a map of table `detail`
  wait,               // duration, or a map of table `detail`
  method,             // list of steps, parallels, waits
  steps,              // list of steps with start_delay
  parameters,         // what the fault's description says
  count_or_percent,   // 2 or "50%"
  table_list,         // list of maps of table `detail`
  one_or_more_texts,  // a text or a list of them
  label_rules,        // any key, each with a text or a map of table `detail`
  selector_pair,      // list of two maps of table `detail`
  text_or_table,      // a text, or a map of table `detail`
};

struct Key {
  std::string_view name;
  Shape shape = Shape::text;
  bool required = false;
  std::string_view summary;
  std::string_view detail = {};
};

struct Table {
  std::string_view name;
  std::string_view what;  // "an experiment", "a step": for messages
  std::vector<Key> keys;
};

const std::vector<Table>& tables();
const Table& table(std::string_view name);  // the name is one of ours
const Table& table_in(const std::vector<Table>& tables, std::string_view name);
std::vector<std::string> names_of(const Table& table);

// A key that people write and that is not there: under another name, or not yet.
struct Hint {
  std::string_view table;
  std::string_view wrong;
  std::string_view right;  // the key meant, or empty
  std::string_view text;   // the whole message, or empty: "`wrong` is called `right` here"
};
const std::vector<Hint>& experiment_hints();  // engine/spec/hints.cpp
// Of any file.
const Hint* find_hint(std::string_view table, std::string_view wrong);

}  // namespace ordeal::spec
