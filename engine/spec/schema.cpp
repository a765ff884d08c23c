// The JSON Schema of experiment files, written from the same table of keys as the reader uses.
#include <fmt/format.h>
#include <boost/json.hpp>

#include "engine/spec/gameday.hpp"
#include "engine/spec/inventory.hpp"
#include "engine/spec/keys.hpp"
#include "engine/spec/reader.hpp"
#include "engine/spec/schedule.hpp"
#include "engine/spec/spec.hpp"

namespace ordeal::spec {
namespace {

namespace json = boost::json;
using model::Parameter;
using model::ParameterKind;

constexpr std::string_view kDialect = "https://json-schema.org/draft/2020-12/schema";
constexpr std::string_view kDuration = "^([0-9]+(\\.[0-9]+)?(d|h|m|s|ms|us))+$|^.*\\$\\{.*\\}.*$";
constexpr std::string_view kPercent = "^[0-9]+(\\.[0-9]+)?%$|^.*\\$\\{.*\\}.*$";
constexpr std::string_view kRate = "^[0-9]+(\\.[0-9]+)?/[sm]$|^.*\\$\\{.*\\}.*$";
constexpr std::string_view kSize =
    "^[0-9]+(\\.[0-9]+)?(B|kB|MB|GB|KiB|MiB|GiB|TiB)$|^.*\\$\\{.*\\}.*$";
constexpr std::string_view kVariable = "^.*\\$\\{.*\\}.*$";

json::object text() { return {{"type", "string"}}; }
json::object pattern(std::string_view pattern) {
  return {{"type", "string"}, {"pattern", pattern}};
}
json::object reference(std::string_view table) {
  return {{"$ref", fmt::format("#/$defs/{}", table)}};
}
json::object list_of(json::object items, bool may_be_empty = false) {
  json::object out{{"type", "array"}, {"items", std::move(items)}};
  if (!may_be_empty) out["minItems"] = 1;
  return out;
}
json::object map_of(json::object values) {
  return {{"type", "object"}, {"additionalProperties", std::move(values)}};
}
json::object any_of(json::array choices) { return {{"anyOf", std::move(choices)}}; }
// Whatever is no text by itself may be written as a variable.
json::object or_variable(json::object schema) {
  return any_of({std::move(schema), pattern(kVariable)});
}
json::object words(const std::vector<std::string>& choices) {
  json::array out;
  for (const std::string& choice : choices) out.push_back(json::string(choice));
  return or_variable({{"enum", std::move(out)}});
}
json::object whole_number() { return or_variable({{"type", "integer"}}); }
json::object true_or_false() { return or_variable({{"type", "boolean"}}); }
json::object scalar() { return {{"type", json::array{"string", "number", "boolean"}}}; }
json::object conditions() { return list_of(text()); }
json::object conditions_or_none() { return any_of({conditions(), words({"none"})}); }

json::object schema_of(const Key& key) {
  switch (key.shape) {
    case Shape::version: return {{"const", 1}};
    case Shape::text: return scalar();
    case Shape::integer: return whole_number();
    case Shape::boolean: return true_or_false();
    case Shape::duration: return pattern(kDuration);
    case Shape::percent: return pattern(kPercent);
    case Shape::rate: return pattern(kRate);
    case Shape::choice: return words(split(key.detail));
    case Shape::texts:
    case Shape::argv: return list_of(scalar());
    case Shape::text_map: return map_of(scalar());
    case Shape::value_map:
      return map_of({{"type", json::array{"string", "number", "boolean", "null"}}});
    case Shape::secret: return reference("secret");
    case Shape::secret_map: return map_of(any_of({scalar(), reference("secret")}));
    case Shape::statuses: return any_of({scalar(), list_of(scalar())});
    case Shape::conditions: return conditions();
    case Shape::conditions_or_none: return conditions_or_none();
    case Shape::condition: return text();
    case Shape::table: return reference(key.detail);
    case Shape::table_map: return map_of(reference(key.detail));
    case Shape::recovery:
    case Shape::wait: return any_of({pattern(kDuration), reference(key.detail)});
    case Shape::method:
      return list_of(any_of({reference("step"), reference("parallel"), reference("wait")}));
    case Shape::steps: return list_of(reference("step"));
    case Shape::parameters: return {{"type", "object"}};
    case Shape::count_or_percent: return any_of({whole_number(), pattern(kPercent)});
    case Shape::table_list: return list_of(reference(key.detail));
    case Shape::label_rules: return map_of(any_of({scalar(), reference(key.detail)}));
    case Shape::selector_pair: {
      json::object out = list_of(reference(key.detail));
      out["minItems"] = 2;
      out["maxItems"] = 2;
      return out;
    }
    case Shape::one_or_more_texts: return any_of({scalar(), list_of(scalar())});
    case Shape::text_or_table: return any_of({scalar(), reference(key.detail)});
  }
  return {};
}

json::object object_of(const Table& table) {
  json::object properties;
  json::array required;
  for (const Key& key : table.keys) {
    json::object schema = schema_of(key);
    // Beside a $ref other words are allowed since draft 2019-09.
    schema["description"] = key.summary;
    properties[key.name] = std::move(schema);
    if (key.required) required.push_back(json::string(key.name));
  }
  json::object out{{"type", "object"}, {"additionalProperties", false}};
  out["properties"] = std::move(properties);
  if (!required.empty()) out["required"] = std::move(required);
  return out;
}

json::object schema_of(const Parameter& parameter) {
  const auto one_or_more = [](json::object one) { return any_of({one, list_of(one)}); };
  const json::object port = any_of({json::object{{"type", "integer"}}, text()});
  switch (parameter.kind) {
    case ParameterKind::duration: return pattern(kDuration);
    case ParameterKind::percent: return pattern(kPercent);
    case ParameterKind::bytes: return pattern(kSize);
    case ParameterKind::bytes_or_percent: return any_of({pattern(kSize), pattern(kPercent)});
    case ParameterKind::integer: return whole_number();
    case ParameterKind::boolean: return true_or_false();
    case ParameterKind::text: return scalar();
    case ParameterKind::choice: return words(parameter.choices);
    case ParameterKind::choices: return one_or_more(words(parameter.choices));
    case ParameterKind::ports: return one_or_more(port);
    case ParameterKind::addresses: return one_or_more(text());
    case ParameterKind::path: return pattern("^/|^.*\\$\\{.*\\}.*$");
    case ParameterKind::signal: return text();
    case ParameterKind::restore:
      return any_of({words({"unit", "supervisor", "none"}), reference("restore")});
    case ParameterKind::argv: return list_of(scalar());
  }
  return {};
}

// For a step with this fault: what `with` may hold.
json::object rule_of(const model::FaultDescription& fault) {
  json::object properties;
  json::array required;
  for (const Parameter& parameter : fault.parameters) {
    json::object schema = schema_of(parameter);
    schema["description"] = parameter.summary;
    properties[parameter.name] = std::move(schema);
    if (parameter.required) required.push_back(json::string(parameter.name));
  }
  json::object with{{"type", "object"}, {"additionalProperties", false}};
  with["properties"] = std::move(properties);
  json::object then{{"properties", json::object{}}};
  if (!required.empty()) {
    with["required"] = std::move(required);
    then["required"] = json::array{"with"};
  }
  then["properties"].as_object()["with"] = std::move(with);
  json::object when{{"properties", json::object{{"fault", json::object{{"const", fault.name}}}}}};
  return {{"if", std::move(when)}, {"then", std::move(then)}};
}

}  // namespace

std::string json_schema(std::span<const model::FaultDescription> faults) {
  json::object definitions;
  for (const Table& table : tables()) {
    if (table.name != "experiment" && table.name != "service") {
      definitions[table.name] = object_of(table);
    }
  }
  std::vector<std::string> names;
  json::array rules;
  for (const model::FaultDescription& fault : faults) {
    names.push_back(fault.name);
    rules.push_back(rule_of(fault));
  }
  json::object& step = definitions["step"].as_object();
  if (!names.empty()) {
    // Beside the description, which is there already.
    step["properties"].as_object()["fault"].as_object()["anyOf"] = words(names).at("anyOf");
    step["allOf"] = std::move(rules);
  }
  json::object out = object_of(table("experiment"));
  out["$schema"] = kDialect;
  out["title"] = "ordeal experiment";
  out["$defs"] = std::move(definitions);
  return json::serialize(out);
}

namespace {

std::string schema_of_file(const std::vector<Table>& tables, std::string_view file,
                           std::string_view title) {
  json::object definitions;
  json::object out;
  for (const Table& table : tables) {
    if (table.name == file) {
      out = object_of(table);
    } else {
      definitions[table.name] = object_of(table);
    }
  }
  out["$schema"] = kDialect;
  out["title"] = title;
  out["$defs"] = std::move(definitions);
  return json::serialize(out);
}

}  // namespace

std::string json_schema_of_schedules() {
  return schema_of_file(schedule_tables(), "schedule_file", "ordeal schedule file");
}

std::string json_schema_of_inventories() {
  return schema_of_file(inventory_tables(), "inventory_file", "ordeal inventory file");
}

std::string json_schema_of_gamedays() {
  return schema_of_file(gameday_tables(), "gameday_file", "ordeal game day file");
}

}  // namespace ordeal::spec
