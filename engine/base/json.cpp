#include "engine/base/json.hpp"

#include <algorithm>
#include <vector>

namespace ordeal::json {
namespace {

constexpr std::size_t kDepth = 32;

void write_canonical(const boost::json::value& value, std::string& out) {
  if (const auto* object = value.if_object()) {
    std::vector<std::string_view> keys;
    for (const auto& member : *object) keys.emplace_back(member.key());
    std::sort(keys.begin(), keys.end());
    out.push_back('{');
    for (const std::string_view key : keys) {
      if (out.back() != '{') out.push_back(',');
      out += boost::json::serialize(boost::json::string(key));
      out.push_back(':');
      write_canonical(object->at(key), out);
    }
    out.push_back('}');
  } else if (const auto* array = value.if_array()) {
    out.push_back('[');
    for (const auto& item : *array) {
      if (out.back() != '[') out.push_back(',');
      write_canonical(item, out);
    }
    out.push_back(']');
  } else {
    out += boost::json::serialize(value);
  }
}

}  // namespace

Result<boost::json::value> parse(std::string_view text, std::size_t limit) {
  if (text.size() > limit) {
    return Error(Code::invalid, fmt::format("{} bytes of JSON, {} allowed", text.size(), limit));
  }
  boost::json::parse_options options;
  options.max_depth = kDepth;
  boost::json::error_code problem;
  auto value =
      boost::json::parse(boost::json::string_view(text.data(), text.size()), problem, {}, options);
  if (problem) return Error(Code::invalid, "not JSON: " + problem.message());
  return value;
}

std::string canonical(const boost::json::value& value) {
  std::string out;
  write_canonical(value, out);
  return out;
}

std::string dump(const boost::json::value& value) { return boost::json::serialize(value); }

}  // namespace ordeal::json
